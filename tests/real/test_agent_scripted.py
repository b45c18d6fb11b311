# SPDX-License-Identifier: Apache-2.0
"""A scripted model writes a policy, which is compiled, verified, attached, stressed and measured for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.agent.anthropic.backend import AnthropicBackend
from fleetsched.agent.budget import Meter
from fleetsched.agent.scripted.script import read_script
from fleetsched.agent.scripted.server import ScriptedServer
from fleetsched.agent.transcript import FILE
from fleetsched.model.controller import AgentAccess, Budget
from fleetsched.operations.task import open_task
from fleetsched.operations.workbench import open_workbench
from tests.real.conftest import PROJECT

pytestmark = [pytest.mark.lab, pytest.mark.model]

SCRIPT = PROJECT / "tests" / "data" / "scripts" / "writes-a-policy.yaml"
KEY = "no-key-but-the-servers-own"


@pytest.mark.timeout(3600)
def test_a_written_policy_fails_twice_passes_and_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = read_script(SCRIPT)
    budget = Budget(wall_s=3000.0)
    meter = Meter(budget)
    task = open_task(None, None, kernel="6.18", workload="message-wakeups")
    bench = open_workbench(None, task, tmp_path, meter, print, backend="anthropic", model=script.model)
    with ScriptedServer(script, say=print) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        access = AgentAccess("anthropic", script.model, budget=budget)
        draft = AnthropicBackend(access, KEY, tmp_path, meter, "2026-11-26").draft(task, bench, print)
    assert server.mismatches == []
    assert server.done

    assert draft.ended == "finished"
    assert draft.candidate is not None
    assert (draft.candidate.id, draft.candidate.policy) == ("c3", "short-first")
    compiling, verifying = (lesson.why for lesson in draft.lessons)
    assert compiling.startswith("compile: compile-error: no member named 'rans_ns'")
    assert verifying.startswith("verify: verifier: ")
    assert "map_value_or_null" in verifying

    (evidence,) = draft.evidence
    assert evidence.candidate.digest == draft.candidate.digest
    assert evidence.environment.kernel_release.startswith("6.18")
    assert {name for each in evidence.measured for name in each.samples} == {"kernel-default", "candidate"}
    assert all(len(samples) == 3 for each in evidence.measured for samples in each.samples.values())
    assert draft.spent.usd > 0
    assert KEY not in (tmp_path / FILE).read_text(encoding="utf-8")
