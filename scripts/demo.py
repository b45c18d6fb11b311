# SPDX-License-Identifier: Apache-2.0
"""The main job on a lab of three real virtual machines: `make demo`.

Every line that begins with `$` is a command that a user could type; what follows is its real output. The
demo checks what it claims against the hosts' own kernels, and fails when anything is not as it should be.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).with_name("fleetsched")
LAB = "demo"
HOSTS = ("lab-1", "lab-2", "lab-3")
GIT = ["git", "-c", "user.name=Demo", "-c", "user.email=demo@example.invalid", "-c", "commit.gpgsign=false"]


class DemoError(Exception):
    """Something was not as the demo says."""


def say(text: str) -> None:
    """Explain the next step."""
    print("\n" + textwrap.fill(text, 80, initial_indent="# ", subsequent_indent="# "), flush=True)


def run(folder: Path, *arguments: str, expect: int = 0) -> str:
    """Run one `fleetsched` command in sight of the user and return what it printed."""
    print(f"\n$ fleetsched {shlex.join(arguments)}", flush=True)
    process = subprocess.Popen(
        [COMMAND, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        print(line, end="", flush=True)
        printed.append(line)
    if (code := process.wait()) != expect:
        raise DemoError(f"`fleetsched {shlex.join(arguments)}` returned {code}, expected {expect}")
    if expect:
        print(f"(exit code {code})", flush=True)
    return "".join(printed)


def git(folder: Path, *arguments: str) -> None:
    """Run one Git command quietly."""
    subprocess.run([*GIT, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def kernel_states(folder: Path) -> dict[str, dict[str, Any]]:
    """What each host's own kernel says about sched_ext."""
    answer = subprocess.run(
        [COMMAND, "status", "--json"], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    records = map(json.loads, answer.stdout.splitlines())
    return {record["host"]: record["status"]["kernel"] for record in records if record["type"] == "host"}


def check(truth: bool, claim: str) -> None:
    """State a claim about the hosts' kernels; it must be true."""
    if not truth:
        raise DemoError(f"not true: {claim}")
    print(f"  checked: {claim}", flush=True)


def make_fleet(folder: Path) -> None:
    """A new fleet repository, committed and pushed to the remote that the controller trusts."""
    run(folder.parent, "init", str(folder))
    origin = folder.with_suffix(".git")
    git(folder.parent, "init", "-q", "--bare", "-b", "main", str(origin))
    git(folder, "remote", "add", "origin", str(origin))
    publish(folder, "Run the fair policy on the lab")


def publish(folder: Path, message: str) -> None:
    """Commit everything and push it: in this demo, the merge that approves a revision."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    git(folder, "push", "-q", "origin", "HEAD:main")


def bind_stalling_policy(folder: Path) -> None:
    """The second revision: bind the goal to a policy that never runs some tasks."""
    shutil.copytree(PROJECT / "tests" / "policies" / "stall", folder / "policies" / "stall")
    (folder / "policies" / "stall" / "policy.lock.yaml").unlink(missing_ok=True)
    run(folder, "lock", "stall")
    manifest = folder / "manifests" / "lab.yaml"
    text = manifest.read_text(encoding="utf-8")
    changed = re.sub(r"name: fair\n +parameters: .*\n", "name: stall\n", text)
    if changed == text:
        raise DemoError(f"{manifest} does not bind the policy `fair`")
    manifest.write_text(changed, encoding="utf-8")
    publish(folder, "Try another policy")


def first_revision(folder: Path) -> None:
    """Plan, apply, look."""
    say("What would change? Nothing is on the hosts yet, not even the helper.")
    run(folder, "plan", "--detailed-exitcode", expect=2)
    say("Roll it out: one canary first, watched and confirmed, then the others.")
    run(folder, "apply", "--yes")
    run(folder, "status")
    for host, kernel in kernel_states(folder).items():
        check(
            kernel["state"] == "enabled" and kernel["ops"] == "fair",
            f"{host}'s kernel says enabled, and the policy is {kernel['ops']}",
        )
    run(folder, "plan", "--detailed-exitcode")


def second_revision(folder: Path) -> None:
    """Apply a policy that stalls, and see it undone."""
    say("A second revision binds a policy that stalls: it attaches well, then forgets to run some tasks.")
    bind_stalling_policy(folder)
    before = kernel_states(folder)
    run(folder, "plan")
    said = run(folder, "apply", "--yes", expect=3)
    check("runnable task stall" in said, "the kernel's own exit reason, `runnable task stall`, was shown")
    after = kernel_states(folder)
    canary, *others = HOSTS
    check(
        after[canary]["state"] == "enabled" and after[canary]["ops"] == "fair",
        f"{canary}, the canary, is back on the policy fair by itself",
    )
    for host in others:
        check(
            after[host]["enable_seq"] == before[host]["enable_seq"],
            f"{host} was never touched: enable_seq is still {after[host]['enable_seq']}",
        )
    say("The failed assignment is held: it is not tried again until it changes or someone says so.")
    run(folder, "plan")


def main() -> int:
    """Run the demo; the lab is taken down at its end unless KEEP is set."""
    keep = bool(os.environ.get("KEEP"))
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="fleetsched-demo-")) / "fleet"
    try:
        say("A new fleet repository, pushed to its trusted remote.")
        make_fleet(folder)
        say("Three Debian machines on this computer, each with its own kernel.")
        run(folder, "lab", "up", "--name", LAB, "--hosts", str(len(HOSTS)))
        first_revision(folder)
        second_revision(folder)
        print(f"\nThe demo took {time.monotonic() - started:.0f} s.", flush=True)
    except DemoError as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    finally:
        leave(folder, keep=keep)
    return 0


def leave(folder: Path, *, keep: bool) -> None:
    """Take everything down, or say how to go on."""
    if keep:
        print(f"\nThe lab is still up. Go on with:\n  cd {folder}\n  {COMMAND} status")
        print(f"Take it down with:\n  {COMMAND} lab down --name {LAB}\n  rm -r {folder.parent}")
        return
    subprocess.run([COMMAND, "lab", "down", "--name", LAB], cwd=PROJECT, check=False)
    shutil.rmtree(folder.parent, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
