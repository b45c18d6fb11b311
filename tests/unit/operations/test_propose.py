# SPDX-License-Identifier: Apache-2.0
"""From a goal without a policy to a merged proposal, by commands, on a bare repository."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from fleetsched.model.plan import Observed
from fleetsched.operations.init import init
from fleetsched.operations.snapshot import write_snapshot
from tests.unit.fleetrepo.trees import commit_with
from tests.unit.git_repository import git

GOLDEN = Path(__file__).parent / "golden"
LATENCY = "  objective: {metric: wakeup_latency_p99_us, direction: minimize}\n"
COMMENT = "# change it and see what `fleetsched plan` says"
BOUND = f"  policy:\n    name: fair\n    parameters: {{slice_us: 5000}} {COMMENT}\n"
OFFLINE = ("--offline", "--unmeasured")
MANIFEST = "manifests/lab.yaml"
PROPOSED = "origin/main...origin/fleetsched/proposal/lab-fairness"


@dataclass(frozen=True)
class Fleet:
    """A fleet repository made by `init`, whose goal wants latency and has no policy, and its bare origin."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str, code: ExitCode = ExitCode.OK) -> str:
        """Run a command, check its exit code, and return what it printed; commits and times are replaced."""
        assert main(arguments) == code, self.capsys.readouterr()
        said = self.capsys.readouterr()
        text = re.sub(r"\b[0-9a-f]{12}\b", "<commit>", said.out + said.err)
        text = re.sub(r"@[0-9a-f]{8}\b", "@<digest>", text)
        return re.sub(r"\d{4}-\d\d-\d\d(T[\d:]+Z)?", "<time>", text)

    def commit(self, *replaced: tuple[str, str], file: str = MANIFEST) -> None:
        """Change a file and push it to the trusted branch."""
        text = (self.folder / file).read_text()
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        (self.folder / file).write_text(text)
        git(self.folder, "commit", "-am", "change")
        git(self.folder, "push", "origin", "HEAD:main")

    def proposed_files(self) -> list[str]:
        """The files that the proposal's branch changes, each with how."""
        git(self.folder, "fetch", "origin")
        return git(self.folder, "diff", "--name-status", PROPOSED).splitlines()

    def proposed_lines(self) -> list[str]:
        """The lines that the proposal's branch changes in the manifest."""
        git(self.folder, "fetch", "origin")
        diff = git(self.folder, "diff", PROPOSED, "--", MANIFEST).splitlines()
        return [line for line in diff if re.match(r"[+-](?![+-])", line)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    init(folder / "fleet")
    text = (folder / "fleet" / MANIFEST).read_text()
    assert BOUND in text
    (folder / "fleet" / MANIFEST).write_text(text.replace(BOUND, LATENCY))
    git(folder, "init", "--bare", "-b", "main", "origin.git")
    git(folder / "fleet", "add", "-A")
    git(folder / "fleet", "commit", "-m", "first")
    git(folder / "fleet", "remote", "add", "origin", "../origin.git")
    git(folder / "fleet", "push", "-u", "origin", "HEAD:main")
    return folder


@pytest.fixture
def fleet(
    template: Path,
    tmp_path: Path,
    own_git: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Fleet:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "fleet")
    (tmp_path / "config.yaml").write_text("")
    monkeypatch.setenv("FLEETSCHED_CONFIG", str(tmp_path / "config.yaml"))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Alice")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "alice@example.invalid")
    # Whoever asks a host fails the test.
    monkeypatch.setattr(
        "fleetsched.transport.by_host.ByHostTransport.connect", lambda *_: pytest.fail("asked")
    )
    return Fleet(tmp_path / "fleet", capsys)


def test_the_life_of_a_proposal_reads_as_agreed(fleet: Fleet) -> None:
    steps = [
        ["review", "list"],
        ["propose", *OFFLINE],
        ["review", "list"],
        ["review", "show", "lab-fairness"],
        ["review", "approve", "lab-fairness"],
        ["review", "show", "lab-fairness"],
        ["review", "merge", "lab-fairness"],
        ["review", "list"],
        ["propose", *OFFLINE],
    ]
    told = "\n".join(f"$ fleetsched {' '.join(step)}\n{fleet.run(*step)}" for step in steps)
    assert max(map(len, told.splitlines())) <= 80
    assert told == (GOLDEN / "life-of-a-proposal.txt").read_text()
    assert git(fleet.folder, "status", "--porcelain", "--branch") == "## main...origin/main"
    assert "policy: {name: interactive}" in (fleet.folder / MANIFEST).read_text()


def test_approving_writes_no_file_that_a_proposal_names_elsewhere(fleet: Fleet, tmp_path: Path) -> None:
    fleet.run("propose", *OFFLINE)
    git(fleet.folder, "fetch", "origin")
    branch = "fleetsched/proposal/lab-fairness"
    up = "/".join([".."] * 12)
    evil = commit_with(fleet.folder, f"lessons/{up}{tmp_path}/written", base=f"origin/{branch}")
    git(fleet.folder, "push", "origin", f"{evil}:refs/heads/{branch}")
    said = fleet.run("review", "approve", "lab-fairness", code=ExitCode.ERROR)
    assert "which would be written elsewhere than in its folder" in said
    assert not (tmp_path / "written").exists()


def test_a_proposal_binds_the_goal_and_brings_the_policy(fleet: Fleet) -> None:
    fleet.run("propose", *OFFLINE)
    assert fleet.proposed_files() == [
        f"M\t{MANIFEST}",
        "A\tpolicies/interactive/README.md",
        "A\tpolicies/interactive/interactive.bpf.c",
        "A\tpolicies/interactive/policy.lock.yaml",
        "A\tpolicies/interactive/policy.yaml",
    ]
    assert fleet.proposed_lines() == ["+  policy: {name: interactive}"]
    assert "Fleetsched-Proposal: lab-fairness" in git(
        fleet.folder, "log", "-1", "--format=%B", "origin/fleetsched/proposal/lab-fairness"
    )
    assert git(fleet.folder, "status", "--porcelain") == ""


def test_the_same_again_is_unchanged_and_stays_approved(fleet: Fleet) -> None:
    fleet.run("propose", *OFFLINE)
    fleet.run("review", "approve", "lab-fairness")
    fleet.commit(("# The lab's hosts", "# These are the lab's hosts"))  # says nothing else
    assert "proposal for goal lab-fairness unchanged" in fleet.run("propose", *OFFLINE)
    assert "open, approved" in fleet.run("review", "list")


def test_another_goal_of_the_same_name_is_an_update_and_not_approved(fleet: Fleet) -> None:
    fleet.run("propose", *OFFLINE)
    fleet.run("review", "approve", "lab-fairness")
    fleet.commit(("wakeup_latency_p99_us, direction: minimize", "requests_per_second, direction: maximize"))
    assert "proposal for goal lab-fairness updated" in fleet.run("propose", *OFFLINE)
    assert "open, not approved  <time>  throughput" in fleet.run("review", "list")
    assert "is not approved" in fleet.run("review", "merge", "lab-fairness", code=ExitCode.REFUSED)


def test_what_conflicts_by_now_is_made_anew(fleet: Fleet) -> None:
    fleet.run("propose", *OFFLINE)
    fleet.run("review", "approve", "lab-fairness")
    fleet.commit(("  rollout: lab\n", "  rollout: lab # slowly\n"))
    refused = fleet.run("review", "merge", "lab-fairness", code=ExitCode.ERROR)
    assert refused == (
        "fleetsched: the proposal conflicts with what was merged since it was made\n"
        "  propose again: `fleetsched propose` makes it on the newest state\n"
    )
    assert "proposal for goal lab-fairness updated" in fleet.run("propose", *OFFLINE)


def test_closed_means_not_again_until_something_changes(fleet: Fleet) -> None:
    fleet.run("propose", *OFFLINE)
    fleet.run("review", "close", "lab-fairness", "--reason", "not\x1b[31m now")
    assert (
        "goal lab-fairness: the same was proposed before and closed: not?[31m now\n"
        "to propose it nevertheless: fleetsched propose lab-fairness --repropose\n"
    ) in fleet.run("propose", *OFFLINE, code=ExitCode.CHANGES)
    assert "opened" in fleet.run("propose", *OFFLINE, "--repropose")
    fleet.run("review", "close", "lab-fairness")
    fleet.commit(("none may starve another", "none may wait"))
    assert "opened" in fleet.run("propose", *OFFLINE)


def test_a_goal_that_has_a_policy_is_bound_anew_only_when_it_is_named(fleet: Fleet) -> None:
    fleet.commit((LATENCY, LATENCY + BOUND))
    assert fleet.run("propose", *OFFLINE) == "every goal of the trusted branch has a policy\n"
    assert "proposal for goal lab-fairness opened" in fleet.run("propose", "lab-fairness", *OFFLINE)
    assert fleet.proposed_lines() == [
        "-    name: fair",
        f"-    parameters: {{slice_us: 5000}} {COMMENT}",
        f"+    name: interactive {COMMENT}",
    ]


def test_a_policy_that_is_as_good_as_any_is_kept(fleet: Fleet) -> None:
    fleet.commit((LATENCY, BOUND))  # without an objective, all three are worth the same
    assert "goal lab-fairness: the policy that it has suits as well as any" in fleet.run(
        "propose", "lab-fairness", *OFFLINE
    )


def test_where_nothing_beats_the_kernels_own_scheduler_nothing_is_proposed(fleet: Fleet) -> None:
    fleet.commit(("  hosts: lab ", '  requires: {kernel: "<6.12"}\n  hosts: lab '))
    said = fleet.run("propose", *OFFLINE, code=ExitCode.CHANGES)
    assert "interactive           -  cannot be used: with HostGroup lab, no kernel is\n" in said
    assert "goal lab-fairness: nothing is proposed; to say so: policy: {name: kernel-default}" in said
    assert fleet.run("review", "list") == "no proposals\n"


def test_requirements_are_checked_by_what_hosts_said_before(fleet: Fleet, tmp_path: Path) -> None:
    (fleet.folder / "inventory" / "lab.yaml").write_text("lab: {hosts: {lab-1: }}\n")
    write_snapshot(tmp_path / "state.json", {"lab-1": Observed(kernel_release="6.1.0\x1b[2J", arch="x86_64")})
    said = fleet.run("propose", "--unmeasured", "--state", f"{tmp_path}/state.json", code=ExitCode.CHANGES)
    assert "cannot be used: lab-1 needs kernel >=6.12, runs" in said
    assert "Kernel and architecture of 1 host were checked." in said
    assert "\x1b" not in said


def test_a_policy_that_does_not_fit_the_strategy_is_not_proposed(fleet: Fleet) -> None:
    fleet.commit(("bake: 15s", "bake: 6s"))
    said = fleet.run("propose", *OFFLINE, code=ExitCode.ERROR)
    assert "goal lab-fairness: policy interactive suits best, and does not fit: manifests/lab.yaml:" in said
    assert fleet.run("review", "list") == "no proposals\n"


def test_no_more_are_opened_than_the_repository_allows(fleet: Fleet) -> None:
    goal = (fleet.folder / MANIFEST).read_text().split("---\n")[1]
    second = goal.replace("lab-fairness", "second").replace("hostGroup: lab", "hostGroup: other")
    group = "apiVersion: fleetsched/v1\nkind: HostGroup\nmetadata: {name: other}\nspec: {hosts: other}\n"
    (fleet.folder / "inventory" / "groups.yaml").write_text("lab: {}\nother: {}\n")
    fleet.commit(("defaults:\n", "proposals: {openAtOnce: 1}\ndefaults:\n"), file="fleetsched.yaml")
    fleet.commit(("---\n" + goal, f"---\n{goal}---\n{second}---\n{group}"))
    said = fleet.run("propose", *OFFLINE, code=ExitCode.REFUSED)
    assert "proposal for goal lab-fairness opened" in said
    assert (
        "fleetsched: goal second: open proposals: 1; fleetsched.yaml allows 1\n"
        "  review those first: `fleetsched review list`\n"
    ) in said


NOBODY_KNOWS = "  without it nobody knows what is approved; check the remote and your access to it\n"


def no_remote(fleet: Fleet) -> None:
    git(fleet.folder, "remote", "remove", "origin")


def empty_remote(fleet: Fleet) -> None:
    git(fleet.folder, "init", "--bare", "../empty.git")
    git(fleet.folder, "remote", "set-url", "origin", "../empty.git")


def gone_remote(fleet: Fleet) -> None:
    shutil.rmtree(fleet.folder / "../origin.git")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            no_remote,
            'fleetsched: there is no Git remote "origin"\n  add it: git remote add origin URL\n',
        ),
        (
            empty_remote,
            "fleetsched: cannot fetch main from the Git remote origin"
            f" (couldn't find remote ref refs/heads/main)\n{NOBODY_KNOWS}",
        ),
        (
            gone_remote,
            "fleetsched: cannot fetch main from the Git remote origin"
            f" ('../origin.git' does not appear to be a git repository)\n{NOBODY_KNOWS}",
        ),
    ],
)
def test_without_a_trusted_branch_it_says_what_is_missing(
    fleet: Fleet, spoil: Callable[[Fleet], None], said: str
) -> None:
    spoil(fleet)
    assert fleet.run("propose", *OFFLINE, code=ExitCode.ERROR) == said
    assert fleet.run("review", "list", code=ExitCode.ERROR) == said


