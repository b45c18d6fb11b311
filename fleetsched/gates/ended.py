# SPDX-License-Identifier: Apache-2.0
"""The end of a policy that should have gone on, as a finding."""

from __future__ import annotations

import re

from fleetsched.gates.course import Seen
from fleetsched.model.gate import Gate, GateFinding
from fleetsched.model.state import ExitRecord

_BPF = re.compile(r"bpf_prog_[0-9a-f]+_(?P<name>\w+)")
_HOTPLUG, _STALL = 66, 1026
_CODES = {
    1: "exits-by-itself",
    64: "detached",
    65: "exits-by-itself",
    _HOTPLUG: "exits-at-hotplug",
    67: "detached",
    1024: "runtime-error",
    1025: "gives-up",
    _STALL: "runnable-task-stall",
    1027: "runtime-error",
    1028: "runtime-error",
}
_REMEDIES = {
    "exits-by-itself": "a policy goes on until it is detached: take scx_bpf_exit() out",
    "exits-at-hotplug": "define ops.cpu_online and ops.cpu_offline, if only as no-ops",
    "runtime-error": "the message names the rule of the kernel that was broken",
    "gives-up": "the policy itself called scx_bpf_error(): handle that case instead",
    "runnable-task-stall": "a task waited for longer than the watchdog's limit: bound how long any can",
    "detached": "",
    "machine-hangs": "a callback has no end, or nobody is scheduled and the watchdog cannot speak",
}


def exit_finding(record: ExitRecord | None, otherwise: str) -> GateFinding:
    """What an exit record says; `otherwise` when there is none."""
    if record is None:
        return GateFinding("no-exit-record", otherwise, remedy="UEI_RECORD(uei, info) in ops.exit tells why")
    code = _CODES.get(record.kind, "runtime-error" if record.is_fault else "detached")
    return GateFinding(code, str(record), _callback(record), _REMEDIES[code])


def _callback(record: ExitRecord) -> str:
    """The policy's own function in which the kernel found the fault, if it was in one."""
    for call in record.trace:
        if match := _BPF.search(call):
            return match["name"]
    return ""


def ended(seen: Seen, gate: Gate) -> GateFinding | None:
    """Why the policy, or the whole machine, came to its end during `gate`; None when it did not."""
    if seen.lost_in is gate:
        message = "the machine ceased to answer under this policy, twice; it answers without it"
        return GateFinding("machine-hangs", message, remedy=_REMEDIES["machine-hangs"])
    entry = seen.end_in(gate)
    return exit_finding(entry.exit, entry.detail) if entry else None
