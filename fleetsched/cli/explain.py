# SPDX-License-Identifier: Apache-2.0
"""`fleetsched explain`: what may be written in which file."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def explain(
    path: Annotated[
        str | None,
        typer.Argument(metavar="KIND[.FIELD]", help="Such as goal.policy; or metrics, or features."),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of the kind.")] = False,
) -> None:
    """Explain a file's fields: type, meaning, default, limits."""
    import json

    from fleetsched import schemas
    from fleetsched.operations import explain as operation
    from fleetsched.views.explain import features_text, field_text, kinds_text, metrics_text

    if path is None:
        typer.echo(kinds_text(operation.kinds()))
    elif path == "metrics":
        typer.echo(metrics_text())
    elif path == "features":
        typer.echo(features_text())
    else:
        found = operation.explain(path)
        if schema:
            name = operation.KINDS[found.path.partition(".")[0]]
            typer.echo(json.dumps(schemas.load(name), indent=2))
        else:
            typer.echo(field_text(found.path, found.schema, required=found.required))
