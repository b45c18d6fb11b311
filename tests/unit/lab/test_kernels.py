# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import LabError, UsageError
from fleetsched.lab import kernels
from fleetsched.lab.kernels import Kernel, KernelImage, find_kernel, find_kernel_image, newest

OFFERED = [
    "6.18.9+deb13-cloud-amd64",
    "6.18.15+deb13-cloud-amd64",
    "7.1.13+deb13-cloud-amd64",
    "7.2.9+deb13-cloud-amd64",
    "7.2.12+deb13-cloud-amd64",
    "7.20.1+deb13-cloud-amd64",
    "7.2.99-custom",
]


@pytest.mark.parametrize(
    ("wanted", "release"),
    [
        ("7.2", "7.2.12+deb13-cloud-amd64"),
        ("7.2.9", "7.2.9+deb13-cloud-amd64"),
        ("6.18", "6.18.15+deb13-cloud-amd64"),
        ("7.20", "7.20.1+deb13-cloud-amd64"),
        ("6.19", None),
    ],
)
def test_wanted_version_means_its_newest_release(wanted: str, release: str | None) -> None:
    assert newest(OFFERED, wanted) == release


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with three kernels, and no archive behind it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "fleetsched" / "lab" / "kernels"
    for release in ("6.19.14+deb13-cloud-amd64", "7.0.13+deb13-cloud-amd64", "7.1.13+deb13-cloud-amd64"):
        (folder / release).mkdir(parents=True)
    (folder / ".unfinished-7.2.12+deb13-cloud-amd64").mkdir()

    def no_archive(versions: tuple[str, ...], say: object) -> Kernel:
        raise LabError(f"no answer about {versions}")

    monkeypatch.setattr(kernels, "_fetch", no_archive)
    return folder


def remembered(cache: Path, release: str) -> Kernel:
    return Kernel(release, cache / release / "vmlinuz", cache / release / "modules.tar")


@pytest.mark.parametrize("wanted", ["6.19", "6.19.14"])
def test_cached_kernel_is_used_without_asking_the_archive(cache: Path, wanted: str) -> None:
    assert find_kernel(wanted, print) == remembered(cache, "6.19.14+deb13-cloud-amd64")


def test_archive_is_asked_for_a_better_kernel_than_the_cached_one(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = remembered(cache, "6.18.15+deb13-cloud-amd64")
    monkeypatch.setattr(kernels, "_fetch", lambda versions, say: best)
    assert find_kernel(None, print) == best


def test_without_an_archive_the_best_cached_kernel_is_used(cache: Path) -> None:
    assert find_kernel(None, print) == remembered(cache, "6.19.14+deb13-cloud-amd64")


def test_unfinished_kernel_is_not_used(cache: Path) -> None:
    with pytest.raises(LabError, match=r"no answer about \('7.2',\)"):
        find_kernel("7.2", print)


def test_kernels_that_refuse_every_scheduler_are_never_the_labs_own_choice() -> None:
    assert not {"7.1", "7.2"} & set(kernels.PREFERRED)


def test_machine_takes_a_kernel_with_or_without_modules_from_the_cache(cache: Path) -> None:
    bare = cache.parent / "kernel-images" / "7.3.4+deb13-cloud-amd64"
    bare.mkdir(parents=True)
    assert find_kernel_image("7.3", print) == KernelImage(bare.name, bare / "vmlinuz")
    whole = cache / "7.0.13+deb13-cloud-amd64"
    assert find_kernel_image("7.0", print) == KernelImage(whole.name, whole / "vmlinuz")


def test_kernels_that_refuse_every_scheduler_are_not_in_the_matrix() -> None:
    assert not {"7.1", "7.2"} & set(kernels.MATRIX)


@pytest.mark.parametrize("wanted", ["seven", "7", "7.2-rc1", "7.2.12.1", ""])
def test_version_that_is_none_is_refused(wanted: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_kernel(wanted, print)
    assert str(caught.value) == f"--kernel {wanted}: expected a version\n  For example: --kernel 7.3"
