# SPDX-License-Identifier: Apache-2.0
"""The list of workloads, as text for 80 columns and as records."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from fleetsched.model.metrics import METRICS
from fleetsched.model.workload import Workload
from fleetsched.views.plan import WIDTH


def workloads_text(workloads: Mapping[str, Workload]) -> str:
    """Every workload: what it does, what it prints, what it needs."""
    lines: list[str] = []
    for name, workload in workloads.items():
        lines += [name, *_wrapped(workload.description)]
        lines += _wrapped(f"metrics: {', '.join(workload.metrics)}")
        if workload.packages:
            lines += _wrapped(f"needs: {', '.join(workload.packages)}")
        lines.append("")
    observed = ", ".join(name for name, metric in METRICS.items() if metric.source == "observer")
    return "\n".join([*lines, *textwrap.wrap(f"Of all of them, the observer says {observed}.", WIDTH)])


def workloads_records(workloads: Mapping[str, Workload]) -> Iterator[dict[str, Any]]:
    """The same as records."""
    for name, workload in workloads.items():
        yield {
            "workload": name,
            "description": workload.description,
            "metrics": {
                metric: {"unit": declared.unit, "better": declared.better}
                for metric, declared in workload.metrics.items()
            },
            "packages": [*workload.packages],
            "source": str(workload.source),
        }


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ") if text else []
