# SPDX-License-Identifier: Apache-2.0
"""The verbs of a simulated host; stage, upgrade, watch and observe, which take their time, are in server.py.

Arguments have been checked (arguments.py) and what was due has happened. Each verb returns its result or
raises Refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleetsched.helper.simulated.host import WINDOW_MS, OnTrial, SimulatedHost
from fleetsched.helper.simulated.refusal import Refusal
from fleetsched.helper.simulated.signatures import check_statement
from fleetsched.helper.simulated.signatures import problems as signature_problems
from fleetsched.model.assignment import Assignment

Arguments = Mapping[str, Any]

# Facts that refuse every `try`, in the order in which the protocol looks at them.
PREFLIGHT = (
    "no-sched-ext",
    "malformed-btf",
    "isolcpus",
    "lockdown",
    "container",
    "fifo-refused",
    "memory-limit",
    "disk-full",
    "other-loader",
    "switched-off",
)
_WHAT_AN_OBJECT_IS = "an object is one sched_ext_ops with its callbacks and maps, written against bpf/include"


def hello(host: SimulatedHost, arguments: Arguments) -> dict[str, Any]:
    """Agree on the protocol."""
    asked, spoken = arguments["protocol"], host.protocol
    # Helpers of protocol 1 knew no other; later ones take the greatest that both speak.
    host.require(
        asked == 1 if spoken == 1 else asked >= 1,
        "protocol-version",
        f"this helper speaks the protocols 1 to {spoken}",
    )
    agreed = min(asked, spoken)
    answer = {"protocol": agreed, "helper": host.version, "boot_id": host.boot_id()}
    return answer if agreed == 1 else {**answer, "sha256": host.sha256}


def facts(host: SimulatedHost, _: Arguments) -> dict[str, Any]:
    """What the host is."""
    return {
        "kernel_release": host.kernel_release,
        "arch": host.arch,
        "distribution": "Debian GNU/Linux 13 (trixie)",
        "cpus_online": host.cpus,
        "cpu_count": 2,
        "memory_bytes": 768 * 1024 * 1024,
        "sched_ext": host.sched_ext,
        "btf": True,
        "pressure": host.pressure is not None,
        "observer": not host.observer_refused,
        "boot_id": host.boot_id(),
        "problems": [*host.problems, *signature_problems(host)],
        "warnings": list(host.warnings),
        "signatures": bool(host.allowed_signers),
        "group": host.group,
    }


def status(host: SimulatedHost, _: Arguments | None = None) -> dict[str, Any]:
    """What the host runs and remembers."""
    disk = host.disk
    return {
        "boot_id": host.boot_id(),
        "boottime_ms": host.boottime(),
        "kernel": host.kernel.to_wire(),
        "running": host.attached.to_wire() if host.attached else None,
        "foreign": host.foreign(),
        "trial": trial(host),
        "last_trial": disk.last_trial,
        "last_known_good": disk.last_known_good,
        "previous": disk.previous,
        "voided": disk.voided,
        "held": list(disk.held),
        "lease": _lease(host),
    }


def trial(host: SimulatedHost) -> dict[str, Any] | None:
    """The protocol's *trial*."""
    on = host.trial
    if on is None:
        return None
    return {
        "id": on.id,
        "assignment": on.attached.assignment.to_wire(),
        "run": on.run,
        "revision": on.revision,
        "ops": on.attached.ops,
        "enable_seq": on.attached.enable_seq,
        "started_ms": host.boottime() - (host.now() - on.started),
        "deadline_in_ms": max(0, on.deadline - host.now()),
        "confirm_in_ms": max(0, on.confirmable - host.now()),
    }


def lease(host: SimulatedHost, arguments: Arguments) -> dict[str, Any]:
    """Take or renew the right to change this host."""
    token = arguments.get("token")
    check_token(host, token, "renewed")
    if token is None:
        host.require(not _lease(host), "lease-held", _held_message(host), **_lease(host) or {})
    _check_writable(host)
    if token is None:
        host.disk.last_token += 1
        token = host.disk.last_token
    host.lease = (arguments["owner"], token, host.now() + arguments["ttl_ms"])
    return {"token": token, "expires_in_ms": arguments["ttl_ms"]}


