# SPDX-License-Identifier: Apache-2.0
"""The real command as a service: it serves, is woken by a webhook, and ends when asked to."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetsched.cli.main import main
from fleetsched.errors import ExitCode
from tests.unit.reconcile.fleet import NAMES, ReconciledFleet
from tests.unit.reconcile.served import ServedHosts
from tests.unit.reconcile.test_killed import PROJECT, verb_of

pytestmark = pytest.mark.served

CONFIG = """\
trust: {{remote: {remote}}}
reconcile: {{interval: 1h, listen: "127.0.0.1:0", webhookSecret: {{env: HOOK_SECRET}}}}
"""


@dataclass
class Service:
    """A running `fleetsched reconcile` over the fleet's hosts. `seen` is called with what hosts are sent."""

    fleet: ReconciledFleet
    process: subprocess.Popen[str]
    seen: Callable[[str, str], None] = lambda host, verb: None

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read what it says until a line fits."""
        assert self.process.stderr
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} is not in {said}")


@pytest.fixture
def service(fleet: ReconciledFleet) -> Iterator[Service]:
    config = fleet.home / "config.yaml"
    config.write_text(CONFIG.format(remote=fleet.remote), encoding="utf-8")
    socket = fleet.home / "hosts"
    command = [sys.executable, "-m", "tests.unit.reconcile.served", str(socket), "reconcile"]
    options = ["--config", str(config), "--state-folder", str(fleet.home / "state")]
    made: list[Service] = []
    served = ServedHosts(socket, fleet.hosts, lambda host, data: made[0].seen(host, verb_of(data)))
    process = subprocess.Popen(
        [*command, *options],
        cwd=PROJECT,
        env={**os.environ, "HOOK_SECRET": "s3cret-of-hook"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    made.append(Service(fleet, process))
    yield made[0]
    process.kill()
    process.communicate()
    served.close()


def test_it_serves_is_woken_by_a_webhook_and_ends_when_asked(service: Service) -> None:
    port = service.wait_for(r"page and metrics on port (\d+); webhook on")[1]
    service.wait_for("revision [0-9a-f]{12}: done")
    assert service.fleet.slices() == dict.fromkeys(NAMES, 5000)
    service.fleet.commit(("slice_us: 5000", "slice_us: 7000"))

    signature = hmac.new(b"s3cret-of-hook", b"{}", hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/webhook", b"{}", headers)
    urllib.request.urlopen(request, timeout=30).close()

    service.wait_for("applied: goal lab-fairness: fair@[0-9a-f]{8} confirmed on lab-1, lab-2, lab-3")
    assert service.fleet.slices() == dict.fromkeys(NAMES, 7000)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(timeout=60) == ExitCode.OK


def test_asked_to_end_in_mid_rollout_it_ends_the_step_and_leaves_no_lease(service: Service) -> None:
    heard = threading.Event()

    def stop(host: str, verb: str) -> None:
        if (host, verb) == ("lab-1", "watch") and not heard.is_set():
            service.process.send_signal(signal.SIGTERM)
            heard.wait(60)  # the host answers when the wish has arrived, and no sooner

    service.seen = stop
    service.wait_for("fleet: interrupted: this step goes on to its end")
    heard.set()
    assert service.process.wait(timeout=60) == ExitCode.OK

    assert service.fleet.slices() == {"lab-1": 5000, "lab-2": None, "lab-3": None}
    assert [host.lease for host in service.fleet.hosts.values()] == [None] * 3


def test_a_second_one_in_the_same_state_folder_is_refused(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    service.wait_for("page and metrics on port")
    state = service.fleet.home / "state"
    arguments = ["--state-folder", str(state), "--config", str(service.fleet.home / "config.yaml"), "--once"]
    assert main(["reconcile", *arguments]) == ExitCode.ERROR
    assert capsys.readouterr().err == (
        f"fleetsched: another reconciler uses {state}\n  end it, or name another --state-folder\n"
    )


def test_without_an_address_of_the_repository_it_says_what_to_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").touch(mode=0o600)
    arguments = [
        "--state-folder",
        str(tmp_path / "state"),
        "--config",
        str(tmp_path / "config.yaml"),
        "--once",
    ]
    assert main(["reconcile", *arguments]) == ExitCode.USAGE
    assert "give --repository URL, or write the URL there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--once", "--accept-rewound", "abc"], "--accept-rewound wants all hex digits of a commit"),
        (["--accept-rewound", "a" * 40], "--accept-rewound is of one cycle"),
    ],
)
def test_a_branch_that_was_taken_back_is_accepted_once_and_by_its_whole_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["reconcile", "--state-folder", str(tmp_path / "state"), *arguments]) == ExitCode.USAGE
    assert message in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_what_is_accepted_is_kept_before_anything_is_fetched(tmp_path: Path, own_git: None) -> None:
    (tmp_path / "config.yaml").touch(mode=0o600)
    arguments = ["--state-folder", str(tmp_path / "state"), "--config", str(tmp_path / "config.yaml")]
    arguments += ["--repository", str(tmp_path / "nowhere.git"), "--once", "--accept-rewound", "a" * 40]
    assert main(["reconcile", *arguments]) == ExitCode.ERROR
    kept = (tmp_path / "state" / "repository.newest.json").read_text(encoding="utf-8")
    assert json.loads(kept) == {"main": "a" * 40}
