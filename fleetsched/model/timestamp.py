# SPDX-License-Identifier: Apache-2.0
"""Moments as text."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(when: datetime) -> str:
    """A moment in UTC to the second, such as `2026-01-02T03:04:05Z`."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
