# SPDX-License-Identifier: Apache-2.0
"""`observe` as a shell sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import UnreachableError
from fleetsched.operations.profile import read_profile
from tests.unit.cli.test_runs import Shell, shell

__all__ = ["shell"]


def installed(shell: Shell) -> None:
    for host in shell.hosts.values():
        host.installed = True


def test_observe_shows_a_table_a_host(shell: Shell) -> None:
    installed(shell)

    code, out, _ = shell.run("observe", "--seconds", "2", "--limit", "lab-1")

    assert (code, out.splitlines()[:5]) == (
        0,
        [
            "lab-1: 2.0 s, 100 switches/s, 0 forks/s",
            "                            wakes/s    p50    p95    p99  all p99  cpu %  slice",
            "whole host                      100   58us   58us   58us     58us   10.0  1.0ms",
            "system.slice/demo.service",
            "  demo                          100   58us   58us   58us     58us   10.0  1.0ms",
        ],
    )


def test_observe_writes_records(shell: Shell) -> None:
    installed(shell)

    code, records = shell.records("observe", "--seconds", "1")

    assert code == 0
    assert [(record["host"], record["observation"]["host"]["switches"]) for record in records[1:]] == [
        ("lab-1", 100),
        ("lab-2", 100),
    ]


def test_observe_says_which_hosts_it_cannot_observe_and_why(shell: Shell) -> None:
    installed(shell)
    shell.hosts["lab-1"].observer_refused = "Operation not permitted"

    code, out, _ = shell.run("observe", "--top", "0")
    assert code == 1
    assert "lab-1: the kernel does not take the helper's observer: Operation not permitted" in out
    assert "lab-2: 5.0 s, 100 switches/s" in out

    shell.hosts["lab-2"].connect_error = UnreachableError("lab-2: no answer")
    code, out, _ = shell.run("observe", "--top", "0")
    assert (code, "lab-2: no answer" in out) == (4, True)


def test_observe_needs_a_helper_and_changes_no_host(shell: Shell) -> None:
    code, out, _ = shell.run("observe")

    assert code == 4
    assert " ".join(out.split()).startswith(
        "lab-1 has no helper (`fleetsched helper install`, or the first policy's `apply`, brings it) lab-2"
    )
    assert not shell.hosts["lab-1"].installed


def test_a_helper_is_installed_when_asked_and_hosts_can_be_observed(shell: Shell) -> None:
    code, out, _ = shell.run("helper", "install", "--yes")
    assert (code, "Helpers to install: 2 hosts." in out) == (0, True)
    assert not any(host.kernel.ops for host in shell.hosts.values())
    assert shell.run("observe", "--seconds", "1")[0] == 0
    assert shell.run("helper", "install")[:2] == (0, "No changes: every host of a group has a helper.\n")


def test_observe_refuses_a_time_that_no_helper_takes(shell: Shell) -> None:
    code, _, errors = shell.run("observe", "--seconds", "61")

    assert (code, errors.splitlines()[0][:40]) == (64, "fleetsched: Invalid value for '--seconds")


def test_a_profile_is_written_and_shown_again_without_asking_a_host(shell: Shell, tmp_path: Path) -> None:
    installed(shell)
    file = tmp_path / "profile.json"

    code, out, errors = shell.run("observe", "--seconds", "2", "--profile", str(file))
    assert (code, errors) == (0, f"wrote {file}\n")
    assert out.partition("\nfeature")[2].splitlines()[:5] == [
        "           measured",
        "cgroup_weights    0 1",
        "cpu_utilisation   5 %",
        "wake_rate         50 1/s per CPU",
        "mean_slice_us     1,000 us",
    ]
    assert read_profile(file).hosts == ("lab-1", "lab-2")

    for host in shell.hosts.values():
        host.connect_error = UnreachableError("asked")
    again = shell.run("observe", "--from", str(file))
    assert again == (0, out, "")


def test_a_profile_says_which_hosts_did_not_count(shell: Shell, tmp_path: Path) -> None:
    installed(shell)
    shell.hosts["lab-1"].observer_refused = "Operation not permitted"
    shell.hosts["lab-2"].connect_error = UnreachableError("lab-2: no answer")
    file = tmp_path / "profile.json"

    code, out, _ = shell.run("observe", "--profile", str(file))
    assert code == 4
    assert "lab-1: the kernel does not take the helper's observer: Operation not permitted" in out
    assert "lab-2: no answer" in out
    assert [(host.host, host.observation) for host in read_profile(file).seen] == [("lab-1", None)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory\n  `fleetsched observe --profile FILE` writes one"),
        ("{", "profile.json:1:2: "),
        (
            '{"format": "fleetsched-evidence"}',
            'profile.json:1:12: expected fleetsched-profile, got "fleetsched-',
        ),
    ],
)
def test_what_is_no_profile_is_refused_with_its_place(
    shell: Shell, tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "profile.json"
    if content is not None:
        file.write_text(content)
    code, _, errors = shell.run("observe", "--from", str(file))
    assert code == 1
    assert said in errors
