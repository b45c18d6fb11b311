# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.build.lock import check_lock, lock_policy, lock_text, write_lock
from fleetsched.errors import BuildError
from fleetsched.fleetrepo.load import load_lock
from fleetsched.model.lock import PolicyLock
from tests.unit.build.conftest import MINIMAL, MakePolicy

VARIANTS = {"default": {"slice_us": 5000}, "long": {"slice_us": 9000}}


@pytest.fixture
def template(make_policy: MakePolicy) -> Path:
    return make_policy(MINIMAL.replace("5000", "{{ slice_us }}"), end=".j2")


@pytest.fixture
def locked(template: Path, cache: Path, headers_copy: Path) -> PolicyLock:
    return lock_policy(template, VARIANTS, include=headers_copy, cache=cache)


def difference(recorded: PolicyLock, built: PolicyLock) -> str:
    with pytest.raises(BuildError) as caught:
        check_lock(recorded, built)
    assert caught.value.remedy == "look at the change, then renew the lock: fleetsched lock small"
    start = "policy 'small': its lock does not match: "
    assert caught.value.message.startswith(start)
    return caught.value.message.removeprefix(start)


def test_a_lock_names_what_went_in_and_what_came_out(locked: PolicyLock) -> None:
    assert list(locked.variants) == ["default", "long"]
    assert len(set(locked.variants.values())) == 2
    assert list(locked.hashes) == [
        "small.bpf.c.j2",
        *(f"bpf/include/fleetsched/{name}.bpf.h" for name in ("bpf", "enums", "kfuncs", "policy", "types")),
    ]


def test_the_file_is_read_back_as_it_was_written(template: Path, locked: PolicyLock) -> None:
    assert write_lock(template, locked)
    assert load_lock(template) == locked
    check_lock(load_lock(template), locked)


def test_the_same_lock_is_not_written_again(template: Path, locked: PolicyLock) -> None:
    assert (write_lock(template, locked), write_lock(template, locked)) == (True, False)
    assert [file.name for file in template.glob("policy.lock*")] == ["policy.lock.yaml"]


def test_the_files_text_is_the_same_every_time(template: Path, locked: PolicyLock, tmp_path: Path) -> None:
    again = lock_policy(template, VARIANTS, cache=tmp_path / "other-cache")
    assert lock_text(again) == lock_text(locked)
    assert lock_text(locked).startswith(
        "# Written by `fleetsched lock`; not for editing.\napiVersion: fleetsched/v1\nkind: PolicyLock\n"
        "metadata:\n  name: small\nspec:\n  compiler:\n    name: ziglang\n"
    )


def test_a_changed_header_fails_the_check(
    template: Path, locked: PolicyLock, cache: Path, headers_copy: Path
) -> None:
    header = headers_copy / "fleetsched" / "policy.bpf.h"
    header.write_text(header.read_text().replace(".timeout_ms = 5000", ".timeout_ms = 5001"))
    built = lock_policy(template, VARIANTS, include=headers_copy, cache=cache)
    name = "bpf/include/fleetsched/policy.bpf.h"
    (short, long), (new_short, new_long) = locked.variants.values(), built.variants.values()
    assert difference(locked, built) == (
        f"source or header {name} changed ({locked.hashes[name][:8]} to {built.hashes[name][:8]}); "
        f"object of variant default changed ({short[:8]} to {new_short[:8]}); "
        f"object of variant long changed ({long[:8]} to {new_long[:8]})"
    )


def test_a_header_that_changes_only_in_a_comment_fails_the_check_too(
    template: Path, locked: PolicyLock, cache: Path, headers_copy: Path
) -> None:
    header = headers_copy / "fleetsched" / "types.bpf.h"
    header.write_text(header.read_text() + "/* the end */\n")
    built = lock_policy(template, VARIANTS, include=headers_copy, cache=cache)
    assert difference(locked, built).startswith(
        "source or header bpf/include/fleetsched/types.bpf.h changed ("
    )


def test_a_header_that_is_not_used_does_not_matter(
    template: Path, locked: PolicyLock, cache: Path, headers_copy: Path
) -> None:
    (headers_copy / "fleetsched" / "more.bpf.h").write_text("int more;\n")
    check_lock(locked, lock_policy(template, VARIANTS, include=headers_copy, cache=cache))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"compiler_version": "0.1.0"},
            "compiler: locked with ziglang 0.1.0, installed is ziglang {version}",
        ),
        ({"flags": ("-O1",)}, "the compiler's flags changed"),
        ({"variants": {}}, "object of variant default is new; object of variant long is new"),
    ],
)
def test_what_differs_is_named(locked: PolicyLock, changed: dict[str, object], expected: str) -> None:
    recorded = replace(locked, **changed)  # type: ignore[arg-type]
    assert difference(recorded, locked) == expected.format(version=locked.compiler_version)


def test_variants_that_are_gone_are_named(locked: PolicyLock) -> None:
    built = replace(locked, variants={"default": locked.variants["default"]})
    assert difference(locked, built) == "object of variant long is gone"
