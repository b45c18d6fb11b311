# SPDX-License-Identifier: Apache-2.0
"""Opening the helper of a host: one exec that tells at the same time whether there is one."""

from __future__ import annotations

from dataclasses import dataclass

from fleetsched.errors import HelperError
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


@dataclass(frozen=True, slots=True)
class NoHelper:
    """A host that can be reached and has no helper, and what installing one depends on.

    Attributes:
        arch: as `uname -m` says it.
        kernel_release: as `uname -r` says it.
        sched_ext: whether its kernel has sched_ext.
        systemd: whether systemd runs it.
    """

    arch: str
    kernel_release: str
    sched_ext: bool
    systemd: bool


def open_helper(connection: Connection, host: str) -> HelperClient | NoHelper:
    """Start the helper's `rpc` on the host called `host` and greet it.

    Returns:
        A client that has said hello (`client.greeting`), for the caller to close; or what is known of a host
        that has no helper.

    Raises:
        HelperError: `no-service` (it is installed and does not run), `protocol-version`, `bad-answer`.
        BecomeError: sudo refused.
        UnreachableError: the connection was lost.
    """
    client = HelperClient(connection.open(RPC_COMMAND), host)
    try:
        client.hello()
    except HelperError as error:
        client.close()
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
