# SPDX-License-Identifier: Apache-2.0
"""The published JSON Schemas (draft 2020-12) of every file that a person writes and of the helper's messages.

A schema's name comes in; the schema goes out. Anyone may call it. `title` says what is expected, in the words
of an error message; `x-refused` is the message for what the schema knows and this version cannot carry out.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def load(name: str) -> dict[str, Any]:
    """Read a schema by the name of its file without `.json`. The value is shared: do not change it."""
    text = resources.files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
