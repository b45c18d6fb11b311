# SPDX-License-Identifier: Apache-2.0
"""Refuse source that reaches for anything but our headers.

A policy's source may come from anybody. Before the compiler sees it, this small lexer makes sure that it
opens no file (`#include`, `#embed`, `.incbin`), asks for none (`__has_include`), and cannot put such a
request together from pieces (`##`, `_Pragma`, escapes in names). Where it and the compiler could read a
text differently, the text is refused: control characters, anything but ASCII outside of comments and
strings, raw strings, and the directives whose rest of the line the compiler takes as it is (`#error`,
`#warning`): a comment would begin here and not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleetsched.errors import BuildError

SOURCE_LIMIT = 256 * 1024
"""Characters of rendered source. The catalogue's largest has 9,000."""

_SHOWN_PROBLEMS = 5

_DIRECTIVES = frozenset({"define", "undef", "if", "ifdef", "ifndef", "elif", "else", "endif"})
_INCLUDE = re.compile(r"\s*<fleetsched/[a-z0-9_]+\.bpf\.h>\s*")
_PRAGMA = re.compile(r"\s*(unroll|clang\s+loop)\b.*")
_LINE = re.compile(r'\s*(\d+)\s+"([^"\\]*)"\s*')

_ASSEMBLY, _QUESTION, _CLOCK = "inline assembly", "a question about files", "the time of the build"
_PRAGMA_WORD = "a pragma in an expression"
_WORDS = {
    "asm": _ASSEMBLY,
    "_asm": _ASSEMBLY,
    "__asm": _ASSEMBLY,
    "__asm__": _ASSEMBLY,
    "_Pragma": _PRAGMA_WORD,
    "__pragma": _PRAGMA_WORD,
    "__has_include": _QUESTION,
    "__has_include_next": _QUESTION,
    "__has_embed": _QUESTION,
    "__DATE__": _CLOCK,
    "__TIME__": _CLOCK,
    "__TIMESTAMP__": _CLOCK,
}

_SPLICE = re.compile(r"\\[ \t]*\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_STRING = r""""(?:[^"\\\n]|\\[^\n])*"?|'(?:[^'\\\n]|\\[^\n])*'?"""
_OUTER = re.compile(rf"(?P<comment>/\*.*?(?:\*/|\Z)|//[^\n]*)|{_STRING}|.", re.DOTALL)
_HASH = re.compile(r"[ \t]*#")
_TOKEN = re.compile(
    rf"(?P<string>{_STRING})|(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<paste>##|%:%:|%:)|(?P<other>.)",
    re.ASCII,
)

Text = list[tuple[str, int, int]]
"""Characters with their line and column."""


def check_source(text: str, shown: str) -> None:
    """Check the rendered source of a policy.

    Args:
        text: the source.
        shown: what messages call it; a `#line` directive may name no other file.

    Raises:
        BuildError: with one line `file:line:column: error: ...` for each thing that is refused.
    """
    if len(text) > SOURCE_LIMIT:
        raise BuildError(f"{shown}: error: {len(text)} characters; at most {SOURCE_LIMIT} are compiled")
    problems = []
    shift = 0
    for line in _logical_lines(_without_comments(_without_splices(text))):
        content = "".join(character for character, _, _ in line)
        moved = _LINE.fullmatch(content.removeprefix("#line")) if content.startswith("#line") else None
        if moved and moved[2] == shown:
            shift = int(moved[1]) - line[0][1] - 1
            continue
        for at, message in _line_problems(content):
            _, number, column = line[at]
            problems.append(f"{shown}:{number + shift}:{column}: error: {message}")
    if problems:
        raise BuildError(
            "\n".join(problems[:_SHOWN_PROBLEMS]),
            remedy="a policy reads only <fleetsched/...> headers; docs/writing-a-policy.md says what else",
        )


def _without_splices(text: str) -> Text:
    """Join lines that end in a backslash."""
    joined: Text = []
    line, column, at = 1, 1, 0
    while at < len(text):
        splice = _SPLICE.match(text, at) if text[at] == "\\" else None
        if splice:
            line, column, at = line + 1, 1, splice.end()
            continue
        joined.append((text[at], line, column))
        line, column = (line + 1, 1) if text[at] == "\n" else (line, column + 1)
        at += 1
    return joined


def _without_comments(text: Text) -> Text:
    """Put one space for each comment. Control characters stay where they are, also those in comments."""
    whole = "".join(character for character, _, _ in text)
    out: Text = []
    for token in _OUTER.finditer(whole):
        if token["comment"] is None:
            out += text[token.start() : token.end()]
            continue
        out.append((" ", *text[token.start()][1:]))
        out += [text[found.start() + token.start()] for found in _CONTROL.finditer(token[0])]
    return out


def _logical_lines(text: Text) -> Iterator[Text]:
    line: Text = []
    for character in text:
        if character[0] != "\n":
            line.append(character)
        elif line:
            yield line
            line = []
    if line:
        yield line


def _line_problems(line: str) -> Iterator[tuple[int, str]]:
    """Yield index and message of everything refused in one line."""
    yield from ((found.start(), f"character {found[0]!r} is refused") for found in _CONTROL.finditer(line))
    start = _HASH.match(line)
    if start:
        message = _directive_problem(line[start.end() :])
        if message:
            yield start.end() - 1, message
    for token in _TOKEN.finditer(line, start.end() if start else 0):
        message = _token_problem(token)
        if message:
            yield token.start(), message


def _directive_problem(rest: str) -> str:
    name, argument = re.fullmatch(r"\s*(\w*)(.*)", rest, re.ASCII).groups()  # type: ignore[union-attr]
    if name == "include":
        allowed = _INCLUDE.fullmatch(argument)
        return "" if allowed else f"#include{argument}: only <fleetsched/NAME.bpf.h> may be included"
    if name == "pragma":
        return "" if _PRAGMA.fullmatch(argument) else f"#pragma{argument}: only `unroll` and `clang loop`"
    return "" if name in _DIRECTIVES else f"#{name or argument.strip()} is refused"


def _token_problem(token: re.Match[str]) -> str:
    text, after = token[0], token.string[token.end() : token.end() + 1]
    if token["word"]:
        if text.endswith("R") and after == '"':
            return "a raw string is refused"
        return f"{text}: {_WORDS[text]} is refused" if text in _WORDS else ""
    if token["paste"]:
        return f"{text}: making words of pieces is refused"
    if token["other"] and (text == "\\" or not text.isascii()):
        return f"character {text!r} is refused outside of comments and strings"
    return ""
