# SPDX-License-Identifier: Apache-2.0
"""Which keys the known_hosts files allow, and writing to them."""

from __future__ import annotations

import base64
import hmac
import os
from pathlib import Path

import pytest

from fleetsched.errors import InputError
from fleetsched.transport.known_hosts import HostKey, KnownHosts, Verdict, entry_name
from fleetsched.transport.known_hosts_edit import add_key


def key(text: str, kind: str = "ssh-ed25519") -> HostKey:
    return HostKey(kind, base64.b64encode(text.encode()).decode())


OURS, OTHER = key("ours"), key("other")


def line(names: str, which: HostKey) -> str:
    return f"{names} {which.type} {which.base64}"


def hashed(name: str) -> str:
    salt = b"0123456789abcdef0123"
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ([], Verdict.UNKNOWN),
        ([line("web-1", OURS)], Verdict.KNOWN),
        ([line("WEB-1", OURS) + " a comment"], Verdict.KNOWN),
        ([line("db-1,web-1,10.0.0.1", OURS)], Verdict.KNOWN),
        ([line("web-2", OURS)], Verdict.UNKNOWN),
        ([line("web-1", OTHER)], Verdict.CHANGED),
        ([line("web-1", OTHER), line("web-1", OURS)], Verdict.KNOWN),
        ([line("web-1", key("ours", "ssh-rsa"))], Verdict.CHANGED),
        ([line("web-*", OURS)], Verdict.KNOWN),
        ([line("web-?", OURS)], Verdict.KNOWN),
        ([line("web-*,!web-1", OURS)], Verdict.UNKNOWN),
        ([line(hashed("web-1"), OURS)], Verdict.KNOWN),
        ([line(hashed("web-1"), OTHER)], Verdict.CHANGED),
        ([line(hashed("web-2"), OURS)], Verdict.UNKNOWN),
        ([line("web-1", OURS), "@revoked " + line("*", OURS)], Verdict.REVOKED),
        ([line("web-1", OURS), "@revoked " + line("*", OTHER)], Verdict.KNOWN),
        (["@cert-authority " + line("web-1", OURS)], Verdict.UNKNOWN),
        (["# " + line("web-1", OURS), "", "web-1", "web-1 ssh-ed25519 ???", "|1|x|y"], Verdict.UNKNOWN),
    ],
)
def test_verdicts(tmp_path: Path, lines: list[str], verdict: Verdict) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert KnownHosts().judge("web-1", "web-1", OURS, [tmp_path / "absent", file]) is verdict


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ([line("[web-1]:2222", OURS)], Verdict.KNOWN),
        ([line(hashed("[web-1]:2222"), OURS)], Verdict.KNOWN),
        ([line("[web-*]:2222", OURS)], Verdict.KNOWN),
        ([line("web-1", OURS)], Verdict.KNOWN),
        ([line("web-1", OTHER)], Verdict.UNKNOWN),
        ([line("[web-1]:2222", OTHER), line("web-1", OURS)], Verdict.CHANGED),
        ([line("[web-1]:2223", OURS)], Verdict.UNKNOWN),
    ],
)
def test_verdicts_on_another_port(tmp_path: Path, lines: list[str], verdict: Verdict) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    name = entry_name("web-1", 2222)
    assert name == "[web-1]:2222"
    assert KnownHosts().judge(name, "web-1", OURS, [file]) is verdict


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(line("web-1", OTHER) + "\n", encoding="utf-8")
    reads: list[Path] = []
    read_text = Path.read_text

    def count(path: Path, encoding: str | None = None, errors: str | None = None) -> str:
        reads.append(path)
        return read_text(path, encoding, errors)

    monkeypatch.setattr(Path, "read_text", count)
    known_hosts = KnownHosts()
    verdicts = [known_hosts.judge("web-1", "web-1", OURS, [file]) for _ in range(3)]
    assert (verdicts, len(reads)) == ([Verdict.CHANGED] * 3, 1)
    file.write_text(line("web-1", OURS) + "\n# longer than before\n", encoding="utf-8")
    assert known_hosts.judge("web-1", "web-1", OURS, [file]) is Verdict.KNOWN
    assert len(reads) == 2


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{tmp_path} cannot be read: Is a directory"):
        KnownHosts().judge("web-1", "web-1", OURS, [tmp_path])


def test_a_first_key_makes_a_file_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "ssh" / "known_hosts"
    add_key(file, "[web-1]:2222", OURS, replace=False)
    assert file.read_text(encoding="utf-8") == line("[web-1]:2222", OURS) + "\n"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [path.name for path in file.parent.iterdir()] == ["known_hosts"]


def test_a_key_is_added_after_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    before = f"# mine\n{line('db-1', OTHER)}"  # without its last newline
    file.write_text(before, encoding="utf-8")
    file.chmod(0o644)
    add_key(file, "web-1", OURS, replace=False)
    assert file.read_text(encoding="utf-8") == f"{before}\n{line('web-1', OURS)}\n"
    assert file.stat().st_mode & 0o777 == 0o644


def test_replacing_takes_the_old_keys_of_this_name_out_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    kept = ["# mine", "@revoked " + line("web-1", key("stolen")), line("web-10", OTHER)]
    old = [line("web-1", OTHER), line("WEB-1,10.0.0.1", OTHER), line(hashed("web-1"), OTHER)]
    file.write_text("\n".join([*kept, *old]), encoding="utf-8")
    add_key(file, "web-1", OURS, replace=True)
    assert file.read_text(encoding="utf-8").splitlines() == [
        *kept,
        line("10.0.0.1", OTHER),
        line("web-1", OURS),
    ]
    assert KnownHosts().judge("web-1", "web-1", OURS, [file]) is Verdict.KNOWN


def test_a_pattern_is_not_taken_out(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    before = line("web-*", OTHER) + "\n"
    file.write_text(before, encoding="utf-8")
    with pytest.raises(InputError, match="has another key for web-1 by a pattern: ssh-ed25519 SHA256:"):
        add_key(file, "web-1", OURS, replace=True)
    assert file.read_text(encoding="utf-8") == before


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "known_hosts"
    real.write_text("", encoding="utf-8")
    link.symlink_to(real)
    add_key(link, "web-1", OURS, replace=False)
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == line("web-1", OURS) + "\n"


def test_the_null_device_is_not_replaced() -> None:
    with pytest.raises(InputError, match=r"^/dev/null is no file to keep keys in"):
        add_key(Path(os.devnull), "web-1", OURS, replace=False)
