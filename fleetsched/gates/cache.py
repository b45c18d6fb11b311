# SPDX-License-Identifier: Apache-2.0
"""What the gates on machines said before of exactly this: object, gates, kernel, machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

from platformdirs import user_cache_path

from fleetsched.files import replace_file
from fleetsched.model.gate import Gate, GateResult, GateVerdict
from fleetsched.model.gate_records import result_from, result_record

_JUDGES = ("attach.py", "course.py", "ended.py", "report.py", "signs.py", "soak.py", "stress.py", "verify.py")
_FOR_GOOD = frozenset({GateVerdict.PASSED, GateVerdict.FAILED})


class ResultCache:
    """A folder of results by content.

    Args:
        folder: None = `gates` in the user's cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or user_cache_path("fleetsched") / "gates"

    def get(self, gate: Gate, digest: str, machine: str) -> GateResult | None:
        """What the gate said of the object on such a machine; None when it was not asked."""
        try:
            found = result_from(json.loads(self._file(gate, digest, machine).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return replace(found, cached=True)

    def put(self, result: GateResult, digest: str, machine: str) -> None:
        """Keep a verdict. An error says nothing of the object; a machine may hang for other reasons."""
        hung = any(each.code == "machine-hangs" for each in result.findings)
        if result.verdict not in _FOR_GOOD or hung:
            return
        file = self._file(result.gate, digest, machine)
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, json.dumps(result_record(result)).encode())

    def _file(self, gate: Gate, digest: str, machine: str) -> Path:
        key = hashlib.sha256("\0".join((str(gate), digest, machine, judges_digest())).encode()).hexdigest()
        return self._folder / f"{key}.json"


def judges_digest() -> str:
    """The version of the gates: what they are made of."""
    here = resources.files("fleetsched.gates")
    digest = hashlib.sha256()
    for name in _JUDGES:
        digest.update((here / name).read_bytes())
    digest.update((here / "guest" / "course.pl").read_bytes())
    return digest.hexdigest()
