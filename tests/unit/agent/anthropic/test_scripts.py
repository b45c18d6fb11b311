# SPDX-License-Identifier: Apache-2.0
"""Every script, played to its end."""

from __future__ import annotations

import json
import signal
import threading
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fleetsched.agent.anthropic.model import ModelError
from fleetsched.agent.interface import Candidate
from fleetsched.agent.scripted.script import Answer, Failure, Script, Turn, Usage
from fleetsched.agent.scripted.server import ScriptedServer
from fleetsched.agent.transcript import FILE, Transcript
from fleetsched.errors import LabError
from fleetsched.model.controller import Budget
from fleetsched.model.evidence import Evidence
from tests.unit.agent.playing import KEY, Clock, Played, measured, play, script_named, spent_by

PROGRESS = Path(__file__).parent / "golden" / "writes-a-policy.txt"
# Input, cache writes, output and cache reads of claude-sonnet-5-5, in dollars for a million tokens.
IN, WRITE, OUT, READ = Decimal(2), Decimal("2.5"), Decimal(10), Decimal("0.1")


def cost(played: Played) -> Decimal:
    usages = [turn.answer.usage for turn in played.server.script.turns if turn.answer is not None]
    return sum(
        (
            (each.input * IN + each.cache_write * WRITE + each.output * OUT + each.cache_read * READ)
            / 1_000_000
            for each in usages
        ),
        Decimal(0),
    )


def well_played(played: Played) -> None:
    """The script went to its end, and everything it cost was counted."""
    assert played.server.mismatches == []
    assert played.server.done
    spent, script = played.draft.spent, spent_by(played.server.script)
    assert (spent.tokens_in, spent.tokens_out, spent.tokens_cached) == tuple(script.values())
    assert spent.usd == cost(played)


@pytest.mark.parametrize(
    ("name", "ended", "chosen", "tried"),
    [
        ("selects-from-catalogue", "finished", "c2", 2),
        ("writes-a-policy", "finished", "c3", 3),
        ("gives-up", "gave-up", None, 0),
        ("rate-limited", "gave-up", None, 0),
        ("refused", "refused", None, 0),
        ("malformed-calls", "gave-up", None, 0),
        ("obeys-injection", "gave-up", None, 1),
    ],
)
def test_a_script_ends_as_it_says_and_costs_what_it_says(
    name: str, ended: str, chosen: str | None, tried: int, tmp_path: Path
) -> None:
    played = play(script_named(name), tmp_path)
    well_played(played)
    draft = played.draft
    assert (draft.backend, draft.model, draft.ended) == ("anthropic", "claude-sonnet-5-5", ended)
    assert (draft.candidate.id if draft.candidate else None) == chosen
    assert len(draft.tried) == draft.spent.candidates == tried


@pytest.mark.parametrize(
    "name",
    [
        "selects-from-catalogue",
        "writes-a-policy",
        "gives-up",
        "malformed-replies",
        "malformed-calls",
        "refused",
    ],
)
def test_a_transcript_replays_to_the_same_draft(name: str, tmp_path: Path) -> None:
    played = play(script_named(name), tmp_path)
    again = played.again()
    assert str(again).replace(str(tmp_path / "again"), str(played.folder)) == str(played.draft)
    assert again.spent == played.draft.spent
    assert again.transcript == played.draft.transcript


def test_the_written_policy_fails_twice_and_is_then_proposed(tmp_path: Path) -> None:
    draft = play(script_named("writes-a-policy"), tmp_path).draft
    assert [each.policy for each in draft.tried] == ["short-first"] * 3
    assert draft.candidate is not None
    assert draft.candidate.digest == draft.tried[2].digest != ""
    assert len(draft.evidence) == 1
    assert draft.explanation.startswith("Tasks that ran shortly go first")
    assert [(each.outcome, each.why) for each in draft.lessons] == [
        ("failed", "compile: compile-error: no member named 'rans_ns' in 'struct task_ctx'"),
        ("failed", "verify: verifier: R0 invalid mem access 'map_value_or_null'"),
    ]


