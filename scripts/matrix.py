# SPDX-License-Identifier: Apache-2.0
"""Send every policy through the gates on every kernel of the matrix, and write policies/matrix.json.

A machine a kernel, booted or restored once. Programs are not built here: hosts judge them.

    python scripts/matrix.py [--no-cache] [--kernels 6.18,7.3]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fleetsched.fleetrepo.load import load_policy
from fleetsched.fleetrepo.matrix import Matrix, write_matrix
from fleetsched.gates.cascade import Wanted, run_gates
from fleetsched.lab.kernels import MATRIX
from fleetsched.model.gate import GateReport, GateVerdict
from fleetsched.views.verify import verify_text

ROOT = Path(__file__).resolve().parent.parent
PATHS = ("fleetsched", "bpf", "policies/*/policy.*", "policies/*/*.bpf.c*")


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, print, write; 1 when anything did not pass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kernels", default=",".join(MATRIX))
    parser.add_argument("--no-cache", action="store_true", help="judge anew what was judged before")
    given = parser.parse_args(arguments)
    dirty = _git("status", "--porcelain", "--", *PATHS)
    if dirty:
        print(f"commit first, so that the file can say what was judged:\n{dirty}", file=sys.stderr)
        return 1
    folders = [file.parent for file in sorted(ROOT.glob("policies/*/policy.yaml"))]
    built = [folder for folder in folders if load_policy(folder).program is None]
    wanted = Wanted(tuple(given.kernels.split(",")), cached=not given.no_cache)
    reports = run_gates(built, wanted, lambda line: print(line, file=sys.stderr, flush=True))
    print(verify_text(reports))
    if any(result.verdict is GateVerdict.ERROR for report in reports for result in report.results):
        print("\nnot written: a gate could not run", file=sys.stderr)
        return 1
    print(f"\nwrote {write_matrix(ROOT, Matrix(_git('rev-parse', 'HEAD'), tuple(reports)))}")
    return int(not _passed(reports))


def _passed(reports: Sequence[GateReport]) -> bool:
    """A policy may be for none of the kernels that were asked: the matrix says where it was judged."""
    return all(report.verdict is GateVerdict.PASSED or report.left_out for report in reports)


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
