# SPDX-License-Identifier: Apache-2.0
"""How the hosts of the lab were when a test failed: the lab is gone when somebody reads of the failure."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from fleetsched.lab.monitor import last_words
from fleetsched.lab.paths import lab_folder
from fleetsched.lab.state import machine_folder

if TYPE_CHECKING:
    from tests.real.conftest import RealLab

MOST = 3
"""So many failures of a run are described; those that come after are mostly the same one."""

_CONSOLE_LINES = 40
_ANSWER_S = 30.0  # what a host that is in order says within two

# How full the disk is; what was begun last; tasks that cannot be killed, with where in the kernel they wait;
# what systemd waits for; who said what last.
_LOOK = """
cat /proc/uptime /sys/kernel/sched_ext/state /sys/kernel/sched_ext/root/ops 2>/dev/null
df / | tail -n 1
ps --ppid 2 --deselect -o pid,stat,etimes,args | tail -n 15 | cut -c -200
for task in /proc/[0-9]*/task/*; do
  grep -q '^State:.D' $task/status && { grep -E '^(Name|Pid)' $task/status; cat $task/stack; }
done 2>/dev/null
systemctl list-jobs --no-pager
journalctl --unit=fleetsched-host.service --lines=15 --no-pager --output=cat
dmesg | tail -n 25
"""


def describe(lab: RealLab) -> list[tuple[str, str]]:
    """Return a section of a report for each host: what it says itself, and the end of its console."""

    def section(host: str) -> tuple[str, str]:
        try:
            said = lab.ssh(host, _LOOK, check=False, timeout=_ANSWER_S, shared=False)
        except subprocess.TimeoutExpired:
            said = f"does not answer within {_ANSWER_S:g} s\n"
        console = last_words(machine_folder(lab_folder(lab.name), host), most=_CONSOLE_LINES)
        return f"{host}, looked at after the failure", f"{said}\n{console}"

    with ThreadPoolExecutor(len(lab.hosts)) as threads:
        return list(threads.map(section, lab.hosts))
