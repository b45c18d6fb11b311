# SPDX-License-Identifier: Apache-2.0
"""A real Pagure on loopback: Debian trixie's package in a root of its own, gone with the tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

_PACKAGES = "pagure,redis-server,git,ca-certificates"
_LIMIT_S = 180


@dataclass(frozen=True)
class Server:
    """Where it is, and a token of the project by user: `bot` and `alice`."""

    url: str
    tokens: dict[str, str]

    def git_url(self, user: str) -> str:
        """The project's URL for Git."""
        return self.url.replace("://", f"://{user}:password-of-{user}@") + "/acme/fleet.git"


def root() -> Path:
    """The root with Pagure in it, made once (some minutes, 500 MB)."""
    folder = platformdirs.user_cache_path("fleetsched") / "forges" / "pagure-trixie"
    if not (folder / "usr/share/pagure").is_dir():
        made = folder.with_name("pagure-trixie.new")
        shutil.rmtree(made, ignore_errors=True)
        made.parent.mkdir(parents=True, exist_ok=True)
        plain = "--aptopt=APT::Install-Recommends false"
        command = [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={_PACKAGES}",
            plain,
            "trixie",
            made,
        ]
        subprocess.run(command, check=True)
        made.rename(folder)
    return folder


@contextmanager
def running(log: Path) -> Iterator[Server]:
    """Run it in namespaces of its own: whatever it starts, and mounts, ends with it."""
    folder = root()
    shutil.copy(Path(__file__).with_name("pagure_serve.py"), folder / "srv" / "serve.py")
    mounts = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev"'
    script = f'{mounts} && exec chroot "$0" python3 /srv/serve.py "$@"'
    inside = ["sh", "-c", script, str(folder), str(_port()), str(_port())]
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    with log.open("w") as errors, (log.with_suffix(".out")).open("w") as output:
        process = subprocess.Popen(
            [*unshare, *inside], stdout=output, stderr=errors, env={"PATH": os.environ["PATH"]}
        )
    try:
        yield _answer(process, log)
    finally:
        process.send_signal(signal.SIGKILL)  # it ignores SIGTERM; its child is killed with it
        process.wait()


def _answer(process: subprocess.Popen[bytes], log: Path) -> Server:
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.with_suffix(".out").read_text().splitlines():
            if line.startswith("{"):
                return Server(**json.loads(line))
        time.sleep(0.2)
    raise AssertionError(f"Pagure does not answer: {log.read_text()[-2000:]}")


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
