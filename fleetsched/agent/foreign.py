# SPDX-License-Identifier: Apache-2.0
"""Foreign text on its way to a language model: bounded, without control characters and secrets, as data only.

Names of processes and cgroups, descriptions, logs and lessons are written by whoever can start a process or
write a file. None of it may look like anything but a value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fleetsched.agent.answers import one_line
from fleetsched.secrets import redact

LONGEST_TEXT = 400
LONGEST_ANSWER = 4000  # of a model: what a reviewer still reads
MOST_ENTRIES = 64


def bounded(text: str, longest: int = LONGEST_TEXT) -> str:
    """One line of at most so many letters; what cannot be printed is `?`, secrets are redacted."""
    return one_line(text, longest)


def paragraphs(text: str, longest: int = LONGEST_ANSWER) -> str:
    """The same for a text of several lines, which are kept."""
    # As a whole first: a private key is one only with its first line.
    kept = "\n".join(bounded(line, longest) for line in redact(text).splitlines())
    return kept if len(kept) <= longest else kept[:longest] + " [cut]"


def bounded_values(value: Any, longest: int = LONGEST_TEXT) -> Any:
    """The same for every text in a value of JSON; of a list or mapping the first entries are kept."""
    if isinstance(value, str):
        return bounded(value, longest)
    if isinstance(value, Mapping):
        kept = list(value.items())[:MOST_ENTRIES]
        return {bounded(str(key), longest): bounded_values(inner, longest) for key, inner in kept}
    if isinstance(value, list | tuple):
        return [bounded_values(inner, longest) for inner in value[:MOST_ENTRIES]]
    return value


def as_data(value: Any) -> str:
    """A value as JSON in a block of its own, which nothing within can end: `<` and `>` are escaped."""
    text = json.dumps(bounded_values(value), indent=1)
    return "<data>\n" + text.replace("<", "\\u003c").replace(">", "\\u003e") + "\n</data>"
