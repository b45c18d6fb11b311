# SPDX-License-Identifier: Apache-2.0
"""What the Tab key offers, as bash asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fleetsched.cli.main import main

FLEETSCHED = Path(sys.executable).with_name("fleetsched")
CATALOGUE = sorted(file.parent.name for file in Path(__file__).parents[3].glob("policies/*/policy.yaml"))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet repository with a mistake in it, which no completion may care for."""
    for name, text in {
        "fleetsched.yaml": "apiVersion: fleetsched/v1\n",
        "inventory/hosts.yaml": "web: {children: {front: {hosts: {'web-[1:3]': }}}}\ndb: {hosts: {db-1: }}\n",
        "inventory/dynamic.yaml": "#!/bin/sh\n",
        "manifests/web.yaml": (
            "{kind: WorkloadGoal, metadata: {name: latency}}\n---\n"
            "{kind: WorkloadGoal, metadata: {name: throughput}}\n---\n"
            "{kind: HostGroup, metadata: {name: web}, spec: [wrong]}\n"
        ),
        "manifests/broken.yaml": "kind: [\n",
        "policies/mine/policy.yaml": "\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is offered for the last word of a line."""
    words = line.split(" ")
    monkeypatch.setenv("_FLEETSCHED_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit):
        main([])
    said = capsys.readouterr()
    assert said.err == ""
    return said.out.split()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("fleetsched pl", ["plan"]),
        ("fleetsched policy ", ["list", "show", "add"]),
        ("fleetsched policy add ", CATALOGUE),
        ("fleetsched policy add inter", ["interactive"]),
        ("fleetsched plan --limit ", ["web", "front", "web-[1:3]", "db", "db-1"]),
        ("fleetsched plan --limit db-", ["db-1"]),
        ("fleetsched plan --group ", ["web"]),
        ("fleetsched plan --det", ["--detailed-exitcode"]),
        ("fleetsched propose ", ["latency", "throughput"]),
        ("fleetsched propose latency t", ["throughput"]),
        ("fleetsched review show l", ["latency"]),
        ("fleetsched review show latency ", []),
        ("fleetsched lock ", ["mine"]),
        ("fleetsched plan -C /no/such/folder --limit ", []),
    ],
)
def test_names_of_the_repository_are_offered(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    names: list[str],
) -> None:
    assert offered(line, monkeypatch, capsys) == names


def test_the_repository_that_the_line_names_is_the_one_that_is_read(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir("/")
    assert offered("fleetsched plan --group ", monkeypatch, capsys) == []
    assert offered(f"fleetsched plan -C {repository} --group ", monkeypatch, capsys) == ["web"]


def test_the_script_for_bash_completes_a_command() -> None:
    script = (
        "source <(fleetsched --show-completion); COMP_WORDS=(fleetsched pl); COMP_CWORD=1; "
        '"$(complete -p fleetsched | sed -E "s/.*-F ([^ ]+) .*/\\1/")" fleetsched; echo "${COMPREPLY[@]}"'
    )
    path = f"{FLEETSCHED.parent}:{os.environ['PATH']}"
    answer = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=60, env={**os.environ, "PATH": path}
    )
    assert (answer.stdout, answer.stderr) == ("plan\n", "")


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o default -F _fleetsched_completion fleetsched"),
        ("zsh", "compdef _fleetsched_completion fleetsched"),
        ("fish", "complete --command fleetsched --no-files"),
    ],
)
def test_every_shell_has_a_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str, line: str
) -> None:
    monkeypatch.setenv("_FLEETSCHED_COMPLETE", f"source_{shell}")
    with pytest.raises(SystemExit):
        main([])
    assert line in capsys.readouterr().out
