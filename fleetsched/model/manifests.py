# SPDX-License-Identifier: Apache-2.0
"""What the manifests of one revision say, as values. Durations are seconds, shares are percent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fleetsched.errors import Problem
from fleetsched.model.assignment import Assignment
from fleetsched.model.inventory import Host, Inventory
from fleetsched.model.program import Program

KERNEL_DEFAULT = "kernel-default"
"""The policy name that means: on purpose none, the kernel's own scheduler."""

DEFAULT_TIMEOUT_S = 5.0
"""A policy's watchdog time-out when its manifest gives none; the helper clamps to it at load."""

LEAST_TIMEOUT_S, MOST_TIMEOUT_S = 1.0, 30.0
"""A policy's watchdog time-out in seconds. The kernel refuses more (SCX_WATCHDOG_MAX_TIMEOUT) and reads 0 as 30."""

ParameterType = Literal["bool", "u8", "u16", "u32", "u64", "s32", "s64"]

_VERSION = re.compile(r"^(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file of the repository; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def problem(self, message: str) -> Problem:
        """Report a mistake at this place."""
        return Problem(self.file, self.line, self.column, message)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


BUILT_IN = Position("(built in)", 0, 0)
"""The place of what no file says."""


@dataclass(frozen=True, slots=True)
class Requires:
    """What a host must have.

    Attributes:
        kernel: conditions on the release that must all hold, such as `(">=", (6, 16, 0))`.
        arch: machine names as `uname -m` prints them; empty = any.
    """

    kernel: tuple[tuple[str, tuple[int, int, int]], ...] = ()
    arch: tuple[str, ...] = ()

    def contradiction(self, other: Requires) -> str:
        """Say in a few words why no host can meet both, or return an empty string."""
        if self.arch and other.arch and not set(self.arch) & set(other.arch):
            return f"no host is both {' or '.join(self.arch)} and {' or '.join(other.arch)}"
        both = Requires(kernel=tuple(dict.fromkeys((*self.kernel, *other.kernel))))
        # The least kernel that is possible, if any is, is one of the conditions' own or the next after it.
        edges = {(0, 0, 0), *(version for _, version in both.kernel)}
        around = {(major, minor, patch + 1) for major, minor, patch in edges} | edges
        possible = any(
            all(_COMPARE[operator](version, wanted) for operator, wanted in both.kernel) for version in around
        )
        return "" if possible else f"no kernel is {both.kernel_text}"

    @property
    def kernel_text(self) -> str:
        """The conditions on the kernel as they are written; empty = any."""
        return ", ".join(
            operator + ".".join(map(str, version if version[2] else version[:2]))
            for operator, version in self.kernel
        )

    def unmet(self, kernel_release: str, arch: str) -> str:
        """Say in a few words what is not met, or return an empty string."""
        if self.arch and arch not in self.arch:
            return f"needs architecture {' or '.join(self.arch)}, is {arch}"
        match = _VERSION.match(kernel_release)
        found = (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)
        for operator, wanted in self.kernel:
            if not _COMPARE[operator](found, wanted):
                version = ".".join(str(number) for number in (wanted if wanted[2] else wanted[:2]))
                return f"needs kernel {operator}{version}, runs {kernel_release}"
        return ""


_COMPARE = {
    ">=": lambda found, wanted: found >= wanted,
    "<=": lambda found, wanted: found <= wanted,
    ">": lambda found, wanted: found > wanted,
    "<": lambda found, wanted: found < wanted,
    "==": lambda found, wanted: found == wanted,
}


@dataclass(frozen=True, slots=True)
class HostGroup:
    """A named set of hosts.

    Attributes:
        hosts: Ansible pattern over the inventory.
        heal: drift is corrected.
        prune: a managed host that no goal claims goes back to the kernel's scheduler.
        hosts_source: where the pattern is written.
    """

    name: str
    hosts: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    requires: Requires = Requires()
    heal: bool = True
    prune: bool = True
    source: Position = field(default=BUILT_IN, compare=False)
    hosts_source: Position = field(default=BUILT_IN, compare=False)


@dataclass(frozen=True, slots=True)
class PolicyBinding:
    """The policy that a goal is bound to.

    Attributes:
        parameters: those that the goal sets; the others keep the policy's defaults.
    """

    name: str
    variant: str = "default"
    parameters: Mapping[str, int] = field(default_factory=dict, hash=False)
    source: Position = field(default=BUILT_IN, compare=False)

    @property
    def is_kernel_default(self) -> bool:
        """True when the goal asks for the kernel's own scheduler."""
        return self.name == KERNEL_DEFAULT


@dataclass(frozen=True, slots=True)
class Objective:
    """What a goal wants less or more of."""

    metric: str
    direction: Literal["minimize", "maximize"]


@dataclass(frozen=True, slots=True)
class Guardrail:
    """What must not get worse by more than a share (percent)."""

    metric: str
    max_regression: float


@dataclass(frozen=True, slots=True)
class Tasks:
    """Whose latency is measured: a control group's, or a command name's; neither = the whole host's."""

    cgroup: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The workloads that a goal's proposals are measured on; `hold_out` only in the final comparison."""

    workloads: tuple[str, ...] = ()
    hold_out: tuple[str, ...] = ()


PLACEHOLDERS = {
    "cpus": "the number of CPUs",
    "seed": "a number that is the same for every scheduler and another in every block of runs",
    "cgroup": "the folder of the run's own cgroup, in which commands may make more",
}
"""What may stand in a workload's commands as `{{ NAME }}`."""


@dataclass(frozen=True, slots=True)
class WorkloadMetric:
    """One number of what a workload's command prints.

    Attributes:
        regex: where it is, in Python's words: line by line, the only group, the last match; empty = JSON.
        json_path: where it is when the output is JSON: keys, and indices as text.
        scale: the printed number times this is in `unit`.
    """

    unit: str
    better: Literal["minimize", "maximize"]
    regex: str = ""
    json_path: tuple[str, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Workload:
    """A benchmark. Commands are lists of words that no shell reads, with the placeholders of `PLACEHOLDERS`.

    Attributes:
        command: what is run and measured; a run counts when it exits with 0.
        metrics: numbers of what it prints, by name.
        packages: Debian packages that the commands need.
        files: text by name, written into the empty folder in which every command of a run works.
        programs: text of the C source by the program's name; commands find the compiled program by it.
        tasks: whose waits the observer's metrics are about; neither = all tasks that the commands start.
        set_up: commands before each run, in order.
        background: commands that run beside the measured one and are ended after it.
        tear_down: commands after each run, also after one that failed.
        time_limit_s: a run that takes longer is ended and counts as failed.
    """

    name: str
    command: tuple[str, ...]
    metrics: Mapping[str, WorkloadMetric] = field(hash=False)
    description: str = ""
    packages: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict, hash=False)
    programs: Mapping[str, str] = field(default_factory=dict, hash=False)
    tasks: Tasks = Tasks()
    set_up: tuple[tuple[str, ...], ...] = ()
    background: tuple[tuple[str, ...], ...] = ()
    tear_down: tuple[tuple[str, ...], ...] = ()
    time_limit_s: float = 60.0
    source: Position = field(default=BUILT_IN, compare=False)


@dataclass(frozen=True, slots=True)
class WorkloadGoal:
    """What matters on a group, the bound policy and how it is rolled out.

    Attributes:
        depends_on: names of goals that must be done first.
        policy: None = unbound: nothing is planned for its hosts yet.
        rollout: name of a strategy of the fleet; always one that exists.
    """

    name: str
    host_group: str
    rollout: str
    policy: PolicyBinding | None = None
    description: str = ""
    tasks: Tasks = Tasks()
    objective: Objective | None = None
    guardrails: tuple[Guardrail, ...] = ()
    evaluation: Evaluation = Evaluation()
    depends_on: tuple[str, ...] = ()
    source: Position = field(default=BUILT_IN, compare=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a rollout.

    Attributes:
        kind: `hosts` = a number of hosts, `percent` = a share of the group; both count from the rollout's
            start.
        value: hosts (a whole number) or percent (above 0, at most 100).
        bake_s: seconds for which each host of the step is watched before it is confirmed.
    """

    kind: Literal["hosts", "percent"]
    value: float
    bake_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerCheck:
    """The policy is enabled, ours, never re-attached, and counts no new fault events. Always on."""

    interval_s: float = 5.0
    failures: int = 1
    initial_delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureCheck:
    """The host's CPU pressure (PSI, `some avg10`, percent) stays below a limit."""

    cpu_some_avg10_below: float
    interval_s: float = 5.0
    failures: int = 3
    initial_delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCheck:
    """A named check in `/etc/fleetsched/checks.d` on the host exits 0."""

    name: str
    interval_s: float = 5.0
    failures: int = 3
    initial_delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQueueCheck:
    """The 99th percentile of how long the host's tasks wait for a CPU has a limit. Exactly one is set.

    Attributes:
        p99_below_ms: the limit in milliseconds.
        p99_max_regression: how much longer, in percent, than on the same host before the attach.
    """

    p99_below_ms: float | None = None
    p99_max_regression: float | None = None
    interval_s: float = 5.0
    failures: int = 3
    initial_delay_s: float = 0.0


HealthCheck = SchedulerCheck | PressureCheck | HostCheck | RunQueueCheck
"""Each has `interval_s` between looks, `failures` in a row to fail, `initial_delay_s` before the first."""


@dataclass(frozen=True, slots=True)
class Count:
    """A number of hosts."""

    value: int


@dataclass(frozen=True, slots=True)
class Percent:
    """A share of the group's hosts, 0 to 100."""

    value: float


@dataclass(frozen=True, slots=True)
class FailureBudget:
    """How many hosts of the whole group may fail or be out of reach before the rollout is given up."""

    failed: Count | Percent = Count(0)
    unreachable: Count | Percent = Count(0)


@dataclass(frozen=True, slots=True)
class RolloutStrategy:
    """How a change reaches a group.

    Attributes:
        steps: in order; the last one reaches the whole group.
        health: every check, the scheduler's first.
        trial_deadline_s: a host that is not confirmed this long after its attach goes back by itself.
    """

    name: str
    steps: tuple[Step, ...]
    health: tuple[HealthCheck, ...] = (SchedulerCheck(),)
    failure_budget: FailureBudget = FailureBudget()
    on_failure: Literal["rollback", "stop"] = "rollback"
    trial_deadline_s: float = 120.0
    source: Position = field(default=BUILT_IN, compare=False)


BUILT_IN_STRATEGY = RolloutStrategy(
    name="default", steps=(Step("hosts", 1, bake_s=30.0), Step("percent", 100, bake_s=30.0))
)
"""What a goal gets when neither it nor `fleetsched.yaml` names a strategy."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One tunable of a policy: a constant in its object's `.rodata`, set at load.

    Attributes:
        unit: what the number counts, for people; may be empty.
        default, minimum, maximum: whole numbers within the type's range; 0 and 1 for `bool`.
    """

    type: ParameterType
    default: int
    minimum: int
    maximum: int
    unit: str = ""
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a policy comes from, as its manifest says; whatever is unsaid is empty or None.

    Attributes:
        backend: of the agent that made it; `model` the language model.
        cost_usd: what making it cost, in US dollars; `cost_tokens` the same in tokens.
        transcript: SHA-256 of the transcript.
    """

    origin: str = ""
    backend: str = ""
    model: str = ""
    cost_usd: float | None = None
    cost_tokens: int | None = None
    transcript: str = ""


@dataclass(frozen=True, slots=True)
class Topology:
    """What a host must have besides CPUs for a policy to be of use.

    Attributes:
        needs: more than one last-level cache, more than one NUMA node, or hardware threads.
        note: what the policy does where a host has none of it; may be empty.
    """

    needs: tuple[Literal["llc", "numa", "smt"], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """One folder of the catalogue.

    Attributes:
        folder: the folder that holds it.
        suitability: weight by feature of a workload; above 0 = suits.
        cost: in time and memory, in words or numbers; may be empty.
        failure_modes: known ways in which it does badly, each in words.
        variants: inputs of the source's template by variant.
        timeout_s: its watchdog time-out (`timeout_ms` of its ops table), in seconds.
        program: of `kind: program`, what is installed on the hosts, with templates as arguments; else None.
    """

    name: str
    folder: Path
    summary: str
    algorithm: str = ""
    suitability: Mapping[str, float] = field(default_factory=dict, hash=False)
    requires: Requires = Requires()
    topology: Topology = Topology()
    cost: str = ""
    failure_modes: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict, hash=False)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"default": {}}, hash=False)
    timeout_s: float = DEFAULT_TIMEOUT_S
    provenance: Provenance = Provenance()
    program: Program | None = None
    source: Position = field(default=BUILT_IN, compare=False)

    def resolve(self, parameters: Mapping[str, int]) -> dict[str, int]:
        """Add the defaults of the parameters that are not given."""
        return {name: parameters.get(name, declared.default) for name, declared in self.parameters.items()}

    def started(self, parameters: Mapping[str, int]) -> Program | None:
        """Say what hosts start, with the parameters in its arguments; None for an object."""
        if self.program is None:
            return None
        values = {
            name: ("false", "true")[value] if self.parameters[name].type == "bool" else str(value)
            for name, value in self.resolve(parameters).items()
        }
        return self.program.with_values(values)


@dataclass(frozen=True, slots=True)
class LockedProgram:
    """Which program a lock's digest is of: where hosts have it, and its version in its packager's words."""

    path: str
    version: str


@dataclass(frozen=True, slots=True)
class PolicyLock:
    """What `fleetsched lock` wrote for a policy.

    Attributes:
        variants: SHA-256 of the object's, or the program's, bytes (64 hex digits) by variant.
        compiler: name of the compiler's package; `compiler_version` its version.
        flags: the compiler's flags in order.
        hashes: SHA-256 by file of every source, header and template that went in.
        program: of `kind: program`; nothing was compiled then.
    """

    policy: str
    variants: Mapping[str, str] = field(hash=False)
    compiler: str = ""
    compiler_version: str = ""
    flags: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict, hash=False)
    program: LockedProgram | None = None
    source: Position = field(default=BUILT_IN, compare=False)


@dataclass(frozen=True, slots=True)
class ProposalLimits:
    """How many proposals may be open at once, and be opened in 24 hours."""

    open_at_once: int = 10
    per_day: int = 10


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything of one revision, checked: every name in it leads somewhere and no host has two goals.

    Attributes:
        root: the fleet repository's folder.
        kernels: versions that policies are verified on.
        warnings: what a reader should know and what stops nothing.
    """

    root: Path
    inventory: Inventory = field(default_factory=Inventory)
    groups: Mapping[str, HostGroup] = field(default_factory=dict, hash=False)
    goals: Mapping[str, WorkloadGoal] = field(default_factory=dict, hash=False)
    strategies: Mapping[str, RolloutStrategy] = field(default_factory=dict, hash=False)
    workloads: Mapping[str, Workload] = field(default_factory=dict, hash=False)
    policies: Mapping[str, Policy] = field(default_factory=dict, hash=False)
    locks: Mapping[str, PolicyLock] = field(default_factory=dict, hash=False)
    proposal_limits: ProposalLimits = ProposalLimits()
    kernels: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def hosts(self, group: str) -> list[Host]:
        """List the hosts of a host group, in a stable order."""
        return self.inventory.select(self.groups[group].hosts)

    def assignment(self, goal: WorkloadGoal) -> Assignment | None:
        """Say what the goal's hosts should run; None = the kernel's scheduler, or nothing yet (unbound)."""
        binding = goal.policy
        if binding is None or binding.is_kernel_default:
            return None
        digest = self.locks[binding.name].variants[binding.variant]
        parameters = self.policies[binding.name].resolve(binding.parameters)
        return Assignment.of(binding.name, binding.variant, digest, parameters)

    def program(self, goal: WorkloadGoal) -> Program | None:
        """Say what the goal's hosts should start; None when its policy is no program."""
        binding = goal.policy
        if binding is None or binding.is_kernel_default:
            return None
        return self.policies[binding.name].started(binding.parameters)
