# SPDX-License-Identifier: Apache-2.0
"""The helper for aarch64 does its work on an arm64 kernel: `make test-aarch64`, under an emulator.

A bare guest: Debian's cloud kernel, a static busybox, the helper. Its console carries the answers.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fleetsched.build.policy import compile_policy
from fleetsched.helper.build import build_helper
from fleetsched.helper.wire import chunks
from fleetsched.lab.cache import cached, recipe_digest
from fleetsched.lab.debian import open_archive
from fleetsched.lab.initramfs import cpio
from fleetsched.lab.lock import machine_lock
from fleetsched.lab.paths import cache_folder
from fleetsched.model.assignment import Assignment
from tests.real.conftest import PROJECT

pytestmark = pytest.mark.aarch64

_KERNEL = r"^linux-image-6\.18\.[0-9]+\+deb13-cloud-arm64$"
_BAKE_MS = 11_000  # twice the policy's timeout_ms, and a second
_GUEST_S = 600.0  # an arm64 machine on another kind of processor takes a minute or two

# Answers go to the console in base64, because the kernel's messages stand between them.
_INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev /run /tmp /var/lib /etc
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
exec > /dev/console 2>&1
$b mkdir -p /run/fleetsched
/bin/fleetsched-host serve &
helper=$!
tries=0
until [ -S /run/fleetsched/host.sock ] || [ $tries -eq 300 ]; do $b usleep 100000; tries=$((tries + 1)); done
/bin/fleetsched-host rpc < /requests > /answers
echo "ANSWERS $($b base64 /answers | $b tr -d '\\n') END"
echo "RUNNING $($b cat /sys/kernel/sched_ext/state /sys/kernel/sched_ext/root/ops | $b tr '\\n' ' ')END"
$b kill -9 $helper
tries=0
until $b grep -q disabled /sys/kernel/sched_ext/state || [ $tries -eq 300 ]; do
    $b usleep 100000; tries=$((tries + 1))
done
echo "KILLED $($b cat /sys/kernel/sched_ext/state) END"
$b poweroff -f
"""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the guest said from its start to its end."""
    folder = tmp_path_factory.mktemp("aarch64")
    key = recipe_digest([_KERNEL])
    packages = cached("aarch64", key, partial(_download, cache_folder() / "apt"))
    image = compile_policy(PROJECT / "policies" / "fair", {}).image
    files = {
        "init": _INIT.encode(),
        "bin/busybox": (packages / "busybox").read_bytes(),
        "bin/fleetsched-host": build_helper("aarch64").read_bytes(),
        "requests": b"".join(_requests(image)),
    }
    initramfs = folder / "initramfs"
    initramfs.write_bytes(gzip.compress(cpio(("bin", "proc"), files), 1))
    log = folder / "console.log"
    command = [
        *("qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72", "-accel", "tcg,thread=single"),
        *("-m", "768", "-smp", "2", "-nodefaults", "-display", "none", "-no-reboot"),
        *("-kernel", str(packages / "vmlinuz"), "-initrd", str(initramfs)),
        *("-append", "console=ttyAMA0 panic=-1 quiet", "-serial", f"file:{log}"),
    ]
    with machine_lock(print):
        # It ends with us, whatever becomes of this test.
        subprocess.run(["setpriv", "--pdeathsig", "KILL", "--", *command], check=True, timeout=_GUEST_S)
    return log.read_text(encoding="utf-8", errors="replace")


def _download(lists: Path, target: Path) -> None:
    for suite, pattern in (("trixie-backports", _KERNEL), ("trixie", "^busybox-static$")):
        folder = lists / f"{suite}-arm64"
        folder.mkdir(parents=True, exist_ok=True)
        archive = open_archive(suite, folder, "arm64")
        newest = max(archive.names(pattern), key=lambda name: [*map(int, re.findall(r"\d+", name))])
        archive.download([newest], target / "root")
    (kernel,) = (target / "root" / "boot").glob("vmlinuz-*")
    kernel.rename(target / "vmlinuz")
    (target / "root" / "usr" / "bin" / "busybox").rename(target / "busybox")
    shutil.rmtree(target / "root")


def _requests(image: bytes) -> Iterator[bytes]:
    digest = hashlib.sha256(image).hexdigest()
    assignment = Assignment.of("fair", "default", digest, {})
    yield _line(1, "hello", protocol=1, client="test")
    yield _line(2, "facts")
    yield _line(3, "stage", digest=digest, size=len(image))
    yield from chunks(image)
    trial = {"assignment": assignment.to_wire(), "deadline_ms": 60_000, "run": "run-1", "revision": "abc"}
    yield _line(4, "try", **trial)
    yield _line(5, "watch", interval_ms=_BAKE_MS, for_ms=_BAKE_MS, pressure=False, checks=[])
    yield _line(6, "confirm", trial="t1")


def _line(number: int, verb: str, **arguments: Any) -> bytes:
    return json.dumps({"id": number, "verb": verb, **arguments}).encode() + b"\n"


def said(console: str, word: str) -> str:
    found = re.search(rf"{word} (.*?) ?END", console)
    assert found, console[-3000:]
    return found[1]


@pytest.fixture(scope="module")
def answers(console: str) -> dict[int, dict[str, Any]]:
    """The result of each request by its id."""
    lines = base64.b64decode(said(console, "ANSWERS")).decode().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record for record in records if record.get("ok") is False] == []
    return {record["id"]: record["result"] for record in records if "result" in record}


def test_the_helper_says_what_the_machine_is(answers: dict[int, dict[str, Any]]) -> None:
    facts = answers[2]
    assert (facts["arch"], facts["sched_ext"], facts["btf"]) == ("aarch64", True, True)
    assert facts["problems"] == []


def test_a_policy_is_tried_and_confirmed(console: str, answers: dict[int, dict[str, Any]]) -> None:
    assert answers[4]["trial"]["ops"] == "fair"
    assert answers[5]["ended"] == "time"
    assert answers[6]["last_known_good"]["assignment"]["policy"] == "fair"
    assert said(console, "RUNNING") == "enabled fair"


def test_a_killed_helper_gives_the_machine_back(console: str) -> None:
    assert said(console, "KILLED") == "disabled"
