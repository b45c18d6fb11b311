# SPDX-License-Identifier: Apache-2.0
"""Which Debian kernel a lab runs, and fetching it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock

from fleetsched.errors import LabError, UsageError
from fleetsched.lab.cache import cached
from fleetsched.lab.debian import Archive, open_archive
from fleetsched.lab.paths import cache_folder
from fleetsched.lab.run import run

# 6.18 is a long-term kernel and the best tried here. Never 7.1 or 7.2: trixie-backports' 7.1.13, 7.2.11 and
# 7.2.12 refuse every scheduler, since their BTF shows the implicit argument of kfuncs.
PREFERRED = ("6.18", "6.19", "7.3", "7.0")
# The kernels that every policy of the catalogue runs on. The 7.2 is sid's, whose BTF is as it should be.
MATRIX = ("6.16", "6.18", "6.19", "7.0", "7.2.13", "7.3")
# trixie itself offers 6.12, without sched_ext: a host that must be refused. sid keeps a version for weeks.
_SUITES = ("trixie-backports", "trixie", "sid")
_RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)\+deb\d+-cloud-amd64")
_PACKAGE = r"^linux-image-[0-9.]+\+deb[0-9]+-cloud-amd64$"


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel in the cache.

    Args:
        release: as `uname -r` says it.
        image: what the machine starts.
        modules: a tar archive with usr/lib/modules/RELEASE and boot/config-RELEASE.
    """

    release: str
    image: Path
    modules: Path


@dataclass(frozen=True, slots=True)
class KernelImage:
    """A kernel without its modules, for machines that need none: `release` as `uname -r` says it, `image`."""

    release: str
    image: Path


def version_of(release: str) -> tuple[int, ...]:
    """7.3.4+deb13-cloud-amd64 as (7, 3, 4); empty when it is no Debian cloud kernel."""
    match = _RELEASE.fullmatch(release)
    return tuple(map(int, match.groups())) if match else ()


def newest(releases: Iterable[str], wanted: str) -> str | None:
    """The newest of `releases` that is `wanted` (`7.3` or `7.3.4`), or None."""
    asked = tuple(map(int, wanted.split(".")))
    fitting = [release for release in releases if asked and version_of(release)[: len(asked)] == asked]
    return max(fitting, key=version_of, default=None)


def find_kernel(wanted: str | None, say: Callable[[str], None]) -> Kernel:
    """The kernel to boot; fetched when no fitting one is in the cache.

    Args:
        wanted: `7.3` for the newest 7.3, `7.3.4` for that one, None for the first of `PREFERRED` there is.
        say: told before something is downloaded.

    Raises:
        UsageError: `wanted` is no version.
        LabError: the archive has no such kernel or does not answer.
    """
    if wanted is not None:
        _check(wanted)
    versions = (wanted,) if wanted else PREFERRED
    if here := _cached(versions[:1]):
        return here
    try:
        return _fetch(versions, say)
    except LabError:
        # Without an archive, the next best is better than none.
        if here := _cached(versions):
            return here
        raise


def find_kernel_image(wanted: str, say: Callable[[str], None]) -> KernelImage:
    """The kernel to boot, without its modules, which the archive drops first.

    Args:
        wanted: `7.3` for the newest 7.3, `7.3.4` for that one.
        say: told before something is downloaded.

    Raises:
        UsageError: `wanted` is no version.
        LabError: the archive has no such kernel or does not answer.
    """
    _check(wanted)
    for kind in ("kernels", "kernel-images"):
        folder = cache_folder() / kind
        if release := newest(_names(folder), wanted):
            return KernelImage(release, folder / release / "vmlinuz")
    archive, release = _offered((wanted,))
    say(f"downloading kernel {release}")
    folder = cached("kernel-images", release, partial(_download_image, archive, release))
    return KernelImage(release, folder / "vmlinuz")


def is_version(text: str) -> bool:
    """Whether it has the form of `7.3` or `7.3.4`."""
    return re.fullmatch(r"\d+\.\d+(\.\d+)?", text) is not None


def _check(wanted: str) -> None:
    if not is_version(wanted):
        raise UsageError(f"--kernel {wanted}: expected a version", remedy="For example: --kernel 7.3")


def _cached(versions: tuple[str, ...]) -> Kernel | None:
    folder = cache_folder() / "kernels"
    releases = (newest(_names(folder), version) for version in versions)
    return next((_kernel(folder / release) for release in releases if release), None)


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


def _fetch(versions: tuple[str, ...], say: Callable[[str], None]) -> Kernel:
    archive, release = _offered(versions)
    say(f"downloading kernel {release}")
    return _kernel(cached("kernels", release, partial(_download, archive, release)))


def _offered(versions: tuple[str, ...]) -> tuple[Archive, str]:
    """The first archive with one of these versions, and the newest release there."""
    offered: list[str] = []
    for suite in _SUITES:
        lists = cache_folder() / "apt" / suite
        lists.mkdir(parents=True, exist_ok=True)
        with FileLock(lists / ".lock"):
            archive = open_archive(suite, lists)
            releases = [name.removeprefix("linux-image-") for name in archive.names(_PACKAGE)]
            for version in versions:
                if release := newest(releases, version):
                    return archive, release
            offered += releases
    numbers = sorted({version_of(release)[:2] for release in offered})
    raise LabError(
        f"no Debian cloud kernel {' or '.join(versions)} in {' or '.join(_SUITES)}",
        remedy=f"Offered: {', '.join(f'{major}.{minor}' for major, minor in numbers)}.",
    )


def _kernel(folder: Path) -> Kernel:
    return Kernel(folder.name, folder / "vmlinuz", folder / "modules.tar")


def _download_image(archive: Archive, release: str, target: Path) -> None:
    root = target / "root"
    # From 6.19 on linux-image is empty and depends on three packages with the files.
    name = "linux-binary" if _is_split(archive, release) else "linux-image"
    archive.download([f"{name}-{release}"], root)
    images = (root / f"usr/lib/modules/{release}/vmlinuz", root / f"boot/vmlinuz-{release}")
    image = next(filter(Path.is_file, images), None)
    if image is None:
        raise LabError(f"the package {name}-{release} has no kernel in it")
    image.rename(target / "vmlinuz")
    shutil.rmtree(root)


def _is_split(archive: Archive, release: str) -> bool:
    return bool(archive.names(f"^linux-binary-{re.escape(release)}$"))


def _download(archive: Archive, release: str, target: Path) -> None:
    root = target / "root"
    split = _is_split(archive, release)
    names = ("linux-binary", "linux-modules", "linux-base") if split else ("linux-image",)
    archive.download([f"{name}-{release}" for name in names], root)
    modules = root / "usr/lib/modules" / release
    if not modules.is_dir():
        raise LabError(f"the packages of kernel {release} have no usr/lib/modules/{release}")
    boot = root / "boot"
    boot.mkdir(exist_ok=True)
    for name in ("vmlinuz", "System.map", "config"):
        inside = modules / name
        if inside.is_file():
            inside.rename(boot / f"{name}-{release}")
    (boot / f"vmlinuz-{release}").rename(target / "vmlinuz")
    run(["depmod", "-b", str(root / "usr"), release], timeout_s=300, what=f"list the modules of {release}")
    content = [f"usr/lib/modules/{release}", f"boot/config-{release}"]
    archive_file = target / "modules.tar"
    run(
        [
            "tar",
            "-C",
            str(root),
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "-cf",
            str(archive_file),
            *content,
        ],
        timeout_s=300,
        what=f"keep kernel {release}",
    )
    shutil.rmtree(root)
