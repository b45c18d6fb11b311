# SPDX-License-Identifier: Apache-2.0
"""`fleetsched hosts`: host keys, and whether hosts can be managed."""

from __future__ import annotations

import typer

app = typer.Typer(help="Host keys, and whether hosts can be managed.", no_args_is_help=True)
