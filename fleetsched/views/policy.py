# SPDX-License-Identifier: Apache-2.0
"""Policies of the catalogue, as text for 80 columns, and as JSON records."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from fleetsched.model.catalogue import CatalogueEntry, Presence
from fleetsched.model.policy import Parameter, Policy
from fleetsched.views.plan import JSON_VERSION, WIDTH

_LABEL_WIDTH = 12
_TOPOLOGY = {"llc": "several last-level caches", "numa": "several NUMA nodes", "smt": "hardware threads"}


def policy_list_text(entries: Sequence[CatalogueEntry]) -> str:
    """Two lines a policy: where it runs and whether the repository has it, then what it is for."""
    width = max((len(entry.policy.name) for entry in entries), default=0)
    return "\n".join(
        line
        for entry in entries
        for line in (
            "  ".join((entry.policy.name.ljust(width), needs_text(entry.policy), *_where(entry))),
            _wrap(entry.policy.summary, "    "),
        )
    )


def policy_text(entry: CatalogueEntry) -> str:
    """Everything that the manifest says, then the README as it is written."""
    policy = entry.policy
    lines = [_wrap(f"{policy.name}: {policy.summary}", "", "  "), ""]
    facts = {
        "algorithm": policy.algorithm,
        "program": policy.program.path if policy.program else "",
        "needs": needs_text(policy),
        "topology": topology_text(policy),
        "cost": policy.cost,
        "watchdog": f"{policy.timeout_s:g} s",
        "variants": ", ".join(policy.variants),
        "repository": "; ".join(_where(entry)),
        "files": ", ".join(entry.differing) and f"not the catalogue's: {', '.join(entry.differing)}",
    }
    lines += [_labelled(label, text) for label, text in facts.items() if text]
    lines += ["", "Suitability: what it says of workloads (above 0 suits, below 0 does not)"]
    lines += [f"  {feature:24} {weight:+g}" for feature, weight in policy.suitability.items()] or [
        "  nothing"
    ]
    if policy.failure_modes:
        lines += ["", "Known failure modes"]
        lines += [_wrap(each, "  - ", "    ") for each in policy.failure_modes]
    lines += ["", "Parameters"]
    lines += [line for each in policy.parameters.items() for line in _parameter(*each)] or ["  none"]
    return "\n".join([*lines, "", "README", "", entry.readme.strip() or "none"])


def policy_records(entries: Sequence[CatalogueEntry]) -> Iterator[dict[str, Any]]:
    """JSON records: first the version, then a record a policy."""
    yield {"type": "version", "format": "fleetsched-policies", "version": JSON_VERSION}
    for entry in entries:
        policy = entry.policy
        yield {
            "type": "policy",
            "name": policy.name,
            "summary": policy.summary,
            "kernel": _kernel(policy),
            "arch": list(policy.requires.arch),
            "suitability": dict(policy.suitability),
            "topology": list(policy.topology.needs),
            "cost": policy.cost,
            "failureModes": list(policy.failure_modes),
            "repository": entry.presence,
            "differing": list(entry.differing),
        }


def needs_text(policy: Policy) -> str:
    """Say which hosts can run it."""
    kernel = f"kernel {_kernel(policy)}" if policy.requires.kernel else "any kernel with sched_ext"
    return f"{kernel}, {' or '.join(policy.requires.arch)}" if policy.requires.arch else kernel


def topology_text(policy: Policy) -> str:
    """Say what a host must have for it to be of use; empty = nothing in particular."""
    needs = " and ".join(_TOPOLOGY[need] for need in policy.topology.needs)
    return "; ".join(filter(None, (needs and f"made for {needs}", policy.topology.note)))


def _kernel(policy: Policy) -> str:
    """The condition as its manifest writes it; empty = any."""
    return ", ".join(
        operator + ".".join(map(str, version if version[2] else version[:2]))
        for operator, version in policy.requires.kernel
    )


def _where(entry: CatalogueEntry) -> list[str]:
    match entry.presence:
        case Presence.ABSENT:
            return ["not in this repository"]
        case Presence.SAME:
            return ["in this repository"]
        case Presence.DIFFERS:
            return ["in this repository, and differs"]
        case None:
            return []


def _parameter(name: str, declared: Parameter) -> Iterator[str]:
    unit = f" {declared.unit}" if declared.unit else ""
    yield f"  {name}: {declared.default}{unit} ({declared.type}, {declared.minimum} to {declared.maximum})"
    if declared.doc:
        yield _wrap(declared.doc, "      ")


def _labelled(label: str, text: str) -> str:
    return _wrap(text, f"  {label:{_LABEL_WIDTH}}", " " * (_LABEL_WIDTH + 2))


def _wrap(text: str, first: str, rest: str | None = None) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,
        break_long_words=False,
    )
