# SPDX-License-Identifier: Apache-2.0
"""Each bad policy against the checks that need no kernel: stopped by its own, or left to a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.build import render
from fleetsched.build.allowed import check_allowed
from fleetsched.build.declared import Declared, check_object
from fleetsched.build.lock import LOCK_FILE
from fleetsched.build.policy import compile_policy
from fleetsched.errors import BuildError, ProblemsError
from fleetsched.fleetrepo.load import load_policy
from fleetsched.model.gate import Gate
from tests.policies.page import PAGE, page
from tests.policies.table import BAD, BEFORE_ANY_KERNEL, FOLDER, BadPolicy

EARLY = [row for row in BAD if row.gate in BEFORE_ANY_KERNEL]
LATE = [row for row in BAD if row.gate not in BEFORE_ANY_KERNEL]


def name(row: BadPolicy) -> str:
    return row.name


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A template that is never done is ended after a second of its time."""
    monkeypatch.setitem(render.LIMITS, "cpu_s", 1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def stopped(row: BadPolicy, cache: Path) -> tuple[Gate, str] | None:
    """Which gate stops it, and what it says; None when a kernel would be asked next."""
    gate = Gate.SCHEMA
    try:
        policy = load_policy(row.folder)
        gate = Gate.COMPILE
        images = [
            compile_policy(row.folder, inputs, cache=cache).image for inputs in policy.variants.values()
        ]
        gate = Gate.INSPECT
        parameters = {name: (each.type, each.default) for name, each in policy.parameters.items()}
        declared = Declared(parameters, round(policy.timeout_s * 1000))
        for image in images:
            check_object(check_allowed(image, row.name), row.name, declared)
    except (ProblemsError, BuildError) as error:
        return gate, str(error)
    return None


@pytest.mark.parametrize("row", EARLY, ids=name)
def test_it_is_stopped_by_its_gate_for_its_fault(row: BadPolicy, cache: Path) -> None:
    found = stopped(row, cache)
    assert found is not None
    assert found[0] is row.gate
    assert row.says in found[1]


@pytest.mark.parametrize("row", LATE, ids=name)
def test_it_is_wrong_only_for_a_kernel(row: BadPolicy, cache: Path) -> None:
    assert stopped(row, cache) is None


def test_every_folder_has_its_row() -> None:
    assert sorted(row.name for row in BAD) == sorted(
        file.parent.name for file in FOLDER.glob("*/policy.yaml")
    )


def test_a_source_names_itself_and_the_gate_that_stops_it() -> None:
    unexplained = []
    for row in BAD:
        (source,) = row.folder.glob("*.bpf.c*")
        if source.is_symlink():
            continue
        comment = " ".join(source.read_bytes().decode().split("*/")[0].replace("\n *", " ").split())
        # Those with a lock are held by it, to the last character of their comments.
        gate = "" if (row.folder / LOCK_FILE).exists() else f"The {row.gate} gate stops it"
        if f"/* {row.name}: " not in comment or gate not in comment:
            unexplained.append(row.name)
    assert unexplained == []


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.policies.page"
