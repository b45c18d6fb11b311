# SPDX-License-Identifier: Apache-2.0
"""`fleetsched explain`: what may be written in which file, from the schemas alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleetsched import schemas
from fleetsched.errors import InputError
from fleetsched.model.suggest import suggestion

KINDS = {
    "WorkloadGoal": "workload-goal",
    "HostGroup": "host-group",
    "RolloutStrategy": "rollout-strategy",
    "Workload": "workload",
    "Policy": "policy",
    "PolicyLock": "policy-lock",
    "fleet": "fleet",
    "controller": "controller",
}
"""Schema by kind, as people look for them."""

_ALIASES = {
    "goal": "WorkloadGoal",
    "group": "HostGroup",
    "strategy": "RolloutStrategy",
    "lock": "PolicyLock",
    "fleetsched.yaml": "fleet",
    "config.yaml": "controller",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """One field, or a whole kind.

    Attributes:
        path: the kind and the field's path.
        schema: its schema, references resolved on the way.
        required: whether it must be there.
    """

    path: str
    schema: Mapping[str, Any]
    required: bool


def kinds() -> dict[str, str]:
    """Every kind with its description."""
    return {kind: schemas.load(name)["description"] for kind, name in KINDS.items()}


def explain(path: str) -> Explained:
    """Find a field by its path, such as `goal.spec.policy`; `spec` may be left out.

    Raises:
        InputError: no such kind or field.
    """
    written, *fields = _split(path)
    kind = _kind(written)
    schema = _resolve(schemas.load(KINDS[kind]))
    required = True
    if fields and fields[0] not in schema.get("properties", {}) and "spec" in schema.get("properties", {}):
        fields.insert(0, "spec")
    for number, name in enumerate(fields):
        holder = _holder(schema)
        known = holder.get("properties", {})
        if name not in known:
            where = ".".join([kind, *fields[:number]])
            raise InputError(f"{where} has no field {name!r}{suggestion(name, known)}")
        required = name in holder.get("required", ())
        schema = _resolve(known[name])
    return Explained(".".join([kind, *fields]), _resolve_below(schema), required)


def _split(path: str) -> list[str]:
    for alias in _ALIASES:
        if "." in alias and (path == alias or path.startswith(f"{alias}.")):
            rest = path[len(alias) + 1 :]
            return [alias, *(rest.split(".") if rest else [])]
    return path.split(".")


def _kind(written: str) -> str:
    known = {kind.lower(): kind for kind in KINDS} | _ALIASES
    kind = known.get(written.lower())
    if kind is None:
        raise InputError(
            f"no kind {written!r}{suggestion(written, [*KINDS, *_ALIASES, 'metrics', 'features'])}"
        )
    return kind


def _holder(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a field's own fields stand: in a list's items or a mapping's values, too."""
    if schema.get("type") == "array":
        return _resolve(schema.get("items", {}))
    extra = schema.get("additionalProperties")
    if "properties" not in schema and isinstance(extra, Mapping):
        return _resolve(extra)
    return schema


def _resolve(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference; what stands beside it wins."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    name = reference.rpartition("/")[2]
    plain = {key: value for key, value in schema.items() if key != "$ref"}
    return {**_resolve(schemas.load("common")["$defs"][name]), **plain}


def _resolve_below(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Resolve the references of what is shown with a field: its items and the fields below it."""
    shown = dict(_resolve(schema))
    for key in ("items", "additionalProperties"):
        if isinstance(shown.get(key), Mapping):
            shown[key] = _resolve_below(shown[key])
    if "properties" in shown:
        shown["properties"] = {name: _resolve_below(each) for name, each in shown["properties"].items()}
    if "anyOf" in shown:
        shown["anyOf"] = [_resolve_below(each) for each in shown["anyOf"]]
    return shown
