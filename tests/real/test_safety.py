# SPDX-License-Identifier: Apache-2.0
"""What docs/safety.md tells was found out about these sources, not about earlier ones."""

from __future__ import annotations

from tests.faults.report import SAFETY, helper_digest, rows_digest


def test_the_fault_table_is_about_the_present_helper_and_the_present_rows() -> None:
    document = SAFETY.read_text(encoding="utf-8")
    stale = [
        what
        for what, digest in (("the helper's sources", helper_digest()), ("the table's rows", rows_digest()))
        if f"`{digest}`" not in document
    ]
    assert stale == [], "docs/safety.md is about others: run `make test-faults`"
