# SPDX-License-Identifier: Apache-2.0
"""Write docs/catalogue.md: what is known of the policies in this repository."""

from __future__ import annotations

from pathlib import Path

from fleetsched.operations.evidence import catalogue_page

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "catalogue.md"

if __name__ == "__main__":
    PAGE.write_text(catalogue_page(ROOT), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
