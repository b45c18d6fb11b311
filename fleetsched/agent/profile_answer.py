# SPDX-License-Identifier: Apache-2.0
"""What hosts counted, for whoever chooses a policy: numbers alone, of a bounded length.

Names of hosts, commands and cgroups are left out: anybody who can start a process chooses them, they may say
what a customer does, and no policy can be chosen by them. Groups of tasks are told apart by their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleetsched.agent.answers import Answer
from fleetsched.model.observation import Buckets, Latency, Observation, Tally, merge
from fleetsched.model.profile import HostProfile, Profile

MOST_GROUPS = 12
MOST_BUCKETS = 32


def profile_answer(profile: Profile) -> Answer:
    """The features, and where hosts counted: all tasks together, the goal's, and the groups that ran longest.

    Histograms are `[ends at so many microseconds, share of all in percent]`, a line a power of two.
    """
    answer: Answer = {
        "hosts": len(profile.hosts),
        "seconds": profile.seconds,
        "features": dict(profile.features),
    }
    seen = [(host, host.observation) for host in profile.seen if host.observation is not None]
    if not seen:
        return answer
    seconds = sum(each.elapsed_ms for _, each in seen) / 1000
    answer |= {
        "cpus_of_a_host": [host.cpu_count for host, _ in seen],
        "forks_per_second": _rate(sum(each.forks for _, each in seen), seconds),
        "all_tasks": _tally([each.host for _, each in seen], seconds),
    }
    if profile.tasks:
        answer["tasks_of_the_goal"] = _tally(_of_goal(profile, seen), seconds)
    return answer | {"groups_that_ran_longest": _groups(profile, seen)}


def _of_goal(profile: Profile, seen: Iterable[tuple[HostProfile, Observation]]) -> list[Tally]:
    return [
        key.tally for _, each in seen for key in each.keys if profile.tasks.includes(key.cgroup, key.command)
    ]


def _groups(profile: Profile, seen: Sequence[tuple[HostProfile, Observation]]) -> list[Answer]:
    """One command in one cgroup of one host each."""
    keys = [(each, key) for _, each in seen for key in each.keys]
    keys.sort(key=lambda found: found[1].tally.on_cpu_us / max(found[0].elapsed_ms, 1), reverse=True)
    return [
        {
            "of_the_goal": profile.tasks.includes(key.cgroup, key.command),
            **_numbers(key.tally, each.elapsed_ms / 1000),
        }
        for each, key in keys[:MOST_GROUPS]
    ]


def _tally(tallies: Sequence[Tally], seconds: float) -> Answer:
    """Several tallies as one, with their histograms; `seconds` are those of all hosts together."""
    wakeup = merge(*(each.wakeup.buckets for each in tallies))
    run_queue = merge(*(each.run_queue.buckets for each in tallies))
    total = Tally(
        sum(each.on_cpu_us for each in tallies),
        sum(each.switches for each in tallies),
        Latency.of(wakeup),
        Latency.of(run_queue),
    )
    return _numbers(total, seconds) | {
        "waits_after_wakeups": _histogram(wakeup),
        "all_waits": _histogram(run_queue),
        "slices": _histogram(merge(*(each.slices for each in tallies))),
    }


def _numbers(tally: Tally, seconds: float) -> Answer:
    return {
        "cpu_percent": _rate(tally.on_cpu_us / 10_000, seconds),
        "switches_per_second": _rate(tally.switches, seconds),
        "wakeups_per_second": _rate(tally.wakeup.count, seconds),
        "mean_slice_us": round(tally.mean_slice_us, 1),
        "wakeup_us": _percentiles(tally.wakeup),
        "run_queue_us": _percentiles(tally.run_queue),
    }


def _percentiles(latency: Latency) -> Answer:
    return {"p50": latency.p50_us, "p95": latency.p95_us, "p99": latency.p99_us, "max": latency.max_us}


def _histogram(buckets: Buckets) -> list[list[float]]:
    """Merged to a line a power of two; what is beyond `MOST_BUCKETS` counts in the last."""
    total = sum(count for _, count in buckets)
    coarse = merge(*(((1 << (end_ns - 1).bit_length(), count),) for end_ns, count in buckets))
    kept, rest = coarse[: MOST_BUCKETS - 1], coarse[MOST_BUCKETS - 1 :]
    if rest:
        kept = (*kept, (rest[-1][0], sum(count for _, count in rest)))
    return [[round(end_ns / 1000, 1), round(100 * count / total, 2)] for end_ns, count in kept]


def _rate(count: float, seconds: float) -> float:
    return round(count / seconds, 1) if seconds else 0.0
