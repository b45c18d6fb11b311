# SPDX-License-Identifier: Apache-2.0
"""Machines for gates and benchmarks that have booted, saved at the moment when the helper has just started.

The memory, with the root file system in it, is a file that every machine of this moment maps privately:
nothing is read that is not used, nothing is copied that is not written. Beside it lies the state of devices.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from fleetsched.errors import LabError, UnreachableError, UsageError
from fleetsched.helper.build import find_helper
from fleetsched.helper.wire import HELPER_PATH
from fleetsched.lab import debian, initramfs, qemu
from fleetsched.lab.accelerators import Bootable, choose_accelerator, cpu_model
from fleetsched.lab.cache import cached, recipe_digest
from fleetsched.lab.guard import Guard
from fleetsched.lab.images import SUITE, guest_script
from fleetsched.lab.kernels import find_kernel_image
from fleetsched.lab.link import GuestLink
from fleetsched.lab.monitor import Monitor, last_words
from fleetsched.lab.pace import OnlyAwaited
from fleetsched.lab.shape import MachineSpec, machine_arguments, memory_files
from fleetsched.lab.snapshots import end_into, leave_memory_alone

# To put a machine under stress and to look at it; perl, for the agent, is in every Debian.
PACKAGES = ("iproute2", "procps", "stress-ng")

_STEP_MIB = 64  # so that every number of NUMA nodes divides it
_BOOT_S = 900.0  # 20 s under TCG on an idle machine
_STEP_S = 300.0
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
        boot: its kernel and its files.
        root_mib: what its files take of its memory.
        folder: with memory and state.
    """

    spec: MachineSpec
    accelerator: qemu.Accelerator
    boot: Bootable
    root_mib: int
    folder: Path

    def start(self, folder: Path) -> GuestLink:
        """Start a machine in the empty folder `folder`, at the saved moment.

        Raises:
            LabError: QEMU refused.
        """
        qemu.start(self.arguments(folder, self.folder, restored=True), folder)
        # Before the state is loaded: the agent in it takes the port to be open at the other end.
        link = GuestLink(folder, _name(self.spec))
        try:
            with Monitor(folder) as monitor:
                leave_memory_alone(monitor)
                monitor.command("migrate-incoming", uri=f"exec:cat {shlex.quote(str(self.folder / 'state'))}")
                monitor.wait_for("query-migrate", "completed", "failed", timeout_s=_STEP_S)
                if not self.spec.icount:
                    monitor.command("cont")
            if self.spec.icount:
                link.pace = OnlyAwaited(folder)
        except BaseException:
            link.close()
            raise
        return link

    def arguments(self, folder: Path, memory: Path, *, restored: bool) -> list[str]:
        """The command line of a machine in `folder` with its memory in the folder `memory`."""
        files = memory_files(self.spec, memory)
        return machine_arguments(
            self.spec, self.accelerator, self.boot, folder, files, root_mib=self.root_mib, restored=restored
        )


def identify(spec: MachineSpec, say: Callable[[str], None]) -> tuple[str, str]:
    """The kernel's release, and a digest of all else that makes such a machine, which is not made for it.

    Raises:
        LabError: the kernel cannot be had.
        BuildError: the helper cannot be built.
    """
    release = find_kernel_image(spec.kernel, say).release
    parts = [release, qemu.version(), repr(asdict(spec)), *PACKAGES]
    parts += [guest_script(f"machine-{name}") for name in ("init.sh", "agent.pl", "helper.sh", "root.sh")]
    digest = hashlib.sha256("\0".join(parts).encode() + find_helper().read_bytes())
    return release, digest.hexdigest()


def saved_machine(spec: MachineSpec, say: Callable[[str], None]) -> SavedMachine:
    """The saved machine of this kind; booted and saved now when it is not in the cache.

    Raises:
        UsageError: there can be no such machine.
        LabError: the kernel or a package cannot be had, or the guest does not come up.
        BuildError: the helper cannot be built.
    """
    spec.check()
    kernel = find_kernel_image(spec.kernel, say)
    root = _root(spec.packages, say)
    root_mib = _STEP_MIB * -(-root.stat().st_size // (_STEP_MIB << 20))
    if root_mib > spec.memory_mib:
        raise UsageError(f"{spec.memory_mib} MiB of memory: its packages need at least {root_mib} MiB")
    boot = Bootable(kernel.release, kernel.image, root)
    accelerator = qemu.TCG if spec.icount else choose_accelerator(boot, say)
    helper = find_helper().read_bytes()
    supervisor = guest_script("machine-helper.sh")
    # Everything of the command line but the folders of this cache.
    shape = SavedMachine(spec, accelerator, Bootable("", Path("kernel"), Path("root")), root_mib, Path())
    model = cpu_model() if accelerator == qemu.KVM else ""
    recipe = [
        *(kernel.release, root.parent.name, shape.arguments(Path("folder"), Path("memory"), restored=False)),
        *(qemu.version(), model, supervisor, _READY, hashlib.sha256(helper).hexdigest()),
    ]
    programs = {HELPER_PATH: helper, _SUPERVISOR: supervisor.encode()}

    def build(target: Path) -> None:
        say(f"booting a {spec.topology} machine with kernel {kernel.release} once ({accelerator.name})")
        work = target / "work"
        work.mkdir()
        with Guard(work):
            _boot_and_save(SavedMachine(spec, accelerator, boot, root_mib, target), programs, work)

    return SavedMachine(spec, accelerator, boot, root_mib, cached("machines", recipe_digest(recipe), build))


def _root(packages: tuple[str, ...], say: Callable[[str], None]) -> Path:
    """The files of a machine, for all kernels: whatever it needs is built into them."""
    wanted = sorted({*PACKAGES, *packages})
    script = guest_script("machine-root.sh")
    programs = {
        "init": guest_script("machine-init.sh").encode(),
        "usr/libexec/machine-agent": guest_script("machine-agent.pl").encode(),
    }

    def install(target: Path) -> None:
        say(f"installing Debian {SUITE} for machines with {', '.join(wanted)} (about a minute)")
        debian.bootstrap(SUITE, wanted, target / "root.tar", script=script)

    tree = cached("roots", recipe_digest([SUITE, wanted, script]), install)
    key = recipe_digest([tree.name, {name: content.decode() for name, content in programs.items()}])

    def write(target: Path) -> None:
        initramfs.write_root(tree / "root.tar", programs, target / "root.cpio")

    return cached("machine-roots", key, write) / "root.cpio"


def _boot_and_save(machine: SavedMachine, programs: dict[str, bytes], work: Path) -> None:
    name, target = _name(machine.spec), machine.folder
    qemu.start(machine.arguments(work, target, restored=False), work)
    with GuestLink(work, name) as link:
        try:
            link.wait_until_ready(_BOOT_S)
            for path, content in programs.items():
                run_in(link, f"cat > {path}; chmod 0755 {path}", stdin=content, timeout_s=_STEP_S)
            release = run_in(link, _READY, timeout_s=_STEP_S).decode().strip()
        except (TimeoutError, UnreachableError, LabError) as error:
            raise LabError(f"{name} does not come up: {error}", remedy=last_words(work)) from error
        if release != machine.boot.release:
            raise LabError(f"{name} runs {release}, expected {machine.boot.release}")
        end_into(work, target / "state", memory=False)


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


def _name(spec: MachineSpec) -> str:
    return f"machine with kernel {spec.kernel}"
