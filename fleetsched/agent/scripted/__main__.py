# SPDX-License-Identifier: Apache-2.0
"""Serve one script: `python -m fleetsched.agent.scripted [--port N] SCRIPT.yaml`, until Ctrl-C or SIGTERM.

Exit codes: 0 = every turn was played and every request fitted; 1 = not so, or no script.
"""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import suppress
from pathlib import Path

from fleetsched.agent.scripted.script import read_script
from fleetsched.agent.scripted.server import ScriptedServer
from fleetsched.errors import ExitCode, FleetschedError


def main(arguments: list[str]) -> ExitCode:
    """Parse, serve, and say what did not fit."""
    parser = argparse.ArgumentParser(prog="python -m fleetsched.agent.scripted", description=__doc__)
    parser.add_argument("script", type=Path)
    parser.add_argument("--port", type=int, default=0, help="0 = any that is free")
    given = parser.parse_args(arguments)
    try:
        server = ScriptedServer(read_script(given.script), given.port, say=_say)
    except (FleetschedError, OSError) as error:
        _say(str(error))
        return ExitCode.ERROR
    # Also for who started it in the background, where a shell has SIGINT ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        sys.stdout.write(f"export ANTHROPIC_BASE_URL={server.url}\n")
        sys.stdout.flush()
        server.serve()
    if not server.done:
        _say("not every turn was played")
    return ExitCode.OK if server.done and not server.mismatches else ExitCode.ERROR


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