def test_without_an_identity_it_says_how_to_set_one(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    git(fleet.folder, "config", "user.useConfigOnly", "true")
    said = fleet.run("propose", *OFFLINE, code=ExitCode.ERROR)
    assert "fleetsched: Git does not know who you are (" in said
    assert "set it: git config --global user.name NAME; git config --global user.email E-MAIL" in said


def test_what_the_checkout_stands_on_does_not_matter(fleet: Fleet) -> None:
    git(fleet.folder, "switch", "--detach")
    fleet.run("propose", *OFFLINE)
    git(fleet.folder, "symbolic-ref", "HEAD", "refs/heads/unborn")
    fleet.run("review", "approve", "lab-fairness")
    assert "next: git pull, then fleetsched plan" in fleet.run("review", "merge", "lab-fairness")


def test_a_shallow_clone_will_do(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.commit(("# The lab's hosts", "# These are the lab's hosts"))
    origin = (fleet.folder / "../origin.git").resolve().as_uri()
    git(fleet.folder.parent, "clone", "--depth=1", origin, "shallow")
    monkeypatch.chdir(fleet.folder.parent / "shallow")
    fleet.run("propose", *OFFLINE)
    fleet.run("review", "approve", "lab-fairness")
    assert "next: fleetsched plan" in fleet.run("review", "merge", "lab-fairness")


def test_a_repository_in_a_folder_of_another_is_proposed_for(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = git(fleet.folder, "ls-files", "-z").rstrip("\0").split("\0")
    (fleet.folder / "deep").mkdir()
    for name in sorted({name.split("/")[0] for name in names}):
        git(fleet.folder, "mv", name, f"deep/{name}")
    git(fleet.folder, "commit", "-m", "deeper")
    git(fleet.folder, "push", "origin", "HEAD:main")
    monkeypatch.chdir(fleet.folder / "deep")
    fleet.run("propose", *OFFLINE)
    assert f"M\tdeep/{MANIFEST}" in fleet.proposed_files()


def test_where_signers_are_asked_for_a_merge_without_a_signature_says_how(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    public = (tmp_path / "key.pub").read_text()
    (tmp_path / "signers").write_text(f'alice@example.invalid namespaces="git" {public}')
    (tmp_path / "config.yaml").write_text(f"trust: {{allowedSigners: {tmp_path / 'signers'}}}\n")
    signing = ("gpg.format=ssh", f"user.signingkey={tmp_path / 'key'}")
    git(fleet.folder, "commit", "--allow-empty", "-S", "-m", "from here on signed", settings=signing)
    git(fleet.folder, "push", "origin", "HEAD:main")
    fleet.run("propose", *OFFLINE)
    fleet.run("review", "approve", "lab-fairness")
    refused = fleet.run("review", "merge", "lab-fairness", code=ExitCode.ERROR)
    assert refused.startswith("fleetsched: Git cannot sign the merge (")
    assert refused.endswith(
        "sign with an allowed key: git config --global gpg.format ssh;"
        " git config --global user.signingkey KEY\n"
    )
    (tmp_path / "gitconfig").write_text(f"[gpg]\nformat = ssh\n[user]\nsigningkey = {tmp_path / 'key'}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    fleet.run("review", "merge", "lab-fairness")
    assert "Revision" in fleet.run("plan", "--state", str(nothing_known(tmp_path)))


def nothing_known(folder: Path) -> Path:
    write_snapshot(folder / "state.json", {})
    return folder / "state.json"
