# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from fleetsched.model.observation import Key, Latency, Observation, Tally
from fleetsched.views.observation import observation_text

GOLDEN = Path(__file__).with_name("golden") / "observation.txt"


def tally(on_cpu_us: int, switches: int, p99_us: int, waits: int) -> Tally:
    wakeup = Latency(waits, 12, 850, p99_us, p99_us * 2)
    return Tally(on_cpu_us, switches, wakeup, Latency(switches, 15, 900, p99_us * 3, p99_us * 4))


SEEN = Observation(
    elapsed_ms=5003,
    forks=14,
    host=tally(7_400_000, 6020, 12_400, 4100),
    keys=(
        Key("system.slice/nginx.service", "nginx", tally(3_100_000, 2900, 950, 2200)),
        Key("user.slice/user-1000.slice/session-4.scope", "bzip2", tally(2_900_000, 260, 1_240_000, 3)),
        Key("system.slice/nginx.service", "nginx: cache\x1b[2J", tally(400_000, 90, 30, 80)),
        Key(None, "sh", tally(900, 3, 0, 0)),
        Key("kubepods.slice/" + "pod.slice/" * 8 + "crio.scope", "fifteen-letters", tally(800, 2, 77, 1)),
        Key("/", "kworker/0:1", tally(300, 20, 9, 20)),
    ),
    keys_seen=29,
    unkeyed_switches=7,
)
HOSTS = [
    ("lab-1", SEEN, ""),
    ("lab-2", None, "lab-2: no answer"),
    ("lab-3", Observation(100, 0, Tally(0, 0, Latency(), Latency())), ""),
]


def test_an_observation_reads_as_agreed() -> None:
    assert observation_text(HOSTS) + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_no_line_is_wider_than_a_terminal() -> None:
    assert max(map(len, observation_text(HOSTS).splitlines())) <= 80


def test_nothing_is_explained_where_nothing_was_counted() -> None:
    assert observation_text(HOSTS[1:2]) == "lab-2: no answer"
