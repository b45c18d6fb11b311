# SPDX-License-Identifier: Apache-2.0
"""A commit's files are written into one folder, whatever paths its trees have."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import InputError
from fleetsched.fleetrepo.export import exported
from fleetsched.fleetrepo.git import Git
from tests.unit.fleetrepo.trees import FILE, TREE, commit_with, tree_of
from tests.unit.git_repository import git


def test_the_files_of_a_commit_are_written_as_committed(clone: Path) -> None:
    commit = commit_with(clone, "lessons/web.yaml")
    with exported(Git(clone), commit) as folder:
        files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
        assert files == ["lessons/web.yaml", "manifests/a.yaml"]


@pytest.mark.parametrize(
    "path",
    [
        "lessons/../../../../../../..{victim}",
        "lessons/../escaped",
        "lessons/./web.yaml",
        "lessons/.git/config",
        "lessons/.GIT/config",
    ],
)
def test_a_path_that_leads_out_of_the_folder_is_refused_and_nothing_is_written(
    clone: Path, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    commit = commit_with(clone, path.format(victim=victim))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError) as caught, exported(Git(clone), commit):
        pass
    assert caught.value.message.startswith(f'{commit[:12]} has a file "lessons/')
    assert caught.value.message.endswith(", which would be written elsewhere than in its folder")
    assert sorted(tmp_path.iterdir()) == before


def test_a_name_with_slashes_in_it_is_no_way_out(clone: Path) -> None:
    blob = git(clone, "rev-parse", "HEAD:manifests/a.yaml")
    tree = tree_of(clone, (TREE, "lessons", tree_of(clone, (FILE, "/etc/passwd", blob))))
    with (
        pytest.raises(InputError, match='has a file "lessons//etc/passwd", which'),
        exported(Git(clone), tree),
    ):
        pass


def test_a_name_of_a_file_and_a_folder_at_once_is_refused(clone: Path) -> None:
    commit = commit_with(clone, "lessons/web.yaml")
    blob, folder = git(clone, "rev-parse", "HEAD:manifests/a.yaml", f"{commit}:lessons").split()
    tree = tree_of(clone, (FILE, "lessons", blob), (TREE, "lessons", folder))
    with (
        pytest.raises(InputError, match=r'"lessons/web\.yaml" cannot be written: '),
        exported(Git(clone), tree),
    ):
        pass
