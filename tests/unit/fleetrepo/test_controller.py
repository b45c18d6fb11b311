# SPDX-License-Identifier: Apache-2.0
"""The controller's own file: where it is looked for, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import InputError, ProblemsError
from fleetsched.fleetrepo.controller import load_controller
from fleetsched.fleetrepo.secret import resolve_secret
from fleetsched.model.controller import (
    AgentAccess,
    Budget,
    Controller,
    ForgeAccess,
    Notify,
    Price,
    Reconciling,
    SecretReference,
    Sign,
    Ssh,
    Trust,
)


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "user" / "fleetsched"


def a_file(file: Path, branch: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"trust: {{branch: {branch}}}\n")
    file.chmod(0o644)
    return file


def test_every_setting_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "trust: {remote: upstream, branch: release/1, allowedSigners: ~/signers, revokedKeys: /krl}\n"
        "ssh: {user: fleet, keyFile: ~/.ssh/fleet, connectTimeout: 1m, forks: 8}\n"
        "sign: {key: ~/.ssh/sign.pub, validFor: 7d}\n"
    )
    expected = Controller(
        Trust("upstream", "release/1", "~/signers", "/krl"),
        Ssh("fleet", "~/.ssh/fleet", 60.0, 8),
        str(file),
        Sign("~/.ssh/sign.pub", 604_800.0),
    )
    assert load_controller(file, {}) == expected


def test_the_reconcilers_settings_are_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "reconcile:\n"
        "  interval: 5m\n"
        "  jitter: 12.5%\n"
        "  listen: '[::1]:80'\n"
        "  webhookSecret: {env: HOOK}\n"
        "  notify:\n"
        "    - {webhook: {credential: chat}, template: /t.j2, on: [error, drift]}\n"
        "    - {apprise: {file: /mail}}\n"
    )
    assert load_controller(file, {}).reconcile == Reconciling(
        300.0,
        "[::1]:80",
        SecretReference(env="HOOK"),
        (
            Notify("webhook", SecretReference(credential="chat"), "/t.j2", ("error", "drift")),
            Notify("apprise", SecretReference(file="/mail")),
        ),
        12.5,
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{listen: 9644}", "expected an address and a port such as `127.0.0.1:9644`, got 9644"),
        ("{listen: localhost}", 'expected an address and a port such as `127.0.0.1:9644`, got "localhost"'),
        ("{jitter: 5}", "expected a share such as `10%`, got 5"),
        ("{webhookSecret: hunter2}", "expected a reference such as `{env: NAME}`"),
        ("{notify: [{}]}", "expected a mapping with either `webhook` or `apprise`"),
        ("{notify: [{webhook: {env: A}, apprise: {env: B}}]}", "expected a mapping with either `webhook`"),
        ("{notify: [{webhook: {env: A}, on: [healing]}]}", "expected one of `applied`, `healed`,"),
    ],
)
def test_wrong_settings_of_the_reconciler_are_named(tmp_path: Path, written: str, said: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"reconcile: {written}\n")
    with pytest.raises(ProblemsError) as caught:
        load_controller(file, {})
    assert said in str(caught.value)


def test_the_first_file_that_is_there_is_read(tmp_path: Path, user_folder: Path) -> None:
    system = tmp_path / "etc" / "config.yaml"
    assert load_controller(None, {}, system) == Controller()
    a_file(user_folder / "config.yaml", "users")
    assert load_controller(None, {}, system).trust.branch == "users"
    a_file(system, "systems")
    assert load_controller(None, {}, system).trust.branch == "systems"
    named = {"FLEETSCHED_CONFIG": str(a_file(tmp_path / "b.yaml", "variables"))}
    assert load_controller(None, named, system).trust.branch == "variables"
    assert load_controller(a_file(tmp_path / "a.yaml", "options"), named, system).trust.branch == "options"


def test_a_named_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_controller(None, {"FLEETSCHED_CONFIG": f"{tmp_path}/none.yaml"})
    assert str(caught.value) == (
        f"{tmp_path}/none.yaml: no such file\n  FLEETSCHED_CONFIG names it; correct or remove it"
    )


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("trust: {branch: a..b, brnch: y}\nagent: {backend: anthropc}\nssh: {forks: 0}\n")
    with pytest.raises(ProblemsError) as caught:
        load_controller(file, {})
    assert [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems] == [
        '1:17: expected a branch\'s name such as `main`, got "a..b"',
        '1:23: unknown field "brnch"; did you mean "branch"?',
        '2:18: expected catalogue or anthropic, got "anthropc"; did you mean "anthropic"?',
        "3:14: expected 1 or more, got 0",
    ]


def test_a_variable_outranks_the_file(tmp_path: Path) -> None:
    file = a_file(tmp_path / "config.yaml", "files")
    variables = {
        "FLEETSCHED_TRUST_BRANCH": "variables",
        "FLEETSCHED_FORKS": "3",
        "FLEETSCHED_SSH_CONNECT_TIMEOUT": "2m",
        "FLEETSCHED_SSH_USER": "",
        "FLEETSCHED_SIGN_KEY": "/keys/sign",
    }
    ssh = Ssh(connect_timeout_s=120, forks=3)
    expected = Controller(Trust(branch="variables"), ssh, str(file), Sign("/keys/sign"))
    assert load_controller(file, variables) == expected


def test_a_wrong_variable_is_named_like_a_wrong_field(tmp_path: Path) -> None:
    variables = {"FLEETSCHED_FORKS": "many", "FLEETSCHED_TRUST_REMOTE": "--upload-pack=x"}
    with pytest.raises(ProblemsError) as caught:
        load_controller(a_file(tmp_path / "config.yaml", "main"), variables)
    assert [str(problem) for problem in caught.value.problems] == [
        'FLEETSCHED_FORKS: expected a whole number, got "many"',
        "FLEETSCHED_TRUST_REMOTE: expected a remote's name such as `origin`, a URL or a path, "
        'got "--upload-pack=x"',
    ]


def test_a_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    file = a_file(tmp_path / "config.yaml", "main")
    file.chmod(0o666)
    with pytest.raises(InputError) as caught:
        load_controller(file, {})
    assert str(caught.value) == (
        f"{file} can be written by others than you and root, and it says what is approved\n"
        f"  make it yours alone: chown and chmod go-w {file}"
    )


def a_secret(file: Path, mode: int = 0o600) -> Path:
    file.write_text("hunter2\n")
    file.chmod(mode)
    return file


def test_a_secret_is_found_where_its_reference_says(tmp_path: Path) -> None:
    file = a_secret(tmp_path / "sudo")
    environment = {"PASS": "hunter2", "OTHER_FILE": str(file), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    for reference in (
        SecretReference(env="PASS"),
        SecretReference(env="OTHER"),
        SecretReference(file=str(file)),
        SecretReference(credential="sudo"),
    ):
        assert resolve_secret(reference, environment) == "hunter2"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (
            SecretReference(env="PASS"),
            "the environment variable PASS is not set, which the controller's file names",
        ),
        (SecretReference(credential="sudo"), "credential sudo: systemd has passed none"),
        (SecretReference(file="/no/such"), "/no/such, which should hold a secret, cannot be read: "),
    ],
)
def test_a_secret_that_is_not_there_is_told(reference: SecretReference, message: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_secret(reference, {})
    assert caught.value.message.startswith(message)


def test_a_file_of_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = a_secret(tmp_path / "sudo", 0o644)
    with pytest.raises(InputError) as caught:
        resolve_secret(SecretReference(file=str(file)))
    assert str(caught.value) == f"{file} holds a secret and others can read it\n  chmod go= {file}"


def test_a_secret_itself_is_no_reference(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("ssh: {becomePassword: hunter2}\n")
    file.chmod(0o644)
    with pytest.raises(ProblemsError) as caught:
        load_controller(file, {})
    assert [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems] == [
        "1:23: expected a reference such as `{env: NAME}`, `{file: PATH}` or `{credential: NAME}`, "
        'got "hunter2"'
    ]


def test_agent_forge_and_experiments_are_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "experiments: [lab]\n"
        "forge: {kind: github, repository: acme/fleet, token: {env: TOKEN}}\n"
        "agent: {backend: anthropic, key: {file: /k}, budget: {usd: 1, wall: 5m},\n"
        "  price: {input: 2, output: 8}}\n"
    )
    found = load_controller(file, {})
    assert found.experiments == ("lab",)
    assert found.forge == ForgeAccess("github", "acme/fleet", token=SecretReference(env="TOKEN"))
    assert found.agent == AgentAccess(
        backend="anthropic",
        key=SecretReference(file="/k"),
        budget=Budget(usd=1.0, wall_s=300.0),
        price=Price(input=2, output=8, cache_write=2.5, cache_read=2),
    )
