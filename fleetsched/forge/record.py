# SPDX-License-Identifier: Apache-2.0
"""What a pull request's body carries for fleetsched itself, in a comment of HTML that people do not see.

Whoever may edit a body can change it: it decides only whether something is proposed again. Whether a branch
is as fleetsched left it, and what may be merged, is decided by Git and by reviews.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass

_BEGIN, _END = "<!-- fleetsched:proposal ", " -->"
_COMMENT = re.compile(re.escape(_BEGIN) + r"(\{[^\n]{1,2000}\})" + re.escape(_END))
_FORMS = {
    "policy": re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"),
    "base": re.compile(r"[0-9a-f]{40}"),
    "made": re.compile(r"[0-9a-f]{40}"),
    "fingerprint": re.compile(r"[0-9a-f]{64}"),
    "body": re.compile(r"[0-9a-f]{16}"),
}


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of a proposal beside what the forge knows.

    Attributes:
        policy, base, made, fingerprint: see `Proposal`.
        body: a digest of the rest of the body as fleetsched wrote it.
    """

    policy: str
    base: str
    made: str
    fingerprint: str
    body: str = ""


def with_record(text: str, record: Record) -> str:
    """A body with its record at the end."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    fields = json.dumps(asdict(record) | {"body": digest}, separators=(",", ":"))
    return f"{text.rstrip()}\n\n{_BEGIN}{fields}{_END}\n"


def read_record(body: str) -> Record | None:
    """The last record in a body; None where there is none or it is malformed."""
    found = _COMMENT.findall(body)
    if not found:
        return None
    try:
        fields = json.loads(found[-1])
    except (ValueError, RecursionError):
        return None
    if set(fields) != set(_FORMS):
        return None
    right = (isinstance(fields[name], str) and form.fullmatch(fields[name]) for name, form in _FORMS.items())
    return Record(**fields) if all(right) else None


def same_body(one: str, other: str) -> bool:
    """Whether two bodies were written from the same text and record; what people changed of one stays."""
    return (record := read_record(one)) is not None and record == read_record(other)
