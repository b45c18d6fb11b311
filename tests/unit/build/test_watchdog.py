# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.build.objects import inspect_object
from fleetsched.build.policy import compile_policy
from fleetsched.build.watchdog import with_timeout
from fleetsched.errors import BuildError

FAIR = Path(__file__).resolve().parents[3] / "policies" / "fair"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_policy(FAIR, {}, cache=tmp_path_factory.mktemp("cache")).image


def test_the_watchdog_becomes_impatient_and_nothing_else_changes(image: bytes) -> None:
    changed = with_timeout(image, 2000)
    assert (inspect_object(image).timeout_ms, inspect_object(changed).timeout_ms) == (5000, 2000)
    differing = [at for at, (old, new) in enumerate(zip(image, changed, strict=True)) if old != new]
    assert 1 <= len(differing) <= 4
    assert differing[-1] - differing[0] < 4


def test_one_that_is_impatient_already_stays_as_it_is(image: bytes) -> None:
    assert with_timeout(image, 5000) == image
    assert with_timeout(with_timeout(image, 1000), 2000) == with_timeout(image, 1000)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(BuildError, match="the object's watchdog cannot be set"):
        with_timeout(b"\x7fELF, or so it says", 2000)
