# SPDX-License-Identifier: Apache-2.0
"""From a goal to every host and back again: the reconciler on real kernels, seen in a real browser."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.real.conftest import FLEETSCHED, PROJECT, RealLab, wait_until
from tests.real.managed import REMOVE
from tests.real.test_gitops import GOAL, Person, edit

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.lab

ARTIFACTS = PROJECT / "build" / "artifacts"
CHROMIUM = "/usr/bin/chromium"
WIDTHS = {1440: 900, 390: 844}
INTERVAL_S = 2
CHECK = "/etc/fleetsched/checks.d/service"


@dataclass
class Reconciler:
    """A running `fleetsched reconcile`; a thread reads what it says."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        with self.process.stderr as stream:
            for line in stream:
                self.said.append(line)

    def close(self) -> None:
        """End it at once, if it still runs."""
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def wait_for(self, pattern: str, within_s: float = 300) -> re.Match[str]:
        """A line that fits."""

        def found() -> re.Match[str] | None:
            assert self.process.poll() is None, self.said
            return next((match for line in [*self.said] if (match := re.search(pattern, line))), None)

        match = wait_until(found, within_s=within_s, what=f"{pattern!r} in {self.said}")
        assert isinstance(match, re.Match)
        return match

    @property
    def url(self) -> str:
        """Of its status page."""
        port = self.wait_for(r"metrics on port (\d+)")[1]
        return f"http://127.0.0.1:{port}"

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def answering(code: int) -> str:
    """A command that lets the operator's own health check of a host pass or fail."""
    script = f"mkdir -p {CHECK.rpartition('/')[0]} && printf '#!/bin/sh\\nexit {code}\\n' > {CHECK}"
    return f"{script} && chmod 755 {CHECK}"


@pytest.fixture
def alice(lab: RealLab, tmp_path: Path) -> Iterator[Person]:
    """She has a fleet repository with a bare one as its origin; its goal has no policy."""
    lab.ssh_everywhere(f"{REMOVE}rm -rf /etc/fleetsched; {answering(0)}")
    person = Person(tmp_path)
    person.run(FLEETSCHED, "init", person.folder, cwd=tmp_path)
    person.run("git", "init", "-q", "--bare", "-b", "main", tmp_path / "fleet.git", cwd=tmp_path)
    person.git("remote", "add", "origin", str(tmp_path / "fleet.git"))
    manifest = person.folder / "manifests" / "lab.yaml"
    edit(manifest, r"  policy:\n(    .*\n)+", "")
    edit(manifest, r"    - scheduler: \{\}\n", "    - {hostCheck: service, interval: 2s, failures: 1}\n")
    manifest.write_text(manifest.read_text().replace("bake: 15s", "bake: 10s"))
    person.git("add", "--all")
    person.git("commit", "-q", "-m", "Say what the lab is for")
    person.git("push", "-q", "-u", "origin", "main")
    yield person
    lab.ssh_everywhere(f"{REMOVE}rm -rf /etc/fleetsched", check=False)


@pytest.fixture
def reconciler(alice: Person, lab: RealLab, tmp_path: Path) -> Iterator[Reconciler]:
    config = tmp_path / "reconciler.yaml"
    config.write_text(
        f"trust: {{remote: {tmp_path / 'fleet.git'}, allowedSigners: {tmp_path / 'allowed_signers'}}}\n"
        f"reconcile: {{interval: {INTERVAL_S}s, listen: '127.0.0.1:0'}}\n",
        encoding="utf-8",
    )
    options = ["--config", config, "--inventory", lab.inventory, "--state-folder", tmp_path / "reconciler"]
    process = subprocess.Popen([FLEETSCHED, "reconcile", *options], stderr=subprocess.PIPE, text=True)
    running = Reconciler(process)
    yield running
    running.close()


