# SPDX-License-Identifier: Apache-2.0
"""Whether a webhook comes from the forge: by a signature of its body, or a token, as each forge has it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

MOST_BYTES = 1 << 20
"""A larger body is refused unread."""

_PREFIX = "sha256="
# GitHub, and Forgejo since it took its name over; Forgejo's and Gitea's own have no prefix.
_SIGNATURES = ("x-hub-signature-256", "x-forgejo-signature", "x-gitea-signature")
_TOKEN = "x-gitlab-token"  # noqa: S105 the header's name: GitLab sends the secret itself


def is_genuine(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether whoever sent this knows the secret; takes as long whatever is wrong.

    Args:
        headers: by name in lower case.
        body: as it came.
        secret: of the controller's own file; an empty one fits nothing.
    """
    if not secret:
        return False
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    for name in _SIGNATURES:
        if name in headers:
            return _same(headers[name].removeprefix(_PREFIX), expected)
    return _TOKEN in headers and _same(headers[_TOKEN], secret)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
