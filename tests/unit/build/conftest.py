# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fleetsched.build.include import include_folder

MINIMAL = """\
#include <fleetsched/policy.bpf.h>

UEI_DEFINE(uei);

const volatile u64 slice_us = 5000;

void BPF_STRUCT_OPS(small_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, slice_us * NSEC_PER_USEC, enq_flags);
}

void BPF_STRUCT_OPS(small_exit, struct scx_exit_info *info)
{
	UEI_RECORD(uei, info);
}

FLEETSCHED_OPS_DEFINE(small, .enqueue = (void *)small_enqueue, .exit = (void *)small_exit);
"""

MakePolicy = Callable[..., Path]


@pytest.fixture
def make_policy(tmp_path: Path) -> MakePolicy:
    """Write a policy's source into a folder of its own."""

    def make(source: str = MINIMAL, *, name: str = "small", end: str = "", under: str = "repo") -> Path:
        folder = tmp_path / under / "policies" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.bpf.c{end}").write_text(source, encoding="utf-8", newline="")
        return folder

    return make


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def headers_copy(tmp_path: Path) -> Path:
    """A copy of the headers that a test may change."""
    target = tmp_path / "include" / "fleetsched"
    target.mkdir(parents=True)
    for header in (include_folder() / "fleetsched").iterdir():
        (target / header.name).write_bytes(header.read_bytes())
    return target.parent
