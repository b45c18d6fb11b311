# SPDX-License-Identifier: Apache-2.0
"""The shipped policies, and copying one into a fleet repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import InputError
from fleetsched.fleetrepo.load import load_policy
from fleetsched.operations.catalogue import add_policy, catalogue, differing_files, find_policy, presence

FAIR = ["policy.yaml", "fair.bpf.c", "policy.lock.yaml", "README.md"]


def test_the_catalogue_has_the_shipped_policies() -> None:
    programs = ["bpfland", "cosmos", "flash", "lavd", "layered", "p2dq", "rusty", "tickless"]
    ours = [
        "batch",
        "cgroupfair",
        "deadline",
        "fair",
        "interactive",
        "isolate",
        "pack",
        *(f"scx-{name}" for name in programs),
        "spread",
        "throughput",
        "vm",
    ]
    assert sorted(catalogue()) == ours


def test_an_added_policy_is_whole_and_the_same(tmp_path: Path) -> None:
    written = add_policy(tmp_path, "fair")
    folder = tmp_path / "policies" / "fair"
    assert written == [folder / name for name in FAIR]
    assert sorted(path.name for path in folder.iterdir()) == sorted(FAIR)
    assert presence(tmp_path, find_policy("fair")) == "same"
    assert load_policy(folder).parameters == find_policy("fair").parameters


def test_nothing_is_left_beside_an_added_policy(tmp_path: Path) -> None:
    add_policy(tmp_path, "fair")
    assert [path.name for path in (tmp_path / "policies").iterdir()] == ["fair"]


def test_adding_again_writes_nothing_and_keeps_what_is_beside(tmp_path: Path) -> None:
    add_policy(tmp_path, "fair")
    evidence = tmp_path / "policies" / "fair" / "evidence"
    evidence.mkdir()
    assert add_policy(tmp_path, "fair") == []
    assert evidence.is_dir()


def test_an_empty_folder_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "policies" / "fair").mkdir(parents=True)
    assert len(add_policy(tmp_path, "fair")) == len(FAIR)


def test_a_changed_policy_is_never_overwritten(tmp_path: Path) -> None:
    add_policy(tmp_path, "fair")
    folder = tmp_path / "policies" / "fair"
    (folder / "fair.bpf.c").write_text("mine\n")
    (folder / "README.md").unlink()
    with pytest.raises(InputError) as caught:
        add_policy(tmp_path, "fair")
    assert str(caught.value) == (
        f"{folder} is there and differs from the catalogue's fair: fair.bpf.c, README.md\n"
        "  keep yours, or remove the folder and add the policy again"
    )
    assert (folder / "fair.bpf.c").read_text() == "mine\n"
    assert differing_files(tmp_path, find_policy("fair")) == ["fair.bpf.c", "README.md"]


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (root / "policies").symlink_to(outside)
    with pytest.raises(InputError) as caught:
        add_policy(root, "fair")
    assert str(caught.value).startswith(f"{root / 'policies'} is a link\n")
    assert list(outside.iterdir()) == []


def test_a_link_in_place_of_the_policy_differs(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "fair").symlink_to(find_policy("fair").folder)
    assert presence(tmp_path, find_policy("fair")) == "differs"


def test_an_unknown_policy_gets_the_nearest_name() -> None:
    with pytest.raises(InputError) as caught:
        find_policy("fare")
    assert str(caught.value) == (
        "no policy 'fare' in the catalogue; did you mean \"fair\"?\n  see `fleetsched policy list`"
    )