def release(host: SimulatedHost, arguments: Arguments) -> dict[str, Any]:
    """Give a lease back, or forget a hold."""
    if (wire := arguments.get("held")) is not None:
        assignment = Assignment.from_wire(wire)
        held = host.disk.find_held(assignment)
        if held:
            _check_writable(host)
            host.disk.held.remove(held)
            host.log("released", assignment)
        return {}
    check_token(host, arguments["token"], "released")
    _check_writable(host)
    host.lease = None
    return {}


def try_(host: SimulatedHost, arguments: Arguments) -> dict[str, Any]:
    """Attach a policy on trial."""
    assignment = Assignment.from_wire(arguments["assignment"])
    check_token(host, arguments.get("token"), "used")
    _check_held(host, assignment)
    _check_free(host)
    signed = check_statement(host, arguments)
    program = arguments.get("program")
    host.require(
        program or assignment.digest in host.disk.objects,
        "not-staged",
        f"the object {assignment.digest[:12]} is not on this host",
    )
    _check_preflight(host)
    if program:
        _check_program(host, assignment, program["path"])
    else:
        _check_object(host, assignment)
    host.disk.signed = signed or host.disk.signed
    run, before = arguments["run"], host.attached
    host.log("try", assignment, run)
    exit_ = host.attach(assignment, program)
    if exit_:
        host.log("attach-failed", assignment, run, exit_)
        host.hold(assignment, f"did not attach: {exit_.reason}", exit_)
        host.restore()
        message = f"{assignment.policy} did not attach: {exit_.reason}: {exit_.message}"
        raise Refusal("attach-failed", message, detail={"exit": exit_.to_wire()})
    host.log("attached", assignment, run)
    assert host.attached
    host.disk.trials += 1
    host.trial = OnTrial(
        id=f"t{host.disk.trials}",
        attached=host.attached,
        run=run,
        revision=arguments["revision"],
        hold=arguments.get("hold"),
        started=host.now(),
        deadline=host.now() + arguments["deadline_ms"],
        confirmable=host.now() + 2 * host.attached.behaviour.timeout_ms,
    )
    return {"trial": trial(host), "window_ms": WINDOW_MS if before else 0}


def confirm(host: SimulatedHost, arguments: Arguments) -> dict[str, Any]:
    """Make the policy on trial the last known good."""
    check_token(host, arguments.get("token"), "used")
    last = host.disk.last_trial
    if last and last["id"] == arguments["trial"] and last["outcome"] == "ejected":
        raise Refusal("ejected", "the kernel ejected the policy", detail={"exit": last["exit"]})
    on = _trial(host, arguments)
    wait = on.confirmable - host.now()
    host.require(wait <= 0, "too-early", f"confirm in {wait} ms at the earliest", confirm_in_ms=wait)
    host.confirmed_trial()
    record = {
        "assignment": on.attached.assignment.to_wire(),
        "run": on.run,
        "revision": on.revision,
        "confirmed_at": host.clock.rfc3339(host.now()),
        "kernel_release": host.kernel_release,
        "cpus": host.cpus,
    }
    if on.attached.program:
        record["program"] = on.attached.program
    old = host.disk.last_known_good
    host.disk.last_known_good = record
    host.disk.voided = None
    host.log("confirm", on.attached.assignment, on.run)
    if old and (old["assignment"], old.get("program")) != (record["assignment"], on.attached.program):
        host.disk.previous = old
        if on.hold is not None:
            host.hold(Assignment.from_wire(old["assignment"]), on.hold, None)
    return status(host)


def revert(host: SimulatedHost, arguments: Arguments) -> dict[str, Any]:
    """End the trial by hand."""
    check_token(host, arguments.get("token"), "used")
    _trial(host, arguments)
    host.end_trial("reverted", arguments["why"], hold=arguments.get("hold", True))
    return status(host)


