# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetsched.build.compiler import compile_source, find_compiler
from fleetsched.build.confinement import SOURCE_LIMIT, check_source
from fleetsched.build.include import read_headers
from fleetsched.errors import BuildError

SHOWN = "policies/x/x.bpf.c"


def refusal(text: str) -> str:
    with pytest.raises(BuildError) as caught:
        check_source(text, SHOWN)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '#include "/etc/passwd"',
            '1:1: error: #include "/etc/passwd": only <fleetsched/NAME.bpf.h> may be included',
        ),
        (
            "#include </etc/passwd>",
            "1:1: error: #include </etc/passwd>: only <fleetsched/NAME.bpf.h> may be included",
        ),
        (
            "#include <fleetsched/../../x.bpf.h>",
            "1:1: error: #include <fleetsched/../../x.bpf.h>: only <fleetsched/NAME.bpf.h> may be included",
        ),
        (
            "#define F </etc/passwd>\n#include F",
            "2:1: error: #include F: only <fleetsched/NAME.bpf.h> may be included",
        ),
        (
            '  # /* */ include /* */ "x"',
            '1:3: error: #include   "x": only <fleetsched/NAME.bpf.h> may be included',
        ),
        ('#inc\\\nlude "x"', '1:1: error: #include "x": only <fleetsched/NAME.bpf.h> may be included'),
        ('/* a\nb */ #include "x"', '2:6: error: #include "x": only <fleetsched/NAME.bpf.h> may be included'),
        ('#include_next "x"', "1:1: error: #include_next is refused"),
        ('#import "x"', "1:1: error: #import is refused"),
        ('#embed "/etc/passwd"', "1:1: error: #embed is refused"),
        ("#error /*\n#endif", "1:1: error: #error is refused"),
        ("#warning /*\nint x;", "1:1: error: #warning is refused"),
        ('#line 1 "/etc/passwd"', "1:1: error: #line is refused"),
        ('# 1 "/etc/passwd"', "1:1: error: #1 is refused"),
        (
            '#pragma GCC dependency "x"',
            '1:1: error: #pragma GCC dependency "x": only `unroll` and `clang loop`',
        ),
        ('#if __has_include("x")', "1:5: error: __has_include: a question about files is refused"),
        ('#if __has_embed("x")', "1:5: error: __has_embed: a question about files is refused"),
        ('asm(".incbin \\"x\\"");', "1:1: error: asm: inline assembly is refused"),
        ('__as\\\nm__("x");', "1:1: error: __asm__: inline assembly is refused"),
        ('int a; _Pragma("x")', "1:8: error: _Pragma: a pragma in an expression is refused"),
        ("#define J(a, b) a##b", "1:18: error: ##: making words of pieces is refused"),
        ("#define J(a, b) a%:%:b", "1:18: error: %:%:: making words of pieces is refused"),
        ('%:include "x"', "1:1: error: %:: making words of pieces is refused"),
        ("int \\u0061sm;", "1:5: error: character '\\\\' is refused outside of comments and strings"),
        ("\ufeff#include <x>", "1:1: error: character '\\ufeff' is refused outside of comments and strings"),
        ("\u00a0#include <x>", "1:1: error: character '\\xa0' is refused outside of comments and strings"),
        ("// hidden\rasm", "1:10: error: character '\\r' is refused"),
        ('"a\0b"', "1:3: error: character '\\x00' is refused"),
        ('char *s = R"(" asm )";', "1:11: error: a raw string is refused"),
        ('char *s = u8R"(" asm )";', "1:11: error: a raw string is refused"),
        ('"unterminated\nasm', "2:1: error: asm: inline assembly is refused"),
        ("'\nasm", "2:1: error: asm: inline assembly is refused"),
        ("char *when = __TIME__;", "1:14: error: __TIME__: the time of the build is refused"),
    ],
)
def test_what_reaches_outside_is_refused_with_its_place(text: str, message: str) -> None:
    assert f"{SHOWN}:{message}" in refusal(text).split("\n")


@pytest.mark.parametrize(
    "text",
    [
        "#include <fleetsched/policy.bpf.h>",
        "#include <fleetsched/policy.bpf.h> // asm, ü",
        "/* #include </etc/passwd>\n asm */ int x;",
        'char *s = "asm #include </etc/passwd> \\" ü";',
        "#define TWO 2\n#if TWO > 1\nint x;\n#endif",
        "#pragma unroll\n#pragma clang loop unroll(full)",
        "int asmx = 1 ? 'a' : '\\'';",
        f'#line 7 "{SHOWN}"',
    ],
)
def test_ordinary_source_is_accepted(text: str) -> None:
    check_source(text, SHOWN)


def test_all_mistakes_are_named_but_no_flood() -> None:
    assert refusal("asm\n" * 9).split("\n") == [
        f"{SHOWN}:{line}:1: error: asm: inline assembly is refused" for line in range(1, 6)
    ]


def test_messages_name_the_templates_lines() -> None:
    assert (
        refusal(f'#line 40 "{SHOWN}"\nint x;\nasm;')
        == f"{SHOWN}:41:1: error: asm: inline assembly is refused"
    )


def test_source_too_long_is_refused() -> None:
    assert (
        refusal(" " * (SOURCE_LIMIT + 1)) == f"{SHOWN}: error: 262145 characters; at most 262144 are compiled"
    )


DIRECTIVES = [
    "#",
    "%:",
    "include",
    "embed",
    "if",
    "endif",
    "error",
    "warning",
    "pragma",
    "line 1",
    "define A",
    "A",
]
FILES = [
    '"SECRET"',
    "<SECRET>",
    '(".incbin \\"SECRET\\"");',
    "asm",
    "__asm__",
    "__has_include",
    "_Pragma",
    "##",
]
HIDING = [
    "/*",
    "*/",
    "//",
    '"',
    "'",
    "R",
    "u8",
    "\\",
    "\\\n",
    "\\ \n",
    "??/\n",
    "\r",
    "\f",
    "\0",
    "\ufeff",
    "<:",
]
PIECES = st.sampled_from([*DIRECTIVES, *FILES, *HIDING, " ", "\n", "(", ")", "0", "int x;"])


@settings(max_examples=80, deadline=None)
@given(pieces=st.lists(PIECES, max_size=14))
def test_no_accepted_source_reads_a_file(pieces: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.getbasetemp() / "secret.h"
    secret.write_text("char found_the_secret[] = found_the_secret;\n")
    text = "".join(pieces).replace("SECRET", str(secret))
    try:
        compiled = compile_source(text, SHOWN, read_headers(), find_compiler())
    except BuildError as error:
        assert "found_the_secret" not in error.message  # noqa: PT017
    else:
        assert b"found_the_secret" not in compiled.image


def test_nothing_of_the_callers_environment_adds_a_place_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fleetsched").mkdir()
    (tmp_path / "fleetsched" / "extra.bpf.h").write_text("int extra;\n")
    monkeypatch.setenv("CPATH", str(tmp_path))
    monkeypatch.setenv("C_INCLUDE_PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"1:10: fatal error: 'fleetsched/extra.bpf.h' file not found"):
        compile_source("#include <fleetsched/extra.bpf.h>", SHOWN, read_headers(), find_compiler())
