# SPDX-License-Identifier: Apache-2.0
"""Signed assignments on a simulated host. The signatures are real: ssh-keygen here verifies them."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetsched.helper.simulated.refusal import Refusal
from fleetsched.helper.wire import decode
from fleetsched.model.statement import NAMESPACE, Statement

if TYPE_CHECKING:
    from fleetsched.helper.simulated.host import SimulatedHost

_CLOCK_SLACK = timedelta(minutes=5)
_LIMIT_S = 30.0
_MEMBERS = {"assignment", "group", "notAfter", "program", "revision", "serial"}
_MOST_SERIAL = (1 << 53) - 1


def problems(host: SimulatedHost) -> list[dict[str, str]]:
    """What of the facts' problems is about signatures."""
    if not host.allowed_signers:
        return []
    found = []
    if not host.ssh_keygen:
        message = "this host takes only what is signed, and /usr/bin/ssh-keygen, which verifies, is not there"
        found.append(_problem("no-ssh-keygen", message, "install OpenSSH's client there"))
    if host.group is None:
        message = "this host takes only signed assignments, and its group is not known"
        found.append(_problem("no-group", message, "write the HostGroup's name into /etc/fleetsched/group"))
    return found


def _problem(code: str, message: str, remedy: str) -> dict[str, str]:
    return {"code": code, "message": message, "remedy": remedy}


def check_statement(host: SimulatedHost, arguments: Mapping[str, Any]) -> tuple[int, str] | None:
    """Refuse a `try` that is not signed as it must be.

    Returns:
        Serial and digest, to be kept once the trial begins; None on a host that takes what is not signed.
    """
    if not host.allowed_signers:
        return None
    text, signature = arguments.get("statement", ""), arguments.get("signature", "")
    if not text or not signature:
        raise Refusal(
            "unsigned",
            "this host takes only signed assignments, and this one is not signed",
            remedy="give apply a signing key (sign.key), or --signatures FILE of `fleetsched sign`",
        )
    for problem in problems(host):
        raise Refusal(problem["code"], problem["message"], remedy=problem["remedy"])
    if wrong := wrong_signature(host.allowed_signers, text.encode(), signature):
        raise Refusal("bad-signature", wrong, remedy="sign it with a key that the host allows, valid now")
    statement = _read(text)
    _check_subject(host, statement, arguments)
    return _check_order(host, Statement.read(text), hashlib.sha256(text.encode()).hexdigest())


def _read(text: str) -> dict[str, Any]:
    try:
        statement = decode(text.encode())
        Statement.read(text)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal("wrong-statement", f"what was signed is no statement: {error}") from error
    serial = statement["serial"]
    if not statement.keys() <= _MEMBERS or type(serial) is not int or not 1 <= serial <= _MOST_SERIAL:
        raise Refusal("wrong-statement", "what was signed is no statement: a member is unknown or ill-typed")
    return statement


def _check_subject(host: SimulatedHost, statement: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    for member in ("assignment", "program", "revision"):
        if statement.get(member) != arguments.get(member):
            message = f"the statement is good and not for this request: it says another {member}"
            raise Refusal("wrong-statement", message, remedy="sign what is to run here: `fleetsched sign`")
    if statement["group"] != host.group:
        message = (
            f"the statement is for the group {statement['group']}, and this host belongs to {host.group}"
        )
        raise Refusal("wrong-statement", message, remedy="sign it for this host's group")


def _check_order(host: SimulatedHost, statement: Statement, digest: str) -> tuple[int, str]:
    now = host.clock.time(host.now())
    if statement.not_after + _CLOCK_SLACK < now:
        message = f"the statement was good until {statement.not_after}, and here it is {now}"
        raise Refusal("expired-statement", message, remedy="sign it again")
    highest, known = host.disk.signed
    if statement.serial < highest or (statement.serial == highest and digest != known):
        raise Refusal(
            "replayed",
            f"the statement's serial {statement.serial} is not above {highest}, the highest accepted here",
            remedy="sign it anew",
            detail={"serial": statement.serial, "highest": highest},
        )
    return statement.serial, digest


def wrong_signature(signers: str, data: bytes, signature: str, namespace: str = NAMESPACE) -> str:
    """Why none of the allowed signers has made this signature over these bytes; empty when one has.

    Raises:
        FileNotFoundError: this machine has no ssh-keygen.
    """
    with tempfile.TemporaryDirectory(prefix="fleetsched-signature-") as folder:
        allowed, made = Path(folder, "allowed_signers"), Path(folder, "signature")
        allowed.write_text(signers, encoding="utf-8")
        made.write_text(signature, encoding="utf-8")
        files = ("-f", str(allowed), "-s", str(made))
        found = _ask("find-principals", *files)
        if found.returncode:
            return f"no allowed signer has made this signature: {_said(found)}"
        signer = found.stdout.decode().splitlines()[-1]
        verified = _ask("verify", *files, "-n", namespace, "-I", signer, data=data)
        if verified.returncode:
            return f"the signature does not fit what was signed: {_said(verified)}"
    return ""


def _ask(question: str, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = ["ssh-keygen", "-Y", question, *arguments]
    return subprocess.run(command, input=data, capture_output=True, timeout=_LIMIT_S, check=False)


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return (done.stderr or done.stdout).decode(errors="replace").partition("\n")[0].strip()
