# SPDX-License-Identifier: Apache-2.0
"""Where everything that commands print leaves: what looks like a secret, or is one, does not."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import typer

from fleetsched.secrets import redact, redact_values


def say(text: str) -> None:
    """Print text on standard output."""
    typer.echo(redact(text))


def complain(text: str) -> None:
    """Print text on standard error."""
    typer.echo(redact(text), err=True)


def say_record(record: Mapping[str, Any]) -> None:
    """Print a record as one line of JSON, at once."""
    typer.echo(json.dumps(redact_values(record)))
    sys.stdout.flush()
