# SPDX-License-Identifier: Apache-2.0
"""A fleet repository's files: the values they become, and every mistake with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import InputError, ProblemsError
from fleetsched.fleetrepo.load import load_fleet, load_lock, load_policy
from fleetsched.model.assignment import Assignment
from fleetsched.model.goal import Evaluation, Guardrail, Objective, PolicyBinding, WorkloadGoal
from fleetsched.model.group import HostGroup
from fleetsched.model.lock import PolicyLock
from fleetsched.model.policy import Parameter, Policy, Topology
from fleetsched.model.requires import Requires
from fleetsched.model.strategy import (
    BUILT_IN_STRATEGY,
    Count,
    FailureBudget,
    HostCheck,
    Percent,
    PressureCheck,
    RolloutStrategy,
    SchedulerCheck,
    Step,
)
from fleetsched.model.tasks import Tasks
from fleetsched.model.workload import Workload, WorkloadMetric
from tests.unit.fleetrepo.repository import DIGEST, FILES, edited, problems, write

BROKEN = Path(__file__).parent / "broken"


def test_every_file_becomes_a_value(tmp_path: Path) -> None:
    fleet = load_fleet(write(tmp_path))
    assert fleet.groups == {"web": HostGroup("web", "web")}
    goal = WorkloadGoal("latency", "web", "careful", PolicyBinding("fair", parameters={"slice_us": 4000}))
    assert fleet.goals == {"latency": goal}
    assert fleet.strategies == {
        "default": BUILT_IN_STRATEGY,
        "careful": RolloutStrategy(
            name="careful",
            steps=(Step("hosts", 1, bake_s=30), Step("percent", 100, bake_s=60)),
            health=(
                SchedulerCheck(),
                PressureCheck(cpu_some_avg10_below=80, interval_s=2),
                HostCheck(name="nginx", failures=2, initial_delay_s=10),
            ),
            failure_budget=FailureBudget(failed=Count(0), unreachable=Percent(10)),
            on_failure="stop",
            trial_deadline_s=120,
        ),
    }
    assert fleet.policies == {
        "fair": Policy(
            name="fair",
            folder=tmp_path / "policies" / "fair",
            summary="weighted virtual time",
            requires=Requires(kernel=((">=", (6, 12, 0)), ("<", (8, 0, 0)))),
            parameters={
                "slice_us": Parameter("u64", 3000, 250, 50000, "us", "longest run"),
                "strict": Parameter("bool", 0, 0, 1),
            },
            variants={"default": {}, "wide": {"queues": 2}},
        )
    }
    lock = PolicyLock("fair", {"default": DIGEST}, "ziglang", "0.17.1", ("-O2",), {"fair.bpf.c": DIGEST})
    assert fleet.locks == {"fair": lock}
    assert fleet.warnings == ()


def test_what_a_policy_needs_costs_and_fails_at_is_read(tmp_path: Path) -> None:
    more = """  summary: weighted virtual time
  topology: {needs: [llc, smt], note: one queue where there is one cache}
  cost: 64 bytes a task
  failureModes: [loses to the default on long batches]
