# SPDX-License-Identifier: Apache-2.0
"""Debian packages and root file systems on any Debian or Ubuntu machine, without touching its own apt."""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetsched.errors import LabError
from fleetsched.lab.run import run

_SOURCES = Path("/etc/apt")
_OS_RELEASE = Path("/etc/os-release")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_REMEDY = (
    "Check that this machine reaches its Debian mirror and that debian-archive-keyring is recent; "
    "`make setup` installs what is missing."
)
_BOOTSTRAP_S = 1800.0
_DOWNLOAD_S = 900.0


def configured_mirror(sources: Path = _SOURCES, os_release: Path = _OS_RELEASE) -> str | None:
    """The address of the Debian archive that this machine's apt uses, or None when it is not a Debian."""
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', os_release.read_text(encoding="utf-8"), re.MULTILINE))
    if fields.get("ID") != "debian":
        return None
    suite = fields.get("VERSION_CODENAME", "stable")
    files = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))]
    for file in filter(Path.is_file, files):
        text = file.read_text(encoding="utf-8", errors="replace")
        found = _deb822(text, suite) if file.suffix == ".sources" else _one_line(text, suite)
        if found:
            return _first_of_list(found)
    return None


def _first_of_list(address: str) -> str:
    """Debian's cloud images name a file that lists mirrors; mmdebstrap needs one of them."""
    if not address.startswith("mirror+file:"):
        return address
    text = Path(address.removeprefix("mirror+file:").replace("///", "/", 1)).read_text(encoding="utf-8")
    return next(line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("#"))


def _one_line(text: str, suite: str) -> str | None:
    pattern = rf"^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+{re.escape(suite)}\s(?:.*\s)?main\b"
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else None


def _deb822(text: str, suite: str) -> str | None:
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        fields = {key.lower(): value.split() for key, _, value in (line.partition(":") for line in lines)}
        wanted = {"types": "deb", "suites": suite, "components": "main"}
        if all(value in fields.get(key, []) for key, value in wanted.items()) and fields.get("enabled") != [
            "no"
        ]:
            return fields.get("uris", [None])[0]
    return None


def mirror() -> str:
    """The Debian archive to use: the one apt is configured with, else the default of mmdebstrap.

    Raises:
        LabError: mmdebstrap is missing or does not reach its archive.
    """
    found = configured_mirror()
    if found:
        return found
    with tempfile.TemporaryDirectory(prefix="fleetsched-mirror-") as folder:
        copied = Path(folder) / "sources.list"
        # Only a real run writes sources.list; with the variant `custom` it installs nothing.
        hook = f"--customize-hook=download /etc/apt/sources.list {shlex.quote(str(copied))}"
        command = ["mmdebstrap", "--variant=custom", "--format=null", hook, "trixie", "/dev/null"]
        run(command, timeout_s=_DOWNLOAD_S, what="find a Debian mirror", remedy=_REMEDY)
        found = _one_line(copied.read_text(encoding="utf-8"), "trixie")
    if not found:
        raise LabError("could not find a Debian mirror: mmdebstrap names none for trixie", remedy=_REMEDY)
    return found


def bootstrap(
    suite: str, packages: Sequence[str], target: Path, *, variant: str = "minbase", script: str = ""
) -> None:
    """Install packages into a new root file system and write it as a tar archive.

    Args:
        suite: for example `trixie`.
        packages: their names, beside what the variant brings.
        target: the archive to write.
        variant: as mmdebstrap knows them.
        script: run by `sh -eu` inside the new root at the end.

    Raises:
        LabError: mmdebstrap failed; its last words are in the message.
    """
    hooks = []
    if script:
        # Quoted into the command because in unshare mode the hook may read no file of the user's.
        hooks = [f'--customize-hook=printf %s {shlex.quote(script)} | chroot "$1" sh -eu']
    run(
        [
            "mmdebstrap",
            f"--variant={variant}",
            f"--include={','.join(packages)}",
            "--format=tar",
            "--architectures=amd64",
            *(f"--aptopt={line}" for line in _apt_acquire()),
            *hooks,
            suite,
            str(target),
            mirror(),
        ],
        timeout_s=_BOOTSTRAP_S,
        what=f"install Debian {suite}",
        remedy=_REMEDY,
    )


