# SPDX-License-Identifier: Apache-2.0
"""What a policy's manifest declares against what its object has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleetsched.build.objects import ObjectInfo
from fleetsched.errors import Fault, ObjectError
from fleetsched.model.policy import Policy

_REQUIRED_LICENSE = "GPL"
_SIZES = {"bool": 1, "u8": 1, "u16": 2, "u32": 4, "u64": 8, "s32": 4, "s64": 8}


@dataclass(frozen=True, slots=True)
class Declared:
    """What the manifest says of the object.

    Attributes:
        parameters: type and default by name.
        timeout_ms: the watchdog's limit in milliseconds.
    """

    parameters: Mapping[str, tuple[str, int]]
    timeout_ms: int

    @classmethod
    def of(cls, policy: Policy) -> Declared:
        """Take it from a manifest."""
        parameters = {name: (each.type, each.default) for name, each in policy.parameters.items()}
        return cls(parameters, round(policy.timeout_s * 1000))


def ops_name(policy: str) -> str:
    """The name that the kernel shows for a policy: it refuses `-` in names."""
    return policy.replace("-", "_")


def check_object(info: ObjectInfo, policy: str, declared: Declared) -> None:
    """Check that an object is what the manifest of `policy` says.

    Raises:
        ObjectError: with everything that differs.
    """
    differences = list(_differences(info, policy, declared))
    if differences:
        raise ObjectError(f"policy {policy!r}: ", *differences)


def _differences(info: ObjectInfo, policy: str, declared: Declared) -> Iterator[Fault]:
    if info.ops_name != ops_name(policy):
        yield Fault("wrong-name", f"its ops table is named {info.ops_name!r}, expected {ops_name(policy)!r}")
    if info.timeout_ms != declared.timeout_ms:
        yield Fault(
            "time-out-differs",
            f"its timeout_ms is {info.timeout_ms}, policy.yaml says {declared.timeout_ms} (`timeout`)",
        )
    if info.license != _REQUIRED_LICENSE:
        yield Fault("wrong-licence", f"its license is {info.license!r}, expected {_REQUIRED_LICENSE!r}")
    if not info.records_exit:
        missing = "it has no exit record: UEI_DEFINE(uei) or UEI_RECORD in ops.exit is missing"
        yield Fault("no-exit-record", missing)
    for name, (type_, default) in declared.parameters.items():
        difference = _parameter(info, name, type_, default)
        if difference:
            yield Fault("parameter-differs", f"parameter {name} {difference}")


def _parameter(info: ObjectInfo, name: str, type_: str, default: int) -> str:
    found = info.rodata.get(name)
    if found is None:
        return "is no `const volatile` variable of the source"
    if (found.type, found.size) != (type_, _SIZES[type_]):
        return f"is {found.type} in the source, {type_} in policy.yaml"
    if found.value != default:
        return f"starts as {found.value} in the source, policy.yaml says {default}"
    return ""
