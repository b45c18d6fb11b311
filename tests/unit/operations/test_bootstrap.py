# SPDX-License-Identifier: Apache-2.0
"""Letting the fleet's key in, and taking it away: which hosts, as whom, in which order, and what is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from fleetsched.errors import InputError, UsageError
from fleetsched.helper.access import ACCESS_NAME, Access
from fleetsched.helper.install import INSTALL_NAME
from fleetsched.helper.simulated import SimulatedHost, SimulatedTransport
from fleetsched.model.access import Change
from fleetsched.model.inventory import Host
from fleetsched.operations.bootstrap import Wish, administered, carry_out, look, removals, wishes
from fleetsched.transport.interface import Channel, Completed, Connection, Transport
from fleetsched.views.bootstrap import done_text, prospect_text
from tests.unit.model.test_access import KEY
from tests.unit.operations.controller import Controller

ROOT_KEY = "~/.ssh/root"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "fleet.pub"
    file.write_text(f"{KEY}\n", encoding="utf-8")
    return file


def wanted(controller: Controller, key: Path, *names: str, **given: Any) -> list[Wish]:
    options = {"user": "fleetsched", "signers": None, "group": None, "private_key": None, **given}
    return wishes(controller.access(), names, key=key, **options)


def test_each_host_gets_the_group_that_claims_it(controller: Controller, key: Path) -> None:
    found = wanted(controller, key, "lab", "gone.example.test")
    assert [(wish.host.name, wish.access) for wish in found] == [
        ("lab-1", Access("fleetsched", (KEY,), group="lab")),
        ("lab-2", Access("fleetsched", (KEY,), group="lab")),
        ("lab-3", Access("fleetsched", (KEY,), group="lab")),
        ("gone.example.test", Access("fleetsched", (KEY,))),
    ]


def test_signatures_need_a_group(controller: Controller, key: Path, tmp_path: Path) -> None:
    signers = tmp_path / "allowed_signers"
    signers.write_text("ann ssh-ed25519 AAAA\n\n", encoding="utf-8")
    (wish,) = wanted(controller, key, "gone", signers=signers, group="lab")
    assert wish.access == Access("fleetsched", (KEY,), "ann ssh-ed25519 AAAA", "lab")
    with pytest.raises(UsageError) as raised:
        wanted(controller, key, "gone", signers=signers)
    assert str(raised.value) == (
        "gone: signatures are for a group, and not exactly one HostGroup claims it\n  say which with --group"
    )


@pytest.mark.parametrize("user", ["", "Root", "a b", "1st", "x" * 33, "a/b", "a.b"])
def test_what_is_no_account_is_refused(controller: Controller, key: Path, user: str) -> None:
    with pytest.raises(UsageError, match="is no name for an account"):
        wanted(controller, key, "lab", user=user)


def test_a_group_that_is_not_there_is_refused(controller: Controller, key: Path) -> None:
    with pytest.raises(InputError, match=r'^no HostGroup "web"\n  there are: lab$'):
        wanted(controller, key, "lab-1", group="web")


@pytest.mark.parametrize(
    ("name", "private_key", "expected"),
    [
        ("lab-1", None, Host("lab-1", "10.0.0.1", 2201, "fleetsched", "~/.ssh/fleet", become=False)),
        ("lab-1", ROOT_KEY, Host("lab-1", "10.0.0.1", 2201, "fleetsched", ROOT_KEY, become=False)),
        # The inventory's key and its word about sudo are those of the user that it names.
        ("root@lab-1", None, Host("lab-1", "10.0.0.1", 2201, "root")),
        ("root@lab-1:22", ROOT_KEY, Host("lab-1", "10.0.0.1", 22, "root", ROOT_KEY)),
        ("ann@new.example.test", None, Host("new.example.test", "new.example.test", user="ann")),
    ],
)
def test_an_administrator_comes_as_somebody_else(
    controller: Controller, name: str, private_key: str | None, expected: Host
) -> None:
    controller.edit(
        "inventory/lab.yaml",
        "        lab-1:\n",
        "        lab-1: {ansible_host: 10.0.0.1, ansible_port: 2201, ansible_user: fleetsched,"
        " ansible_ssh_private_key_file: ~/.ssh/fleet, ansible_become: false}\n",
    )
    (found,) = administered(controller.access().fleet, [name], private_key)
    assert (found.name, found.address, found.port, found.user, found.key_file, found.become) == (
        expected.name,
        expected.address,
        expected.port,
        expected.user,
        expected.key_file,
        expected.become,
    )


@dataclass
class Administered(Transport):
    """Simulated hosts on which the script says what a test wants; `done`: what was run, by one word each."""

    simulated: SimulatedTransport
    script: dict[str, str]
    done: list[str] = field(default_factory=list)

    def connect(self, host: Host) -> Connection:
        return AdministeredConnection(self, self.simulated.connect(host))


class AdministeredConnection(Connection):
    def __init__(self, hosts: Administered, simulated: Connection) -> None:
        self._hosts, self._simulated = hosts, simulated
        self._free = {"claim": SAME, "release": SAME}

    def open(self, command: Sequence[str]) -> Channel:
        self._hosts.done.append("open")
        return self._simulated.open(command)

    def run(self, command: Sequence[str], *, stdin: bytes = b"", timeout_s: float) -> Completed:
        if ACCESS_NAME not in command:
            assert INSTALL_NAME in command
            self._hosts.done.append("install")
            return self._simulated.run(command, stdin=stdin, timeout_s=timeout_s)
        mode = command[4]
        self._hosts.done.append(mode)
        said = (self._free | self._hosts.script)[mode]
        return Completed(1 if "refused" in said else 0, said.encode(), b"")

    def close(self) -> None:
        self._simulated.close()


HELLO = json.dumps({"id": 1, "ok": True, "result": {"protocol": 1, "helper": "0.1.0", "boot_id": "b"}}) + "\n"
NEW = "arch\tx86_64\nmake\tuser fleetsched\nhelper\tmissing\n"
SAME = "arch\tx86_64\n"


def run(
    controller: Controller, script: dict[str, str], wishes_: Sequence[Wish]
) -> tuple[list[str], list[str], list[str]]:
    """Look and carry out: what was run on hosts, what was announced, and how it went."""
    transport = Administered(SimulatedTransport(controller.hosts), script)
    access = controller.access()
    object.__setattr__(access, "transport", cast(Any, transport))
    with look(access, wishes_) as (prospects, executor):
        said = [
            prospect_text(each.wish.host.name, each.changes, each.notes, each.error) for each in prospects
        ]
        done = carry_out(access, prospects, executor)
    return transport.done, said, [done_text(each.host, each.found, each.left, each.error) for each in done]


def test_a_new_host_gets_its_way_its_helper_and_a_trial_of_the_way(controller: Controller, key: Path) -> None:
    script = {"look": f"{NEW}note\tsshd limits who may log in\n", "make": NEW, "try": HELLO}
    assert run(controller, script, wanted(controller, key, "lab-1")) == (
        ["look", "claim", "make", "install", "release", "try"],
        ["lab-1:\n  + user fleetsched\n  ! sshd limits who may log in"],
        ["lab-1: the key reaches helper 0.1.0 as fleetsched"],
    )
    assert controller.hosts["lab-1"].installed


def test_the_second_run_changes_nothing_and_says_so(controller: Controller, key: Path) -> None:
    assert run(controller, {"look": SAME, "try": HELLO}, wanted(controller, key, "lab-1")) == (
        ["look", "try"],
        ["lab-1: nothing to do"],
        ["lab-1: nothing was changed: the key reaches helper 0.1.0 as fleetsched"],
    )


def test_a_host_that_refuses_is_not_changed_and_the_others_are(controller: Controller, key: Path) -> None:
    refused = "arch\tx86_64\nrefused\tno-sudo\t\n"
    told = (
        "lab-1 has no sudo (or no visudo, or no /etc/sudoers.d)\n"
        "  do: install it (`apt install sudo`): the account becomes root with it, for one command"
    )
    assert run(controller, {"look": refused}, wanted(controller, key, "lab-1")) == (["look"], [told], [told])


def test_taking_it_away_gives_the_host_back_to_the_kernel_first(controller: Controller) -> None:
    controller.apply()
    host = controller.hosts["lab-1"]
    assert host.kernel.ops == "fair"
    said = "arch\tx86_64\nremove\tuser fleetsched\n"
    script = {"look-remove": said, "remove": f"{said}left\t/etc/fleetsched: off \n"}
    assert run(controller, script, removals(controller.access(), ["lab-1"], private_key=None)) == (
        ["look-remove", "claim", "open", "remove", "release"],
        ["lab-1:\n  - user fleetsched"],
        ["lab-1: all that bootstrap made is gone\n  stays, because it is not empty: /etc/fleetsched: off "],
    )
    assert (host.kernel.ops, host.disk.last_known_good, host.lease) == (None, None, None)


def test_nothing_is_taken_away_while_another_run_has_the_host(controller: Controller) -> None:
    controller.apply()
    host = controller.hosts["lab-1"]
    host.disk.last_token += 1
    host.lease = ("ann@desk", host.disk.last_token, host.clock.now_ms() + 60_000)
    said = "arch\tx86_64\nremove\tuser fleetsched\n"
    done, _, told = run(
        controller, {"look-remove": said}, removals(controller.access(), ["lab-1"], private_key=None)
    )
    assert done == ["look-remove", "claim", "open", "release"]
    assert told[0].startswith("lab-1: the lease is held by ann@desk for another 60 s")
    assert host.kernel.ops == "fair"


BUSY = (
    "lab-1: another bootstrap is at work there: ann@desk (pid 7)\n"
    "  do: wait until that one has ended; ten minutes after it began it no longer counts"
)


def test_two_bootstraps_of_one_host_do_not_meet(controller: Controller, key: Path) -> None:
    busy = "arch\tx86_64\nrefused\tbusy\tann@desk (pid 7)\n"
    giving = run(controller, {"look": NEW, "claim": busy}, wanted(controller, key, "lab-1"))
    assert (giving[0], giving[2]) == (["look", "claim"], [BUSY])
    said = "arch\tx86_64\nremove\tuser fleetsched\n"
    taking = run(
        controller,
        {"look-remove": said, "claim": busy},
        removals(controller.access(), ["lab-1"], private_key=None),
    )
    assert (taking[0], taking[2]) == (["look-remove", "claim"], [BUSY])


def test_a_bootstrap_that_fails_lets_others_in(controller: Controller, key: Path) -> None:
    script = {"look": NEW, "make": "arch\tx86_64\nrefused\twrite-failed\t/etc/passwd\n"}
    done, _, told = run(controller, script, wanted(controller, key, "lab-1"))
    assert done == ["look", "claim", "make", "release"]
    assert told[0].startswith("lab-1: /etc/passwd cannot be changed")


def test_what_another_bootstrap_has_installed_since_the_look_is_not_installed_again(
    controller: Controller, key: Path
) -> None:
    script = {"look": NEW, "make": SAME, "try": HELLO}
    done, _, _ = run(controller, script, wanted(controller, key, "lab-1"))
    assert done == ["look", "claim", "make", "release", "try"]


def test_a_host_that_was_not_bootstrapped_stays_as_it_is(controller: Controller) -> None:
    assert run(
        controller,
        {"look-remove": SAME},
        removals(controller.access(), ["lab-1", "lab-2"], private_key=None),
    )[2] == [
        "lab-1: nothing was changed: bootstrap made nothing here",
        "lab-2: nothing was changed: bootstrap made nothing here",
    ]


def test_a_restricted_key_cannot_have_a_helper_installed_and_plan_says_so(controller: Controller) -> None:
    controller.hosts["lab-1"] = SimulatedHost("lab-1", installed=False, restricted=True)
    from fleetsched.operations.plan import Selection, plan

    with plan(controller.access(), Selection("lab-1")) as planned:
        (host,) = planned.plan.hosts
    assert (host.problem, host.remedy) == (
        "lab-1 has no helper, and its key is kept to the helper, so that apply cannot install one",
        "as an administrator: `fleetsched bootstrap root@lab-1`",
    )


def test_changes_are_marked() -> None:
    changes = [Change("make", "folder /a"), Change("change", "file /b"), Change("remove", "user c")]
    assert prospect_text("web-1", changes, [], None) == "web-1:\n  + folder /a\n  ~ file /b\n  - user c"