@pytest.mark.parametrize(
    ("budget", "ended", "replies"),
    [
        (Budget(usd=0.02), "usd", 0),
        (Budget(usd=0.105), "usd", 2),
        (Budget(tokens=21_000), "tokens", 1),
        (Budget(wall_s=6.0), "wall", 1),
        (Budget(candidates=1), "candidates", 4),
    ],
)
def test_a_spent_budget_ends_the_run(budget: Budget, ended: str, replies: int, tmp_path: Path) -> None:
    step_s = 1.0 if ended == "wall" else 0.0
    played = play(script_named("runs-out-of-budget"), tmp_path, budget=budget, clock=Clock(step_s))
    assert played.server.mismatches == []
    assert played.draft.ended == ended
    assert len(played.server.requests) == replies
    assert played.draft.spent.usd <= Decimal(str(budget.usd))
    spent = played.draft.spent
    assert spent.tokens_in + spent.tokens_out + spent.tokens_cached <= budget.tokens
    assert spent.candidates <= budget.candidates


def test_the_best_that_was_measured_outlives_the_budget(tmp_path: Path) -> None:
    played = play(script_named("selects-from-catalogue"), tmp_path, budget=Budget(usd=0.08))
    assert played.draft.ended == "usd"
    assert played.draft.candidate is not None
    assert played.draft.candidate.id == "c1"


FAILS = Turn(fail=Failure(401, "authentication_error", "the key has expired"))
SAYS_NOTHING = Turn(answer=Answer(Usage(input=9, output=9), text="done", stop="end_turn"))


@pytest.mark.parametrize(
    ("last", "explanation"),
    [
        ((SAYS_NOTHING, SAYS_NOTHING), "done"),
        ((FAILS,), "it does not take the key (HTTP 401, request req_scripted_0004): the key has expired"),
    ],
)
def test_the_best_that_was_measured_outlives_what_else_ends_a_talk(
    last: tuple[Turn, ...], explanation: str, tmp_path: Path
) -> None:
    whole = script_named("selects-from-catalogue")
    played = play(Script(whole.name, whole.about, whole.model, [*whole.turns[:3], *last]), tmp_path)
    assert played.draft.ended == "gave-up"
    assert played.draft.explanation.endswith(explanation)
    assert played.draft.candidate is not None
    assert played.draft.candidate.id == "c1"


