# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import hmac

import pytest

from fleetsched.reconcile.webhook import is_genuine

# The example of GitHub's documentation of webhooks.
SECRET, BODY = "It's a Secret to Everybody", b"Hello, World!"
SIGNATURE = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def signed(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("headers", "body", "secret", "genuine"),
    [
        ({"x-hub-signature-256": f"sha256={SIGNATURE}"}, BODY, SECRET, True),
        ({"x-forgejo-signature": SIGNATURE}, BODY, SECRET, True),
        ({"x-gitea-signature": SIGNATURE}, BODY, SECRET, True),
        ({"x-gitlab-token": SECRET}, BODY, SECRET, True),
        ({}, BODY, SECRET, False),
        ({"x-hub-signature-256": ""}, BODY, SECRET, False),
        ({"x-hub-signature-256": "sha256="}, BODY, SECRET, False),
        ({"x-hub-signature-256": f"sha256={SIGNATURE.upper()}"}, BODY, SECRET, False),
        ({"x-hub-signature-256": f"sha1={SIGNATURE}"}, BODY, SECRET, False),
        ({"x-hub-signature-256": f"sha256={SIGNATURE}"}, BODY + b"!", SECRET, False),
        ({"x-hub-signature-256": f"sha256={SIGNATURE}"}, BODY, "another", False),
        ({"x-hub-signature-256": "sha256=\u00e9\udc80"}, BODY, SECRET, False),
        ({"x-hub-signature": f"sha1={SIGNATURE}"}, BODY, SECRET, False),
        ({"x-gitlab-token": "guess"}, BODY, SECRET, False),
        # A wrong signature is not made good by a token beside it.
        ({"x-hub-signature-256": "sha256=0", "x-gitlab-token": SECRET}, BODY, SECRET, False),
        # Without a secret nobody is genuine.
        ({"x-hub-signature-256": f"sha256={signed(BODY, '')}"}, BODY, "", False),
        ({"x-gitlab-token": ""}, BODY, "", False),
    ],
)
def test_a_webhook_is_taken_from_who_knows_the_secret(
    headers: dict[str, str], body: bytes, secret: str, genuine: bool
) -> None:
    assert is_genuine(headers, body, secret) is genuine
