# SPDX-License-Identifier: Apache-2.0
"""What docs/safety.md tells was found out about these sources, not about earlier ones."""

from __future__ import annotations

import re

from tests.faults.report import SAFETY, helper_digest, rows_digest
from tests.faults.rows import rows


def test_the_fault_table_is_about_the_present_helper_and_the_present_rows() -> None:
    document = SAFETY.read_text(encoding="utf-8")
    stale = [
        what
        for what, digest in (("the helper's sources", helper_digest()), ("the table's rows", rows_digest()))
        if f"`{digest}`" not in document
    ]
    assert stale == [], "docs/safety.md is about others: run `make test-faults`"


def test_the_document_has_every_row_and_no_loss() -> None:
    document = SAFETY.read_text(encoding="utf-8")
    missing = [
        row.key for row in rows() if f"| {row.when_in_words} | {row.fault} | {row.kernel} |" not in document
    ]
    assert missing == [], "docs/safety.md does not have these rows: run `make test-faults`"
    assert re.findall(r".*\| (?:LOSS|OTHERWISE).*", document) == []
