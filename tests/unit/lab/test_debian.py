# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.lab.debian import configured_mirror

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\nID=debian\n'
UBUNTU = 'PRETTY_NAME="Ubuntu 24.04"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n'


def mirror_of(tmp_path: Path, os_release: str, name: str, text: str) -> str | None:
    (tmp_path / "os-release").write_text(os_release)
    file = tmp_path / "apt" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return configured_mirror(tmp_path / "apt", tmp_path / "os-release")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", "deb http://mirror.test/debian trixie main contrib\n"),
        ("sources.list", "deb [signed-by=/a.gpg arch=amd64] http://mirror.test/debian trixie contrib main\n"),
        (
            "sources.list",
            "deb-src http://src.test/debian trixie main\n"
            "# deb http://old.test/debian trixie main\n"
            "deb http://security.test/debian-security trixie-security main\n"
            "deb http://mirror.test/debian trixie main\n",
        ),
        (
            "sources.list.d/debian.sources",
            "# made by the installer\n"
            "Types: deb\nURIs: http://security.test/debian\nSuites: trixie-security\nComponents: main\n"
            "\n"
            "Types: deb deb-src\n# ours\nURIs: http://mirror.test/debian\nSuites: trixie trixie-updates\n"
            "Components: main non-free\nSigned-By: /a.gpg\n",
        ),
        (
            "sources.list.d/debian.sources",
            "Types: deb\nEnabled: no\nURIs: http://off.test/debian\nSuites: trixie\nComponents: main\n"
            "\nTypes: deb\nURIs: http://mirror.test/debian\nSuites: trixie\nComponents: main\n",
        ),
    ],
)
def test_debian_controller_uses_the_mirror_of_its_own_apt(tmp_path: Path, name: str, text: str) -> None:
    assert mirror_of(tmp_path, DEBIAN, name, text) == "http://mirror.test/debian"


def test_mirror_list_of_a_cloud_image_is_followed_to_its_first_mirror(tmp_path: Path) -> None:
    mirrors = tmp_path / "debian.list"
    mirrors.write_text("# nearest first\nhttp://near.test/debian\npriority:2\nhttp://far.test/debian\n")
    text = f"Types: deb\nURIs: mirror+file://{mirrors}\nSuites: trixie\nComponents: main\n"
    assert mirror_of(tmp_path, DEBIAN, "sources.list.d/debian.sources", text) == "http://near.test/debian"


def test_ubuntu_controller_has_no_debian_mirror(tmp_path: Path) -> None:
    text = "deb http://archive.test/ubuntu noble main\n"
    assert mirror_of(tmp_path, UBUNTU, "sources.list", text) is None


def test_other_vendors_of_a_debian_controller_are_no_debian_mirror(tmp_path: Path) -> None:
    text = "deb http://vendor.test/apt trixie stable\n"
    assert mirror_of(tmp_path, DEBIAN, "sources.list", text) is None
