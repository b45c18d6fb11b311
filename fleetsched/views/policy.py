# SPDX-License-Identifier: Apache-2.0
"""Policies of the catalogue, as text for 80 columns, and as JSON records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fleetsched.model.catalogue import CatalogueEntry, Presence
from fleetsched.model.policy import Parameter, Policy
from fleetsched.views.fill import fill, labelled
from fleetsched.views.plan import JSON_VERSION

_TOPOLOGY = {"llc": "several last-level caches", "numa": "several NUMA nodes", "smt": "hardware threads"}


def policy_list_text(entries: Sequence[CatalogueEntry]) -> str:
    """Two lines a policy: where it runs and whether the repository has it, then what it is for."""
    width = max((len(entry.policy.name) for entry in entries), default=0)
    return "\n".join(
        line
        for entry in entries
        for line in (
            "  ".join((entry.policy.name.ljust(width), needs_text(entry.policy), *_where(entry))),
            fill(entry.policy.summary, "    "),
        )
    )


def policy_text(entry: CatalogueEntry) -> str:
    """Everything that the manifest says, then the README as it is written."""
    policy = entry.policy
    lines = [fill(f"{policy.name}: {policy.summary}", "", "  "), ""]
    said = {label.lower(): text for label, text in facts(policy).items()} | {
        "watchdog": f"{policy.timeout_s:g} s",
        "variants": ", ".join(policy.variants),
        "repository": "; ".join(_where(entry)),
        "files": ", ".join(entry.differing) and f"not the catalogue's: {', '.join(entry.differing)}",
    }
    lines += [labelled(label, text) for label, text in said.items() if text]
    lines += ["", "Suitability: what it says of workloads (above 0 suits, below 0 does not)"]
    lines += [f"  {feature:24} {weight:+g}" for feature, weight in policy.suitability.items()] or [
        "  nothing"
    ]
    if policy.failure_modes:
        lines += ["", "Known failure modes"]
        lines += [fill(each, "  - ", "    ") for each in policy.failure_modes]
    lines += ["", "Parameters"]
    lines += [line for each in policy.parameters.items() for line in _parameter(*each)] or ["  none"]
    return "\n".join([*lines, "", "README", "", entry.readme.strip() or "none"])


def facts(policy: Policy) -> dict[str, str]:
    """What every page says of a policy first, by its label; empty where the manifest is silent."""
    return {
        "Algorithm": policy.algorithm,
        "Program": policy.program.path if policy.program else "",
        "Needs": needs_text(policy),
        "Topology": topology_text(policy),
        "Cost": policy.cost,
    }


def suits_text(policy: Policy) -> str:
    """Which workloads it suits, in one line: weights by feature."""
    return ", ".join(f"{feature} {weight:+g}" for feature, weight in policy.suitability.items())


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
        yield fill(declared.doc, "      ")
