# SPDX-License-Identifier: Apache-2.0
"""The way of the fleet's key to the helper of a host: one exec that carries a POSIX shell script."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib import resources

from fleetsched.errors import HelperError, UnreachableError
from fleetsched.helper.wire import HELPER_PATH, PROTOCOL, decode, encode
from fleetsched.model.access import Change
from fleetsched.transport.interface import Connection

# `$0` of the script; what recognises it in a list of processes.
ACCESS_NAME = "fleetsched-access"

_TIMEOUT_S = 240.0  # userdel waits for the account's last processes; stopping the service may detach a policy

# What the script's codes mean; {host}, {user} and {detail} are filled in.
_MEANINGS = {
    "not-root": (
        "{host}: only root can let the fleet's key in, not {detail}",
        "log in as root (`fleetsched bootstrap root@{host}`), or as somebody who may use sudo",
    ),
    "no-systemd": ("{host} is not run by systemd, which the helper's service needs", ""),
    "no-sshd": (
        "{host} has no OpenSSH server",
        "install it: its `restrict` and `command` are what keeps the key to the helper",
    ),
    "no-sudo": (
        "{host} has no sudo (or no visudo, or no /etc/sudoers.d)",
        "install it (`apt install sudo`): the account becomes root with it, for one command",
    ),
    "no-tool": (
        "{host} has no {detail}",
        "install the package that has it (passwd, util-linux, openssh-client)",
    ),
    "user-exists": (
        "{host} has a user {detail} that bootstrap did not make",
        "choose another name with --user, or remove that user first",
    ),
    "group-exists": ("{host} has a group {detail} already", "choose another name with --user"),
    "other-user": (
        "{host} was bootstrapped for the user {detail}",
        "give --user {detail}, or take it away first: `fleetsched bootstrap --remove {host}`",
    ),
    "in-the-way": (
        "{host}: {detail} is there, is not as it should be, and bootstrap did not make it",
        "compare it, then move it away; or leave the option out that asks for it",
    ),
    "sshd-forbids": (
        "{host}: its sshd_config keeps the key out, or takes away what it is kept to: {detail}",
        "say otherwise for this user there, in a block `Match User {user}`",
    ),
    "sudoers-refused": ("{host}: visudo does not take {detail}", "look at `visudo -c` there"),
    "busy": (
        "{host}: another bootstrap is at work there: {detail}",
        "wait until that one has ended; ten minutes after it began it no longer counts",
    ),
    "write-failed": (
        "{host}: {detail} cannot be changed",
        "is the disk full, the file system read-only, or the file protected? What was made so far is written "
        "down: run it again, or `fleetsched bootstrap --remove {host}`",
    ),
}


class Mode(StrEnum):
    """What the script is asked to do; `look` and `look-remove` change nothing.

    Between `claim` and `release` no other owner can claim the host.
    """

    CLAIM = "claim"
    RELEASE = "release"
    LOOK = "look"
    MAKE = "make"
    LOOK_REMOVE = "look-remove"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Access:
    """What a host is given.

    Attributes:
        user: name of the account.
        keys: public keys, each `TYPE BASE64 [COMMENT]`.
        signers: text of /etc/fleetsched/allowed_signers; empty = the file is not touched.
        group: name of the HostGroup for /etc/fleetsched/group; empty = the file is not touched.
    """

    user: str
    keys: tuple[str, ...] = ()
    signers: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What the script has done, or would do.

    Attributes:
        changes: in their order; empty = nothing.
        notes: what a person should look at.
        arch: as `uname -m` says it.
        install: whether the helper has to be installed.
    """

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    arch: str = ""
    install: bool = False


def run_access(connection: Connection, host: str, mode: Mode, access: Access, *, owner: str = "") -> Report:
    """Look at the host, or change it.

    Args:
        connection: to the host, as root or through sudo.
        host: its name, for messages.
        mode: what to do.
        access: what is wanted there; only its `user` counts when something is taken away.
        owner: who claims or releases the host, in words for whoever is refused meanwhile.

    Raises:
        HelperError: the codes above, or `access-failed`. Whatever failed, each file is complete, and what
            was made is written down for `remove`.
        BecomeError: sudo refused.
        UnreachableError: the connection was lost, or its key is restricted.
        TimeoutError: the host did not finish within four minutes.
    """
    completed = connection.run(access_command(mode, access, owner), timeout_s=_TIMEOUT_S)
    lines = [line.partition("\t") for line in completed.stdout.decode("utf-8", "replace").splitlines()]
    for word, _, rest in lines:
        if word == "refused":
            raise _refused(host, access.user, rest)
    if completed.exit_code or not lines:
        said = completed.stderr.decode("utf-8", "replace").strip().splitlines()
        if not completed.exit_code:
            raise UnreachableError(
                f"{host}: this key can do nothing there but talk to the helper",
                remedy=f"connect as an administrator: root@{host}, with --private-key FILE where needed",
            )
        last = said[-1] if said else "no message"
        message = f"{host}: {mode} failed with exit code {completed.exit_code}: {last}"
        raise HelperError(message, code="access-failed")
    found: dict[str, list[str]] = {}
    for word, _, rest in lines:
        found.setdefault(word, []).append(rest)
    verbs = ("make", "change", "remove", "left")
    return Report(
        changes=tuple(Change(word, rest) for word, _, rest in lines if word in verbs),
        notes=tuple(found.get("note", ())),
        arch=found.get("arch", [""])[0],
        install="missing" in found.get("helper", ()),
    )


def try_access(connection: Connection, host: str, access: Access) -> str:
    """Go the way of the fleet's key from the account on: sudo, the helper's `rpc`, its service.

    Returns:
        The helper's version.

    Raises:
        HelperError: `access-refused`: it does not lead to the helper.
        BecomeError, UnreachableError, TimeoutError: as `run_access`.
    """
    greeting = encode({"id": 1, "verb": "hello", "protocol": PROTOCOL, "client": "fleetsched bootstrap"})
    completed = connection.run(access_command("try", access), stdin=greeting, timeout_s=_TIMEOUT_S)
    try:
        answer = decode(completed.stdout)
        if answer["ok"] is True:
            return str(answer["result"]["helper"])
        said = str(answer["error"]["message"])
    except (ValueError, KeyError, TypeError):
        lines = completed.stderr.decode("utf-8", "replace").strip().splitlines()
        said = lines[-1] if lines else f"no answer, exit code {completed.exit_code}"
    raise HelperError(
        f"{host}: all is in place, and {access.user} does not reach the helper: {said}",
        code="access-refused",
        remedy=f"try it there: runuser -u {access.user} -- sudo -n {HELPER_PATH} rpc </dev/null",
    )


def access_command(mode: str, access: Access, owner: str = "") -> tuple[str, ...]:
    """Return the command that does it."""
    script = resources.files("fleetsched.helper").joinpath("access.sh").read_text(encoding="utf-8")
    return (
        "sh",
        "-c",
        script,
        ACCESS_NAME,
        mode,
        access.user,
        "\n".join(access.keys),
        access.signers,
        access.group,
        owner,
    )


def _refused(host: str, user: str, rest: str) -> HelperError:
    code, _, detail = rest.partition("\t")
    message, remedy = _MEANINGS.get(code, ("{host}: refused: {detail}", ""))
    words = {"host": host, "user": user, "detail": detail}
    return HelperError(message.format(**words), code=code, remedy=remedy.format(**words))