"""
    fleet = load_fleet(write(tmp_path, edited(POLICY, "  summary: weighted virtual time\n", more)))
    policy = fleet.policies["fair"]
    assert policy.topology == Topology(("llc", "smt"), "one queue where there is one cache")
    assert (policy.cost, policy.failure_modes) == (
        "64 bytes a task",
        ("loses to the default on long batches",),
    )


def test_a_goal_and_its_policys_defaults_make_the_assignment(tmp_path: Path) -> None:
    fleet = load_fleet(write(tmp_path))
    assert [host.name for host in fleet.hosts("web")] == ["web-1", "web-2", "web-3"]
    wanted = Assignment.of("fair", "default", DIGEST, {"slice_us": 4000, "strict": 0})
    assert fleet.assignment(fleet.goals["latency"]) == wanted


@pytest.mark.parametrize("policy", ["  policy: {name: kernel-default}\n", ""])
def test_a_goal_may_want_the_kernels_scheduler_or_nothing_yet(tmp_path: Path, policy: str) -> None:
    bound = "  policy: {name: fair, parameters: {slice_us: 4000}}\n"
    fleet = load_fleet(write(tmp_path, edited("manifests/goal.yaml", bound, policy)))
    assert fleet.assignment(fleet.goals["latency"]) is None


def test_a_goal_without_a_strategy_gets_the_repositorys_default_else_the_built_in(tmp_path: Path) -> None:
    without = edited("manifests/goal.yaml", "  rollout: careful\n", "")
    settings = "apiVersion: fleetsched/v1\ndefaults: {strategy: careful}\n"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert load_fleet(write(tmp_path / "a", without)).goals["latency"].rollout == "default"
    named = load_fleet(write(tmp_path / "b", without | {"fleetsched.yaml": settings}))
    assert named.goals["latency"].rollout == "careful"


def test_the_inventory_is_the_given_one_else_that_of_the_settings(tmp_path: Path) -> None:
    settings = "apiVersion: fleetsched/v1\ndefaults: {inventory: [inventory/hosts.yaml, more.yaml]}\n"
    root = write(tmp_path, {"fleetsched.yaml": settings, "more.yaml": "web: {hosts: {web-9: }}\n"})
    assert "web-9" in load_fleet(root).inventory.hosts
    (tmp_path / "other.yaml").write_text("web: {hosts: {elsewhere: }}\n")
    assert list(load_fleet(root, [tmp_path / "other.yaml"]).inventory.hosts) == ["elsewhere"]


def test_a_group_without_hosts_is_a_warning(tmp_path: Path) -> None:
    fleet = load_fleet(write(tmp_path, {"inventory/hosts.yaml": "web:\n"}))
    assert [str(warning) for warning in fleet.warnings] == [
        'manifests/group.yaml:4:15: HostGroup "web": "web" selects no host yet'
    ]


def test_a_folder_without_settings_is_no_fleet_repository(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_fleet(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is no fleet repository: it has no fleetsched.yaml\n"
        "  make one with `fleetsched init FOLDER`"
    )


def test_ten_broken_files_are_all_named_and_nothing_is_run() -> None:
    assert problems(BROKEN) == [
        "manifests/01-not-utf8.yaml:3:21: not UTF-8: byte 0xe9; save the file as UTF-8",
        "manifests/02-tab.yaml:5:1: a tab where YAML allows only spaces: indent with spaces",
        'manifests/03-duplicate-key.yaml:7:3: duplicate key "hosts", first given in line 5',
        "manifests/04-alias-bomb.yaml:6:36: more than 1,000,000 values, aliases written out; make it smaller",
        "manifests/05-python-tag.yaml:5:10: `!!python/object/apply:os.system`: "
        "tags that name code are never run; write the plain value",
        'manifests/06-unknown-field.yaml:5:3: unknown field "hostGruop"; did you mean "hostGroup"?',
        "manifests/07-wrong-type.yaml:6:29: expected a duration such as `15s`, `2m` or `1h`, got 30",
        'manifests/08-unknown-kind.yaml:2:7: unknown kind "RolloutStrategi"; did you mean "RolloutStrategy"?',
        'manifests/09-bad-reference.yaml:6:18: no policy "fare"; did you mean "fair"?',
        "manifests/10-out-of-range.yaml:13:28: `slice_us`: expected 250 to 50000 us, got 100",
    ]
    assert not Path("executed").exists()


GOAL = "manifests/goal.yaml"
STRATEGY = "manifests/strategy.yml"
POLICY = "policies/fair/policy.yaml"


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        (GOAL, "hostGroup: web", "hostGroup: wbe", f'{GOAL}:5:14: no HostGroup "wbe"; did you mean "web"?'),
        (
            GOAL,
            "rollout: careful",
            "rollout: carefull",
            f'{GOAL}:7:12: no RolloutStrategy "carefull"; did you mean "careful"?',
        ),
        (
            GOAL,
            "slice_us: 4000",
            "slice_ms: 4",
            f'{GOAL}:6:37: policy "fair" has no parameter "slice_ms"; did you mean "slice_us"?',
        ),
        (GOAL, "slice_us: 4000", "strict: 1", f"{GOAL}:6:45: `strict`: expected true or false, got 1"),
        (
            GOAL,
            "slice_us: 4000",
            "slice_us: yes",
            f"{GOAL}:6:47: `slice_us`: expected a whole number, got true",
        ),
        (
            GOAL,
            "name: fair,",
            "name: fair, variant: wdie,",
            f'{GOAL}:6:33: policy "fair" has no variant "wdie"; did you mean "wide"?',
        ),
        (
            GOAL,
            "name: fair,",
            "name: fair, variant: wide,",
            f'{GOAL}:6:18: the lock has no variant "wide": run `fleetsched lock fair`',
        ),
        (
            GOAL,
            "name: fair,",
            "name: kernel-default,",
            f"{GOAL}:6:34: `kernel-default` has no parameters: remove it",
        ),
        (
            "manifests/group.yaml",
            "hosts: web",
            'hosts: "web:!web-4"',
            'manifests/group.yaml:4:15: host pattern "web:!web-4": no group or host "web-4"'
            '; did you mean "web-3"?',
        ),
        (
            POLICY,
            "  summary",
            "  topology: {needs: [lcc]}\n  summary",
            f'{POLICY}:5:22: expected llc or numa or smt, got "lcc"; did you mean "llc"?',
        ),
        (
            POLICY,
            "  summary",
            "  timeout: 20s\n  summary",
            f'{GOAL}:7:12: strategy "careful" bakes for 30s; policy "fair" needs 40s or more '
            "(twice its time-out)",
        ),
        (
            POLICY,
            "  summary",
            "  timeout: 60s\n  summary",
            f"{POLICY}:5:12: expected 1s to 30s, what the kernel's watchdog takes, got 60s",
        ),
        (
            POLICY,
            "  summary",
            "  timeout: 0s\n  summary",
            f"{POLICY}:5:12: expected 1s to 30s, what the kernel's watchdog takes, got 0s",
        ),
        (
            STRATEGY,
            "trialDeadline: 2m",
            "trialDeadline: 100s",
            f"{STRATEGY}:10:18: trialDeadline of 100s: expected more than 100s "
            "(initialDelay 10s + longest bake 60s + 30s)",
        ),
        (
            STRATEGY,
            "trialDeadline: 2m",
            "trialDeadline: 3571s",
            f"{STRATEGY}:10:18: trialDeadline of 3571s: expected 3570s or less "
            "(a host grants leases of 3600s at most, and one outlives its trial by 30s)",
        ),
        (
            STRATEGY,
            "{percent: 100%, bake: 1m}",
            "{percent: 100%, bake: 1h}",
            f"{STRATEGY}:10:18: trialDeadline of 120s: expected more than 3640s "
            "(initialDelay 10s + longest bake 3600s + 30s), and 3570s at most: shorten the bake",
        ),
        (STRATEGY, "percent: 100%", "percent: 99%", f"{STRATEGY}:7:7: the last step must be `percent: 100%`"),
        (STRATEGY, "bake: 30s", "", f"{STRATEGY}:6:7: field `bake` is missing"),
        (
            STRATEGY,
            "{percent: 100%,",
            "{percent: 100%, bake: 30s}\n    - {percent: 100%,",
            f"{STRATEGY}:8:17: expected more than the 100 of the steps before",
        ),
        (
            STRATEGY,
            "interval: 2s",
            "interval: 20s",
            f"{STRATEGY}:12:7: this check can fail after 40s at the earliest "
            "(initialDelay, then an interval between failures), but the shortest bake is 30s",
        ),
        (
            STRATEGY,
            "pressure: {cpuSomeAvg10Below: 80}\n      interval: 2s",
            "runQueueLatency: {p99BelowMs: 20}\n      interval: 15s",
            f"{STRATEGY}:12:7: this check can fail after 45s at the earliest "
            "(initialDelay, then an interval between failures), but the shortest bake is 30s",
        ),
        (
            POLICY,
            "name: fair",
            "name: fairly",
            f'{POLICY}:3:18: expected "fair", the name of its folder, got "fairly"',
        ),
        (POLICY, "default: 3000", "default: 3", f"{POLICY}:8:46: `slice_us`: expected 250 to 50000, got 3"),
        (POLICY, "min: 250,", "", f"{POLICY}:8:15: field `min` is missing in `slice_us`"),
        (POLICY, "max: 50000", "max: 200", f"{POLICY}:8:67: `slice_us`: max 200 is below min 250"),
        (
            POLICY,
            "max: 50000",
            f"max: {2**64}",
            f"{POLICY}:8:67: `slice_us`: {2**64} does not fit u64 (0 to {2**64 - 1})",
        ),
        (
            "fleetsched.yaml",
            "v1\n",
            "v1\ndefaults: {strategy: carefull}\n",
            'fleetsched.yaml:2:22: no RolloutStrategy "carefull"; did you mean "careful"?',
        ),
        (
            GOAL,
            "  rollout: careful\n",
            "  rollout: careful\n  dependsOn: [fist]\n",
            f'{GOAL}:8:15: no goal "fist"; known: latency',
        ),
        (
            GOAL,
            "  rollout: careful\n",
            "  rollout: careful\n  dependsOn: [latency]\n",
            f"{GOAL}:8:15: goals depend on each other in a circle: latency > latency",
        ),
        (
            GOAL,
            "  rollout: careful\n",
            "  objective: {metric: wakeup_latency_p99, direction: minimize}\n",
            f'{GOAL}:7:23: no metric "wakeup_latency_p99"; did you mean "wakeup_latency_p99_us"?',
        ),
        (
            GOAL,
            "  rollout: careful\n",
            "  objective: {metric: requests_per_second, direction: minimize}\n",
            f"{GOAL}:7:55: expected maximize, which is better for requests_per_second",
        ),
        (
            GOAL,
            "  rollout: careful\n",
            "  guardrails: [{metric: frames, maxRegression: 5%}]\n",
            f'{GOAL}:7:25: no metric "frames"',
        ),
        (
            GOAL,
            "  rollout: careful\n",
            "  guardrails: [{metric: cpu_some_avg10, maxRegression: 5}]\n",
            f"{GOAL}:7:56: expected a share such as `10%`, got 5",
        ),
        (
            GOAL,
            "  rollout: careful\n",
            "  evaluation: {workloads: [schbench]}\n",
            f'{GOAL}:7:28: no Workload "schbench"; did you mean "hackbench"?',
        ),
        (
            GOAL,
            "  rollout: careful\n",
            "  tasks: {cgroup: a, command: b}\n",
            f"{GOAL}:7:10: expected exactly one of `cgroup` and `command`",
        ),
        (
            GOAL,
            "  rollout: careful\n",
            "  description: use ghp_0123456789abcdefghijABCDEFGHIJ456789\n",
            f"{GOAL}:7:16: this looks like a GitHub token: whoever reads the file has it; revoke it, "
            "and write where it is: {env: NAME} or {file: PATH}",
        ),
        (
            "manifests/group.yaml",
            "spec: {hosts: web}",
            "spec: {hosts: web, requires: {arch: [riscv64], kernel: '>=9.0'}}",
            f'{GOAL}:6:18: no host can meet the requirements of policy "fair" and group "web": '
            "no kernel is >=9.0, >=6.12, <8.0",
        ),
        (
            "manifests/group.yaml",
            "spec: {hosts: web}",
            "spec: {hosts: web, windows: [{days: [mon], from: '02:00', to: '05:00'}]}",
            "manifests/group.yaml:4:20: `windows` is not supported yet by this version: remove it, and run "
            "`fleetsched apply` when changes are allowed",
        ),
        (
            POLICY,
            "  summary: weighted virtual time\n",
            "  summary: weighted virtual time\n  suitability: {wake_rat: 1}\n",
            f'{POLICY}:6:17: no feature "wake_rat"; did you mean "wake_rate"?',
        ),
        (
            POLICY,
            "  summary: weighted virtual time\n",
            "  summary: weighted virtual time\n  suitability: {wake_rate: 11}\n",
            f"{POLICY}:6:28: expected 10 or less, got 11",
        ),
        (
            "fleetsched.yaml",
            "v1\n",
            "v1\nproposals: {openAtOnce: 0}\n",
            "fleetsched.yaml:2:25: expected 1 or more, got 0",
        ),
        (
            "fleetsched.yaml",
            "v1\n",
            "v1\nkernels: [6.18]\n",
            'fleetsched.yaml:2:11: expected a kernel version such as `"6.18"`; quote it, got 6.18',
        ),
        (
            "fleetsched.yaml",
            "v1\n",
            "v1\ntrust: {branch: mine}\n",
            "fleetsched.yaml:2:1: `trust` belongs in the controller's own file "
            "(/etc/fleetsched/config.yaml): a repository cannot vouch for itself",
        ),
    ],
)
def test_a_mistake_is_named_once_with_its_place(
    tmp_path: Path, name: str, old: str, new: str, expected: str
) -> None:
    assert problems(write(tmp_path, edited(name, old, new))) == [expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"policies/fair/policy.lock.yaml": None},
            [f'{GOAL}:6:18: policy "fair" is not locked: run `fleetsched lock fair`'],
        ),
        (
            {"policies/fair/fair.bpf.c": None},
            [f"{POLICY}: has no source beside it: neither fair.bpf.c nor fair.bpf.c.j2"],
        ),
        (
            {"policies/other/README.md": "x"},
            ["policies/other/policy.yaml: missing: a folder under policies/ has a policy.yaml"],
        ),
        (
            {"manifests/zz/again.yaml": FILES["manifests/group.yaml"]},
            ['manifests/zz/again.yaml:3:18: HostGroup "web" is already defined at manifests/group.yaml:3:18'],
        ),
        (
            {"manifests/second.yaml": FILES[GOAL].replace("name: latency", "name: second")},
            [
                'manifests/second.yaml:5:14: host "web-1" and 2 more already belongs to '
                f'goal "latency" ({GOAL}:3:18)'
            ],
        ),
        (
            {
                "manifests/a.yaml": "[]",
                "manifests/b.yaml": "{}\n---\nkind: [x]\n---\nkind: Policy\n---\nkind: Workload\n",
            },
            [
                "manifests/a.yaml:1:1: expected a manifest with apiVersion, kind, got a list",
                "manifests/b.yaml:1:1: field `kind` is missing: one of "
                "HostGroup, WorkloadGoal, RolloutStrategy, Workload",
                "manifests/b.yaml:3:7: unknown kind a list; "
                "known: HostGroup, RolloutStrategy, Workload, WorkloadGoal",
                "manifests/b.yaml:5:7: a Policy is written in policies/NAME/policy.yaml",
                "manifests/b.yaml:7:1: field `apiVersion` is missing",
                "manifests/b.yaml:7:1: field `metadata` is missing",
                "manifests/b.yaml:7:1: field `spec` is missing",
            ],
        ),
        ({"fleetsched.yaml": ""}, ["fleetsched.yaml:1:1: field `apiVersion` is missing"]),
        ({"policies/fair/policy.lock.yaml": ""}, ["policies/fair/policy.lock.yaml: is empty"]),
    ],
)
def test_mistakes_between_files_are_named(
    tmp_path: Path, changes: dict[str, str | None], expected: list[str]
) -> None:
    assert problems(write(tmp_path, changes)) == expected


WORKLOAD = """\
apiVersion: fleetsched/v1
kind: Workload
metadata: {name: wakeups}
spec:
  description: tasks that wake each other
  packages: [schbench]
  files: {jobs.json: "{}"}
  setUp: [[cp, jobs.json, copy.json], [sync]]
  background: [[stress-ng, --cpu, "{{ cpus }}"]]
  command: [schbench, -r, "10"]
  tearDown: [[rm, copy.json]]
  timeLimit: 30s
  metrics:
    p99_us: {regex: "99.0th: ([0-9]+)", unit: us, better: minimize}
    rps: {jsonPath: result.0.rps, unit: 1/s, better: maximize}
    requests_per_second: {jsonPath: [a.b, 0], scale: 0.5, unit: 1/s, better: maximize}
