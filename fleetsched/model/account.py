# SPDX-License-Identifier: Apache-2.0
"""What a run says of itself to whoever reviews its proposal, or wonders why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from fleetsched.model.judgement import Compared, Judgement, Rejected


@dataclass(frozen=True, slots=True)
class Account:
    """One goal's run.

    Attributes:
        backend: `catalogue` or `anthropic`; `model` the language model, if there was one.
        ended: of the search: `finished`, `gave-up`, `refused`, `lab`, `interrupted`, or the budget that was
            used up.
        explanation: of the backend; of a language model it is foreign text.
        tried: how many candidates; `measured` how many of them were measured.
        seconds: that all of it took.
        usd: US dollars, as text, exactly; `tokens` in, out and cached.
        transcript: SHA-256 of the record of what the language model said; empty without one.
        compared: the final comparison of what is proposed, else of what was drafted; empty when there was
            none, and `stopped` says why.
        in_line: how many candidates stood in line for it; `rejected` are the others that were compared.
        broke_off: the last comparison has no end, so none followed, whatever time there was.
        runs: the folder of the run.
    """

    goal: str
    workload: str
    kernel: str
    backend: str
    ended: str
    explanation: str
    tried: int
    measured: int
    seconds: float
    usd: str
    tokens: int
    runs: str
    model: str = ""
    transcript: str = ""
    compared: tuple[Compared, ...] = ()
    judgement: Judgement | None = None
    stopped: str = ""
    in_line: int = 1
    rejected: tuple[Rejected, ...] = ()
    broke_off: bool = False
