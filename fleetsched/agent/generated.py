# SPDX-License-Identifier: Apache-2.0
"""The folder of a policy that was written in a run: manifest, source and README.

The source is taken as it is, byte by byte: nothing is rendered into C. What else a model said stands in the
manifest and the README as data: one printable line.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fleetsched.agent.answers import one_line
from fleetsched.errors import InputError
from fleetsched.fleetrepo.policies import POLICY_FILE, read_policy
from fleetsched.model.goal import KERNEL_DEFAULT

SOURCE_LIMIT = 64 * 1024
"""Bytes of a written source; the longest of the catalogue has 15,000."""
DESCRIPTION_LIMIT = 200

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # as schemas/common.json has it
_README = """\
# {name}

Written for the goal `{goal}` by the backend `{backend}`{model}, and reviewed by nobody yet. Its author says:

    {description}

**Suits**: what it was measured on; see the evidence beside it.

**Fails**: unknown beyond that. It was judged on Linux {kernel} only.
"""


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes policies, and for what.

    Attributes:
        backend: of the agent; `model` the language model, where there is one.
        goal: the goal's name.
        kernel: such as `6.18`: what policies are judged on.
        suits: weight by feature of what it is written for; at least one.
    """

    backend: str
    model: str
    goal: str
    kernel: str
    suits: Mapping[str, float]


def check_name(name: str, taken: Mapping[str, Any]) -> None:
    """Refuse what can be no new policy's name.

    Raises:
        InputError: it has not the form of a name, or one of the catalogue has it.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{one_line(name, 64)!r} is no name of a policy",
            remedy="lower-case letters, digits and hyphens, at most 63, such as `short-first`",
        )
    if name in taken or name == KERNEL_DEFAULT:
        raise InputError(f"the name {name} is taken", remedy="give the new policy a name of its own")


def source_bytes(source: str) -> bytes:
    """The bytes of a source.

    Raises:
        InputError: it is empty, too long, or no text.
    """
    try:
        content = source.encode()
    except UnicodeEncodeError as error:
        raise InputError("the source is no UTF-8 text", remedy="write C in ASCII") from error
    if not content.strip() or len(content) > SOURCE_LIMIT:
        raise InputError(
            f"the source has {len(content)} bytes; at least one and at most {SOURCE_LIMIT} are taken",
            remedy="write the whole policy, and no more than it",
        )
    return content


def described(description: str) -> str:
    """What a model says of its policy, as one line.

    Raises:
        InputError: it says nothing.
    """
    said = one_line(description, DESCRIPTION_LIMIT)
    if not said:
        raise InputError("the description is empty", remedy="say in one line what the policy does")
    return said


def write_folder(folder: Path, source: bytes, said: str, author: Author) -> None:
    """Write the folder of a new policy, whose name is the folder's.

    Raises:
        InputError: what is said of it cannot stand in a manifest; nothing is left.
    """
    folder.mkdir(parents=True)
    manifest = yaml.safe_dump(_manifest(folder.name, said, author), sort_keys=False, allow_unicode=True)
    (folder / POLICY_FILE).write_text(manifest, encoding="utf-8")
    (folder / f"{folder.name}.bpf.c").write_bytes(source)
    model = f" with the model `{author.model}`" if author.model else ""
    (folder / "README.md").write_text(
        _README.format(
            name=folder.name,
            goal=author.goal,
            backend=author.backend,
            model=model,
            description=said,
            kernel=author.kernel,
        ),
        encoding="utf-8",
    )
    _, problems = read_policy(folder, f"policies/{folder.name}/{POLICY_FILE}")
    if problems:
        shutil.rmtree(folder)
        raise InputError(
            f"the description cannot stand in a manifest: {problems[0].message}",
            remedy="say in plain words what the policy does",
        )


def _manifest(name: str, description: str, author: Author) -> dict[str, Any]:
    provenance = {"origin": "generated", "backend": author.backend}
    return {
        "apiVersion": "fleetsched/v1",
        "kind": "Policy",
        "metadata": {"name": name},
        "spec": {
            "kind": "bpf",
            "summary": description,
            "algorithm": "see README.md",
            "suitability": dict(author.suits),
            "requires": {"kernel": f">={author.kernel}"},
            "cost": "unmeasured but for what its evidence says",
            "failureModes": ["unknown beyond the workloads of its evidence"],
            "variants": {"default": {}},
            "provenance": provenance | ({"model": author.model} if author.model else {}),
        },
    }
