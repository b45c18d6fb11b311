# SPDX-License-Identifier: Apache-2.0
"""Fuzz what reads foreign bytes in the helper: the protocol's parser and the inspection of objects.

`make fuzz` runs libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer over both, prints runs and
findings, and writes bpf/helper/fuzz/results.json, which says which sources were fuzzed. It fails when
something was found.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fleetsched.build.policy import compile_policy

PROJECT = Path(__file__).resolve().parents[1]
HELPER = PROJECT / "bpf" / "helper"
FUZZ = HELPER / "fuzz"
RESULTS = FUZZ / "results.json"
RUNS = 1_000_000
_FLAGS = (
    *("-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror"),
    *("-fsanitize=address,undefined,fuzzer-no-link", "-fno-sanitize-recover=all"),
)
_SEEDS_KEPT = 24
_RSS_MB = 2048
_INPUT_S = 10  # one input may take so long: nothing may block the helper's loop


@dataclass(frozen=True, slots=True)
class Target:
    """One of the things that are fuzzed.

    Attributes:
        sources: files of bpf/helper that are meant; results are void when one changes.
        linked: what they need of the others, and of the machine.
        longest: bytes of the longest input.
    """

    name: str
    sources: tuple[str, ...]
    linked: tuple[str, ...]
    longest: int


TARGETS = {
    target.name: target
    for target in (
        Target("inspect", ("inspect.c", "inspect_types.c", "inspect_object.h", "allowed.h"), (), 32_768),
        Target("protocol", ("protocol.c",), ("util.c", "-ljansson", "-lmd"), 4_096),
    )
}


def main() -> int:
    """Fuzz the targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all when none is given")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each target; fewer leave no results")
    parser.add_argument("--keep-corpus", action="store_true", help="write a small corpus of what was seen")
    arguments = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory(prefix="fleetsched-fuzz-") as scratch:
        for name in arguments.targets or TARGETS:
            folder = Path(scratch) / name
            folder.mkdir()
            results[name] = _fuzz(TARGETS[name], folder, arguments.runs)
            if arguments.keep_corpus:
                _keep_corpus(TARGETS[name], folder)
    findings = sum(result["findings"] for result in results.values())
    if arguments.runs >= RUNS and not findings:
        before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
        text = json.dumps(before | results, indent=2, sort_keys=True)
        RESULTS.write_text(text + "\n", encoding="utf-8")
    return 1 if findings else 0


def digests(target: Target) -> dict[str, str]:
    """SHA-256 of each fuzzed source."""
    return {name: hashlib.sha256((HELPER / name).read_bytes()).hexdigest() for name in target.sources}


