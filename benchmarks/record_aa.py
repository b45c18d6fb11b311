# SPDX-License-Identifier: Apache-2.0
"""Record runs of the kernel's own scheduler against itself, for `bench_aa.py`: both arms are the same.

    python benchmarks/record_aa.py WORKLOAD [KERNEL [BLOCKS]]     writes tests/data/aa/WORKLOAD-KERNEL.json

The machine is one of the lab, with the clock that counts instructions. A block takes a quarter of a minute.
"""

from __future__ import annotations

import hashlib
import random
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import fleetsched
from fleetsched.bench.statistics import compare
from fleetsched.fleetrepo.evidence import evidence_text
from fleetsched.lab.machine import Machine, MachineSpec, open_machine
from fleetsched.model.evidence import (
    CANDIDATE,
    KERNEL_DEFAULT_ARM,
    Arm,
    Environment,
    Evidence,
    Measured,
    kernel_version,
)
from fleetsched.model.goal import KERNEL_DEFAULT

RECORDED = Path(__file__).resolve().parent.parent / "tests" / "data" / "aa"
_RUN_S = 600.0
_SEED = 1
_ARMS = (KERNEL_DEFAULT_ARM, CANDIDATE)


@dataclass(frozen=True)
class Load:
    """What runs in the machine, and its metrics: unit and expression by name; less is better in all."""

    script: str
    metrics: dict[str, tuple[str, str]]


LOADS = {
    "timer-under-hogs": Load(
        "\n( while :; do :; done ) & a=$!\n( while :; do :; done ) & b=$!\n"
        "cyclictest -q --policy=other -i 2000 -l 300 -h 100000 | awk '/^[0-9]/ {n[$1+0]=$2; t+=$2; "
        "if ($2>0) m=$1+0} END {for (i=0;i<=m;i++) {c+=n[i]; if (!p50 && c>=t*.5) p50=i; "
        """if (!p99 && c>=t*.99) p99=i}; print "p50", p50; print "p99", p99}'\nkill $a $b\n""",
        {
            "timer_latency_p50_us": ("us", r"^p50 (\d+)"),
            "timer_latency_p99_us": ("us", r"^p99 (\d+)"),
        },
    ),
    "messages": Load("\nhackbench -g 2 -l 100\n", {"completion_time_s": ("s", r"^Time: ([0-9.]+)")}),
}


def measure(machine: Machine, load: Load) -> dict[str, float]:
    """Run it once."""
    text = machine.run(load.script, timeout_s=_RUN_S)
    found = {name: re.search(regex, text, re.MULTILINE) for name, (_, regex) in load.metrics.items()}
    return {name: float(match[1]) for name, match in found.items() if match}


def record(name: str, kernel: str, blocks: int) -> Evidence:
    """Run two arms that are the same, interleaved, after a warm-up."""
    load, source = LOADS[name], random.Random(_SEED)
    began, started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), time.monotonic()
    order = [tuple(source.sample(_ARMS, 2)) for _ in range(blocks)]
    runs: dict[str, list[dict[str, float]]] = {arm: [] for arm in _ARMS}
    spec = MachineSpec(kernel=kernel, icount=True, packages=("rt-tests",))
    with open_machine(spec, print) as machine:
        measure(machine, load)
        for block in order:
            for arm in block:
                runs[arm].append(measure(machine, load))
            print(*(runs[arm][-1] for arm in _ARMS), flush=True)
        environment = Environment(
            machine.kernel_release, "x86_64", spec.cpus, spec.topology, spec.memory_mib, "tcg", "icount"
        )
    measured = tuple(
        Measured(metric, unit, "minimize", {arm: tuple(run[metric] for run in runs[arm]) for arm in _ARMS})
        for metric, (unit, _) in load.metrics.items()
    )
    return Evidence(
        policy=KERNEL_DEFAULT,
        workload=name,
        workload_digest=hashlib.sha256(load.script.encode()).hexdigest(),
        environment=environment,
        arms=tuple(Arm(arm) for arm in _ARMS),
        measured=measured,
        comparisons=compare(measured, _SEED),
        unmeasured=("caches", "energy", "numa"),
        order=tuple(order),
        seed=_SEED,
        began=began,
        seconds=round(time.monotonic() - started, 1),
        ended="repeats",
        fleetsched_version=fleetsched.__version__,
    )


def main(name: str, kernel: str = "6.18", blocks: str = "30") -> None:
    """Record and write."""
    made = record(name, kernel, int(blocks))
    file: Path = RECORDED / f"{name}-{kernel_version(made.environment.kernel_release)}.json"
    file.write_text(evidence_text(made), encoding="utf-8")
    print(f"wrote {file}")


if __name__ == "__main__":
    main(*sys.argv[1:])
