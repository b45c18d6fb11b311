# SPDX-License-Identifier: Apache-2.0
"""The inspect gate: an object holds nothing but what policies need, and is what its manifest says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleetsched.build.allowed import check_allowed
from fleetsched.build.declared import Declared, check_object
from fleetsched.build.objects import ObjectInfo
from fleetsched.errors import BuildError
from fleetsched.gates.outcome import Outcome
from fleetsched.model.gate import GateFinding
from fleetsched.model.policy import Policy

# What the judges of objects say, first match first.
_CODES = {
    re.compile(pattern): code
    for pattern, code in {
        r"^BPF helper": "forbidden-helper",
        r"^kernel function": "forbidden-kfunc",
        r"holds a program": "forbidden-program",
        r"^more than \d+ bytes|^more maps|^ops\.\w+ \d+: at most": "too-much-memory",
        r"^map .* is pinned|pinned": "pinned-map",
        r"^(map|member .* of map|map_flags)": "forbidden-map",
        r"ops\.flags": "forbidden-flags",
        r"^member .* of the ops table": "forbidden-callback",
        r"expected one struct": "not-one-scheduler",
        r"license": "wrong-licence",
        r"exit record": "no-exit-record",
        r"timeout_ms": "time-out-differs",
        r"^parameter": "parameter-differs",
        r"ops table is named": "wrong-name",
        r"not a readable": "unreadable-object",
        r"^section": "forbidden-section",
    }.items()
}
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
_PREFIX = re.compile(r"^policy '[^']*': (its object is not allowed: )?")


def inspect(image: bytes, policy: Policy) -> tuple[ObjectInfo | None, Outcome]:
    """Judge an object; None when it is not allowed or not what `policy` says."""
    try:
        info = check_allowed(image, policy.name)
        check_object(info, policy.name, Declared.of(policy))
    except BuildError as error:
        return None, Outcome(tuple(_findings(error.message)), str(error))
    return info, Outcome()


def _findings(message: str) -> Iterator[GateFinding]:
    for text in _PREFIX.sub("", message).split("; "):
        code = next((code for pattern, code in _CODES.items() if pattern.search(text)), "forbidden-object")
        yield GateFinding(code, text, remedy=_REMEDIES.get(code, _OTHERWISE))
