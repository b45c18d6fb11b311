# SPDX-License-Identifier: Apache-2.0
"""What is in the wheel and the sdist, and what is not."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import PROJECT, Distributions, build

pytestmark = pytest.mark.lab

DATA = "fleetsched/_data/"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def tracked(*folders: str) -> set[str]:
    """The files of the checkout that Git knows, and so are meant to be there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()}


def test_the_wheel_has_exactly_what_is_needed_outside_the_checkout(distributions: Distributions) -> None:
    folders = ("bpf/helper", "bpf/include", "policies", "manifests")
    files = {"fleetsched.yaml", "inventory/groups.yaml"}
    shipped = {DATA + name for name in tracked(*folders) | files}
    notices = {name for name in names(distributions.wheel) if name.startswith(DATA + "helper/copyright/")}
    helpers = {DATA + f"helper/{arch}/fleetsched-host" for arch in ("aarch64", "x86_64")}
    metadata = {
        name
        for name in names(distributions.wheel)
        if name.partition("/")[0] == distributions.wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    }
    assert names(distributions.wheel) == (
        tracked("fleetsched") | shipped | notices | helpers | {DATA + "helper/manifest.json"} | metadata
    )
    assert {name.rpartition("/")[2] for name in notices} >= {"libbpf-dev", "libc6-dev", "libelf-dev"}
    assert {name.partition("/")[2] for name in metadata} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSES/Apache-2.0.txt",
        "licenses/LICENSES/GPL-2.0-only.txt",
    }


def test_the_wheel_is_for_every_platform(distributions: Distributions) -> None:
    assert distributions.wheel.name.endswith("-py3-none-any.whl")


def test_the_manifest_names_the_helpers_that_are_there(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as archive:
        manifest = json.loads(archive.read(DATA + "helper/manifest.json"))
        digests = {
            arch: hashlib.sha256(archive.read(DATA + f"helper/{arch}/fleetsched-host")).hexdigest()
            for arch in manifest["helpers"]
        }
    assert manifest["helpers"] == digests
    assert sorted(digests) == ["aarch64", "x86_64"]
    assert {"elfutils", "glibc", "libbpf"} <= manifest["libraries"].keys()


def test_the_same_sources_give_the_same_bytes(distributions: Distributions, tmp_path: Path) -> None:
    again = build(PROJECT, tmp_path)
    assert again.wheel.read_bytes() == distributions.wheel.read_bytes()
    assert again.sdist.read_bytes() == distributions.sdist.read_bytes()


def test_a_wheel_from_the_sdist_lacks_the_built_helpers_alone(
    distributions: Distributions, tmp_path: Path
) -> None:
    with tarfile.open(distributions.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    unwanted = {".ci", ".github", ".git", "build", "dist", ".venv"} & {path.name for path in source.iterdir()}
    assert unwanted == set()
    assert not (source / "inventory" / "lab.yaml").exists()
    rebuilt = build(source, tmp_path / "dist")
    prebuilt = {name for name in names(distributions.wheel) if name.startswith(DATA + "helper/")}
    assert names(rebuilt.wheel) == names(distributions.wheel) - prebuilt


def test_helpers_of_other_sources_are_not_packed(distributions: Distributions, tmp_path: Path) -> None:
    with tarfile.open(distributions.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    shutil.copytree(PROJECT / "build" / "helpers", source / "build" / "helpers")
    (source / "bpf" / "helper" / "main.c").write_text("int main(void) { return 1; }\n")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        build(source, tmp_path / "dist")
    assert b"were built from other sources\n  build them again: make wheel" in caught.value.stderr
