# SPDX-License-Identifier: Apache-2.0
"""A policy's folder and a variant's inputs to C source."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleetsched.build.confinement import SOURCE_LIMIT
from fleetsched.errors import BuildError

LIMITS = {"cpu_s": 10, "memory_mib": 512}
"""What rendering one template may take. The catalogue's take 0.1 s, most of it to start Python."""

_WALL_LIMIT_S = 120
"""Seconds until a process that does not even use its time is given up."""

_SANDBOX = Path(__file__).with_name("sandbox.py")
_TAG_END = re.compile(r"[%#]}")


def source_file(policy_dir: Path) -> Path:
    """Find the one source of a policy.

    Raises:
        BuildError: there is none, there are two, or it is a link, which could lead anywhere.
    """
    name = policy_dir.name
    found = [file for end in ("", ".j2") if (file := policy_dir / f"{name}.bpf.c{end}").is_file()]
    if len(found) != 1:
        wanted = f"policies/{name}/{name}.bpf.c or {name}.bpf.c.j2"
        raise BuildError(f"policy {name!r}: expected one source, {wanted}, found {len(found) or 'none'}")
    if found[0].is_symlink():
        raise BuildError(f"policies/{name}/{found[0].name}: error: a link is refused: a source is a file")
    return found[0]


def shown_name(policy_dir: Path) -> str:
    """What messages and objects call the source: its path in the fleet repository."""
    return f"policies/{policy_dir.name}/{source_file(policy_dir).name}"


def render(policy_dir: Path, variant_inputs: Mapping[str, Any]) -> str:
    """Return the C source of one variant.

    A template is rendered in Jinja's sandbox, in a process of its own with limits on time and memory, with an
    error for every name that is not defined. The result carries `#line` directives, so that the compiler's
    messages name the template's own lines.

    Raises:
        BuildError: no source, not UTF-8, inputs without a template, or the template is wrong, with its line.
    """
    file, shown = source_file(policy_dir), shown_name(policy_dir)
    if file.stat().st_size > 4 * SOURCE_LIMIT:
        raise BuildError(f"{shown}: error: {file.stat().st_size} bytes; at most {4 * SOURCE_LIMIT} are read")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BuildError(f"{shown}: error: not UTF-8 (byte {error.start})") from error
    if file.suffix != ".j2":
        if variant_inputs:
            raise BuildError(
                f"{shown}: a variant has inputs ({', '.join(variant_inputs)}), and the source is no template",
                remedy=f"rename the source to {file.name}.j2",
            )
        return text
    return _render_template(text, shown, variant_inputs)


def _render_template(text: str, shown: str, inputs: Mapping[str, Any]) -> str:
    asked = {"text": _with_lines(text, shown), "inputs": dict(inputs), "limits": LIMITS}
    try:
        process = subprocess.run(
            [sys.executable, "-I", str(_SANDBOX)],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={},
            timeout=_WALL_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_long(shown) from None
    if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise _too_long(shown)
    if process.returncode:
        end = process.stderr.strip().splitlines()[-1:] or [f"status {process.returncode}"]
        raise BuildError(f"{shown}: error: rendering the template failed: {end[0]}")
    answer = json.loads(process.stdout)
    if "error" in answer:
        line = _template_line(text, shown, answer["line"])
        raise BuildError(f"{shown}:{line}: error: {answer['error']}")
    return str(answer["text"])


def _too_long(shown: str) -> BuildError:
    return BuildError(
        f"{shown}: error: rendering the template takes more than {LIMITS['cpu_s']} s",
        remedy="look for loops in loops, and for powers of large numbers",
    )


def _with_lines(text: str, shown: str) -> str:
    """Add a `#line` directive before the first line and after each line where a block tag or comment ends.

    Only there does the number of rendered lines differ from the template's. Not after a line that ends in a
    backslash: a directive cannot stand inside a macro.
    """
    out = [f'#line 1 "{shown}"']
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        out.append(line)
        if _TAG_END.search(line) and not line.endswith("\\") and number < len(lines):
            out.append(f'#line {number + 1} "{shown}"')
    return "\n".join(out)


def _template_line(text: str, shown: str, line: int) -> int:
    """The line of the template that is `line` in what `_with_lines` made of it."""
    added = [i for i, each in enumerate(_with_lines(text, shown).split("\n"), 1) if each.startswith("#line ")]
    return max(line - sum(1 for number in added if number <= line), 1)
