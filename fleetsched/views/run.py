# SPDX-License-Identifier: Apache-2.0
"""What a run would do and how it ended, as text for 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from fleetsched.errors import ExitCode
from fleetsched.model.rollout import Batch, Phase
from fleetsched.model.run import Applied, Outlook, Undo
from fleetsched.model.wording import counted, printable
from fleetsched.views.plan import wrap

_NOTHING = {
    ExitCode.ROLLED_BACK: "FAILED, nothing was changed: more hosts cannot than the failure budget allows",
    ExitCode.UNREACHABLE: "nothing was changed: hosts did not answer",
    ExitCode.PAUSED: "nothing was changed: goals wait for others",
    ExitCode.INTERRUPTED: "interrupted, nothing was changed",
}
_VERDICTS = {
    ExitCode.OK: "done",
    ExitCode.ROLLED_BACK: "FAILED and rolled back: every host runs what it ran before",
    ExitCode.NOT_ROLLED_BACK: "FAILED and NOT rolled back: look at the hosts above",
    ExitCode.PAUSED: "done, except for goals that wait for others",
    ExitCode.UNREACHABLE: "done, except for hosts that did not answer",
    ExitCode.INTERRUPTED: "interrupted: what is confirmed stays; `fleetsched apply` goes on from here",
}


def run_text(applied: Applied) -> str:
    """A recap by host, then the verdict."""
    lines = ["", "RECAP"]
    lines += [wrap(f"  {result.host}: {result.phase}: {result.detail}", "      ") for result in applied.hosts]
    lines += [f"  goal {goal}: not started" for goal in applied.not_started]
    verdict_line = wrap(f"Run {applied.run}: {verdict(applied)}.", "  ")
    return printable("\n".join([*lines, "", verdict_line, f"Journal: {applied.journal}"]))


def verdict(applied: Applied) -> str:
    """How the run ended, true to what happened to its hosts, in one sentence."""
    code, confirmed = applied.exit_code, applied.within(Phase.CONFIRMED)
    if not applied.tried and code in _NOTHING:
        return _NOTHING[code]
    if code is ExitCode.ROLLED_BACK and confirmed:
        back = applied.within(Phase.FAILED, Phase.ROLLED_BACK)
        if not back:
            return f"done, except for {counted(applied.within(Phase.CANNOT), 'host')} that cannot"
        word = "runs what it ran" if back == 1 else "run what they ran"
        return f"FAILED: {counted(back, 'host')} {word} before, {confirmed} confirmed"
    if code is ExitCode.NOT_ROLLED_BACK and not applied.within(Phase.NOT_ROLLED_BACK):
        return "FAILED and stopped, as the strategy says: what is confirmed stays"
    return _VERDICTS[code]


def outlook_text(outlooks: Sequence[Outlook]) -> str:
    """What a run would do, a line a step."""
    lines = ["Check: no host was changed. A run would begin like this:"]
    for outlook in outlooks:
        lines.append(f"  {f'goal {outlook.goal}' if outlook.goal else 'hosts that no goal claims'}:")
        if outlook.obstacle:
            lines.append(wrap(f"    not started: {outlook.obstacle}", "      "))
        lines += [
            wrap(f"    step {number}: {_batch(batch)}", "      ")
            for number, batch in enumerate(outlook.batches, 1)
        ]
    if not outlooks:
        lines = ["Check: no host was changed, and a run would change none."]
    return printable("\n".join(lines))


def _batch(batch: Batch) -> str:
    return f"{', '.join(batch.hosts)}, each watched for {batch.bake_s:g} s"


def undo_text(undo: Undo) -> str:
    """What a rollback would do."""
    hosts = (f"  ~ {host.host}: {host.before} -> {host.after}" for host in undo.hosts)
    return printable("\n".join([f"Undo run {undo.run}:", *hosts]))
