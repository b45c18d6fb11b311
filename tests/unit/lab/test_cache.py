# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.lab.cache import cached, recipe_digest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "fleetsched" / "lab" / "images"


def write(text: str) -> object:
    return lambda target: (target / "disk").write_text(text)


def test_digest_changes_with_every_part_of_the_recipe() -> None:
    recipes = [
        ["trixie", ["sudo"], "a"],
        ["trixie", ["sudo"], "b"],
        ["trixie", ["sudo", "udev"], "a"],
        ["sid", ["sudo"], "a"],
    ]
    assert len({recipe_digest(recipe) for recipe in recipes}) == len(recipes)


def test_digest_is_the_same_in_every_process() -> None:
    assert recipe_digest({"b": 1, "a": ["ü"]}) == recipe_digest({"a": ["ü"], "b": 1}) == "764e49d1414e7623"


def test_second_time_nothing_is_built(folder: Path) -> None:
    first = cached("images", "abc", write("one"))
    second = cached("images", "abc", write("two"))
    assert first == second == folder / "abc"
    assert (second / "disk").read_text() == "one"


def test_failed_build_leaves_nothing_that_is_used(folder: Path) -> None:
    def fail(target: Path) -> None:
        (target / "disk").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("images", "abc", fail)
    assert {entry.name for entry in folder.iterdir()} == {".lock"}
    assert (cached("images", "abc", write("whole")) / "disk").read_text() == "whole"


def test_what_a_killed_build_has_left_is_deleted_by_the_next(folder: Path) -> None:
    leftover = folder / ".unfinished-old"
    leftover.mkdir(parents=True)
    (leftover / "disk").write_text("half")
    cached("images", "abc", write("whole"))
    assert {entry.name for entry in folder.iterdir()} == {".lock", "abc"}
