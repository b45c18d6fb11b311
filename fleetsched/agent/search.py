# SPDX-License-Identifier: Apache-2.0
"""A search over a policy's declared parameters: it asks, somebody measures, it is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleetsched.errors import InputError
from fleetsched.model.policy import Parameter

STARTING = 4
"""Trials at random, after those that were given, before the search trusts what it was told."""

_LOGARITHMIC_FROM = 10  # as many times the least is the most: then factors matter, not differences


class Search:
    """Tree-structured Parzen estimators (Bergstra and others 2011), by optuna, in memory.

    The same seed and the same answers give the same questions.

    Args:
        declared: the parameters, by name; at least one.
        seed: of what is random in it.
        first: what is asked first, in order; what does not fit the declaration is left out.

    Raises:
        InputError: optuna is not installed.
    """

    def __init__(
        self, declared: Mapping[str, Parameter], seed: int, first: Iterable[Mapping[str, int]] = ()
    ) -> None:
        optuna = _optuna()
        self._declared = declared
        self._distributions = {name: _distribution(optuna, each) for name, each in declared.items()}
        self._study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTING)
        )
        for given in first:
            if self._fits(given):
                self._study.enqueue_trial(dict(given), skip_if_exists=True)
        self._asked: Any = None

    def ask(self) -> dict[str, int]:
        """Say which values to measure next."""
        self._asked = self._study.ask(self._distributions)
        return {name: int(value) for name, value in self._asked.params.items()}

    def tell(self, loss: float) -> None:
        """Say how those did that were asked last; the smaller the better."""
        self._study.tell(self._asked, loss)

    def _fits(self, given: Mapping[str, int]) -> bool:
        return given.keys() == self._declared.keys() and all(
            self._declared[name].minimum <= value <= self._declared[name].maximum
            for name, value in given.items()
        )


def _distribution(optuna: Any, parameter: Parameter) -> Any:
    least, most = parameter.minimum, parameter.maximum
    is_wide = least > 0 and most >= _LOGARITHMIC_FROM * least
    return optuna.distributions.IntDistribution(least, most, log=is_wide)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise InputError(
            "the search over parameters is not installed", remedy="pip install 'fleetsched[agent]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
