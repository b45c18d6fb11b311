# SPDX-License-Identifier: Apache-2.0
"""One variant of a policy to its object, through a cache by content."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from fleetsched.build.compiler import FLAGS, CompiledObject, Compiler, compile_source, find_compiler
from fleetsched.build.include import read_headers
from fleetsched.build.render import render, shown_name
from fleetsched.files import replace_file

_FORMAT = 1
"""Raised when the steps after the compiler (strip, this file) change, so that no older entry is used."""


def compile_policy(
    policy_dir: Path,
    variant_inputs: Mapping[str, Any],
    *,
    include: Path | None = None,
    cache: Path | None = None,
) -> CompiledObject:
    """Compile one variant, or take it from the cache when exactly this was compiled before.

    Args:
        policy_dir: the policy's folder; its name is the policy's.
        variant_inputs: inputs of the template; empty for plain source.
        include: headers to use instead of this installation's.
        cache: folder of the cache; default: `objects` in the user's cache folder.

    Raises:
        BuildError: it does not compile, or is refused; the message has `file:line:column`.
    """
    shown, text = shown_name(policy_dir), render(policy_dir, variant_inputs)
    headers, compiler = read_headers(include), find_compiler()
    folder = cache or user_cache_path("fleetsched") / "objects"
    entry = folder / f"{_key(text, shown, headers, compiler)}.json"
    found = _read(entry)
    if found is None:
        found = compile_source(text, shown, headers, compiler)
        _write(entry, found)
    return found


def _key(text: str, shown: str, headers: Mapping[str, bytes], compiler: Compiler) -> str:
    """A digest of everything that has a part in the object."""
    parts = [str(_FORMAT), compiler.version, *FLAGS, shown, text]
    digest = hashlib.sha256("\0".join(parts).encode())
    for name, content in headers.items():
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _read(entry: Path) -> CompiledObject | None:
    """The cached object; None when there is none or it is damaged."""
    try:
        value = json.loads(entry.read_bytes())
        image = base64.b64decode(value["image"], validate=True)
        found = CompiledObject(image, value["digest"], tuple(value["diagnostics"]), tuple(value["headers"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if hashlib.sha256(image).hexdigest() == found.digest else None


def _write(entry: Path, compiled: CompiledObject) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    value = asdict(compiled) | {"image": base64.b64encode(compiled.image).decode()}
    replace_file(entry, json.dumps(value).encode())
