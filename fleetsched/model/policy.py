# SPDX-License-Identifier: Apache-2.0
"""Policies of the catalogue, as their manifests say them. Durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fleetsched.model.position import BUILT_IN, Position
from fleetsched.model.program import Program
from fleetsched.model.requires import Requires

DEFAULT_TIMEOUT_S = 5.0
"""A policy's watchdog time-out when its manifest gives none; the helper clamps to it at load."""

LEAST_TIMEOUT_S, MOST_TIMEOUT_S = 1.0, 30.0
"""A policy's watchdog time-out. The kernel refuses more (SCX_WATCHDOG_MAX_TIMEOUT), and reads 0 as 30 s."""

ParameterType = Literal["bool", "u8", "u16", "u32", "u64", "s32", "s64"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One tunable of a policy: a constant in its object's `.rodata`, set at load.

    Attributes:
        unit: what the number counts, for people; may be empty.
        default, minimum, maximum: whole numbers within the type's range; 0 and 1 for `bool`.
    """

    type: ParameterType
    default: int
    minimum: int
    maximum: int
    unit: str = ""
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a policy comes from, as its manifest says; whatever is unsaid is empty or None.

    Attributes:
        backend: of the agent that made it; `model` the language model.
        cost_usd: what making it cost, in US dollars; `cost_tokens` the same in tokens.
        transcript: SHA-256 of the transcript.
    """

    origin: str = ""
    backend: str = ""
    model: str = ""
    cost_usd: float | None = None
    cost_tokens: int | None = None
    transcript: str = ""


@dataclass(frozen=True, slots=True)
class Topology:
    """What a host must have besides CPUs for a policy to be of use.

    Attributes:
        needs: more than one last-level cache, more than one NUMA node, or hardware threads.
        note: what the policy does where a host has none of it; may be empty.
    """

    needs: tuple[Literal["llc", "numa", "smt"], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """One folder of the catalogue.

    Attributes:
        folder: the folder that holds it.
        suitability: weight by feature of a workload; above 0 = suits.
        cost: in time and memory, in words or numbers; may be empty.
        failure_modes: known ways in which it does badly, each in words.
        variants: inputs of the source's template by variant.
        timeout_s: its watchdog time-out (`timeout_ms` of its ops table), in seconds.
        program: of `kind: program`, what is installed on the hosts, with templates as arguments; else None.
    """

    name: str
    folder: Path
    summary: str
    algorithm: str = ""
    suitability: Mapping[str, float] = field(default_factory=dict, hash=False)
    requires: Requires = Requires()
    topology: Topology = Topology()
    cost: str = ""
    failure_modes: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict, hash=False)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"default": {}}, hash=False)
    timeout_s: float = DEFAULT_TIMEOUT_S
    provenance: Provenance = Provenance()
    program: Program | None = None
    source: Position = field(default=BUILT_IN, compare=False)

    def resolve(self, parameters: Mapping[str, int]) -> dict[str, int]:
        """Add the defaults of the parameters that are not given."""
        return {name: parameters.get(name, declared.default) for name, declared in self.parameters.items()}

    def unlike_defaults(self, parameters: Mapping[str, int]) -> dict[str, int]:
        """Leave out the parameters that it has by itself, as its object begins."""
        return {
            name: value
            for name, value in parameters.items()
            if name not in self.parameters or value != self.parameters[name].default
        }

    def started(self, parameters: Mapping[str, int]) -> Program | None:
        """Say what hosts start, with the parameters in its arguments; None for an object."""
        if self.program is None:
            return None
        values = {
            name: ("false", "true")[value] if self.parameters[name].type == "bool" else str(value)
            for name, value in self.resolve(parameters).items()
        }
        return self.program.with_values(values)