def stop(host: SimulatedHost, arguments: Arguments) -> dict[str, Any]:
    """Give the host back to the kernel's own scheduler."""
    check_token(host, arguments.get("token"), "used")
    if host.trial:
        host.end_trial("reverted", arguments["why"])
    stopped = host.attached
    if stopped:
        host.attached = None
        host.kernel.disable()
    old, host.disk.last_known_good = host.disk.last_known_good, None
    host.log("stop", stopped.assignment if stopped else None, detail=arguments["why"])
    if old:
        host.disk.previous = old
        if arguments.get("hold") is not None:
            host.hold(Assignment.from_wire(old["assignment"]), arguments["hold"], None)
    return status(host)


def history(host: SimulatedHost, arguments: Arguments) -> dict[str, Any]:
    """The newest entries, oldest first."""
    return {"entries": host.disk.history[-arguments["limit"] :]}


def check_token(host: SimulatedHost, token: int | None, used: str) -> None:
    """Refuse whoever has not the newest lease: somebody else's is in force, or has been since."""
    current = _lease(host)
    if current:
        assert host.lease
        may = token == host.lease[1] or (token is None and used == "renewed")
        host.require(may, "lease-held", _held_message(host), **current)
    elif token is not None and token != host.disk.last_token:
        raise Refusal("lease-lost", f"the lease {token} is over and cannot be {used}: a later one was given")


def _check_writable(host: SimulatedHost) -> None:
    host.require(not host.disk_full, "disk-full", "cannot write the state: No space left on device")


def _lease(host: SimulatedHost) -> dict[str, Any] | None:
    if host.lease and host.lease[2] <= host.now():
        host.lease = None
    if host.lease is None:
        return None
    return {"owner": host.lease[0], "expires_in_ms": host.lease[2] - host.now()}


def _held_message(host: SimulatedHost) -> str:
    return f"the lease is held by {host.lease[0]}" if host.lease else ""


def _trial(host: SimulatedHost, arguments: Arguments) -> OnTrial:
    on = host.trial
    if on is None or on.id != arguments["trial"]:
        raise Refusal("no-trial", f"there is no trial {arguments['trial']} now")
    return on


def _check_held(host: SimulatedHost, assignment: Assignment) -> None:
    held = host.disk.find_held(assignment)
    if held:
        raise Refusal(
            "held",
            f"{assignment} is held: {held['why']}",
            remedy="change the policy or its parameters, or release it with `fleetsched retry`",
            detail={"why": held["why"], "exit": held["exit"]},
        )


def _check_free(host: SimulatedHost) -> None:
    foreign = host.foreign()
    host.require(not foreign, "foreign-scheduler", f"another scheduler is attached: {foreign}", ops=foreign)
    host.require(not host.trial, "trial-in-progress", "a trial is in progress", trial=trial(host))


def _check_preflight(host: SimulatedHost) -> None:
    for problem in sorted(
        (problem for problem in host.problems if problem["code"] in PREFLIGHT),
        key=lambda problem: PREFLIGHT.index(problem["code"]),
    ):
        raise Refusal(problem["code"], problem["message"], remedy=problem["remedy"])


def _check_program(host: SimulatedHost, assignment: Assignment, path: str) -> None:
    behaviour = host.behaviour(assignment)
    rule, installed = behaviour.program_rule, behaviour.program_digest or assignment.digest
    host.require(not rule, "program-refused", f"the program {path} is refused: {rule}", rule=rule)
    host.require(
        installed == assignment.digest,
        "program-changed",
        f"the program {path} is not the one of the lock: its SHA-256 is {installed[:12]}, "
        f"not {assignment.digest[:12]}",
        digest=installed,
    )


def _check_object(host: SimulatedHost, assignment: Assignment) -> None:
    behaviour = host.behaviour(assignment)
    if behaviour.refused:
        raise Refusal("object-refused", behaviour.refused, remedy=_WHAT_AN_OBJECT_IS)
    wrong = behaviour.wrong_parameter(dict(assignment.parameters))
    host.require(not wrong, "bad-parameter", wrong)
    host.require(
        not behaviour.load_log, "load-failed", "the verifier refused the policy", log=behaviour.load_log
    )


VERBS: Mapping[str, Callable[[SimulatedHost, Arguments], dict[str, Any]]] = {
    "hello": hello,
    "facts": facts,
    "status": status,
    "lease": lease,
    "release": release,
    "try": try_,
    "confirm": confirm,
    "revert": revert,
    "stop": stop,
    "history": history,
}
