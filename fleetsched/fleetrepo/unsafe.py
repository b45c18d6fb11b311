# SPDX-License-Identifier: Apache-2.0
"""What a Git repository's own configuration may not say: it would run programs or lead a fetch elsewhere.

Whoever writes a folder's `.git/config` chooses what Git runs in it. The user's own configuration, outside of
the repository, is the user's and is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from fleetsched.documents.node import shown
from fleetsched.fleetrepo.git import Git

_RUNS = "runs a program"
_REDIRECTS = "leads a fetch or push elsewhere"
# git-config(1); names are in lower case but for the middle part, which `*` stands for.
_REFUSED = {
    "core.fsmonitor": _RUNS,
    "core.hookspath": _RUNS,
    "core.sshcommand": _RUNS,
    "core.askpass": _RUNS,
    "core.editor": _RUNS,
    "core.pager": _RUNS,
    "core.gitproxy": _RUNS,
    "core.alternaterefscommand": _RUNS,
    "credential.helper": _RUNS,
    "credential.*.helper": _RUNS,
    "diff.external": _RUNS,
    "diff.*.command": _RUNS,
    "diff.*.textconv": _RUNS,
    "filter.*.clean": _RUNS,
    "filter.*.smudge": _RUNS,
    "filter.*.process": _RUNS,
    "merge.*.driver": _RUNS,
    "gpg.program": _RUNS,
    "gpg.*.program": _RUNS,
    "gpg.ssh.defaultkeycommand": _RUNS,
    "remote.*.uploadpack": _RUNS,
    "remote.*.receivepack": _RUNS,
    "remote.*.vcs": _RUNS,
    "uploadpack.packobjectshook": _RUNS,
    "core.worktree": "leads to other files than those of the folder",
    "remote.*.proxy": _REDIRECTS,
    "url.*.insteadof": _REDIRECTS,
    "url.*.pushinsteadof": _REDIRECTS,
    "http.proxy": _REDIRECTS,
    "http.*.proxy": _REDIRECTS,
    "http.sslverify": "lets anybody answer for the remote",
    "http.*.sslverify": "lets anybody answer for the remote",
    "http.sslcainfo": "lets anybody answer for the remote",
    "http.*.sslcainfo": "lets anybody answer for the remote",
}


def unsafe_settings(git: Git) -> Iterator[str]:
    """Name every setting of the repository's own configuration that is refused, with its file and line.

    `git config` runs nothing that a configuration names.
    """
    status, listing, _ = git.run("config", "--list", "--show-scope", "--show-origin", "--includes", "-z")
    if status != 0:
        return  # an unreadable configuration stops every other command, too
    fields = listing.split("\0")
    for scope, origin, entry in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
        key, _, value = entry.partition("\n")
        why = _why(key)
        if why and scope in ("local", "worktree") and value.lower() not in ("", "false"):
            place = _place(git, origin.removeprefix("file:"), key)
            yield f"unsafe-config: {place}: {shown(key)} {why}"


def _why(key: str) -> str:
    section, _, rest = key.partition(".")
    middle, dot, name = rest.rpartition(".")
    plain = f"{section}.*.{name}" if dot else key
    exact = f"{section}.{middle}.{name}".lower() if dot else key
    return next(
        (why for refused, why in _REFUSED.items() if fnmatchcase(exact, refused) or plain == refused), ""
    )


def _place(git: Git, origin: str, key: str) -> str:
    """The file and, where it can be found, the line of a setting."""
    folder = git.run("rev-parse", "--absolute-git-dir")[1]
    file = Path(folder).parent / origin
    name = re.compile(rf"\s*{re.escape(key.rpartition('.')[2])}\s*(=|$)", re.IGNORECASE)
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return str(file)
    number = next((number for number, line in enumerate(lines, 1) if name.match(line)), 0)
    return f"{file}:{number}" if number else str(file)
