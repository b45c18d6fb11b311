# SPDX-License-Identifier: Apache-2.0
"""Secrets that stand where they should not: finding them in files, and keeping them out of what is written.

Text comes in; what looks like a secret goes out named, or the text without it. Anyone may call it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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
    "an OpenAI key": re.compile(r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{16,}"),
    "a Google key": re.compile(r"\bAIza[A-Za-z0-9_-]{35}"),
    "a Stripe key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{16,}"),
    "an npm token": re.compile(r"\bnpm_[A-Za-z0-9]{36}\b"),
    "a PyPI token": re.compile(r"\bpypi-AgE[A-Za-z0-9_-]{16,}"),
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{30,}"),
    "a Vault token": re.compile(r"\bhvs\.[A-Za-z0-9_-]{24,}"),
    "an age key": re.compile(r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    "a JSON Web Token": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
}
_IN_URL = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s/:@]*):(?P<password>[^\s/@]+)@")
_HEADER = re.compile(
    r"(?P<name>\bauthorization\b[\"']?\s*[:=]\s*[\"']?)(?P<value>[^\s\"',]+(?: [^\s\"',]+)?)", re.I
)
# The last words of a name, however it is written: dbPassword, api_token, client-secret; not tokenLifetime.
_NAME = re.compile(
    r"(?:^|[_.-])(?:(?<!proxy.)pass|passwd|password|passphrase|secret|secrets|token|credentials|"
    r"(?:api|access|private|secret|auth|signing|encryption)[_.-]?key)$"
)
_SHORTEST = 6
_resolved: set[str] = set()  # of this process, which is the one that could print them
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# References, templates and paths say where a secret is; the words are what people write where there is none.
_NO_LITERAL = re.compile(
    r"\s*(?:[$<~/.%].*|.*\{\{.*|[a-z]+://[^@]*|\*+|x+|none|null|no|yes|true|false|ask|prompt|optional|"
    r"required|unset|disabled|.{0,2})\s*",
    re.I | re.DOTALL,
)


def names_secret(name: str) -> bool:
    """Whether a key's name says that its value is a secret."""
    return _NAME.search(_HUMPS.sub("_", name).lower()) is not None


def is_literal(text: str) -> bool:
    """Whether a value called a secret may be one, and not where one is, or that there is none."""
    return _NO_LITERAL.fullmatch(text) is None


def find_secret(text: str) -> str:
    """Say what a text holds that looks like a secret; empty = nothing."""
    for what, form in _FORMS.items():
        if form.search(text):
            return what
    return "a password in a URL" if _IN_URL.search(text) else ""


def hide(value: str) -> None:
    """Let `redact` take this value out as well: a secret that was resolved, or typed.

    What is shorter than six letters would be found in harmless words, too, and gives itself away so.
    """
    if len(value) >= _SHORTEST:
        _resolved.add(value)


def redact(text: str) -> str:
    """The text with everything that looks like a secret, or is known to be one, replaced by `[redacted]`."""
    for value in sorted(_resolved, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for form in _FORMS.values():
        text = form.sub(HIDDEN, text)
    text = _IN_URL.sub(rf"\g<scheme>\g<user>:{HIDDEN}@", text)
    return _HEADER.sub(rf"\g<name>{HIDDEN}", text)


def redact_values(value: Any) -> Any:
    """The same for every text in a value as JSON has them, so that it stays one."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact_values(key): redact_values(inner) for key, inner in value.items()}
    return [redact_values(inner) for inner in value] if isinstance(value, list | tuple) else value