def test_replies_that_break_off_are_counted_and_asked_for_again(tmp_path: Path) -> None:
    played = play(script_named("malformed-replies"), tmp_path)
    assert played.server.mismatches == []
    assert played.server.done
    assert played.draft.ended == "gave-up"
    assert [line for line in played.said if "broke off" in line] == [
        "the reply broke off: APIResponseValidationError: Data returned by API invalid for expected schema.",
        "the reply broke off: RemoteProtocolError: peer closed connection without sending complete message "
        "body (incomplete chunked read)",
    ]
    assert played.draft.spent.tokens_in >= spent_by(played.server.script)["in"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "malformed-for-ever",
            "the language model's API broke off its reply 3 times: APIResponseValidationError: Data returned "
            "by API invalid for expected schema.",
        ),
        (
            "rate-limited-for-ever",
            "the language model's API at URL: it still asks to wait after several tries (HTTP 429, request "
            "req_scripted_0001): slow down",
        ),
    ],
)
def test_an_api_that_never_answers_is_explained(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        play(script_named(name), tmp_path)
    shown = " ".join("URL:" if word.startswith("http://") else word for word in caught.value.message.split())
    assert shown == message
    assert caught.value.remedy.startswith("try again later")


def test_progress_is_told_line_by_line(tmp_path: Path) -> None:
    said = play(script_named("writes-a-policy"), tmp_path).said
    assert said == tuple(PROGRESS.read_text(encoding="utf-8").splitlines())


def test_the_key_is_sent_and_nowhere_else(tmp_path: Path) -> None:
    played = play(script_named("selects-from-catalogue"), tmp_path)
    assert {each["authorization"] for each in played.server.headers} == {f"Bearer {KEY}"}
    assert KEY not in played.transcript
    assert KEY not in str(played.draft)
    assert KEY not in "\n".join(played.said)
    assert KEY not in str(played.server.requests)
    kept = [file for file in played.folder.rglob("*") if file.is_file()]
    assert all(KEY.encode() not in file.read_bytes() for file in kept)


def test_requests_are_plain_and_their_history_grows(tmp_path: Path) -> None:
    requests = play(script_named("selects-from-catalogue"), tmp_path).server.requests
    assert {tuple(sorted(each)) for each in requests} == {
        (
            "cache_control",
            "max_tokens",
            "messages",
            "model",
            "stream",
            "system",
            "thinking",
            "tools",
        )
    }
    assert [len(each["messages"]) for each in requests] == [1, 3, 5, 7, 9, 11]
    for each, later in pairwise(requests):
        assert later["messages"][: len(each["messages"])] == each["messages"]
    assert all(tool["strict"] for tool in requests[0]["tools"])


def lost_after_c1(candidate: Candidate, repeats: int, seed: int, left_s: float) -> Evidence:
    if candidate.id != "c1":
        raise LabError("the machine does not come up", remedy="look")
    return measured(candidate, repeats, seed, left_s)


def test_a_lab_that_is_lost_ends_the_talk_with_the_best_so_far(tmp_path: Path) -> None:
    played = play(script_named("loses-the-lab"), tmp_path, measure=lost_after_c1)
    well_played(played)
    draft = played.draft
    assert draft.candidate is not None
    assert (draft.candidate.id, draft.ended) == ("c1", "lab")
    assert str(draft.error) == "the lab failed 2 times in a row: the machine does not come up\n  look"
    assert draft.explanation == "the lab failed 2 times in a row: the machine does not come up"
    assert sha256((played.folder / FILE).read_bytes()).hexdigest() == draft.transcript


def interrupted_after_c1(candidate: Candidate, repeats: int, seed: int, left_s: float) -> Evidence:
    if candidate.id != "c1":
        raise KeyboardInterrupt
    return measured(candidate, repeats, seed, left_s)


def test_an_interruption_in_a_tool_ends_the_talk_with_what_is_known(tmp_path: Path) -> None:
    draft = play(script_named("loses-the-lab"), tmp_path, measure=interrupted_after_c1).draft
    assert (draft.ended, draft.line, draft.error) == ("interrupted", (), None)
    assert [each.id for each in draft.tried] == ["c1", "c2"]
    assert len(draft.evidence) == 1
    assert draft.explanation == (
        "The talk was interrupted, so nothing is drafted. The best so far: interactive (its defaults)."
    )
    assert sha256((tmp_path / "run" / FILE).read_bytes()).hexdigest() == draft.transcript


def test_lessons_of_a_talk_that_is_interrupted_are_kept(tmp_path: Path) -> None:
    def at_once(*_: object) -> Evidence:
        raise KeyboardInterrupt

    draft = play(script_named("writes-a-policy"), tmp_path, measure=at_once).draft
    assert draft.ended == "interrupted"
    assert [each.why.split(":")[0] for each in draft.lessons] == ["compile", "verify"]
    assert draft.explanation == (
        "The talk was interrupted, so nothing is drafted. Nothing was better than what there is, so far."
    )


@pytest.mark.parametrize("turn", [1, 3])
def test_an_interruption_while_the_model_is_asked_counts_what_was_asked(
    turn: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupting(ScriptedServer):
        def play(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, Answer | Failure]:
            answer = super().play(headers, body)
            if answer[0] == turn:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            return answer

    monkeypatch.setattr("tests.unit.agent.playing.ScriptedServer", Interrupting)
    played = play(script_named("selects-from-catalogue"), tmp_path)
    assert (played.draft.ended, played.draft.line) == ("interrupted", ())
    assert len(played.server.requests) == turn
    last = json.loads(played.transcript.splitlines()[-1])
    assert (last["kind"], last["message"]["stop"]) == ("reply", "")
    before = played.server.script.turns[: turn - 1]
    answered = sum(each.answer.usage.input + each.answer.usage.cache_write for each in before if each.answer)
    assert played.draft.spent.tokens_in > answered


class Full(Transcript):
    """A transcript on a disk that is full once a tool was called."""

    def write(self, kind: str, **fields: Any) -> None:
        if kind == "tool":
            raise OSError(28, "No space left on device", "transcript.jsonl")
        super().write(kind, **fields)


def test_a_talk_that_cannot_be_recorded_drafts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetsched.agent.anthropic.backend.Transcript", Full)
    draft = play(script_named("loses-the-lab"), tmp_path).draft
    assert (draft.candidate, draft.ended) == (None, "lab")
    assert draft.explanation == "No space left on device: transcript.jsonl"
    assert str(draft.error).startswith("No space left on device: transcript.jsonl\n")
