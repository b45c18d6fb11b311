# SPDX-License-Identifier: Apache-2.0
"""Documents against their schemas: what a person sees for each kind of mistake."""

from __future__ import annotations

import pytest

from fleetsched.documents.check import check
from fleetsched.documents.reader import read_bytes

EVERYTHING = {
    "host-group": """\
apiVersion: fleetsched/v1
kind: HostGroup
metadata: {name: web, labels: {tier: front}}
spec:
  hosts: "web:&prod:!web-07"
  requires: {kernel: ">=6.16", arch: [x86_64]}
  maxConcurrent: 50
  windows: [{days: [mon, tue], from: "02:00", to: "05:00", zone: Europe/Berlin}]
  heal: true
  prune: true
""",
    "workload-goal": """\
apiVersion: fleetsched/v1
kind: WorkloadGoal
metadata: {name: web-latency}
spec:
  hostGroup: web
  description: nginx before a small service
  tasks: {cgroup: system.slice/nginx.service}
  objective: {metric: wakeup_latency_p99_us, direction: minimize}
  guardrails: [{metric: requests_per_second, maxRegression: 5%}]
  evaluation: {workloads: [nginx-under-compression], holdOut: [message-wakeups]}
  policy: {name: interactive, variant: default, parameters: {slice_us: 3000}}
  rollout: careful
  dependsOn: [first]
""",
    "rollout-strategy": """\
apiVersion: fleetsched/v1
kind: RolloutStrategy
metadata: {name: careful}
spec:
  steps:
    - {hosts: 1, bake: 30s}
    - {pause: {}}
    - {percent: 50%, bake: 60s}
    - {percent: 100%, bake: 60s}
  failureBudget: {failed: 0, unreachable: 10%}
  onFailure: rollback
  trialDeadline: 120s
  health:
    - scheduler: {}
    - pressure: {cpuSomeAvg10Below: 80}
    - runQueueLatency: {p99BelowMs: 20}
    - hostCheck: nginx
    - http: {url: "http://{{ host.address }}/healthz", status: 200}
    - tcp: {port: 443}
    - prometheus: {url: "http://p:9090", query: up, below: 1}
    - command: {run: "true"}
  analysis: {against: control, confidence: 95%, minEffect: 10%}
""",
    "policy": """\
apiVersion: fleetsched/v1
kind: Policy
metadata: {name: interactive}
spec:
  kind: program
  program: {path: /usr/bin/scx_lavd, arguments: [--slice-us, "{{ parameters.slice_us }}"]}
  summary: wakers and short sleepers first, bounded so that nothing starves
  algorithm: two-level virtual deadline
  suitability: {wake_rate: +2, mean_slice_us: -1, cpu_utilisation: +1}
  requires: {kernel: ">=6.12"}
  parameters:
    slice_us: {type: u64, unit: us, default: 3000, min: 250, max: 50000, doc: longest run}
  variants: {default: {}}
  provenance: {origin: generated, backend: a, model: m, cost: {usd: 0.4, tokens: 9}, transcript: DIGEST}
""".replace("DIGEST", "a" * 64),
    "policy-lock": """\
apiVersion: fleetsched/v1
kind: PolicyLock
metadata: {name: lavd}
spec:
  program: {path: /usr/bin/scx_lavd, version: "1.0.14"}
  variants: {default: DIGEST}
""".replace("DIGEST", "a" * 64),
    "workload": """\
apiVersion: fleetsched/v1
kind: Workload
metadata: {name: nginx-under-compression}
spec:
  description: small pages while logs are compressed
  packages: [nginx-light, apache2-utils, xz-utils]
  files: {nginx.conf: "events {}"}
  setUp: [[nginx, -p, ., -c, nginx.conf]]
  background: [[xz, "-T{{ cpus }}", log]]
  command: [ab, -n, "20000", "http://127.0.0.1:8080/"]
  tearDown: [[nginx, -p, ., -s, stop]]
  timeLimit: 2m
  metrics:
    requests_per_second: {regex: "^Requests per second: +([0-9.]+)", unit: 1/s, better: maximize}
    request_latency_p99_us: {jsonPath: [clat, "99.0", 0], scale: 1000, unit: us, better: minimize}
""",
    "fleet": """\
apiVersion: fleetsched/v1
defaults: {inventory: [inventory, more.yaml], strategy: careful}
proposals: {openAtOnce: 3, perDay: 20}
kernels: ["6.12", "6.18"]
""",
    "controller": """\
trust: {remote: origin, branch: main, allowedSigners: /etc/fleetsched/allowed_signers}
experiments: [lab]
ssh: {user: fleetsched, keyFile: ~/.ssh/fleetsched, connectTimeout: 10s, forks: 64}
forge: {kind: github, repository: acme/fleet, token: {env: GITHUB_TOKEN}}
agent: {backend: anthropic, budget: {usd: 2.00, wall: 30m}}
""",
}
LATER = "is not supported yet by this version"


