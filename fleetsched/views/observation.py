# SPDX-License-Identifier: Apache-2.0
"""How long tasks wait for a CPU and run on it, as a table of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from fleetsched.model.metrics import FEATURES
from fleetsched.model.observation import Key, Observation, Tally
from fleetsched.model.profile import Profile
from fleetsched.model.wording import counted, printable
from fleetsched.views.fill import fill
from fleetsched.views.plan import WIDTH

_NAME = 27
_GONE = "(a cgroup that is gone)"
_HEAD = f"{'':{_NAME}} wakes/s    p50    p95    p99  all p99  cpu %  slice"
_LEGEND = (
    "p50 to p99: from a wakeup until the task runs. all p99: also the waits of tasks\n"
    "that were taken off their CPU. cpu %: of one CPU. slice: mean run."
)


def observation_text(hosts: Sequence[tuple[str, Observation | None, str]]) -> str:
    """A table a host: the whole host, then cgroups and their commands, those that ran longest first.

    Args:
        hosts: name, what it counted, and why it did not.
    """
    blocks = ["\n".join(_host(name, seen, error)) for name, seen, error in hosts]
    if any(seen for _, seen, _ in hosts):
        blocks.append(_LEGEND)
    return printable("\n\n".join(blocks))


def features_text(profile: Profile) -> str:
    """The features that were told from the counts, and the pressure of each host."""
    lines = [f"{'feature':<18}measured"]
    for feature, number in profile.features.items():
        lines.append(f"{feature:<18}{number:,g} {FEATURES[feature].unit}")
    pressures = [
        f"{host.host} {host.cpu_some_avg10:g} %" for host in profile.seen if host.cpu_some_avg10 is not None
    ]
    if pressures:
        lines += ["", fill(f"some task waited for a CPU (PSI, ten seconds): {', '.join(pressures)}", "")]
    return printable("\n".join(lines))


def _host(name: str, seen: Observation | None, error: str) -> Iterator[str]:
    if seen is None:
        yield error
        return
    yield (
        f"{name}: {seen.elapsed_ms / 1000:.1f} s, {_rate(seen, seen.host.switches)} switches/s, "
        f"{_rate(seen, seen.forks)} forks/s"
    )
    yield _HEAD
    yield _line("whole host", seen.host, seen)
    # Keys come by their time; a cgroup stands where its busiest command does.
    order = list(dict.fromkeys(key.cgroup for key in seen.keys))
    keys = sorted(seen.keys, key=lambda key: order.index(key.cgroup))
    for cgroup, commands in groupby(keys, key=lambda key: key.cgroup):
        yield from _cgroup(cgroup, list(commands), seen)
    if seen.keys_seen > len(seen.keys):
        yield f"and {seen.keys_seen - len(seen.keys)} more that ran less"
    if seen.unkeyed_switches:
        switches = counted(seen.unkeyed_switches, "switch counts", "switches count")
        yield f"{switches} for the whole host only: too many commands"


def _cgroup(cgroup: str | None, commands: Sequence[Key], seen: Observation) -> Iterator[str]:
    path = _GONE if cgroup is None else cgroup
    yield path if len(path) <= WIDTH else f"...{path[3 - WIDTH :]}"
    for key in commands:
        yield _line(f"  {key.command}", key.tally, seen)


def _line(name: str, tally: Tally, seen: Observation) -> str:
    waits = tally.wakeup
    share = tally.on_cpu_us / (seen.elapsed_ms * 10) if seen.elapsed_ms else 0.0
    return (
        f"{name:{_NAME}.{_NAME}} {_rate(seen, waits.count):>7} {_time(waits.p50_us):>6} "
        f"{_time(waits.p95_us):>6} {_time(waits.p99_us):>6} {_time(tally.run_queue.p99_us):>8} {share:>6.1f} "
        f"{_time(round(tally.mean_slice_us)):>6}"
    )


def _rate(seen: Observation, count: int) -> str:
    rate = seen.per_second(count)
    return f"{rate:.0f}" if rate >= 10 or not count else f"{rate:.1f}"


def _time(us: int) -> str:
    """Three digits at most and a unit; `-` for nothing."""
    if us < 1000:
        return f"{us}us" if us else "-"
    for unit, size in (("ms", 1000), ("s", 1_000_000)):
        value = us / size
        if value < 999.5:
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"
    return f"{us / 1_000_000:.0f}s"
