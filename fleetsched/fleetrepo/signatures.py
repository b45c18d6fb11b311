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
    unusable = _unusable(git, signers)
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
        yield from _judge(git, short, commit, payload, signature, trust, signers)


def _judge(
    git: Git, short: str, commit: str, payload: bytes, signature: bytes, trust: Trust, signers: Path
) -> Iterator[str]:
    revoked = Path(trust.revoked_keys).expanduser() if trust.revoked_keys else None
    settings = [
        *("-c", f"gpg.ssh.allowedSignersFile={signers}"),
        *("-c", f"gpg.ssh.revocationFile={revoked or ''}"),
        *("-c", "gpg.ssh.program=ssh-keygen"),
        # A signature in another format must not be judged by whatever keys the user has.
        *("-c", "gpg.program=false", "-c", "gpg.openpgp.program=false", "-c", "gpg.x509.program=false"),
    ]
    form = "--format=%G?%x00%GS%x00%GF"
    verdict, signer, fingerprint = git.output(*settings, "log", "-1", form, commit, "--").split("\0")
    if verdict == "G" and signer:
        if not _valid_now(signers, revoked, signer, payload, signature):
            yield f"unsigned: {short} is signed by {signer}; its key {fingerprint} is not valid any more"
    elif verdict == "U" and fingerprint in _fingerprints(signers):
        yield f"unsigned: {short} is signed with the key {fingerprint}, which was not valid at its date"
    elif verdict == "U":
        yield f"unsigned: {short} is signed with the key {fingerprint}, which is not in {signers}"
    else:
        yield f"unsigned: {short} has a signature that is wrong or revoked (Git says {verdict})"


def _unusable(git: Git, signers: Path) -> str:
    """Why a file of signers cannot be believed."""
    try:
        state = signers.stat()
        text = signers.read_bytes()
    except OSError as error:
        return f"trust.allowedSigners {signers} cannot be read: {error.strerror}"
    if not stat.S_ISREG(state.st_mode) or not text.strip():
        return f"trust.allowedSigners {signers} names nobody"
    if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or state.st_uid not in (0, os.geteuid()):
        return f"trust.allowedSigners {signers} can be written by others than you and root"
    for inside in git.output("rev-parse", "--show-toplevel", "--absolute-git-dir").splitlines():
        if signers.resolve().is_relative_to(Path(inside).resolve()):
            return f"trust.allowedSigners {signers} lies in the repository, which cannot vouch for itself"
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
        command = [
            "ssh-keygen",
            "-Y",
            "verify",
            "-f",
            str(signers),
            "-I",
            signer,
            "-n",
            _NAMESPACE,
            "-s",
            file.name,
        ]
        if revoked:
            command += ["-r", str(revoked)]
        try:
            done = subprocess.run(command, input=payload, capture_output=True, timeout=_LIMIT_S, check=False)
        except FileNotFoundError as error:
            message = "ssh-keygen is not installed, so no signature can be verified"
            raise FleetschedError(message, remedy="install OpenSSH's client") from error
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
