# SPDX-License-Identifier: Apache-2.0
"""The compile gate: one variant is rendered, its source is accepted, and the pinned compiler takes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fleetsched.build.compiler import CompiledObject
from fleetsched.build.policy import compile_policy
from fleetsched.errors import BuildError
from fleetsched.gates.outcome import Outcome
from fleetsched.model.gate import GateFinding
from fleetsched.model.policy import Policy

_PLACED = re.compile(r"(?P<place>[^\s:]+(?::\d+){0,2}): (?:fatal )?error: (?P<text>.*)")
_REFUSED = re.compile(r"refused|may be included|are compiled")

_REMEDIES = {
    "compile-error": "mend it; what the headers offer: docs/writing-a-policy.md",
    "refused-source": "a policy reaches nothing but the headers: see docs/writing-a-policy.md",
}


def compile_variant(
    policy: Policy, variant: str, *, cache: Path | None = None
) -> tuple[CompiledObject | None, Outcome]:
    """Compile one variant; None when it does not compile.

    Args:
        policy: of `kind: bpf`.
        variant: one of its variants.
        cache: the folder of the cache of objects; None = the user's.
    """
    try:
        built = compile_policy(policy.folder, policy.variants[variant], cache=cache)
    except BuildError as error:
        return None, Outcome(tuple(_findings(error)), str(error))
    return built, Outcome(log="\n".join(built.diagnostics))


def _findings(error: BuildError) -> Iterator[GateFinding]:
    for line in error.message.splitlines():
        match = _PLACED.match(line)
        place, text = (match["place"], match["text"]) if match else ("", line)
        code = "refused-source" if _REFUSED.search(text) else "compile-error"
        yield GateFinding(code, text, place, error.remedy or _REMEDIES[code])
