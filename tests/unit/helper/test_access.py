# SPDX-License-Identifier: Apache-2.0
"""The way of the fleet's key: what is sent, what is read, and what each refusal tells a person."""

from __future__ import annotations

import json
import subprocess

import pytest

from fleetsched.errors import HelperError, UnreachableError
from fleetsched.helper.access import Access, Mode, Report, access_command, run_access, try_access
from fleetsched.model.access import Change
from tests.unit.helper.test_install import OneAnswer

ACCESS = Access("fleetsched", ("ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"), "ann ssh-ed25519 CCCC", "web")


def test_the_command_carries_all_that_is_wanted() -> None:
    name, dash_c, script, *arguments = access_command(Mode.MAKE, ACCESS, "ann@desk (pid 7)")
    assert (name, dash_c) == ("sh", "-c")
    assert arguments == [
        "fleetsched-access",
        "make",
        "fleetsched",
        "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two",
        "ann ssh-ed25519 CCCC",
        "web",
        "ann@desk (pid 7)",
    ]
    subprocess.run(["sh", "-n", "-c", script], check=True)


def test_what_the_script_says_becomes_a_report() -> None:
    said = (
        "arch\tx86_64\nnote\tsshd limits\nmake\tfolder /etc/fleetsched\nhelper\tmissing\n"
        "change\tfile /etc/sudoers.d/fleetsched\nleft\t/etc/fleetsched: off\n"
    )
    assert run_access(OneAnswer(0, said), "web-1", Mode.LOOK, ACCESS) == Report(
        changes=(
            Change("make", "folder /etc/fleetsched"),
            Change("change", "file /etc/sudoers.d/fleetsched"),
            Change("left", "/etc/fleetsched: off"),
        ),
        notes=("sshd limits",),
        arch="x86_64",
        install=True,
    )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "not-root\tann",
            "web-1: only root can let the fleet's key in, not ann\n"
            "  log in as root (`fleetsched bootstrap root@web-1`), or as somebody who may use sudo",
        ),
        (
            "no-sudo\t",
            "web-1 has no sudo (or no visudo, or no /etc/sudoers.d)\n"
            "  install it (`apt install sudo`): the account becomes root with it, for one command",
        ),
        (
            "user-exists\tfleetsched",
            "web-1 has a user fleetsched that bootstrap did not make\n"
            "  choose another name with --user, or remove that user first",
        ),
        (
            "sshd-forbids\tForceCommand",
            "web-1: its sshd_config keeps the key out, or takes away what it is kept to: ForceCommand\n"
            "  say otherwise for this user there, in a block `Match User fleetsched`",
        ),
        (
            "in-the-way\t/etc/fleetsched/group",
            "web-1: /etc/fleetsched/group is there, is not as it should be, and bootstrap did not make it\n"
            "  compare it, then move it away; or leave the option out that asks for it",
        ),
    ],
)
def test_a_refusal_is_told_with_its_remedy(said: str, message: str) -> None:
    with pytest.raises(HelperError) as raised:
        run_access(OneAnswer(1, f"arch\tx86_64\nrefused\t{said}\n"), "web-1", Mode.LOOK, ACCESS)
    assert (str(raised.value), raised.value.code) == (message, said.partition("\t")[0])


def test_a_key_that_is_restricted_already_cannot_bootstrap() -> None:
    with pytest.raises(UnreachableError) as raised:
        run_access(OneAnswer(0, ""), "web-1", Mode.LOOK, ACCESS)
    assert str(raised.value) == (
        "web-1: this key can do nothing there but talk to the helper\n"
        "  connect as an administrator: root@web-1, with --private-key FILE where needed"
    )


def test_a_script_that_breaks_is_told_with_its_last_words() -> None:
    with pytest.raises(HelperError, match=r"^web-1: make failed with exit code 2: sh: tac: not found$"):
        run_access(OneAnswer(2, "arch\tx86_64\n", "sh: tac: not found\n"), "web-1", Mode.MAKE, ACCESS)


def test_the_way_is_tried_to_the_helper_itself() -> None:
    answer = {"id": 1, "ok": True, "result": {"protocol": 1, "helper": "0.1.0", "boot_id": "b"}}
    assert try_access(OneAnswer(0, json.dumps(answer) + "\n"), "web-1", ACCESS) == "0.1.0"


@pytest.mark.parametrize(
    ("stdout", "stderr", "why"),
    [
        (
            "",
            "sudo: sorry, you must have a tty to run sudo\n",
            "sudo: sorry, you must have a tty to run sudo",
        ),
        (
            '{"id":0,"ok":false,"error":{"code":"no-service","message":"the service does not answer"}}\n',
            "",
            "the service does not answer",
        ),
        ("", "", "no answer, exit code 1"),
    ],
)
def test_a_way_that_ends_too_early_is_told(stdout: str, stderr: str, why: str) -> None:
    with pytest.raises(HelperError) as raised:
        try_access(OneAnswer(1, stdout, stderr), "web-1", ACCESS)
    assert str(raised.value) == (
        f"web-1: all is in place, and fleetsched does not reach the helper: {why}\n"
        "  try it there: runuser -u fleetsched -- sudo -n /usr/libexec/fleetsched-host rpc </dev/null"
    )
