# SPDX-License-Identifier: Apache-2.0
"""One host's helper: its first, and upgrades: send it, wait until the host says how it ended, look.

In an upgrade the host itself decides: its old helper watches the new one and comes back unless that proves
itself (bpf/helper/upgrade.c). So nothing is lost when this connection is.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from fleetsched.errors import HelperError, HostError, UnreachableError
from fleetsched.helper.client import HelperClient
from fleetsched.model.plan import HostPlan, describe
from fleetsched.model.rollout import Phase
from fleetsched.model.state import HistoryEntry, Status
from fleetsched.rollout.bake import Ended
from fleetsched.rollout.run import Run
from fleetsched.rollout.session import HostSession

UPGRADE_S = 180.0
"""How long one host's upgrade may take: sending, the 30 s of proof, a restart of the service, a slow host."""

_LOOK_EVERY_S = 1.0
_LOOKS = 120
_ENTRIES = 50  # of the host's history, newest; an upgrade and what follows it are a dozen


def install_helper(run: Run, session: HostSession, plan: HostPlan) -> Ended:
    """Bring its first helper to one host. Nothing is attached there.

    Returns:
        CONFIRMED, also where somebody else has brought one meanwhile.

    Raises:
        HostError: it cannot be installed there; the message says why.
    """
    run.report_of(plan.host)("installing", "the helper and its service")
    session.install()
    greeting, running = session.helper().greeting, _running(session.helper().status())
    assert greeting is not None, "a session's helper was greeted"
    return Ended(Phase.CONFIRMED, f"helper {greeting.helper} ({greeting.sha256[:8]}), runs {running}")


def upgrade_helper(
    run: Run,
    session: HostSession,
    plan: HostPlan,
    version: str,
    sign: Callable[[bytes], str],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Ended:
    """Bring the helper of one host to the one that this fleetsched has.

    Args:
        run: the run.
        session: of the host, for the caller alone; it knows the helper's bytes.
        plan: of the host.
        version: what the helper that is sent calls itself.
        sign: gives the signature of its bytes; called for hosts that take only what is signed.
        pause: waits so many seconds.

    Returns:
        CONFIRMED, or FAILED: the helper before is back.

    Raises:
        HostError: the host refused, or was lost on the way; its own helper works or comes back.
        LeaseHeldError: another run has the host.
    """
    helper, report = session.helper(), run.report_of(plan.host)
    before, facts = helper.status(), helper.facts()
    binary = session.built(facts.arch).binary
    signature = sign(binary) if facts.signatures else None
    digest = hashlib.sha256(binary).hexdigest()
    token = session.take_lease(run.owner, UPGRADE_S)
    report("sending", f"helper {version}, {digest[:8]}, {len(binary)} bytes")
    if not helper.upgrade(binary, version=version, signature=signature, token=token):
        return Ended(Phase.CONFIRMED, f"runs helper {version} ({digest[:8]}) already")
    report("proving", "the host keeps it only when it answers and runs what ran before")
    entry, helper = _await_end(session.reopen, plan.host, digest, pause)
    if entry.event == "upgrade-failed":
        return Ended(Phase.FAILED, f"{entry.detail}; {_runs(before, helper.status())}")
    return _look(helper, before, version, digest)


def _await_end(
    reopen: Callable[[], HelperClient], host: str, digest: str, pause: Callable[[float], None]
) -> tuple[HistoryEntry, HelperClient]:
    """Greet whichever helper answers until its history says how the upgrade to `digest` has ended."""
    last: HostError | None = None
    for _ in range(_LOOKS):
        try:
            helper = reopen()
            told = [
                entry
                for entry in helper.history(_ENTRIES)
                if entry.event in ("upgrade", "upgraded", "upgrade-failed") and digest[:12] in entry.detail
            ]
        except HostError as error:  # between two helpers nobody answers
            last = error
        else:
            if told and told[-1].event != "upgrade":
                return told[-1], helper
        pause(_LOOK_EVERY_S)
    raise UnreachableError(
        last.message if last else f"{host}: the host does not say how the upgrade of its helper has ended",
        remedy="look at `journalctl -u fleetsched-host` there; the helper before comes back by itself",
    )


def _look(helper: HelperClient, before: Status, version: str, digest: str) -> Ended:
    """What the new helper says of itself and of the kernel."""
    greeting, now = helper.greeting, helper.status()
    if greeting is None or greeting.sha256 != digest:
        found = f"{greeting.helper}, {greeting.sha256[:8]}" if greeting else "none"
        raise HelperError(
            f"{helper.host}: another helper answers than was sent: {found}",
            code="other-helper",
            remedy="does somebody else install helpers on this host?",
        )
    if before.running and not _same(before, now):
        return Ended(Phase.FAILED, f"helper {version} answers, but {_runs(before, now)}")
    return Ended(Phase.CONFIRMED, f"helper {version} ({digest[:8]}), {_runs(before, now)}")


def _same(before: Status, now: Status) -> bool:
    return _running(before) == _running(now)


def _running(status: Status) -> str:
    return status.foreign or describe(status.running.assignment if status.running else None)


def _runs(before: Status, now: Status) -> str:
    if _same(before, now):
        return f"runs {_running(now)} as before"
    return f"runs {_running(now)}, and {_running(before)} before"
