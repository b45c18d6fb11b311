# SPDX-License-Identifier: Apache-2.0
"""Opening the helper of a host: one exec that tells at the same time whether there is one."""

from __future__ import annotations

from dataclasses import dataclass

from fleetsched.errors import HelperError, UnreachableError
from fleetsched.helper.client import HelperClient
from fleetsched.helper.wire import HELPER_PATH
from fleetsched.transport.interface import Connection

# Without a helper, the same process says so in the helper's own words, with what an installer must know.
# It reads one line first, so that the greeting always finds a reader.
_SCRIPT = f"""\
[ -x {HELPER_PATH} ] && exec {HELPER_PATH} rpc
read -r _
x=false; [ -d /sys/kernel/sched_ext ] && x=true
d=false; [ -d /run/systemd/system ] && d=true
printf '{{"id":0,"ok":false,"error":{{"code":"no-helper","message":"the helper is not installed","detail":\
{{"arch":"%s","kernel_release":"%s","sched_ext":%s,"systemd":%s}}}}}}\\n' "$(uname -m)" "$(uname -r)" $x $d
"""

RPC_COMMAND = ("sh", "-c", _SCRIPT)

INSTALL_REMEDY = "`fleetsched helper install`, or the first policy's `apply`, brings it"

_NOT_FOUND = f"sudo: {HELPER_PATH}:"
_NO_REQUEST = "the line is no request"
_ECHO = "unrestricted"
_ECHO_S = 60.0


@dataclass(frozen=True, slots=True)
class NoHelper:
    """A host that can be reached and has no helper, and what installing one depends on.

    Attributes:
        arch: as `uname -m` says it.
        kernel_release: as `uname -r` says it.
        sched_ext: whether its kernel has sched_ext.
        systemd: whether systemd runs it.
        restricted: whether the login's key is kept to the helper, so that it can neither say the above, which
            is then a guess, nor install one.
    """

    arch: str
    kernel_release: str
    sched_ext: bool
    systemd: bool
    restricted: bool = False


def open_helper(connection: Connection, host: str) -> HelperClient | NoHelper:
    """Start the helper's `rpc` on the host called `host` and greet it.

    Returns:
        A client that has said hello (`client.greeting`), for the caller to close; or what is known of a host
        that has no helper.

    Raises:
        HelperError: `no-service` (it is installed and does not run), `protocol-version`, `bad-answer`;
            `bad-request` when a password for sudo came to the helper.
        BecomeError: sudo refused.
        UnreachableError: the connection was lost.
    """
    channel = connection.open(RPC_COMMAND)
    client = HelperClient(channel, host)
    try:
        client.hello()
    except UnreachableError:
        # Ours would have said so itself: it is the restricted key's own command that sudo does not find.
        kept_to_helper = any(line.startswith(_NOT_FOUND) for line in channel.stderr_tail().splitlines())
        client.close()
        if not kept_to_helper:
            raise
        return NoHelper(arch="", kernel_release="", sched_ext=True, systemd=True, restricted=True)
    except HelperError as error:
        client.close()
        if error.code == "bad-request" and _NO_REQUEST in error.message:
            raise HelperError(
                f"{host}: the key is restricted, and the password for sudo came to the helper instead",
                code="bad-request",
                remedy="write `ansible_become: false` for this host: its key needs no password",
            ) from None  # which quotes what came
        if error.code != "no-helper":
            raise
        detail = error.detail
        return NoHelper(
            arch=str(detail.get("arch")),
            kernel_release=str(detail.get("kernel_release")),
            sched_ext=detail.get("sched_ext") is True,
            systemd=detail.get("systemd") is True,
        )
    except BaseException:
        client.close()
        raise
    return client


def is_restricted(connection: Connection) -> bool:
    """Whether the login's key is kept to the helper: then its `rpc` runs, whatever was asked for.

    Raises:
        BecomeError, UnreachableError, TimeoutError: as Connection.run.
    """
    return _ECHO.encode() not in connection.run(["echo", _ECHO], timeout_s=_ECHO_S).stdout


def restricted_without_helper(host: str) -> tuple[str, str]:
    """What is wrong with a host whose key is restricted and that has no helper, and what to do about it."""
    message = f"{host} has no helper, and its key is kept to the helper, so that apply cannot install one"
    return message, f"as an administrator: `fleetsched bootstrap root@{host}`"
