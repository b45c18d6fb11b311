# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import subprocess
from typing import Any

import pytest

from fleetsched.bench.script import Place, check_ended_well, read_said, run_script
from fleetsched.errors import WorkloadError
from fleetsched.model.workload import Workload, WorkloadMetric

METRICS = {"score": WorkloadMetric("1", "maximize", regex=r"score (\d+)")}


def workload(*command: str, **other: Any) -> Workload:
    return Workload("w", command or ("true",), METRICS, **other)


def said(**other: str) -> str:
    lines = {
        "exit": "0",
        "step": "",
        "uptime": "10.00 15.25",
        "output": base64.b64encode(b"score 7\n").decode(),
        "errors": "",
        **other,
    }
    text = "\n".join(f"{name} {value}" for name, value in lines.items())
    return f"{text}\nscheduler enabled 3 fair\nscheduler disabled 3\n"


def test_placeholders_are_filled_in_and_words_stay_words() -> None:
    script = run_script(workload("load", "{{ seed }}", "a b; {{cpus}} {{ cgroup }}"), Place(4), 17, None)

    assert "enter timeout -k 2 60 load 17 'a b; 4 /sys/fs/cgroup/fleetsched-bench'" in script


@pytest.mark.parametrize("observe_s", [None, 5.0])
def test_the_script_is_one_that_a_shell_can_read(observe_s: float | None) -> None:
    everything = workload(
        "sh",
        "-c",
        "echo 'it''s'\n",
        files={"a.conf": "text with 'quotes'\nand lines\n"},
        set_up=(("mkdir", "x"), ("sh", "-c", "true")),
        background=(("sleep", "100"),),
        tear_down=(("rm", "-r", "x"),),
    )

    script = run_script(everything, Place(2), 1, observe_s)

    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
    assert ("rpc" in script) is (observe_s is not None)


def test_what_a_run_said_is_read() -> None:
    found = read_said(said(), workload())

    assert (found.code, found.step, found.seconds, found.output) == (0, "", 5.25, "score 7\n")
    assert (found.before, found.after, found.observed) == ("enabled 3 fair", "disabled 3", None)


def test_the_observation_is_that_of_the_whole_run_not_the_one_that_loads_the_observer() -> None:
    answers = b'{"id":1,"ok":true,"result":{}}\n{"id":2,"ok":true,"result":{"forks":1}}\n'
    answers += b'{"id":3,"ok":true,"result":{"forks":2}}\n'

    found = read_said(said(observed=base64.b64encode(answers).decode()), workload())

    assert found.observed == {"forks": 2}


def test_an_observer_that_refuses_leaves_no_observation() -> None:
    answers = b'{"id":3,"ok":false,"error":{"code":"no-observer","message":"m"}}\n'

    assert read_said(said(observed=base64.b64encode(answers).decode()), workload()).observed is None


@pytest.mark.parametrize("text", ["", "exit x\n", said(uptime="10.00"), said(output="???")])
def test_an_end_that_cannot_be_read_is_an_error_of_the_workload(text: str) -> None:
    with pytest.raises(WorkloadError, match="workload w: the run's end cannot be read"):
        read_said(text, workload())


@pytest.mark.parametrize(
    ("code", "step", "expected"),
    [
        ("3", "command", "workload w: its command exited with 3\n  last words"),
        ("1", "setUp", "workload w: its setUp exited with 1\n  last words"),
        ("124", "command", "workload w: it took more than 60 s\n  last words"),
        ("137", "command", "workload w: it took more than 60 s\n  last words"),
    ],
)
def test_a_run_that_did_not_end_well_says_why(code: str, step: str, expected: str) -> None:
    errors = base64.b64encode(b"last words\n").decode()

    with pytest.raises(WorkloadError) as raised:
        check_ended_well(read_said(said(exit=code, step=step, errors=errors), workload()), workload())

    assert str(raised.value) == expected
