# SPDX-License-Identifier: Apache-2.0
"""The way in: a task, a workbench and a model; out comes a draft, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleetsched.agent.anthropic.client import Client
from fleetsched.agent.anthropic.model import Model, ModelError
from fleetsched.agent.anthropic.prompt import first_message, system_prompt
from fleetsched.agent.anthropic.purse import Purse
from fleetsched.agent.anthropic.replay import Replay, Replayed
from fleetsched.agent.anthropic.talk import Ended, Talk
from fleetsched.agent.budget import Meter
from fleetsched.agent.faults import lab_error
from fleetsched.agent.foreign import paragraphs
from fleetsched.agent.interface import (
    INTERRUPTED,
    Backend,
    BudgetSpentError,
    Candidate,
    Draft,
    LabLostError,
    Task,
    Workbench,
)
from fleetsched.agent.learning import name_of
from fleetsched.agent.line import in_line
from fleetsched.agent.prices import prices_of
from fleetsched.agent.tools import toolbox
from fleetsched.agent.transcript import Record, Transcript
from fleetsched.agent.watched import Watched
from fleetsched.errors import LabError
from fleetsched.model.controller import AgentAccess

BACKEND = "anthropic"


class AnthropicBackend(Backend):
    """Asks one of Anthropic's models.

    Args:
        access: the model, its URL, price and budget.
        key: of the API, resolved.
        run: the run's folder; the transcript is written there.
        meter: of the run; the workbench counts its candidates on the same.
        day: today, `2026-11-26`, for lessons.
    """

    def __init__(self, access: AgentAccess, key: str, run: Path, meter: Meter, day: str) -> None:
        self._access, self._key, self._run = access, key, run
        self._meter, self._day = meter, day

    def draft(self, task: Task, bench: Workbench, say: Callable[[str], None]) -> Draft:
        """Talk with the model until it ends, a budget is used up, or the lab is lost; see `Backend`.

        Raises:
            InputError: there is no key, or the model's price is unknown.
            ModelError: the API does not answer, and nothing was tried so far.
        """
        prices = prices_of(self._access.model, self._access.price)
        with Transcript(self._run) as transcript:
            purse = Purse(self._meter, prices)
            with Client(
                self._access.model, self._key, self._access.url, transcript, left_s=purse.left_s
            ) as client:
                return self._talk(task, bench, say, client, transcript, purse)

    def replay(self, file: Path, task: Task, bench: Workbench, say: Callable[[str], None]) -> Draft:
        """Do again what a transcript tells, without the API: the same draft, if the tools answer as they did.

        Raises:
            InputError: the file is no transcript.
            ModelError: it has fewer replies than are asked for.
        """
        prices = prices_of(self._access.model, self._access.price)
        return self._talk(task, bench, say, Replay(file), Replayed(file), Purse(self._meter, prices))

    def _talk(
        self,
        task: Task,
        bench: Workbench,
        say: Callable[[str], None],
        model: Model,
        record: Record,
        purse: Purse,
    ) -> Draft:
        watched = Watched(bench)
        fault: LabError | None = None
        talk = Talk(model, toolbox(watched, task), purse, record, say)
        try:
            ended = talk.run(system_prompt(), first_message(task, self._access.budget))
        except BudgetSpentError as error:
            ended = Ended(error.what, text=error.message)
        except LabLostError as error:
            ended, fault = Ended("lab", text=error.message), error
        except OSError as error:  # a talk that cannot be recorded cannot be reviewed: nothing is drafted
            fault = lab_error(error)
            ended = Ended("lab", {"reason": fault.message})
        except ModelError as error:
            if not watched.tried:
                raise
            ended = Ended("gave-up", text=error.message)
        except KeyboardInterrupt:
            ended = Ended(INTERRUPTED, text=_so_far(watched, task))
        line = _line(ended, watched, task)
        return Draft(
            backend=BACKEND,
            candidate=line[0] if line else None,
            explanation=paragraphs(_explanation(ended)),
            ended=ended.how,
            spent=self._meter.spent(),
            model=self._access.model,
            transcript=record.digest,
            tried=tuple(watched.tried.values()),
            evidence=tuple(watched.evidence.values()),
            lessons=watched.lessons(task, self._day),
            runners_up=line[1:],
            error=fault,
        )


def _line(ended: Ended, watched: Watched, task: Task) -> tuple[Candidate, ...]:
    """What the model finished with and what else was better; without its word, what was better."""
    if ended.how == "finished":
        return in_line((watched.tried[ended.answer["candidate"]], *watched.line(task.goal)))
    return () if ended.answer or ended.how in ("refused", INTERRUPTED) else watched.line(task.goal)


def _so_far(watched: Watched, task: Task) -> str:
    best = next(iter(watched.line(task.goal)), None)
    found = f"The best so far: {name_of(best)}." if best else "Nothing was better than what there is, so far."
    return f"The talk was interrupted, so nothing is drafted. {found}"


def _explanation(ended: Ended) -> str:
    said = ended.answer.get("explanation") or ended.answer.get("reason") or ""
    return str(said) or ended.text
