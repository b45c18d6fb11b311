# SPDX-License-Identifier: Apache-2.0
"""The inspect gate: an object holds nothing but what policies need, and is what its manifest says."""

from __future__ import annotations

from fleetsched.build.allowed import check_allowed
from fleetsched.build.declared import Declared, check_object
from fleetsched.build.objects import ObjectInfo
from fleetsched.errors import Fault, ObjectError
from fleetsched.gates.outcome import Outcome
from fleetsched.model.gate import GateFinding
from fleetsched.model.policy import Policy

_REMEDIES = {
    "no-exit-record": "add UEI_DEFINE(uei), and UEI_RECORD(uei, info) in ops.exit",
    "wrong-licence": "take FLEETSCHED_OPS_DEFINE: it sets the licence",
    "wrong-name": "name the ops table as the folder, with _ for -",
    "time-out-differs": "write the same in `timeout` of policy.yaml and in the ops table",
    "parameter-differs": "write the same in policy.yaml and in the source",
    "not-one-scheduler": "one policy is one FLEETSCHED_OPS_DEFINE",
    "too-much-memory": "make maps smaller, or keep per-task data in task storage",
}
_OTHERWISE = "a policy reaches the kernel only through the headers: see docs/writing-a-policy.md"


def inspect(image: bytes, policy: Policy) -> tuple[ObjectInfo | None, Outcome]:
    """Judge an object; None when it is not allowed or not what `policy` says."""
    try:
        info = check_allowed(image, policy.name)
        check_object(info, policy.name, Declared.of(policy))
    except ObjectError as error:
        return None, Outcome(tuple(map(_finding, error.faults)), str(error))
    return info, Outcome()


def _finding(fault: Fault) -> GateFinding:
    return GateFinding(fault.code, fault.message, remedy=_REMEDIES.get(fault.code, _OTHERWISE))
