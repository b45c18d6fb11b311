# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import UsageError
from fleetsched.lab import is_lab_known_hosts
from fleetsched.lab.paths import lab_folder


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "fleetsched" / "lab"


def existing(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    return file


def test_known_hosts_of_a_lab_is_recognised_also_through_a_link(state: Path, tmp_path: Path) -> None:
    file = existing(state / "spare" / "known_hosts")
    link = tmp_path / "link"
    link.symlink_to(file)
    assert is_lab_known_hosts(file)
    assert is_lab_known_hosts(link)


@pytest.mark.parametrize(
    "name",
    [
        "elsewhere/known_hosts",
        "fleetsched/lab/known_hosts",
        "fleetsched/lab/a/b/known_hosts",
        "fleetsched/lab/a/other",
    ],
)
def test_no_other_file_is(tmp_path: Path, name: str) -> None:
    assert not is_lab_known_hosts(existing(tmp_path / name))


def test_known_hosts_of_a_lab_that_is_gone_is_not(state: Path) -> None:
    assert not is_lab_known_hosts(state / "gone" / "known_hosts")


def test_link_out_of_the_lab_is_not(state: Path, tmp_path: Path) -> None:
    link = state / "a" / "known_hosts"
    link.parent.mkdir(parents=True)
    link.symlink_to(existing(tmp_path / "known_hosts"))
    assert not is_lab_known_hosts(link)


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-a", "a" * 33, "a b"])
def test_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="lab name"):
        lab_folder(name)
