# SPDX-License-Identifier: Apache-2.0
"""Machines for gates and benchmarks that have booted, saved at the moment when the helper has just started.

The memory is a file that every machine of this moment maps privately, so nothing is read that is not used and
nothing is copied that is not written. Beside it lie the state of the devices and the disk.
"""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleetsched.errors import LabError, UnreachableError
from fleetsched.helper.build import find_helper
from fleetsched.helper.wire import HELPER_PATH
from fleetsched.lab import debian, initramfs, qemu
from fleetsched.lab.accelerators import choose_accelerator, cpu_model
from fleetsched.lab.cache import cached, recipe_digest
from fleetsched.lab.guard import Guard
from fleetsched.lab.images import SUITE, Image, guest_script, write_disk
from fleetsched.lab.kernels import Kernel, find_kernel
from fleetsched.lab.link import GuestLink
from fleetsched.lab.monitor import Monitor, last_words
from fleetsched.lab.processes import wait_for_end
from fleetsched.lab.shape import MachineSpec, machine_arguments, memory_files

# To load a policy, to look at it, to put a machine under stress; perl, for the agent, is in every Debian.
PACKAGES = ("bpftool", "iproute2", "procps", "stress-ng")

_DISK_SIZE = "4G"
_BOOT_S = 900.0  # 20 s under TCG on an idle machine
_STEP_S = 300.0
_SAVE_S = 300.0
_END_S = 60.0
_SUPERVISOR = "/usr/libexec/machine-helper"
# The last two lines bring into memory what is needed first after a restore.
_READY = f"""\
setsid {_SUPERVISOR} < /dev/null > /run/fleetsched-host.log 2>&1 &
until [ -S /run/fleetsched/host.sock ]; do sleep 0.1; done
uname -r
{HELPER_PATH} rpc < /dev/null > /dev/null
stress-ng --cpu 1 --cpu-ops 1 > /dev/null 2>&1 && sync
"""


@dataclass(frozen=True, slots=True)
class SavedMachine:
    """Where machines of one kind start.

    Args:
        spec: the kind.
        accelerator: machines can only go on under the same one.
        image: what it was booted from.
        folder: with memory, state and disk.
    """

    spec: MachineSpec
    accelerator: qemu.Accelerator
    image: Image
    folder: Path

    def start(self, folder: Path) -> GuestLink:
        """Start a machine in the empty folder `folder`, at the saved moment.

        Raises:
            LabError: QEMU refused.
        """
        _overlay(self.folder / "disk.qcow2", folder)
        memory = memory_files(self.spec, self.folder)
        qemu.start(
            machine_arguments(self.spec, self.accelerator, self.image, folder, memory, restored=True), folder
        )
        # Before the state is loaded: the agent in it takes the port to be open at the other end.
        link = GuestLink(folder, _name(self.spec))
        try:
            with Monitor(folder) as monitor:
                _leave_memory_alone(monitor)
                monitor.command("migrate-incoming", uri=f"exec:cat {shlex.quote(str(self.folder / 'state'))}")
                monitor.wait_for("query-migrate", "completed", "failed", timeout_s=_STEP_S)
                monitor.command("cont")
        except BaseException:
            link.close()
            raise
        return link


def saved_machine(spec: MachineSpec, say: Callable[[str], None]) -> SavedMachine:
    """The saved machine of this kind; booted and saved now when it is not in the cache.

    Raises:
        UsageError: there can be no such machine.
        LabError: the kernel or a package cannot be had, or the guest does not come up.
        BuildError: the helper cannot be built.
    """
    spec.check()
    image = _image(find_kernel(spec.kernel, say), spec.packages, say)
    accelerator = qemu.TCG if spec.icount else choose_accelerator(image, say)
    helper = find_helper().read_bytes()
    supervisor = guest_script("machine-helper.sh")
    # Everything of the command line but the folders of this cache.
    nowhere = Image("", Kernel("", Path("kernel"), Path("modules")), Path("initramfs"), Path("disk"))
    shape = machine_arguments(
        spec, accelerator, nowhere, Path("folder"), memory_files(spec, Path("folder")), restored=False
    )
    model = cpu_model() if accelerator == qemu.KVM else ""
    key = recipe_digest([image.key, shape, qemu.version(), model, supervisor, _READY, helper.hex()])

    def build(target: Path) -> None:
        say(f"booting a {spec.topology} machine with kernel {image.kernel.release} once ({accelerator.name})")
        work = target / "work"
        work.mkdir()
        with Guard(work):
            _boot_and_save(
                spec,
                accelerator,
                image,
                {HELPER_PATH: helper, _SUPERVISOR: supervisor.encode()},
                work,
                target,
            )
            shutil.move(qemu.disk_file(work), target / "disk.qcow2")

    return SavedMachine(spec, accelerator, image, cached("machines", key, build))


