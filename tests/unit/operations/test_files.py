# SPDX-License-Identifier: Apache-2.0
"""What people have written to files they name appears whole, and pipes stay pipes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from fleetsched.operations.files import write_whole


def test_file_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"old")
    write_whole(tmp_path / "state", b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"state": b"new"}


def test_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("state")
    write_whole(tmp_path / "link", b"new")
    assert ((tmp_path / "link").is_symlink(), (tmp_path / "state").read_bytes()) == (True, b"new")


def test_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_whole(tmp_path / "pipe", b"new")
    reader.join(10)
    assert (got, (tmp_path / "pipe").is_fifo()) == ([b"new"], True)


def test_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "no" / "state", b"new")
