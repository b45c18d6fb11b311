# SPDX-License-Identifier: Apache-2.0
"""Workloads on a real host, over an administrator's connection, in a folder that is removed afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable

from fleetsched.bench.interface import Run
from fleetsched.bench.metrics import run_of
from fleetsched.bench.programs import compile_program
from fleetsched.bench.script import CGROUP, Place, observed_for_s, read_said, run_script
from fleetsched.errors import RefusedError, UnreachableError, WorkloadError
from fleetsched.helper.session import is_restricted
from fleetsched.model.evidence import Environment
from fleetsched.model.workload import Workload
from fleetsched.secrets import redact
from fleetsched.transport.interface import Connection

_SHORT_S = 60.0
_LAST_WORDS = 300
_PREFIX = "/tmp/fleetsched-bench."  # noqa: S108 (mktemp makes it, and nobody else may enter)
_MAKE = ("mktemp", "-d", f"{_PREFIX}XXXXXXXXXX")
_FOLDER = re.compile(re.escape(_PREFIX) + r"[A-Za-z0-9]{10}")
_PUT = 'mkdir -p "$(dirname "$0")" && cat > "$0" && chmod 700 "$0"'
# What was abandoned may still run: first it is ended.
_REMOVE = f"""\
group=/sys/fs/cgroup/{CGROUP}
for each in "$group"/*/; do
    if [ -e "$each/cgroup.kill" ]; then echo 1 > "$each/cgroup.kill"; fi
done
for turn in 1 2 3 4 5 6 7 8 9 10; do
    find "$group" -depth -type d -exec rmdir {{}} + 2> /dev/null
    [ -e "$group" ] || break
    sleep 0.1
done
rm -rf "$0"
"""


class HostRuns:
    """Runs of one workload after another on one host.

    Args:
        connection: gives the present connection, whose user is or becomes root.
        environment: what the host is.
    """

    def __init__(self, connection: Callable[[], Connection], environment: Environment) -> None:
        self._connection = connection
        self._host = environment.host
        self._environment = environment
        self._folder = ""
        self._longest_s: dict[str, float] = {}

    def prepare(self, workload: Workload) -> None:
        """Bring the workload's programs. Packages that it needs are the host's own business.

        Raises:
            RefusedError: the key is restricted to the helper.
            BuildError: a program does not compile.
            WorkloadError: the host does not take them.
            HostError: the connection is lost.
        """
        if is_restricted(self._connection()):
            raise RefusedError(
                f"{self._host}: the key is kept to the helper, so no workload can be started there",
                remedy="measure the host's own work with --seconds, or log in as an administrator",
            )
        programs = {
            name: compile_program(name, source, self._environment.arch)
            for name, source in workload.programs.items()
        }
        if not self._folder:
            made = self._run(_MAKE).strip()
            if not _FOLDER.fullmatch(made):
                raise WorkloadError(f"{self._host}: no folder for the run could be made under /tmp")
            self._folder = made
        for name, image in programs.items():
            self._put(f"{self._folder}/programs/{name}", image)

    def run(self, workload: Workload, *, seed: int, observe: bool, limit_s: float) -> Run:
        """Run it once.

        Args:
            workload: what was prepared.
            seed: of what is random in it.
            observe: whether the helper counts meanwhile how long tasks wait.
            limit_s: seconds after which the host is given up.

        Raises:
            WorkloadError: it failed, took too long, or printed no number for a metric.
            HostError: the connection is lost.
        """
        place = Place(self._environment.cpus, f"{self._folder}/run", f"{self._folder}/programs")
        observe_s = observed_for_s(workload, self._longest_s.get(workload.name)) if observe else None
        file = f"{self._folder}/run.sh"
        self._put(file, run_script(workload, place, seed, observe_s).encode())
        said = read_said(self._run(("sh", "-eu", file), timeout_s=limit_s), workload)
        run = run_of(workload, said)
        self._longest_s[workload.name] = max(run.seconds, self._longest_s.get(workload.name, 0.0))
        return run

    def remove(self) -> None:
        """End what still runs of it, and take everything away.

        Raises:
            WorkloadError, HostError: something may be left under /tmp.
        """
        if self._folder:
            self._run(("sh", "-c", _REMOVE, self._folder))
            self._folder = ""

    def _put(self, path: str, content: bytes) -> None:
        self._run(("sh", "-c", _PUT, path), stdin=content)

    def _run(self, command: tuple[str, ...], *, stdin: bytes = b"", timeout_s: float = _SHORT_S) -> str:
        try:
            done = self._connection().run(command, stdin=stdin, timeout_s=timeout_s)
        except TimeoutError:
            raise UnreachableError(f"{self._host}: the run did not end within {timeout_s:g} s") from None
        if done.exit_code:
            words = redact(done.stderr.decode("utf-8", "replace").strip()[-_LAST_WORDS:])
            raise WorkloadError(
                f"{self._host}: a step of the run exited with {done.exit_code}",
                remedy="".join(letter if letter.isprintable() else " " for letter in words),
            )
        return done.stdout.decode("utf-8", "replace")