def _image(kernel: Kernel, packages: tuple[str, ...], say: Callable[[str], None]) -> Image:
    """What it boots: one disk for all kernels, since whatever a machine needs is built into them."""
    wanted = sorted({*PACKAGES, *packages})
    script = guest_script("machine-root.sh")
    files = {
        "sbin/init": guest_script("machine-init.sh"),
        "usr/libexec/machine-agent": guest_script("machine-agent.pl"),
    }

    def build_root(target: Path) -> None:
        say(f"installing Debian {SUITE} for machines with {', '.join(wanted)} (about a minute)")
        debian.bootstrap(SUITE, wanted, target / "root.tar", script=script)

    root = cached("roots", recipe_digest([SUITE, wanted, script]), build_root)
    disk = cached(
        "machine-disks",
        recipe_digest([root.name, files, _DISK_SIZE]),
        lambda target: write_disk((root / "root.tar",), target / "disk.qcow2", size=_DISK_SIZE, files=files),
    )
    start = cached(
        "initramfs",
        recipe_digest([kernel.release, initramfs.recipe()]),
        lambda target: initramfs.write_initramfs(kernel, target / "initramfs"),
    )
    key = recipe_digest([disk.name, start.name])
    return Image(key, kernel, start / "initramfs", disk / "disk.qcow2")


def _boot_and_save(
    spec: MachineSpec,
    accelerator: qemu.Accelerator,
    image: Image,
    programs: dict[str, bytes],
    work: Path,
    target: Path,
) -> None:
    _overlay(image.disk, work)
    memory = memory_files(spec, target)
    qemu.start(machine_arguments(spec, accelerator, image, work, memory, restored=False), work)
    with GuestLink(work, _name(spec)) as link:
        try:
            link.wait_until_ready(_BOOT_S)
            for path, content in programs.items():
                run_in(link, f"cat > {path}; chmod 0755 {path}", stdin=content, timeout_s=_STEP_S)
            release = run_in(link, _READY, timeout_s=_STEP_S).decode().strip()
        except (TimeoutError, UnreachableError, LabError) as error:
            raise LabError(f"{_name(spec)} does not come up: {error}", remedy=last_words(work)) from error
        if release != image.kernel.release:
            raise LabError(f"{_name(spec)} runs {release}, expected {image.kernel.release}")
        # QEMU reports success before `cat` has written its last bytes: the file gets its name from the shell.
        unfinished, state = shlex.quote(str(target / "state.unfinished")), target / "state"
        with Monitor(work) as monitor:
            monitor.command("stop")
            _leave_memory_alone(monitor)
            monitor.command(
                "migrate", uri=f"exec:cat > {unfinished} && mv {unfinished} {shlex.quote(str(state))}"
            )
            monitor.wait_for("query-migrate", "completed", "failed", timeout_s=_SAVE_S)
            monitor.quit()
    wait_for_end(work, timeout_s=_END_S)
    end = time.monotonic() + _END_S
    while not state.exists():
        if time.monotonic() > end:
            raise LabError("the machine's state was not saved", remedy="Is the disk of the cache full?")
        time.sleep(0.1)


# The script and its output are files: a pipe would wake the agent at each line, and processes that the
# script leaves behind would keep it open.
_WRAPPER = """\
d=$(mktemp -d /run/script.XXXXXX)
head -c "$1" > $d/script
cat > $d/input
sh -eu $d/script < $d/input > $d/out 2> $d/errors
code=$?
cat $d/out
cat $d/errors >&2
rm -r $d
exit $code
"""


def run_in(link: GuestLink, script: str, *, stdin: bytes = b"", timeout_s: float) -> bytes:
    """Run a shell script as root in the machine, and return what it printed.

    Raises:
        LabError: it failed, with its last words, or took more than `timeout_s` seconds and was killed.
        UnreachableError: the machine has ended.
    """
    text = script.encode()
    try:
        done = link.run(["sh", "-c", _WRAPPER, "sh", str(len(text))], stdin=text + stdin, timeout_s=timeout_s)
    except TimeoutError as error:
        first = script.strip().partition("\n")[0]
        raise LabError(f"{link.name}: `{first}` took more than {timeout_s:.0f} s") from error
    if done.exit_code:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        shown = "; ".join(said.splitlines()[-5:]) or f"`{script.strip().splitlines()[-1]}` said nothing"
        raise LabError(f"{link.name}: a script ended with exit code {done.exit_code}: {shown}")
    return done.stdout


def _leave_memory_alone(monitor: Monitor) -> None:
    """Memory in files is neither written to the state nor read from it."""
    monitor.command(
        "migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}]
    )


def _overlay(backing: Path, folder: Path) -> None:
    qemu.new_disk(backing, folder)


def _name(spec: MachineSpec) -> str:
    return f"machine with kernel {spec.kernel}"