def said(text: str, schema: str) -> list[str]:
    (document,) = read_bytes(text.encode(), "f").documents
    return [str(problem) for problem in check(document, schema)]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            "host-group",
            [
                f"f:7:3: `maxConcurrent` {LATER}: remove it, and let the strategy's steps limit how many "
                "are in trial",
                f"f:8:3: `windows` {LATER}: remove it, and run `fleetsched apply` when changes are allowed",
            ],
        ),
        (
            "workload-goal",
            [],
        ),
        (
            "rollout-strategy",
            [
                f"f:7:8: `pause` {LATER}: remove the step, and apply to parts of the group with --limit",
                f"f:18:7: `http` {LATER}: use `hostCheck` with curl",
                f"f:19:7: `tcp` {LATER}: use `hostCheck`",
                f"f:20:7: `prometheus` {LATER}: use `hostCheck`",
                f"f:21:7: `command` {LATER}: use `hostCheck`",
                f"f:22:3: `analysis` {LATER}: remove it, and compare before you merge",
            ],
        ),
        ("policy", []),
        ("policy-lock", []),
        ("workload", []),
        ("fleet", []),
        ("controller", []),
    ],
)
def test_what_cannot_be_carried_out_yet_is_refused_by_name_and_all_else_accepted(
    schema: str, expected: list[str]
) -> None:
    assert said(EVERYTHING[schema], schema) == expected


STRATEGY = "apiVersion: fleetsched/v1\nkind: RolloutStrategy\nmetadata: {name: a}\nspec:\n"
STEPS = "  steps: [{percent: 100%, bake: 30s}]\n"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("  steps: []\n", "f:5:10: expected 1 or more here, got an empty list"),
        ("  steps: [3]\n", "f:5:11: expected a mapping, got 3"),
        ("  steps: [{}]\n", "f:5:11: expected exactly one of `hosts`, `percent` and `pause`"),
        (
            "  steps: [{hosts: 1, percent: 9%, bake: 1m}]\n",
            "f:5:11: expected exactly one of `hosts`, `percent` and `pause`",
        ),
        ("  steps: [{hosts: 1}]\n", "f:5:11: field `bake` is missing"),
        ("  steps: [{hosts: 0, bake: 1m}]\n", "f:5:19: expected 1 or more, got 0"),
        ("  steps: [{hosts: one, bake: 1m}]\n", 'f:5:19: expected a whole number, got "one"'),
        ("  steps: [{percent: 50, bake: 1m}]\n", "f:5:21: expected a share such as `10%`, got 50"),
        ("  stepps: []\n", 'f:5:3: unknown field "stepps"; did you mean "steps"?'),
        ("  onFailure: stop\n", "f:5:3: field `steps` is missing in `spec`"),
        (STEPS + "  onFailure: halt\n", 'f:6:14: expected rollback or stop, got "halt"'),
        (
            STEPS + "  onFailure: rolback\n",
            'f:6:14: expected rollback or stop, got "rolback"; did you mean "rollback"?',
        ),
        (
            STEPS + "  failureBudget: {failed: -1}\n",
            "f:6:27: expected a number of hosts, or a share of them such as `10%`, got -1",
        ),
        (
            STEPS + "  health: [{preasure: {}}]\n",
            'f:6:13: unknown field "preasure"; did you mean "pressure"?',
        ),
        (
            STEPS + "  health: [{pressure: {}}]\n",
            "f:6:23: field `cpuSomeAvg10Below` is missing in `pressure`",
        ),
        (
            STEPS + "  health: [{hostCheck: ../x}]\n",
            'f:6:24: expected the name of a file in /etc/fleetsched/checks.d on the host, got "../x"',
        ),
        (
            STEPS + "  health: [{scheduler: {a: 1}}]\n",
            "f:6:24: expected an empty mapping `{}`, got a mapping",
        ),
    ],
)
def test_each_mistake_is_said_once_in_plain_words(spec: str, expected: str) -> None:
    assert said(STRATEGY + spec, "rollout-strategy") == [expected]


def test_names_and_versions_are_checked() -> None:
    text = 'apiVersion: v1\nkind: HostGroup\nmetadata: {name: "a\\n", labels: {a: 1}}\nspec: {hosts: all}\n'
    assert said(text, "host-group") == [
        'f:1:13: expected fleetsched/v1, got "v1"',
        "f:3:18: expected a name of lower-case letters, digits and hyphens (at most 63), "
        'such as `web-latency`, got "a?"',
        "f:3:37: expected text; quote it if it looks like a number, got 1",
    ]


def test_a_parameters_name_is_a_c_identifier() -> None:
    text = (
        EVERYTHING["policy"].replace("kind: program", "kind: bpf").replace("    slice_us:", "    slice-us:")
    )
    text = text.replace(text.splitlines(keepends=True)[5], "")
    assert said(text, "policy") == [
        'f:11:5: expected a C identifier of at most 63 characters, got "slice-us"'
    ]