def _fuzz(target: Target, folder: Path, runs: int) -> dict[str, Any]:
    fuzzed = {"commit": _commit(), "sources": digests(target)}  # before anybody changes them
    binary = _build(target, folder)
    corpus = folder / "corpus"
    seeds = folder / "seeds"
    corpus.mkdir()
    seeds.mkdir()
    for number, seed in enumerate(_seeds(target.name)):
        (seeds / f"seed-{number}").write_bytes(seed)
    kept = FUZZ / "corpus" / target.name
    log = folder / "log"
    with log.open("wb") as output:
        ended = subprocess.run(
            [
                binary,
                *(f"-runs={runs}", f"-max_len={target.longest}", f"-timeout={_INPUT_S}"),
                *(f"-rss_limit_mb={_RSS_MB}", f"-artifact_prefix={folder}/finding-", "-print_final_stats=1"),
                *map(str, [corpus, seeds, *([kept] if kept.is_dir() else [])]),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    text = log.read_text(errors="replace")
    done = int(found[1]) if (found := re.search(r"number_of_executed_units: (\d+)", text)) else 0
    findings = 1 if ended.returncode else 0
    print(f"{target.name}: {done:,} runs, {findings} findings", flush=True)
    if findings:
        _show_finding(target, folder, text)
    return {**fuzzed, "runs": done, "findings": findings}


def _show_finding(target: Target, folder: Path, text: str) -> None:
    kept = PROJECT / "build" / "fuzz"
    kept.mkdir(parents=True, exist_ok=True)
    print("\n".join(text.splitlines()[-60:]))
    for file in folder.glob("finding-*"):
        shutil.copy(file, kept / f"{target.name}-{file.name}")
        print(f"the input is in {kept / f'{target.name}-{file.name}'}")


def _build(target: Target, folder: Path) -> Path:
    names = [name for name in target.sources + target.linked if name.endswith(".c")]
    sources = [FUZZ / f"{target.name}.c", *(HELPER / name for name in names)]
    objects = []
    for number, source in enumerate(sources):
        objects.append(folder / f"{number}.o")
        _run(["clang", *_FLAGS, "-c", source, "-o", objects[-1]])
    stubs = folder / "stubs.c"
    stubs.write_text(
        "".join(f"long {name}(void);\nlong {name}(void) {{ return 0; }}\n" for name in _left_out(objects))
    )
    binary = folder / "fuzz"
    _run(
        [
            "clang",
            "-fsanitize=address,undefined,fuzzer",
            *objects,
            stubs,
            "-o",
            binary,
            *(name for name in target.linked if name.startswith("-l")),
        ]
    )
    return binary


def _left_out(objects: Iterable[Path]) -> list[str]:
    """The helper's functions that are called and not linked: those that would touch the host.

    Each returns 0 or NULL instead, which stands for success without an answer.
    """
    listed = [line.split() for line in _run(["nm", *objects]).splitlines()]
    wanted = {words[-1] for words in listed if words[-2:-1] == ["U"]}
    there = {words[-1] for words in listed if words[-2:-1] in (["T"], ["D"], ["B"])}
    headers = "".join(header.read_text() for header in HELPER.glob("*.h"))
    return sorted(
        name for name in wanted - there if re.search(rf"^\w[\w *]*\b{name}\(", headers, re.MULTILINE)
    )


def _seeds(target: str) -> list[bytes]:
    """Compiled policies for the inspection, the requests of the conformance table for the parser."""
    if target == "inspect":
        sources = [*PROJECT.glob("policies/*/*.bpf.c*"), *PROJECT.glob("tests/conformance/refused/*/*.bpf.c")]
        return [compile_policy(source.parent, {}).image for source in sorted(sources)]
    object_ = b"an object"
    staging = {"verb": "stage", "digest": hashlib.sha256(object_).hexdigest(), "size": len(object_)}
    chunks = b"".join(len(part).to_bytes(4, "big") + part for part in (object_[:4], object_[4:]))
    conversations = [json.dumps({"id": 1, **staging}).encode() + b"\n" + chunks]
    for table in sorted(PROJECT.glob("tests/conformance/table/*.yaml")):
        for case in yaml.safe_load(table.read_text(encoding="utf-8")):
            lines = [json.dumps({"id": 1, **step["send"]}) for step in case["steps"] if "send" in step]
            lines += [step["raw"] for step in case["steps"] if isinstance(step.get("raw"), str)]
            conversations.append("".join(f"{line}\n" for line in lines).encode())
    return sorted(set(conversations))


def _keep_corpus(target: Target, folder: Path) -> None:
    """Keep the small ones of the fewest inputs that reach as much as all together."""
    merged = folder / "merged"
    merged.mkdir()
    _run([folder / "fuzz", "-merge=1", f"-max_len={target.longest}", merged, folder / "corpus"])
    kept = FUZZ / "corpus" / target.name
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for file in sorted(merged.iterdir(), key=lambda file: file.stat().st_size)[:_SEEDS_KEPT]:
        shutil.copy(file, kept / file.name)


def _commit() -> str:
    return _run(["git", "-C", PROJECT, "rev-parse", "--short=12", "HEAD"]).strip()


def _run(argv: Iterable[str | Path]) -> str:
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.args[0]} failed:\n{done.stderr[-4000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
