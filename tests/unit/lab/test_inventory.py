# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import LabError
from fleetsched.lab.inventory import inventory_text, is_inventory_of, write_inventory

FOLDER = Path("/home/ada/state/lab")


def test_inventory_is_ansibles_with_everything_that_a_connection_needs() -> None:
    text = inventory_text(FOLDER, {"lab-1": 20022, "lab-2": 20023}, FOLDER / "id_ed25519")
    assert text == (
        "# Written by `fleetsched lab up`, deleted by `fleetsched lab down`. "
        "Lab: /home/ada/state/lab\n"
        "lab:\n"
        "  hosts:\n"
        "    lab-1:\n"
        "      ansible_port: 20022\n"
        "    lab-2:\n"
        "      ansible_port: 20023\n"
        "  vars:\n"
        "    ansible_host: 127.0.0.1\n"
        "    ansible_user: root\n"
        "    ansible_ssh_private_key_file: /home/ada/state/lab/id_ed25519\n"
        "    ansible_ssh_common_args: -o UserKnownHostsFile=/home/ada/state/lab/known_hosts"
        " -o GlobalKnownHostsFile=none -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes\n"
    )


def test_path_with_a_space_is_quoted_for_ssh() -> None:
    text = inventory_text(Path("/home/ada l/lab"), {}, Path("/k"))
    assert "-o 'UserKnownHostsFile=/home/ada l/lab/known_hosts' -o" in text


def test_inventory_that_a_person_wrote_is_never_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "lab.yaml"
    target.write_text("web: {}\n")
    with pytest.raises(LabError) as caught:
        write_inventory(FOLDER, target, inventory_text(FOLDER, {}, Path("/k")))
    assert str(caught.value) == (
        f"{target} exists and is not the inventory of this lab\n"
        "  Move it away, or name another file with --inventory."
    )
    assert target.read_text() == "web: {}\n"


def test_inventory_of_this_lab_is_replaced_and_that_of_another_is_not(tmp_path: Path) -> None:
    target = tmp_path / "inventory" / "lab.yaml"
    text = inventory_text(FOLDER, {"lab-1": 1}, Path("/k"))
    write_inventory(FOLDER, target, text)
    write_inventory(FOLDER, target, text.replace("1", "2"))
    assert is_inventory_of(FOLDER, target)
    other = FOLDER.with_name("other")
    assert not is_inventory_of(other, target)
    with pytest.raises(LabError, match="is not the inventory of this lab"):
        write_inventory(other, target, text)
