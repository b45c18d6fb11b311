# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from fleetsched.bench.metrics import observed_numbers, printed_numbers, unit_and_better
from fleetsched.errors import WorkloadError
from fleetsched.model.observation import Key, Latency, Observation, Tally, buckets_of
from fleetsched.model.tasks import Tasks
from fleetsched.model.workload import Workload, WorkloadMetric


def workload(metric: WorkloadMetric, command: str = "") -> Workload:
    return Workload("w", ("true",), {"m": metric}, tasks=Tasks(command=command))


def regex(expression: str, scale: float = 1.0) -> WorkloadMetric:
    return WorkloadMetric("us", "minimize", regex=expression, scale=scale)


def path(*parts: str) -> WorkloadMetric:
    return WorkloadMetric("us", "minimize", json_path=parts)


@pytest.mark.parametrize(
    ("metric", "output", "expected"),
    [
        (regex(r"^Time: ([0-9.]+)"), "Time: 1.5\nTime: 2.5\n", 2.5),
        (regex(r"average = ([0-9.]+) ms", 1000), "latency average = 1.25 ms", 1250.0),
        (path("a", "1", "p99"), '{"a": [0, {"p99": 7}]}', 7.0),
        (path("a.b"), '{"a.b": "3.5"}', 3.5),
    ],
)
def test_a_number_is_found(metric: WorkloadMetric, output: str, expected: float) -> None:
    assert printed_numbers(workload(metric), output) == {"m": expected}


@pytest.mark.parametrize(
    ("metric", "output", "where", "printed"),
    [
        (regex(r"Time: (\S+)"), "nothing of it", r"regex Time: (\S+)", "nothing of it"),
        (regex(r"Time: (\S+)"), "Time: soon", r"regex Time: (\S+)", "Time: soon"),
        (path("a", "b"), '{"a": 1}', "jsonPath a.b", '{"a": 1}'),
        (path("a"), '{"a": null}', "jsonPath a", '{"a": null}'),
        (path("a"), '{"a": Infinity}', "jsonPath a", '{"a": Infinity}'),
        (path("a", "5"), '{"a": [1]}', "jsonPath a.5", '{"a": [1]}'),
        (path("a"), "", "jsonPath a", "nothing"),
    ],
)
def test_a_number_that_is_not_there_is_an_error(
    metric: WorkloadMetric, output: str, where: str, printed: str
) -> None:
    with pytest.raises(WorkloadError) as raised:
        printed_numbers(workload(metric), output)

    assert str(raised.value) == f"workload w: no number for m ({where})\n  its command printed: {printed}"


def tally(wait_us: int) -> Tally:
    waits = Latency.of(buckets_of([wait_us * 1000] * 100))
    return Tally(1000, 100, wakeup=waits, run_queue=waits)


def test_only_the_waits_of_the_measured_tasks_count() -> None:
    keys = (
        Key("fleetsched-bench/run", "worker", tally(10)),
        Key("fleetsched-bench/run", "hog", tally(1000)),
        Key("fleetsched-bench/tenant-a", "worker", tally(10)),
        Key(None, "worker", tally(10)),
        Key("/", "worker", tally(5000)),
        Key("system.slice/x.service", "worker", tally(5000)),
    )
    observation = Observation(5000, 0, tally(9), keys)

    only_workers = observed_numbers(workload(regex("(1)"), "worker"), observation)
    everything = observed_numbers(workload(regex("(1)")), observation)

    assert only_workers["wakeup_latency_p99_us"] < 14
    assert everything["wakeup_latency_p99_us"] >= 1000
    assert everything["wakeup_latency_p50_us"] < 14


def test_tasks_that_never_waited_give_no_numbers() -> None:
    assert observed_numbers(workload(regex("(1)"), "worker"), Observation(1, 0, tally(1))) == {}


def test_units_are_the_workloads_or_those_that_everybody_knows() -> None:
    assert unit_and_better(workload(regex("(1)")), "m") == ("us", "minimize")
    assert unit_and_better(workload(regex("(1)")), "wakeup_latency_p99_us") == ("us", "minimize")