def extract(suite: str, packages: Sequence[str], target: Path) -> None:
    """Unpack packages and all they depend on into the new folder `target`, running none of their scripts.

    Enough for a sysroot to compile in. Absolute symbolic links in it lead out of it.

    Raises:
        LabError: mmdebstrap or tar failed.
    """
    with tempfile.TemporaryDirectory(prefix=".extract-", dir=target.parent) as folder:
        archive = Path(folder) / "root.tar"
        bootstrap(suite, packages, archive, variant="extract")
        target.mkdir(parents=True)
        unpack(archive, target)


def unpack(archive: Path, target: Path, *, prefix: Sequence[str] = ()) -> None:
    """Unpack a root file system; its owners are kept by root, and by `fakeroot` as the prefix."""
    # Device nodes need a privilege, and every guest has a devtmpfs.
    command = [*prefix, "tar", "-C", str(target), "--exclude=./dev/*", "-xf", str(archive)]
    run(command, timeout_s=600, what=f"unpack {archive.name}")


def _apt_acquire() -> Iterable[str]:
    """How this machine's apt downloads (proxies, retries): mmdebstrap does not look there by itself."""
    dumped = run(
        ["apt-config", "dump", "--format", '%f "%v";%n', "--no-empty"],
        timeout_s=60,
        what="read apt's settings",
    )
    wanted = re.compile(r'Acquire::(https?::Proxy|Retries|Check-Valid-Until)\b[^ ]* "')
    return [line for line in dumped.splitlines() if wanted.match(line)]


@dataclass(frozen=True, slots=True)
class Archive:
    """apt's view of one suite, in a folder of its own; made by `open_archive`."""

    suite: str
    folder: Path
    options: tuple[str, ...]

    def names(self, pattern: str) -> list[str]:
        """The names of the packages that match an extended regular expression."""
        found = run(
            ["apt-cache", *self.options, "search", "--names-only", pattern],
            timeout_s=120,
            what=f"search {self.suite}",
        )
        return [line.split(" ", 1)[0] for line in found.splitlines()]

    def download(self, packages: Sequence[str], target: Path) -> None:
        """Download packages and unpack them into the folder `target`, without what they depend on.

        Raises:
            LabError: a package is not there or its signature chain is broken.
        """
        packages_folder = target.with_suffix(".packages")
        packages_folder.mkdir(parents=True)
        run(
            ["apt-get", *self.options, "-qq", "download", *packages],
            timeout_s=_DOWNLOAD_S,
            what=f"download {packages[0]}",
            remedy=_REMEDY,
            cwd=packages_folder,
        )
        for package in sorted(packages_folder.glob("*.deb")):
            run(["dpkg-deb", "-x", str(package), str(target)], timeout_s=300, what=f"unpack {package.name}")
        shutil.rmtree(packages_folder)


def open_archive(suite: str, folder: Path, architecture: str = "amd64") -> Archive:
    """Fetch the list of a suite's packages.

    Args:
        suite: for example `trixie-backports`.
        folder: an existing folder for apt's lists and caches.
        architecture: Debian's name of it.

    Raises:
        LabError: the mirror does not answer or has no such suite.
    """
    sources, config = folder / "debian.sources", folder / "apt.conf"
    for sub in ("lists/partial", "cache/archives/partial"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    sources.write_text(
        f"Types: deb\nURIs: {mirror()}\nSuites: {suite}\nComponents: main\nArchitectures: {architecture}\n"
        f"Signed-By: {_KEYRING}\n",
        encoding="utf-8",
    )
    # Hooks of this machine's apt are meant for this machine's packages.
    config.write_text(
        "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n", encoding="utf-8"
    )
    settings = (
        f"Dir::Etc::SourceList={sources}",
        "Dir::Etc::SourceParts=-",
        "Dir::Etc::Preferences=-",
        "Dir::Etc::PreferencesParts=-",
        f"Dir::State={folder}",
        f"Dir::State::Lists={folder / 'lists'}",
        "Dir::State::status=/dev/null",
        f"Dir::Cache={folder / 'cache'}",
        f"APT::Architecture={architecture}",
        f"APT::Architectures={architecture}",
        "APT::Sandbox::User=root",
        "Acquire::Languages=none",
    )
    options = ("-c", str(config), *(word for setting in settings for word in ("-o", setting)))
    run(
        ["apt-get", *options, "--error-on=any", "-qq", "update"],
        timeout_s=_DOWNLOAD_S,
        what=f"read the packages of {suite}",
        remedy=_REMEDY,
    )
    return Archive(suite, folder, options)
