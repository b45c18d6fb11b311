# SPDX-License-Identifier: Apache-2.0
"""How long the gates take: from source to "it loads and survives ten seconds of stress on one kernel".

Nothing is remembered but the machine's snapshot: the object is compiled anew. Prints a line a run and the
median of each gate, in seconds of this computer. Arguments: runs (3), kernel (6.18), policy (fair).
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from fleetsched.build.compiler import compile_source, find_compiler
from fleetsched.build.include import read_headers
from fleetsched.build.render import render, shown_name
from fleetsched.gates.cache import ResultCache
from fleetsched.gates.cascade import Wanted, run_gates
from fleetsched.model.gate import GateVerdict

ROOT = Path(__file__).resolve().parent.parent


def run(policy: str, kernel: str) -> dict[str, float]:
    """Judge once: seconds by gate, and of all."""
    folder = ROOT / "policies" / policy
    # The cache has the object already, and the machine must come from there: so this is measured apart.
    began = time.monotonic()
    compile_source(render(folder, {}), shown_name(folder), read_headers(), find_compiler())
    compiling_s = time.monotonic() - began
    with tempfile.TemporaryDirectory() as nowhere:
        wanted = Wanted((kernel,), variant="default", cached=False)
        began = time.monotonic()
        (report,) = run_gates([folder], wanted, lambda _: None, cache=ResultCache(Path(nowhere)))
        total_s = time.monotonic() - began
    assert report.verdict is GateVerdict.PASSED, report.stopped_by or report.results[-1]
    seconds = {str(result.gate): result.seconds for result in report.results}
    seconds["compile"] += compiling_s
    return {**seconds, "all": total_s + compiling_s}


def main() -> None:
    """Measure and print."""
    given = dict(enumerate(sys.argv[1:]))
    runs, kernel, policy = int(given.get(0, "3")), given.get(1, "6.18"), given.get(2, "fair")
    print(f"{policy} on {kernel}; load of this computer {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    measured = [run(policy, kernel) for _ in range(runs)]
    for each in measured:
        print("  ".join(f"{gate} {seconds:.2f}" for gate, seconds in each.items()))
    medians = {gate: statistics.median(each[gate] for each in measured) for gate in measured[0]}
    print("median: " + "  ".join(f"{gate} {seconds:.2f}" for gate, seconds in medians.items()))


if __name__ == "__main__":
    main()
