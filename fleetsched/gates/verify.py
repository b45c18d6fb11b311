# SPDX-License-Identifier: Apache-2.0
"""The verify gate: the kernel's verifier takes the object."""

from __future__ import annotations

import re

from fleetsched.errors import HelperError
from fleetsched.gates.course import Seen
from fleetsched.gates.outcome import Outcome
from fleetsched.model.gate import GateFinding

_NOT_TAKEN = frozenset({"load-failed", "object-refused", "bad-parameter"})
"""What the helper says before anything is attached, when it is about the object."""

_ATTACHING = "attach-failed"

# Lines of the verifier that are no complaint: instructions, what registers hold, where it goes on, its sums.
_STEPS = re.compile(
    r"^(\d+: |;|from \d+|R\d+(_w)?=|r\d|processed \d|verification time|stack depth|mark_precise|func#|"
    r"arg#\d+|last_idx|parent |regs=|-- |Validating|Func#|caller|callee|propagating|frame\d|cur state|"
    r"old state|live regs|insn |Global function|func '|\s*$)"
)
_INSTRUCTION = re.compile(r"^\d+: \([0-9a-f]{2}\)")
_LIBBPF = re.compile(r"^libbpf: (?P<text>.*)")
_MISSING = re.compile(r"extern \((func|var) ksym\) '(?P<name>[^']+)'")
_SOURCE = re.compile(r"^; .* @ (?P<file>[\w.-]+):(?P<line>\d+)")
_PROGRAM = re.compile(r"prog '(?P<name>\w+)'")
_CUT = 4000

_REMEDY = (
    "the verifier must see that every access is in bounds and every loop ends: the log shows its way there"
)


def verify(seen: Seen) -> Outcome:
    """Judge whether the object was taken, whatever happened then."""
    refusal = seen.refusal
    if refusal is None or refusal.code == _ATTACHING:
        return Outcome(log="\n".join(seen.notes))
    if refusal.code not in _NOT_TAKEN:
        # The machine, not the policy: a preflight, a full disk.
        return Outcome(error=f"{refusal} ({refusal.code})", log=seen.log)
    log = str(refusal.detail.get("log", ""))
    return Outcome((_finding(refusal, log),), "\n".join((*seen.notes, refusal.message, log)))


def _finding(refusal: HelperError, log: str) -> GateFinding:
    if refusal.code != "load-failed":
        return GateFinding(refusal.code, refusal.message, remedy=refusal.remedy)
    lines = log.splitlines()
    if len(log) >= _CUT:
        lines = lines[1:]  # the first one is not whole
    program = next((match["name"] for line in lines if (match := _PROGRAM.search(line))), "")
    for number, line in enumerate(lines):
        missing = _MISSING.search(line)
        if missing:
            name = missing["name"]
            return GateFinding(
                "missing-kfunc",
                f"this kernel has no {name}",
                name,
                "call it where bpf_ksym_exists() says so, through the headers of bpf/include",
            )
        if not _LIBBPF.match(line) and not _STEPS.match(line):
            return GateFinding("verifier", line.strip(), _place(lines[:number]) or program, _REMEDY)
    steps = [number for number, line in enumerate(lines) if _INSTRUCTION.match(line)]
    if steps:
        # What a scheduler may not write in a task, the kernel refuses without a word.
        step = lines[steps[-1]].split(";")[0].strip()
        return GateFinding("verifier", f"refused: {step}", _place(lines[: steps[-1]]) or program, _REMEDY)
    said = [match["text"] for line in lines if (match := _LIBBPF.match(line))]
    return GateFinding("load-failed", said[0] if said else refusal.message, program, _REMEDY)


def _place(before: list[str]) -> str:
    """The line of the source that the verifier looked at last."""
    for line in reversed(before):
        if match := _SOURCE.match(line):
            return f"{match['file']}:{match['line']}"
    return ""
