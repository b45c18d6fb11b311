# SPDX-License-Identifier: Apache-2.0
"""A policy's folder and a variant's inputs to C source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from fleetsched.errors import BuildError

_TAG_END = re.compile(r"[%#]}")


def source_file(policy_dir: Path) -> Path:
    """Find the one source of a policy.

    Raises:
        BuildError: there is none, or there are two.
    """
    name = policy_dir.name
    found = [file for end in ("", ".j2") if (file := policy_dir / f"{name}.bpf.c{end}").is_file()]
    if len(found) != 1:
        wanted = f"policies/{name}/{name}.bpf.c or {name}.bpf.c.j2"
        raise BuildError(f"policy {name!r}: expected one source, {wanted}, found {len(found) or 'none'}")
    return found[0]


def shown_name(policy_dir: Path) -> str:
    """What messages and objects call the source: its path in the fleet repository."""
    return f"policies/{policy_dir.name}/{source_file(policy_dir).name}"


def render(policy_dir: Path, variant_inputs: Mapping[str, Any]) -> str:
    """Return the C source of one variant.

    A template is rendered in Jinja's sandbox, with an error for every name that is not defined. The result
    carries `#line` directives, so that the compiler's messages name the template's own lines.

    Raises:
        BuildError: no source, not UTF-8, inputs without a template, or the template is wrong, with its line.
    """
    file, shown = source_file(policy_dir), shown_name(policy_dir)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BuildError(f"{shown}: error: not UTF-8 (byte {error.start})") from error
    if file.suffix != ".j2":
        if variant_inputs:
            raise BuildError(
                f"{shown}: a variant has inputs ({', '.join(variant_inputs)}), and the source is no template",
                remedy=f"rename the source to {file.name}.j2",
            )
        return text
    return _render_template(text, shown, variant_inputs)


def _render_template(text: str, shown: str, inputs: Mapping[str, Any]) -> str:
    from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    try:
        return environment.from_string(_with_lines(text, shown)).render(**inputs)
    except TemplateSyntaxError as error:
        line = _template_line(text, shown, error.lineno)
        raise BuildError(f"{shown}:{line}: error: {error.message}") from error
    except (TemplateError, SecurityError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        line = _template_line(text, shown, _innermost_line(error.__traceback__))
        raise BuildError(f"{shown}:{line}: error: {error}") from error


def _with_lines(text: str, shown: str) -> str:
    """Add a `#line` directive before the first line and after each line where a block tag or comment ends.

    Only there does the number of rendered lines differ from the template's. Not after a line that ends in a
    backslash: a directive cannot stand inside a macro.
    """
    out = [f'#line 1 "{shown}"']
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        out.append(line)
        if _TAG_END.search(line) and not line.endswith("\\") and number < len(lines):
            out.append(f'#line {number + 1} "{shown}"')
    return "\n".join(out)


def _template_line(text: str, shown: str, line: int) -> int:
    """The line of the template that is `line` in what `_with_lines` made of it."""
    added = [i for i, each in enumerate(_with_lines(text, shown).split("\n"), 1) if each.startswith("#line ")]
    return max(line - sum(1 for number in added if number <= line), 1)


def _innermost_line(trace: TracebackType | None) -> int:
    """The last line of a template in a traceback."""
    line = 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
