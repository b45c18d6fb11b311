# SPDX-License-Identifier: Apache-2.0
"""A small, right fleet repository that a test then changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import ProblemsError
from fleetsched.fleetrepo.load import load_fleet

DIGEST = "a" * 64
FILES = {
    "fleetsched.yaml": "apiVersion: fleetsched/v1\n",
    "inventory/hosts.yaml": 'web: {hosts: {"web-[1:3]": }}\ndb: {hosts: {db-1: }}\n',
    "manifests/group.yaml": """\
apiVersion: fleetsched/v1
kind: HostGroup
metadata: {name: web}
spec: {hosts: web}
""",
    "manifests/goal.yaml": """\
apiVersion: fleetsched/v1
kind: WorkloadGoal
metadata: {name: latency}
spec:
  hostGroup: web
  policy: {name: fair, parameters: {slice_us: 4000}}
  rollout: careful
""",
    "manifests/strategy.yml": """\
apiVersion: fleetsched/v1
kind: RolloutStrategy
metadata: {name: careful}
spec:
  steps:
    - {hosts: 1, bake: 30s}
    - {percent: 100%, bake: 1m}
  failureBudget: {failed: 0, unreachable: 10%}
  onFailure: stop
  trialDeadline: 2m
  health:
    - pressure: {cpuSomeAvg10Below: 80}
      interval: 2s
    - {hostCheck: nginx, failures: 2, initialDelay: 10s}
""",
    "policies/fair/policy.yaml": """\
apiVersion: fleetsched/v1
kind: Policy
metadata: {name: fair}
spec:
  summary: weighted virtual time
  requires: {kernel: ">=6.12, <8.0"}
  parameters:
    slice_us: {type: u64, unit: us, default: 3000, min: 250, max: 50000, doc: longest run}
    strict: {type: bool, default: false}
  variants: {default: {}, wide: {queues: 2}}
""",
    "policies/fair/fair.bpf.c": "/* only its presence matters here */\n",
    "policies/fair/policy.lock.yaml": f"""\
apiVersion: fleetsched/v1
kind: PolicyLock
metadata: {{name: fair}}
spec:
  compiler: {{name: ziglang, version: 0.17.1}}
  flags: [-O2]
  hashes: {{fair.bpf.c: {DIGEST}}}
  variants: {{default: {DIGEST}}}
""",
}


def write(root: Path, changes: dict[str, str | None] | None = None) -> Path:
    """Write the repository with some files replaced, or left out (None)."""
    for name, text in (FILES | (changes or {})).items():
        if text is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
    return root


def edited(name: str, old: str, new: str) -> dict[str, str | None]:
    """Replace a text in one file; it must be there."""
    assert old in FILES[name]
    return {name: FILES[name].replace(old, new)}


def problems(root: Path) -> list[str]:
    """Load a repository that is wrong; list what is said."""
    with pytest.raises(ProblemsError) as caught:
        load_fleet(root)
    return [str(problem) for problem in caught.value.problems]
