# SPDX-License-Identifier: Apache-2.0
"""Secrets that stand where they should not: finding them in files, and keeping them out of what is written.

Text comes in; what looks like a secret goes out named, or the text without it. Anyone may call it.
"""

from __future__ import annotations

import re

HIDDEN = "[redacted]"

# Prefixes and forms that their issuers publish so that they can be found.
_FORMS = {
    "a private key": re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)", re.DOTALL
    ),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    "a GitLab token": re.compile(r"\bglpat-[A-Za-z0-9_-]{16,}"),
    "an Anthropic key": re.compile(r"\bsk-ant-[A-Za-z0-9_-]{16,}"),
    "an AWS key": re.compile(r"\bA(?:KIA|SIA)[A-Z0-9]{16}\b"),
    "a Slack token": re.compile(r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
}
_IN_URL = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s/:@]*):(?P<password>[^\s/@]+)@")
_HEADER = re.compile(
    r"(?P<name>\bauthorization\b[\"']?\s*[:=]\s*[\"']?)(?P<value>[^\s\"',]+(?: [^\s\"',]+)?)", re.I
)


def find_secret(text: str) -> str:
    """Say what a text holds that looks like a secret; empty = nothing."""
    for what, form in _FORMS.items():
        if form.search(text):
            return what
    return "a password in a URL" if _IN_URL.search(text) else ""


def redact(text: str) -> str:
    """The text with everything that looks like a secret replaced by `[redacted]`."""
    for form in _FORMS.values():
        text = form.sub(HIDDEN, text)
    text = _IN_URL.sub(rf"\g<scheme>\g<user>:{HIDDEN}@", text)
    return _HEADER.sub(rf"\g<name>{HIDDEN}", text)
