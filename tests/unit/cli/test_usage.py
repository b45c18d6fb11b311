# SPDX-License-Identifier: Apache-2.0
"""Every command's help, and every wrong use of it: exit code 64 and a message that names the command."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fleetsched.cli.main import command, main
from fleetsched.errors import ExitCode
from tests.unit.cli.commands import ALL, GROUPS, LEAVES, arguments, options

Words = tuple[str, ...]

HEAVY = (
    "elftools",
    "git",
    "importlib.metadata",
    "jinja2",
    "jsonschema",
    "msgspec",
    "paramiko",
    "pydantic",
    "rich",
    "tenacity",
    "yaml",
)


def words(path: Words) -> str:
    return " ".join(("fleetsched", *path))


def refused(path: Words, given: list[str], message: str) -> tuple[list[str], str]:
    return [*path, *given], f"fleetsched: {message}\n  see `{words(path)} --help`\n"


def wrong_uses() -> list[tuple[list[str], str]]:
    """Command lines that no command understands, with what is said to each."""
    found = [refused(path, ["--qqq"], "No such option: --qqq") for path in ALL]
    found += [refused(path, ["no-such"], "No such command 'no-such'.") for path in GROUPS]
    for path, leaf in LEAVES.items():
        needed = [each for each in arguments(leaf) if each.required]
        if needed:
            name = needed[0].display_name_raw
            found.append(refused(path, [], f"Missing argument '{name}'."))
        if all(each.nargs == 1 for each in arguments(leaf)):
            given = ["x" for _ in arguments(leaf)]
            found.append(refused(path, [*given, "extra"], "Got unexpected extra argument(s) (extra)"))
        found += [
            refused(path, [option.opts[0]], f"Option '{option.opts[0]}' requires an argument.")
            for option in options(leaf)
            if not option.is_flag
        ]
    return found


@pytest.mark.parametrize(
    ("given", "said"), wrong_uses(), ids=lambda value: " ".join(value) if isinstance(value, list) else "said"
)
def test_wrong_use_is_64_and_names_the_command(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(given) == ExitCode.USAGE
    assert capsys.readouterr() == ("", said)


NUMBERS = [
    (path, option)
    for path, leaf in LEAVES.items()
    for option in options(leaf)
    if option.type_descriptor.annotation in (int, float)
]


@pytest.mark.parametrize(("path", "option"), NUMBERS, ids=lambda value: str(getattr(value, "name", value)))
def test_a_word_where_a_number_belongs_is_64(
    path: Words, option: object, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["x" for _ in arguments(LEAVES[path])]
    assert main([*path, *given, option.opts[0], "many"]) == ExitCode.USAGE  # type: ignore[attr-defined]
    said = capsys.readouterr().err
    assert said.startswith("fleetsched: Invalid value for '--")
    assert said.endswith(f"\n  see `{words(path)} --help`\n")


@pytest.mark.parametrize("path", GROUPS, ids=words)
def test_a_group_alone_shows_what_there_is_as_an_error(
    path: Words, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(path)) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"Usage: {words(path)} [OPTIONS] COMMAND [ARGS]...\n")


@pytest.mark.parametrize("path", ALL, ids=words)
def test_help_explains_every_option(path: Words, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*path, "--help"]) == ExitCode.OK
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith(f"Usage: {words(path)} ")
    assert max(map(len, said.out.splitlines())) <= 80
    assert [each.name for each in ALL[path].params if not each.help] == []


@pytest.mark.parametrize("name", command().commands)
def test_a_command_is_made_without_those_of_other_files(name: str) -> None:
    made = command(name).commands
    assert name in made
    assert len(made) < len(command().commands)


def test_the_nearest_command_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["statsu"]) == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "fleetsched: No such command 'statsu'. Did you mean 'status'?\n  see `fleetsched --help`\n"
    )


def test_no_help_loads_a_heavy_library() -> None:
    script = (
        "import sys; from fleetsched.cli.main import main\n"
        f"for path in {list(ALL)!r}: assert main([*path, '--help']) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (answer.returncode, answer.stderr) == (0, "[]\n")
