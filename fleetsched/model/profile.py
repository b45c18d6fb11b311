# SPDX-License-Identifier: Apache-2.0
"""A workload profile: what was observed of a goal's hosts, in terms that suitability speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Profile:
    """What was observed.

    Attributes:
        hosts: names of those that were observed.
        seconds: for how long each.
        features: measured value by feature of `model.metrics.FEATURES`, in the feature's unit.
    """

    hosts: tuple[str, ...]
    seconds: float
    features: Mapping[str, float] = field(hash=False)
