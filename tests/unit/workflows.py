# SPDX-License-Identifier: Apache-2.0
"""Runs a workflow's steps as a runner would, with expressions replaced and foreign programs stubbed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]

# `python3 -m venv` makes no environment: its pip writes down what it is asked for, its fleetsched is ours.
_PYTHON = """#!/bin/sh
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "$@" >> "%s/pip.log"\\n' "$3" > "$3/bin/pip"
printf '#!/bin/sh\\nPYTHONPATH={project} exec {python} -m fleetsched "$@"\\n' > "$3/bin/fleetsched"
chmod +x "$3/bin/pip" "$3/bin/fleetsched"
"""
_NOTHING = '#!/bin/sh\necho "$0 $@" >> "$RUNNER_TEMP/stubs.log"\n'


@dataclass
class Done:
    """What a step came to."""

    name: str
    code: int
    output: str


@dataclass
class Runner:
    """A runner's folders, and the values of expressions.

    Attributes:
        expressions: by what stands between `${{` and `}}`; one that is missing is a mistake of the test.
        stubs: names of programs that only write down that they were called.
    """

    folder: Path
    expressions: dict[str, str]
    stubs: tuple[str, ...] = ("sudo",)
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, file: Path) -> list[Done]:
        """Run a workflow's only job, or a composite action; the first failure ends it."""
        document = yaml.safe_load(file.read_text())
        steps = document["runs"]["steps"] if "runs" in document else self._job(document)["steps"]
        for name in ("temp", "work", "bin", "home"):
            (self.folder / name).mkdir(exist_ok=True)
        self._stub("python3", _PYTHON.format(project=PROJECT, python=sys.executable))
        for name in self.stubs:
            self._stub(name, _NOTHING)
        done: list[Done] = []
        for step in steps:
            failed = bool(done) and done[-1].code != 0
            condition = str(step.get("if", "true" if not failed else "false"))
            if self._value(condition) == "true":
                done.append(self._step(step))
            assert "uses" not in step, "a step that cannot be run here"
        return done

    @staticmethod
    def _job(document: dict[str, Any]) -> dict[str, Any]:
        (job,) = document["jobs"].values()
        return dict(job)

    def _value(self, text: str) -> str:
        return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda found: self.expressions[found[1]], text)

    def _stub(self, name: str, script: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(script)
        file.chmod(0o755)

    def _step(self, step: dict[str, Any]) -> Done:
        given = {name: self._value(str(value)) for name, value in step.get("env", {}).items()}
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GIT_CONFIG_NOSYSTEM": "1",
            **self.environment,
            **given,
        }
        assert "${{" not in step["run"], "an expression in a script could be made to run anything"
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder / "work", env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return Done(step.get("name", step.get("id", "")), done.returncode, done.stdout + done.stderr)
