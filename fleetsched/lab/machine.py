# SPDX-License-Identifier: Apache-2.0
"""Machines for gates and benchmarks: one guest that is there in seconds, and back at its start in seconds.

No network, no services; a helper that has just started. Whatever happens in one is gone with it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from fleetsched.errors import LabError, UnreachableError
from fleetsched.helper.client import HelperClient
from fleetsched.helper.session import NoHelper, open_helper
from fleetsched.lab.guard import Guard
from fleetsched.lab.link import GuestLink
from fleetsched.lab.lock import machine_lock, release, try_lock
from fleetsched.lab.monitor import last_words
from fleetsched.lab.processes import kill_machines
from fleetsched.lab.saved import SavedMachine, run_in, saved_machine
from fleetsched.lab.shape import TOPOLOGIES, MachineSpec
from fleetsched.lab.state import sweep

__all__ = ["TOPOLOGIES", "Machine", "MachineSpec", "open_machine"]

_ANSWER_S = 120.0
_PUT_S = 300.0


class Machine:
    """A running machine; made by `open_machine`, for one thread at a time."""

    def __init__(self, saved: SavedMachine, folder: Path) -> None:
        self._saved = saved
        self._folder = folder
        self._link: GuestLink | None = None
        self.reset()

    @property
    def spec(self) -> MachineSpec:
        """What was asked for."""
        return self._saved.spec

    @property
    def kernel_release(self) -> str:
        """As `uname -r` says it."""
        return self._saved.boot.release

    @property
    def accelerator(self) -> str:
        """`tcg` or `kvm`."""
        return self._saved.accelerator.name

    @property
    def console(self) -> str:
        """What the kernel printed since the last reset."""
        return (self._folder / "machine" / "console.log").read_text(encoding="utf-8", errors="replace")

    def run(self, script: str, *, timeout_s: float) -> str:
        """Run a script as root by `/bin/sh -eu`.

        Args:
            script: its text. It may leave processes behind, which go on.
            timeout_s: seconds of this computer's time, whatever time it is in the machine.

        Returns:
            Its standard output.

        Raises:
            LabError: it failed, with its last words; it took too long and was killed, without what it had
                moved to other process groups; or the machine has ended.
        """
        return self._run(script, b"", timeout_s).decode("utf-8", "replace")

    def put(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Write a file, and the folders that it needs.

        Raises:
            LabError: the machine refused, does not answer or has ended.
        """
        name = shlex.quote(path)
        script = f'mkdir -p "$(dirname {name})"; cat > {name}; chmod {mode:o} {name}'
        self._run(script, content, _PUT_S)

    def helper(self) -> HelperClient:
        """Open the helper; the caller closes it. Any number may be open.

        The helper's own calls raise HelperError, and UnreachableError when a policy starves the helper.

        Raises:
            LabError: it does not answer, or the machine has ended.
            HelperError: it answers something else than it should.
        """
        try:
            client = open_helper(self._opened(), self._opened().name)
        except (UnreachableError, TimeoutError) as error:
            raise self._lost(error) from error
        if isinstance(client, NoHelper):
            raise LabError(f"{self._opened().name}: the helper is gone")
        return client

    def reset(self) -> None:
        """Bring it back to the moment after its boot, in a new QEMU; open helpers lose their connection.

        Within one QEMU the time-stamp counter of an emulated CPU would not go back.

        Raises:
            LabError: QEMU refused or the machine does not answer.
        """
        self.close()
        own = self._folder / "machine"
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        self._link = self._saved.start(own)
        self.run("true", timeout_s=_ANSWER_S)

    def close(self) -> None:
        """End it."""
        if self._link:
            self._link.close()
            self._link = None
        kill_machines(self._folder)

    def _run(self, script: str, stdin: bytes, timeout_s: float) -> bytes:
        try:
            return run_in(self._opened(), script, stdin=stdin, timeout_s=timeout_s)
        except UnreachableError as error:
            raise self._lost(error) from error

    def _opened(self) -> GuestLink:
        if self._link is None:
            raise LabError("the machine is closed")
        return self._link

    def _lost(self, error: Exception) -> LabError:
        return LabError(str(error), remedy=last_words(self._folder / "machine"))


@contextmanager
def open_machine(spec: MachineSpec, say: Callable[[str], None]) -> Iterator[Machine]:
    """A machine at the moment after its boot; at the end of the block nothing is left of it.

    The first of its kind is booted and saved, which takes a minute or two, and more when its kernel or its
    packages are new, too.

    Args:
        spec: what it looks like.
        say: told what takes long.

    Raises:
        UsageError: there can be no such machine.
        LabError: a kernel or a package cannot be had, or the guest does not come up.
        BuildError: the helper cannot be built.
    """
    with machine_lock(say):
        saved = saved_machine(spec, say)
        with _folder() as folder:
            machine = Machine(saved, folder)
            try:
                yield machine
            finally:
                machine.close()


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that is swept at the end of the block, or of this process, or by the next one."""
    base = platformdirs.user_state_path("fleetsched") / "machines"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    for leftover in base.glob("*.lock"):
        descriptor = try_lock(leftover)
        if descriptor is not None:
            sweep(leftover.with_suffix(""))
            release(leftover, descriptor)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=base))
    path = folder.with_suffix(".lock")
    descriptor = try_lock(path)
    assert descriptor is not None, "mkdtemp made a new name"
    try:
        with Guard(folder, lock=descriptor):
            yield folder
    finally:
        release(path, descriptor)
