# SPDX-License-Identifier: Apache-2.0
"""A workload profile: what was observed of a goal's hosts, in terms that suitability speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fleetsched.model.features import Counted, features_of
from fleetsched.model.observation import Key, Observation
from fleetsched.model.state import Facts
from fleetsched.model.tasks import Tasks
from fleetsched.model.wording import printable

VERSION = 1
"""Of a saved profile's form."""

MOST_HOSTS = 32
MOST_KEYS = 32
"""Commands of each host; those that ran longest stay."""
MOST_CGROUP = 200
MOST_COMMAND = 15
"""Characters of names."""

SHARED_CPU = "cgroup-cpu"
"""The helper's warning where cgroups share out CPU time."""


@dataclass(frozen=True, slots=True)
class HostProfile:
    """What is known of one host.

    Attributes:
        cpus_online: as the kernel lists them, `0-3`.
        cgroup_weights: whether cgroups share out CPU time there.
        cpu_some_avg10: PSI, percent; None = the host's kernel has none, or it was not asked.
        observation: None = it did not count; `error` says why.
    """

    host: str
    kernel_release: str
    arch: str
    cpu_count: int
    cpus_online: str
    memory_bytes: int
    cgroup_weights: bool
    cpu_some_avg10: float | None = None
    observation: Observation | None = None
    error: str = ""

    @classmethod
    def of(
        cls,
        host: str,
        facts: Facts,
        observation: Observation | None,
        *,
        cpu_some_avg10: float | None = None,
        error: str = "",
    ) -> HostProfile:
        """Take what a host said; names of processes and cgroups are its words: cut and cleaned."""
        return cls(
            host=host,
            kernel_release=_clean(facts.kernel_release, 64),
            arch=_clean(facts.arch, 16),
            cpu_count=facts.cpu_count,
            cpus_online=_clean(facts.cpus_online, 200),
            memory_bytes=facts.memory_bytes,
            cgroup_weights=any(notice.code == SHARED_CPU for notice in facts.warnings),
            cpu_some_avg10=cpu_some_avg10,
            observation=_bounded(observation) if observation is not None else None,
            error=_clean(error, 200),
        )

    @property
    def counted(self) -> Counted | None:
        """What features are told from; None when it did not count."""
        if self.observation is None:
            return None
        return Counted(self.observation, max(1, self.cpu_count), self.cgroup_weights)

    def to_wire(self) -> dict[str, Any]:
        """Write the file's form of it."""
        names = ("host", "kernel_release", "arch", "cpu_count", "cpus_online", "memory_bytes")
        more = ("cgroup_weights", "cpu_some_avg10", "error")
        observation = self.observation.to_wire() if self.observation else None
        return {name: getattr(self, name) for name in (*names, *more)} | {"observation": observation}

    @classmethod
    def from_wire(cls, value: Mapping[str, Any]) -> HostProfile:
        """Read a host that fits the schema."""
        seen = value["observation"]
        observation = _bounded(Observation.from_wire(seen)) if seen is not None else None
        return cls(**{**value, "observation": observation})


@dataclass(frozen=True, slots=True)
class Profile:
    """What was observed.

    Attributes:
        hosts: names of those that were observed.
        seconds: for how long each.
        features: measured value by feature of `model.metrics.FEATURES`, in the feature's unit.
        tasks: whose work the features are about.
        seen: what each host said, in inventory order.
        taken_at: RFC 3339 time, UTC.
    """

    hosts: tuple[str, ...]
    seconds: float
    features: Mapping[str, float] = field(hash=False)
    tasks: Tasks = Tasks()
    seen: tuple[HostProfile, ...] = ()
    taken_at: str = ""

    @classmethod
    def of(
        cls, hosts: Iterable[HostProfile], *, seconds: float, taken_at: str, tasks: Tasks = Tasks()
    ) -> Profile:
        """Put together what hosts said; beyond `MOST_HOSTS` the later ones are left out."""
        seen = tuple(hosts)[:MOST_HOSTS]
        counted = [host.counted for host in seen]
        features = features_of([each for each in counted if each is not None], tasks)
        names = tuple(host.host for host in seen if host.observation is not None)
        return cls(names, seconds, features, tasks, seen, taken_at)

    def about(self, tasks: Tasks, hosts: Iterable[str] | None = None) -> Profile:
        """Tell the features of other tasks, or of some of the hosts, from the same counts."""
        chosen = None if hosts is None else set(hosts)
        seen = tuple(host for host in self.seen if chosen is None or host.host in chosen)
        return Profile.of(seen, seconds=self.seconds, taken_at=self.taken_at, tasks=tasks)

    def to_wire(self) -> dict[str, Any]:
        """Write the file's form of it (`schemas/profile.json`)."""
        return {
            "format": "fleetsched-profile",
            "version": VERSION,
            "taken_at": self.taken_at,
            "seconds": self.seconds,
            "tasks": {"cgroup": self.tasks.cgroup, "command": self.tasks.command},
            "features": dict(self.features),
            "hosts": [host.to_wire() for host in self.seen],
        }

    @classmethod
    def from_wire(cls, value: Mapping[str, Any]) -> Profile:
        """Read a file that fits its schema. Features are told anew from the counts: they cannot disagree."""
        hosts = map(HostProfile.from_wire, value["hosts"])
        return cls.of(
            hosts, seconds=value["seconds"], taken_at=value["taken_at"], tasks=Tasks(**value["tasks"])
        )


def _bounded(seen: Observation) -> Observation:
    keys = (
        Key(
            _clean(key.cgroup, MOST_CGROUP) if key.cgroup is not None else None,
            _clean(key.command, MOST_COMMAND),
            key.tally,
        )
        for key in seen.keys[:MOST_KEYS]
    )
    return replace(seen, keys=tuple(keys))


def _clean(text: str, most: int) -> str:
    return printable(text[:most], keep="")
