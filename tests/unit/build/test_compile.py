# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from fleetsched.build import compiler, policy
from fleetsched.build.compiler import Compiler, compile_source
from fleetsched.build.include import read_headers
from fleetsched.build.policy import compile_policy
from fleetsched.errors import BuildError
from tests.unit.build.conftest import MINIMAL, MakePolicy


def test_digests_are_equal_in_two_paths(make_policy: MakePolicy, tmp_path: Path) -> None:
    here = compile_policy(make_policy(under="one"), {}, cache=tmp_path / "a")
    there = compile_policy(make_policy(under="elsewhere/and/deeper"), {}, cache=tmp_path / "b")
    assert here == there
    assert here.digest == hashlib.sha256(here.image).hexdigest()
    assert str(tmp_path).encode() not in here.image


def test_one_line_more_makes_another_object(make_policy: MakePolicy, cache: Path) -> None:
    first = compile_policy(make_policy(), {}, cache=cache)
    second = compile_policy(make_policy(MINIMAL.replace("5000", "5001")), {}, cache=cache)
    assert first.digest != second.digest


def test_the_headers_used_are_known(make_policy: MakePolicy, cache: Path) -> None:
    names = ("bpf", "enums", "kfuncs", "policy", "types")
    assert compile_policy(make_policy(), {}, cache=cache).headers == tuple(
        f"bpf/include/fleetsched/{name}.bpf.h" for name in names
    )


def test_second_time_the_compiler_does_not_run(
    make_policy: MakePolicy, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compile_policy(make_policy(), {}, cache=cache)
    version = compiler.find_compiler().version
    monkeypatch.setattr(policy, "find_compiler", lambda: Compiler(Path("/nowhere"), version))
    assert compile_policy(make_policy(), {}, cache=cache) == first


def test_another_compiler_does_not_use_the_cache(
    make_policy: MakePolicy, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_policy(make_policy(), {}, cache=cache)
    monkeypatch.setattr(policy, "find_compiler", lambda: Compiler(Path("/nowhere"), "0.0.1"))
    with pytest.raises(BuildError, match="the compiler ended with status 127"):
        compile_policy(make_policy(), {}, cache=cache)


@pytest.mark.parametrize("damage", [b"", b"{}", b"not JSON"])
def test_damaged_cache_entry_is_made_again(make_policy: MakePolicy, cache: Path, damage: bytes) -> None:
    first = compile_policy(make_policy(), {}, cache=cache)
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(damage)
    assert compile_policy(make_policy(), {}, cache=cache) == first
    assert entry.read_bytes() == whole
    assert list(cache.iterdir()) == [entry]


def test_cached_object_with_other_bytes_is_not_used(make_policy: MakePolicy, cache: Path) -> None:
    first = compile_policy(make_policy(), {}, cache=cache)
    (entry,) = cache.iterdir()
    entry.write_bytes(entry.read_bytes().replace(b'"image": "f0VM', b'"image": "f0VN'))
    assert compile_policy(make_policy(), {}, cache=cache) == first


def test_compile_errors_name_file_line_and_column(make_policy: MakePolicy, cache: Path) -> None:
    broken = MINIMAL.replace("slice_us * NSEC_PER_USEC", "slice_that_is_not_there") + "int x\n"
    with pytest.raises(BuildError) as caught:
        compile_policy(make_policy(broken), {}, cache=cache)
    assert str(caught.value) == (
        "policies/small/small.bpf.c:9:40: error: use of undeclared identifier 'slice_that_is_not_there'\n"
        "policies/small/small.bpf.c:18:6: error: expected ';' after top level declarator"
    )
    assert not cache.exists()


def test_warnings_are_diagnostics_and_no_errors(make_policy: MakePolicy, cache: Path) -> None:
    found = compile_policy(make_policy(MINIMAL + "static int unused(void) { return 1; }\n"), {}, cache=cache)
    assert found.diagnostics == (
        "policies/small/small.bpf.c:18:12: warning: unused function 'unused' [-Wunused-function]",
    )


def fake_compiler(folder: Path, script: str) -> Compiler:
    executable = folder / "zig"
    executable.write_text(f"#!/bin/sh\n{script}\n")
    executable.chmod(0o755)
    return Compiler(executable, "1")


def test_compiler_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "TIME_LIMIT_S", 0.2)
    slow = fake_compiler(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 600")
    with pytest.raises(BuildError, match=r"policies/x/x.bpf.c: error: compiling took more than 0.2 s"):
        compile_source("", "policies/x/x.bpf.c", read_headers(), slow)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_compiler_that_is_killed_says_how(tmp_path: Path) -> None:
    dying = fake_compiler(tmp_path, "kill -9 $$")
    with pytest.raises(
        BuildError, match=r"^policies/x/x.bpf.c: error: the compiler ended with signal SIGKILL$"
    ):
        compile_source("", "policies/x/x.bpf.c", read_headers(), dying)


def test_compiler_that_crashes_leaves_no_source_behind(tmp_path: Path) -> None:
    crashing = fake_compiler(
        tmp_path, f'echo secret > "$TMPDIR/x-1.c"; echo "$TMPDIR" > {tmp_path}/place; kill -6 $$'
    )
    with pytest.raises(BuildError, match="ended with signal SIGABRT"):
        compile_source("", "policies/x/x.bpf.c", read_headers(), crashing)
    place = Path((tmp_path / "place").read_text().strip())
    assert place.parent.name.startswith("fleetsched-build-")
    assert not place.parent.exists()


def test_macro_bomb_ends_in_an_error(
    make_policy: MakePolicy, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "TIME_LIMIT_S", 1)
    bomb = "#define A0 1+\n" + "".join(f"#define A{n} A{n - 1} A{n - 1}\n" for n in range(1, 40))
    with pytest.raises(BuildError, match=r"^policies/small/small.bpf.c: error: "):
        compile_policy(make_policy(f"{bomb}int x = A39 0;\n"), {}, cache=cache)


def test_missing_compiler_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "COMPILER", "no_such_package")
    with pytest.raises(BuildError) as caught:
        compiler.find_compiler()
    assert str(caught.value) == (
        "the compiler (no_such_package) is not installed\n  pip install 'fleetsched[build]'"
    )
