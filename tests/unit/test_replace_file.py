# SPDX-License-Identifier: Apache-2.0
"""A file of a repository or a cache is replaced whole, and a link leads nobody elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.files import replace_file


def test_file_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(b"old")
    replace_file(tmp_path / "lock", b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"lock": b"new"}


def test_link_is_replaced_and_what_it_led_to_is_not(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"old")
    (tmp_path / "lock").symlink_to("elsewhere")
    replace_file(tmp_path / "lock", b"new")
    assert not (tmp_path / "lock").is_symlink()
    assert [(tmp_path / name).read_bytes() for name in ("lock", "elsewhere")] == [b"new", b"old"]


def test_nothing_stays_of_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "lock", b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]
