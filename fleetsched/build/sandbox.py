# SPDX-License-Identifier: Apache-2.0
"""Render one template in a process of its own: render.py starts this file, and nothing imports it.

Jinja's sandbox keeps a template from Python's insides and from files. It does not keep it from taking time
and memory without end (`{{ 9 ** (9 ** 9) }}`, loops in loops), so this process has limits of its own, and its
end is no harm.

Standard input: JSON of `text`, `inputs` and `limits`. Standard output: JSON of the rendered `text`, or of an
`error` with its `line`. It imports nothing of fleetsched, because it is started without the caller's search
path.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from types import TracebackType
from typing import Any


def main() -> None:
    """Read, render, answer."""
    asked = json.load(sys.stdin)
    from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    # A first mistake loads what Python and Jinja load late; after the limits nothing can be.
    with contextlib.suppress(UndefinedError):
        environment.from_string("{{ 'text' | tojson }}{{ missing }}").render()
    _limit(asked["limits"])
    answer: dict[str, Any]
    try:
        answer = {"text": environment.from_string(asked["text"]).render(**asked["inputs"])}
    except TemplateSyntaxError as error:
        answer = {"error": str(error.message), "line": error.lineno}
    except MemoryError as error:
        what = f"rendering takes more than {asked['limits']['memory_mib']} MiB"
        answer = {"error": what, "line": _innermost_line(error.__traceback__)}
    except Exception as error:  # the template's author chooses what goes wrong here
        answer = {"error": f"{error}" or type(error).__name__, "line": _innermost_line(error.__traceback__)}
    json.dump(answer, sys.stdout)


def _limit(limits: dict[str, int]) -> None:
    memory = limits["memory_mib"] << 20
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_s"], limits["cpu_s"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Nothing more is opened, started or written, whatever a template finds a way to.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # macOS has no such limit and says so; the limit on time holds there, too.
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _innermost_line(trace: TracebackType | None) -> int:
    """The last line of a template in a traceback."""
    line = 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


if __name__ == "__main__":
    main()
