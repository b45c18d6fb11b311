# SPDX-License-Identifier: Apache-2.0
"""Whether a commit is signed by somebody whom the controller's own file allows, now as well as then.

Git judges a signature at the commit's date, which its author chooses: a key that has expired could go on
signing with old dates. So the same signature is verified a second time, by ssh-keygen, as of now.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fleetsched.errors import FleetschedError
from fleetsched.fleetrepo.git import Git
from fleetsched.model.controller import Trust

_ARMOR = b"-----BEGIN SSH SIGNATURE-----"
_NAMESPACE = "git"  # what Git signs commits in
_LIMIT_S = 30.0


def signature_objections(git: Git, commit: str, trust: Trust) -> Iterator[str]:
    """Say what is wrong with the signature of a commit; nothing when an allowed signer made it.

    Args:
        git: of the fleet repository.
        commit: 40 hex digits.
        trust: `allowed_signers` is set.
    """
    signers = Path(trust.allowed_signers).expanduser()
    revoked = Path(trust.revoked_keys).expanduser() if trust.revoked_keys else None
    unusable = _unusable(git, "trust.allowedSigners", signers)
    if not unusable and revoked:
        unusable = _unusable(git, "trust.revokedKeys", revoked)
    if unusable:
        yield f"unsigned: {unusable}"
        return
    payload, signature = _split(git.content("cat-file", "commit", commit))
    short = commit[:12]
    if not signature:
        yield f"unsigned: {short} has no signature"
    elif not signature.startswith(_ARMOR):
        yield f"unsigned: {short} is not signed with an SSH key; no other signature is accepted"
    else:
        wrong = _judge(git, commit, payload, signature, signers, revoked)
        if wrong:
            yield f"unsigned: {short} {wrong}"


def _judge(
    git: Git, commit: str, payload: bytes, signature: bytes, signers: Path, revoked: Path | None
) -> str:
    """What is wrong with an SSH signature; empty = nothing."""
    verdict, signer, key = _ask_git(git, commit, signers, revoked)
    if verdict == "G" and signer:
        if _valid_now(signers, revoked, signer, payload, signature):
            return ""
        return f"is signed by {signer}; its key {key} is not valid any more"
    if verdict == "U" and key in _fingerprints(signers):
        return f"is signed with the key {key}, which was not valid at its date"
    if verdict == "U":
        return f"is signed with the key {key}, which is not in {signers}"
    if revoked:
        verdict, signer, key = _ask_git(git, commit, signers, None)
        if verdict in ("G", "U"):
            return f"is signed with the key {key}, which {revoked} revokes"
    return f"has a wrong signature (Git says {verdict})"


def _ask_git(git: Git, commit: str, signers: Path, revoked: Path | None) -> tuple[str, str, str]:
    """Git's verdict, the signer it names and the key's fingerprint: %G?, %GS and %GF of gitformat."""
    settings = (
        f"gpg.ssh.allowedSignersFile={signers}",
        f"gpg.ssh.revocationFile={revoked or ''}",
        "gpg.ssh.program=ssh-keygen",
        # A signature in another format must not be judged by whatever keys the user has.
        "gpg.program=false",
        "gpg.openpgp.program=false",
        "gpg.x509.program=false",
    )
    options = [word for setting in settings for word in ("-c", setting)]
    answer = git.output(*options, "log", "-1", "--format=%G?%x00%GS%x00%GF", commit, "--")
    verdict, signer, key = answer.split("\0")
    return verdict, signer, key


def _unusable(git: Git, setting: str, file: Path) -> str:
    """Why a file of keys cannot be believed; empty = it can."""
    what = f"{setting} {file}"
    try:
        state = file.stat()
        text = file.read_bytes()
    except OSError as error:
        return f"{what} cannot be read: {error.strerror}"
    if not stat.S_ISREG(state.st_mode) or not text.strip():
        return f"{what} names nobody"
    if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or state.st_uid not in (0, os.geteuid()):
        return f"{what} can be written by others than you and root"
    folders = ("--path-format=absolute", "--show-toplevel", "--git-dir", "--git-common-dir")
    for inside in git.output("rev-parse", *folders).splitlines():
        if file.resolve().is_relative_to(Path(inside).resolve()):
            return f"{what} lies in the repository, which cannot vouch for itself"
    return ""


def _split(raw: bytes) -> tuple[bytes, bytes]:
    """Split a raw commit into what is signed and the signature.

    The signature is the header `gpgsig`, its further lines indented by a space (gitformat-signature(5)).
    """
    head, blank, message = raw.partition(b"\n\n")
    signed: list[bytes] = []
    signature: list[bytes] = []
    inside = False
    for line in head.split(b"\n"):
        inside = line.startswith(b"gpgsig ") or (inside and line.startswith(b" "))
        if inside:
            signature.append(line.removeprefix(b"gpgsig").removeprefix(b" "))
        else:
            signed.append(line)
    return b"\n".join(signed) + blank + message, b"\n".join([*signature, b""]) if signature else b""


def _valid_now(signers: Path, revoked: Path | None, signer: str, payload: bytes, signature: bytes) -> bool:
    with tempfile.NamedTemporaryFile(prefix="fleetsched-signature-") as file:
        file.write(signature)
        file.flush()
        command = ["ssh-keygen", "-Y", "verify", "-n", _NAMESPACE, "-s", file.name]
        command += ["-f", str(signers), "-I", signer]
        if revoked:
            command += ["-r", str(revoked)]
        try:
            done = subprocess.run(command, input=payload, capture_output=True, timeout=_LIMIT_S, check=False)
        except FileNotFoundError as error:
            message = "ssh-keygen is not installed, so no signature can be verified"
            raise FleetschedError(message, remedy="install OpenSSH's client") from error
        except subprocess.TimeoutExpired as error:
            raise FleetschedError(f"ssh-keygen did not end within {_LIMIT_S:g} s") from error
        return done.returncode == 0


def _fingerprints(signers: Path) -> set[str]:
    """The fingerprints of all keys in a file of signers, as ssh-keygen prints them."""
    found = set()
    for word in signers.read_text(encoding="utf-8", errors="replace").split():
        if word.startswith("AAAA"):
            try:
                digest = hashlib.sha256(base64.b64decode(word, validate=True)).digest()
            except ValueError:
                continue
            found.add("SHA256:" + base64.b64encode(digest).decode().rstrip("="))
    return found