@pytest.fixture
def browser_pages() -> Iterator[dict[int, Page]]:
    """A page of a real browser by its width, in which no script fails and nothing is refused."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        complaints: list[str] = []
        pages = {
            width: browser.new_page(viewport={"width": width, "height": height})
            for width, height in WIDTHS.items()
        }
        for page in pages.values():
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
        yield pages
        browser.close()
        assert complaints == []


def photograph(pages: dict[int, Page], url: str, path: str, name: str, text: str) -> None:
    """Wait until the page says this, and keep what it looks like."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    for width, page in pages.items():
        page.goto(f"{url}{path}")
        page.get_by_text(text).first.wait_for(timeout=60_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=ARTIFACTS / f"status-page-{name}-{width}.png", full_page=True)


def push(alice: Person, slice_us: int) -> str:
    """Commit another parameter, as a merge would."""
    alice.git("pull", "-q", "--ff-only", "origin", "main")
    manifest = alice.folder / "manifests" / "lab.yaml"
    edit(manifest, r"(?m)^  policy: .*$", f"  policy: {{name: fair, parameters: {{slice_us: {slice_us}}}}}")
    alice.git("commit", "-q", "-am", f"Slices of {slice_us} us")
    alice.git("push", "-q", "origin", "main")
    return alice.git("rev-parse", "HEAD").strip()


def test_a_merged_proposal_reaches_every_host_and_what_fails_comes_back(
    alice: Person, lab: RealLab, reconciler: Reconciler, browser_pages: dict[int, Page]
) -> None:
    reconciler.wait_for("nothing to do: .* unbound")
    assert lab.ssh(lab.hosts[0], "cat /sys/kernel/sched_ext/state").strip() == "disabled"

    alice.fleetsched("propose", "--offline", "--unmeasured")
    alice.fleetsched("review", "approve", GOAL)
    alice.fleetsched("review", "merge", GOAL)

    assert reconciler.wait_for(r"^(\S+): confirmed:")[1] == lab.hosts[0]
    reconciler.wait_for(rf"applied: goal {GOAL}: \S+ confirmed on {', '.join(lab.hosts)}")
    states = "cat /sys/kernel/sched_ext/state"
    assert [lab.ssh(host, states).strip() for host in lab.hosts] == ["enabled"] * len(lab.hosts)
    photograph(browser_pages, reconciler.url, "/", "overview", "3 ✓ as wanted")

    lab.ssh(lab.hosts[2], "echo S > /proc/sysrq-trigger")
    reconciler.wait_for(rf"healed: goal {GOAL}: \S+ healed on {lab.hosts[2]}")
    assert lab.ssh(lab.hosts[2], states).strip() == "enabled"

    lab.ssh(lab.hosts[1], answering(1))
    failing = push(alice, 7000)
    reconciler.wait_for(rf"rolled-back: goal {GOAL}: failed on {lab.hosts[1]}; every host runs what it ran")
    cycles = reconciler.metric("fleetsched_cycles_total")
    wait_until(
        lambda: reconciler.metric("fleetsched_cycles_total") >= cycles + 3, within_s=300, what="3 intervals"
    )
    assert reconciler.metric('fleetsched_rollouts_total{result="rolled-back"}') == 1
    shown = alice.fleetsched("review", "show", GOAL)
    assert re.search(rf"reported .* rolled-back at {failing[:12]}: failed on {lab.hosts[1]}", shown), shown
    alice.git("fetch", "-q", "origin", "refs/notes/fleetsched:refs/notes/fleetsched")
    assert '"kind": "rolled-back"' in alice.git("notes", "--ref=fleetsched", "show", failing)
    photograph(browser_pages, reconciler.url, "/held", "held", "failed on")

    lab.ssh(lab.hosts[1], answering(0))
    push(alice, 8000)
    wait_until(
        lambda: (
            reconciler.metric('fleetsched_hosts{condition="as wanted"}') == len(lab.hosts)
            and reconciler.metric('fleetsched_rollouts_total{result="ok"}') >= 3
        ),
        within_s=300,
        what="the new commit on every host",
    )
    photograph(browser_pages, reconciler.url, "/history", "history", "rolled-back")
    reconciler.process.send_signal(signal.SIGTERM)
    assert reconciler.process.wait(timeout=300) == 0
