# SPDX-License-Identifier: Apache-2.0
"""Hosts that take only signed assignments: what is planned, applied, and taken back there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import ExitCode, InputError, RefusedError
from fleetsched.helper.simulated import Behaviour
from fleetsched.model.rollout import Phase
from fleetsched.operations.apply import look_ahead
from fleetsched.operations.plan import plan
from fleetsched.operations.sign import read_signatures, sign_fleet
from fleetsched.rollout.signatures import KeySignatures
from fleetsched.views.signed import signed_text
from tests.conformance.signing import allowed_signers, key
from tests.unit.operations.controller import NAMES, Controller, all_hosts

GROUP = "lab"


@pytest.fixture
def strict(controller: Controller) -> Controller:
    """A fleet whose every host takes only what is signed for its group."""
    for host in controller.hosts.values():
        host.installed = True
        host.allowed_signers, host.group = allowed_signers(), GROUP
    return controller


def with_key(controller: Controller) -> None:
    controller.signatures = KeySignatures(key("known"), 86_400)


def problems(controller: Controller) -> set[tuple[str, str]]:
    with plan(controller.access()) as planned:
        return {(host.problem, host.remedy) for host in planned.plan.hosts}


def test_without_a_key_the_plan_says_what_is_missing_and_nothing_is_changed(strict: Controller) -> None:
    assert problems(strict) == {
        (
            "the host takes only signed assignments: there is no key to sign with",
            "name a key (`sign: {key: ...}` in the controller's file), or give --signatures FILE",
        )
    }
    with plan(strict.access()) as planned:
        _, code = look_ahead(planned.plan, strict.access().fleet)
    assert code is ExitCode.ROLLED_BACK
    strict.apply()
    assert strict.ops() == dict.fromkeys(NAMES)
    assert [host.disk.history[1:] for host in strict.hosts.values()] == [[], [], []]


def test_a_host_of_another_group_is_told(strict: Controller) -> None:
    with_key(strict)
    for host in strict.hosts.values():
        host.group = "db"

    assert problems(strict) == {
        (
            "the host takes what is signed for group db, its goal's is lab",
            "correct /etc/fleetsched/group there, or the HostGroup",
        )
    }


def test_a_controller_with_a_key_signs_what_it_applies(strict: Controller) -> None:
    with_key(strict)

    applied = strict.apply()

    assert applied.exit_code is ExitCode.OK
    assert strict.actions() == all_hosts("none")
    assert len({host.disk.signed for host in strict.hosts.values()}) == 1


def test_a_helper_that_was_just_installed_gets_a_signature_too(strict: Controller) -> None:
    with_key(strict)
    for host in strict.hosts.values():
        host.installed = False

    assert strict.apply().exit_code is ExitCode.OK


def test_rollback_by_hand_signs_anew(strict: Controller) -> None:
    with_key(strict)
    strict.apply()
    strict.edit("manifests/lab.yaml", "slice_us: 5000", "slice_us: 7000")
    strict.apply()
    before = [host.disk.signed[0] for host in strict.hosts.values()]

    assert strict.rollback().exit_code is ExitCode.OK

    assert all(
        host.disk.signed[0] > serial for host, serial in zip(strict.hosts.values(), before, strict=True)
    )
    assert strict.actions() == all_hosts("held")


def test_a_failed_run_takes_back_what_it_confirmed(strict: Controller) -> None:
    with_key(strict)
    strict.apply()
    strict.hosts["lab-2"].behaviours = {"fair": Behaviour(ejected_after_ms=6000)}
    strict.edit("manifests/lab.yaml", "slice_us: 5000", "slice_us: 7000")

    applied = strict.apply()

    assert applied.exit_code is ExitCode.ROLLED_BACK
    assert applied.hosts[0].phase is Phase.ROLLED_BACK


def test_who_signs_need_not_be_who_applies(strict: Controller, tmp_path: Path) -> None:
    file = tmp_path / "signatures.json"

    signed = sign_fleet(strict.access(), key("known"), 86_400, file)
    strict.signatures = read_signatures(file)

    assert [each.group for each in signed] == [GROUP]
    assert strict.apply().exit_code is ExitCode.OK
    assert strict.actions() == all_hosts("none")


def test_what_was_signed_is_shown(strict: Controller, tmp_path: Path) -> None:
    (signed,) = sign_fleet(strict.access(), key("known"), 86_400, tmp_path / "signatures.json")

    digest = signed.assignment.digest[:8]
    parameters = ", ".join(f"{name} {value}" for name, value in signed.assignment.parameters)
    assert signed_text([signed]) == (
        f"Signed at revision cccccccccccc:\n\n"
        f"  lab  fair@{digest} ({parameters}), until {signed.not_after:%Y-%m-%d %H:%M} UTC"
    )


def test_a_file_does_not_sign_the_way_back(strict: Controller, tmp_path: Path) -> None:
    strict.signatures = read_signatures(signed_file(strict, tmp_path))
    strict.apply()
    strict.hosts["lab-2"].behaviours = {"fair": Behaviour(ejected_after_ms=6000)}
    strict.edit("manifests/lab.yaml", "slice_us: 5000", "slice_us: 7000")
    file = signed_file(strict, tmp_path)
    strict.signatures = read_signatures(file)

    applied = strict.apply()

    assert applied.exit_code is ExitCode.NOT_ROLLED_BACK
    assert applied.hosts[0].phase is Phase.NOT_ROLLED_BACK
    assert applied.hosts[0].detail.startswith(
        "it keeps what it runs, for it takes only signed assignments, also to go back: "
        f"{file} has nothing for fair@"
    )
    with pytest.raises(RefusedError) as caught:
        strict.rollback()
    assert str(caught.value).startswith("lab-1 takes only signed assignments, also to go back: ")


def signed_file(controller: Controller, folder: Path) -> Path:
    file = folder / "signatures.json"
    sign_fleet(controller.access(), key("known"), 86_400, file)
    return file


def test_a_file_of_before_does_not_sign_what_has_changed(strict: Controller, tmp_path: Path) -> None:
    strict.signatures = read_signatures(signed_file(strict, tmp_path))
    strict.edit("manifests/lab.yaml", "slice_us: 5000", "slice_us: 7000")

    ((problem, _),) = problems(strict)

    assert problem.endswith("group lab, at this revision")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense", "holds no signatures: JSON is malformed"),
        ('{"format": "other", "version": 1, "statements": []}', "is no fleetsched-signatures of version 1"),
        (
            '{"format": "fleetsched-signatures", "version": 1, "statements": '
            '[{"statement": "{}", "signature": ""}]}',
            "holds no signatures: 'assignment'",
        ),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_signatures(file)
    assert caught.value.message.startswith(f"{file} {message}")


def test_a_fleet_without_policies_has_nothing_to_sign(controller: Controller, tmp_path: Path) -> None:
    text = (controller.root / "manifests" / "lab.yaml").read_text(encoding="utf-8")
    documents = [part for part in text.split("---\n") if "WorkloadGoal" not in part]
    (controller.root / "manifests" / "lab.yaml").write_text("---\n".join(documents), encoding="utf-8")

    with pytest.raises(InputError, match="nothing to sign: no goal with hosts has a policy"):
        sign_fleet(controller.access(), key("known"), 86_400, tmp_path / "x.json")
