# SPDX-License-Identifier: Apache-2.0
"""How a run ended, as text for 80 columns."""

from __future__ import annotations

import textwrap

from fleetsched.errors import ExitCode
from fleetsched.model.run import Applied, Undo
from fleetsched.views.plan import WIDTH

_VERDICTS = {
    ExitCode.OK: "done",
    ExitCode.ROLLED_BACK: "FAILED and rolled back: every host runs what it ran before",
    ExitCode.NOT_ROLLED_BACK: "FAILED and NOT rolled back: look at the hosts below",
    ExitCode.UNREACHABLE: "done, except for hosts that did not answer",
    ExitCode.INTERRUPTED: "interrupted: what is confirmed stays; `fleetsched apply` goes on from here",
}


def run_text(applied: Applied) -> str:
    """A recap by host, then the verdict."""
    lines = ["", "RECAP"]
    for result in applied.hosts:
        text = f"  {result.host}: {result.phase}: {result.detail}"
        lines.append(textwrap.fill(text, WIDTH, subsequent_indent="      ", break_on_hyphens=False))
    lines += [f"  goal {goal}: not started" for goal in applied.not_started]
    lines += ["", f"Run {applied.run}: {_VERDICTS[applied.exit_code]}.", f"Journal: {applied.journal}"]
    return "\n".join(lines)


def undo_text(undo: Undo) -> str:
    """What a rollback would do."""
    hosts = (f"  ~ {host.host}: {host.before} -> {host.after}" for host in undo.hosts)
    return "\n".join([f"Undo run {undo.run}:", *hosts])