"""


def test_a_workload_and_what_goals_say_of_it_become_values(tmp_path: Path) -> None:
    said = """\
  objective: {metric: p99_us, direction: minimize}
  guardrails: [{metric: rps, maxRegression: 5%}]
  evaluation: {workloads: [wakeups]}
  tasks: {command: nginx}
"""
    changes = edited(GOAL, "  rollout: careful\n", said) | {"manifests/wakeups.yaml": WORKLOAD}
    fleet = load_fleet(write(tmp_path, changes))
    goal = fleet.goals["latency"]
    assert (goal.objective, goal.guardrails) == (Objective("p99_us", "minimize"), (Guardrail("rps", 5.0),))
    assert (goal.evaluation, goal.tasks) == (Evaluation(("wakeups",)), Tasks(command="nginx"))
    assert fleet.workloads["wakeups"] == Workload(
        name="wakeups",
        command=("schbench", "-r", "10"),
        metrics={
            "p99_us": WorkloadMetric("us", "minimize", regex="99.0th: ([0-9]+)"),
            "rps": WorkloadMetric("1/s", "maximize", json_path=("result", "0", "rps")),
            "requests_per_second": WorkloadMetric("1/s", "maximize", json_path=("a.b", "0"), scale=0.5),
        },
        description="tasks that wake each other",
        packages=("schbench",),
        files={"jobs.json": "{}"},
        set_up=(("cp", "jobs.json", "copy.json"), ("sync",)),
        background=(("stress-ng", "--cpu", "{{ cpus }}"),),
        tear_down=(("rm", "copy.json"),),
        time_limit_s=30.0,
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "([0-9]+)",
            "([0-9]+",
            "14:21: not a regular expression: missing ), unterminated subpattern at position 8",
        ),
        ("([0-9]+)", "[0-9]+", "14:21: expected one group, which is the number, got 0"),
        (
            "jsonPath: result.0.rps",
            "jsonPath: $.x",
            '15:21: expected keys and indices such as `latency.p99`, or a list of them, got "$.x"',
        ),
        ('regex: "99.0th: ([0-9]+)", ', "", "14:13: expected exactly one of `regex` and `jsonPath`"),
        ("better: minimize", "better: less", '14:59: expected minimize or maximize, got "less"'),
        (
            "command: [schbench",
            "command: schbench #",
            '10:12: expected a list of words such as `[sleep, "1"]`, got "schbench"',
        ),
        ('-r, "10"', "-r, 10", "10:27: expected a word; quote numbers, got 10"),
        (
            "{{ cpus }}",
            "{{ cpu }}",
            "9:35: expected one of the placeholders `{{ cpus }}`, `{{ seed }}`, `{{ cgroup }}`, "
            'got "{{ cpu }}"',
        ),
        (
            "[[rm, copy.json]]",
            "[[rm, copy.json], sync]",
            '11:31: expected a list of words such as `[sleep, "1"]`, got "sync"',
        ),
        (
            "[[rm, copy.json]]",
            "[]",
            "11:13: expected a list of commands, each a list of words, got an empty list",
        ),
        (
            "jobs.json: ",
            "../jobs.json: ",
            '7:10: expected a file\'s name without folders, got "../jobs.json"',
        ),
        ("p99_us:", "P99:", '14:5: expected a metric\'s name such as `wakeup_latency_p99_us`, got "P99"'),
        (
            "p99_us:",
            "cpu_some_avg10:",
            "14:5: cpu_some_avg10 is measured by the kernel's PSI: choose another name",
        ),
        (
            "scale: 0.5, unit: 1/s",
            "unit: 1/min",
            '16:53: expected 1/s, as `fleetsched explain metrics` has it of requests_per_second, got "1/min"',
        ),
    ],
)
def test_a_mistake_in_a_workload_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in WORKLOAD
    changes: dict[str, str | None] = {"manifests/w.yaml": WORKLOAD.replace(old, new, 1)}
    assert problems(write(tmp_path, changes)) == [f"manifests/w.yaml:{expected}"]


def test_what_is_held_out_is_not_searched_on(tmp_path: Path) -> None:
    said = "  evaluation: {workloads: [wakeups], holdOut: [wakeups]}\n"
    changes = edited(GOAL, "  rollout: careful\n", said) | {"manifests/wakeups.yaml": WORKLOAD}
    assert problems(write(tmp_path, changes)) == [
        f'{GOAL}:7:48: "wakeups" is in `workloads`, too: it would not be held out'
    ]


def test_every_circle_of_goals_is_named_whole(tmp_path: Path) -> None:
    other = FILES[GOAL].replace("name: latency", "name: second").replace("hostGroup: web", "hostGroup: db")
    changes: dict[str, str | None] = edited(
        GOAL, "  rollout: careful\n", "  rollout: careful\n  dependsOn: [second]\n"
    )
    changes["manifests/second.yaml"] = other + "  dependsOn: [latency]\n"
    changes["manifests/db.yaml"] = FILES["manifests/group.yaml"].replace("web", "db")
    changes["manifests/third.yaml"] = other.replace("second", "third") + "  dependsOn: [third]\n"
    changes["manifests/third-group.yaml"] = FILES["manifests/group.yaml"].replace("web", "none")
    changes["manifests/third.yaml"] = changes["manifests/third.yaml"].replace(
        "hostGroup: db", "hostGroup: none"
    )
    assert problems(write(tmp_path, changes | {"inventory/more.yaml": "none:\n"})) == [
        f"{GOAL}:8:15: goals depend on each other in a circle: latency > second > latency",
        "manifests/third.yaml:8:15: goals depend on each other in a circle: third > third",
    ]


def test_a_reference_to_a_broken_document_is_no_further_mistake(tmp_path: Path) -> None:
    changes = edited("manifests/group.yaml", "spec: {hosts: web}", "spec: {}") | edited(
        POLICY, "summary", "sumary"
    )
    assert problems(write(tmp_path, changes)) == [
        "manifests/group.yaml:4:7: field `hosts` is missing in `spec`",
        f'{POLICY}:5:3: unknown field "sumary"; did you mean "summary"?',
    ]


def test_one_lock_can_be_loaded_by_itself(tmp_path: Path) -> None:
    write(tmp_path)
    assert load_lock(tmp_path / "policies" / "fair").variants == {"default": DIGEST}
    with pytest.raises(InputError) as caught:
        load_lock(tmp_path / "policies" / "none")
    assert str(caught.value) == "policy none is not locked\n  run `fleetsched lock none`"


def test_one_policy_can_be_loaded_by_itself(tmp_path: Path) -> None:
    write(tmp_path)
    assert load_policy(tmp_path / "policies" / "fair").name == "fair"
    with pytest.raises(ProblemsError) as caught:
        load_policy(tmp_path / "policies" / "none")
    missing = f"{tmp_path}/policies/none/policy.yaml: missing: a folder under policies/ has a policy.yaml"
    assert str(caught.value) == missing
