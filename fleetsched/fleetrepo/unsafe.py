# SPDX-License-Identifier: Apache-2.0
"""What a Git repository's own configuration may not say: it would run programs or lead a fetch elsewhere.

Whoever writes a folder's `.git/config` chooses what Git runs in it. The user's own configuration, outside of
the repository, is the user's and is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from fleetsched.documents.node import shown

Ask = Callable[..., tuple[int, str, str]]
"""Runs `git` with arguments; returns its exit status, output and errors."""

_RUNS = "runs a program"
_REDIRECTS = "leads a fetch or push elsewhere"
_ANYBODY = "lets anybody answer for the remote"
# git-config(1) and git-lfs-config(5), in lower case; `*` is any text. What only commands use that are never
# run here (alias, mergetool, sendemail, ...) is left to the people whose repository it is.
_REFUSED = {
    "core.fsmonitor": _RUNS,
    "core.hookspath": _RUNS,
    "core.sshcommand": _RUNS,
    "core.askpass": _RUNS,
    "core.editor": _RUNS,
    "core.pager": _RUNS,
    "core.gitproxy": _RUNS,
    "core.alternaterefscommand": _RUNS,
    "sequence.editor": _RUNS,
    "pager.*": _RUNS,
    "interactive.difffilter": _RUNS,
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
    "submodule.*.update": _RUNS,
    "uploadpack.packobjectshook": _RUNS,
    "trailer.*.cmd": _RUNS,
    "trailer.*.command": _RUNS,
    "lfs.customtransfer.*.path": _RUNS,
    "lfs.extension.*.clean": _RUNS,
    "lfs.extension.*.smudge": _RUNS,
    "core.worktree": "leads to other files than those of the folder",
    "remote.*.proxy": _REDIRECTS,
    "url.*.insteadof": _REDIRECTS,
    "url.*.pushinsteadof": _REDIRECTS,
    "fetch.bundleuri": _REDIRECTS,
    "http.proxy": _REDIRECTS,
    "http.*.proxy": _REDIRECTS,
    "http.curloptresolve": _REDIRECTS,
    "http.*.curloptresolve": _REDIRECTS,
    "http.sslverify": _ANYBODY,
    "http.*.sslverify": _ANYBODY,
    "http.sslcainfo": _ANYBODY,
    "http.*.sslcainfo": _ANYBODY,
    "http.sslcapath": _ANYBODY,
    "http.*.sslcapath": _ANYBODY,
    "http.savecookies": "writes a file that it names",
    "http.*.savecookies": "writes a file that it names",
}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
# Values that do no harm, or that git.py overrides. `filter.lfs` is what `git lfs install --local` writes.
_HARMLESS: dict[str, tuple[str, ...]] = {
    "core.fsmonitor": (*_TRUE, *_FALSE),
    "core.hookspath": ("/dev/null",),
    "pager.*": (*_TRUE, *_FALSE),
    "submodule.*.update": ("checkout", "rebase", "merge", "none"),
    "filter.lfs.clean": ("git-lfs clean -- %f",),
    "filter.lfs.smudge": ("git-lfs smudge -- %f", "git-lfs smudge --skip -- %f"),
    "filter.lfs.process": ("git-lfs filter-process", "git-lfs filter-process --skip"),
    "http.sslverify": _TRUE,
    "http.*.sslverify": _TRUE,
    "http.savecookies": _FALSE,
    "http.*.savecookies": _FALSE,
}
_HEADER = re.compile(r'\s*\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]')


def unsafe_settings(ask: Ask) -> Iterator[str]:
    """Name every setting of the repository's own configuration that is refused, with its file and line.

    `git config` runs nothing that a configuration names.
    """
    status, listing, why = ask("config", "--list", "--show-scope", "--show-origin", "--includes", "-z")
    if status != 0:
        said = next(iter(why.splitlines()), "").removeprefix("fatal: ")
        yield f"unsafe-config: the repository's configuration cannot be judged ({said})"
        return
    fields = listing.split("\0")
    for scope, origin, entry in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
        key, has_value, value = entry.partition("\n")
        why = _why(key.lower(), value if has_value else "true")
        if why and scope in ("local", "worktree"):
            place = _place(ask, origin.removeprefix("file:"), key)
            yield f"unsafe-config: {place}: {shown(key)} {why}"


def _why(key: str, value: str) -> str:
    """What is wrong with a setting; empty = nothing."""
    matching = [(form, why) for form, why in _REFUSED.items() if fnmatchcase(key, form)]
    if any(value.lower() in known for form, known in _HARMLESS.items() if fnmatchcase(key, form)):
        return ""
    # An empty value names no program: it takes one back that another file has named.
    return next((why for _, why in matching if value or why is not _RUNS), "")


def _place(ask: Ask, origin: str, key: str) -> str:
    """The file and, where it can be found, the line of a setting."""
    folder = Path(ask("rev-parse", "--absolute-git-dir")[1])
    file = next((place for place in (folder.parent / origin, folder / origin) if place.is_file()), None)
    if file is None:
        return origin
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return str(file)
    number = _line(lines, *key.rpartition(".")[0::2])
    return f"{file}:{number}" if number else str(file)


def _line(lines: list[str], section: str, name: str) -> int:
    """The last line that gives the setting, which is the one that counts; 0 = not found."""
    setting = re.compile(rf"\s*{re.escape(name)}\s*([=#;]|$)", re.IGNORECASE)
    found, here = 0, ""
    for number, line in enumerate(lines, 1):
        header = _HEADER.match(line)
        if header:
            middle = re.sub(r"\\(.)", r"\1", header[2]) if header[2] is not None else None
            here = header[1].lower() + (f".{middle}" if middle is not None else "")
        if here == section and setting.match(line[header.end() :] if header else line):
            found = number
    return found
