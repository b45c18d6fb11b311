# SPDX-License-Identifier: Apache-2.0
"""Putting the helper on a host: one exec that carries a POSIX shell script, with the binary on its input."""

from __future__ import annotations

import hashlib
from importlib import resources

from fleetsched.errors import HelperError
from fleetsched.transport.interface import Connection

# `$0` of the script; what recognises an installation in a list of processes, and in the simulation.
INSTALL_NAME = "fleetsched-install"

_TIMEOUT_S = 240.0  # the script waits 60 s for the service; sending 1.2 MB over a bad line takes the rest
_JOURNAL_LINES = 5

# e_machine of an ELF header, and what `uname -m` says on such a machine.
_MACHINES = {62: "x86_64", 183: "aarch64", 243: "riscv64", 22: "s390x", 21: "ppc64le"}

# What the script's codes mean; {host} and {detail} are filled in.
_MEANINGS = {
    "not-root": (
        "{host}: the helper can only be installed by root, not by {detail}",
        "let fleetsched use sudo there (`ansible_become: true`)",
    ),
    "no-systemd": ("{host} is not run by systemd, which the helper's service needs", ""),
    "wrong-arch": (
        "{host} has the architecture {detail}, and the helper was built for {arch}",
        "bring a helper built for {detail}",
    ),
    "no-tool": ("{host} has no {detail}", "install the package that has it (util-linux)"),
    "busy": ("{host}: somebody else has been installing the helper for two minutes", "try again later"),
    "disk-full": ("{host} has a full disk: no room for the helper in {detail}", "free some space there"),
    "write-failed": (
        "{host}: {detail} cannot be written",
        "is its file system read-only, or the file protected?",
    ),
    "damaged": ("{host}: the helper did not arrive intact; nothing was changed", "try again"),
    "not-started": (
        "{host}: the helper is installed and its service does not start: {detail}",
        "look at `journalctl -u fleetsched-host` there",
    ),
}


def install(connection: Connection, host: str, binary: bytes, unit: bytes, *, replace: bool = True) -> bool:
    """Install the helper and start its service, unless exactly this helper is there and runs.

    A helper with other bytes is replaced and its service restarted, which ends a trial.

    Args:
        connection: to the host, as root or through sudo.
        host: its name, for messages.
        binary: the helper, a static ELF file.
        unit: its systemd service.
        replace: if not, any helper that answers is left as it is.

    Returns:
        Whether anything was changed.

    Raises:
        HelperError: `not-root`, `no-systemd`, `wrong-arch`, `no-tool`, `busy`, `disk-full`, `write-failed`,
            `damaged`, `not-started` (with the journal's last lines), or `install-failed`. Whatever failed,
            each file that was changed is complete.
        BecomeError: sudo refused.
        UnreachableError: the connection was lost.
        TimeoutError: the host did not finish within four minutes.
    """
    arch = _arch(binary)
    command = install_command(binary, unit, arch, replace=replace)
    completed = connection.run(command, stdin=binary, timeout_s=_TIMEOUT_S)
    code, _, detail = completed.stdout.decode("utf-8", "replace").strip().partition("\n")
    if completed.exit_code == 0 and code in ("installed", "unchanged", "kept"):
        return code == "installed"
    if code not in _MEANINGS:
        said = completed.stderr.decode("utf-8", "replace").strip().splitlines()
        raise HelperError(
            f"{host}: installing the helper failed with exit code {completed.exit_code}: "
            f"{said[-1] if said else 'no message'}",
            code="install-failed",
        )
    message, remedy = _MEANINGS[code]
    shown = " / ".join(detail.splitlines()[-_JOURNAL_LINES:]) or "no message"
    words = {"host": host, "detail": shown, "arch": arch}
    raise HelperError(message.format(**words), code=code, remedy=remedy.format(**words))


def install_command(binary: bytes, unit: bytes, arch: str, *, replace: bool) -> tuple[str, ...]:
    """Return the command that installs `binary` given on its standard input."""
    script = resources.files("fleetsched.helper").joinpath("install.sh").read_text(encoding="utf-8")
    digest = hashlib.sha256(binary).hexdigest()
    kib = str(len(binary) // 1024 + 1)
    return (
        "sh",
        "-c",
        script,
        INSTALL_NAME,
        digest,
        kib,
        arch,
        unit.decode(),
        "replace" if replace else "keep",
    )


def _arch(binary: bytes) -> str:
    if binary[:4] != b"\x7fELF" or len(binary) < 20:
        raise ValueError("the helper's binary is no ELF file")
    machine = int.from_bytes(binary[18:20], "little" if binary[5] == 1 else "big")
    return _MACHINES.get(machine, f"machine-{machine}")
