# SPDX-License-Identifier: Apache-2.0
"""`fleetsched sign`: sign what the approved revision wants of every group, for whoever applies it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fleetsched.errors import InputError
from fleetsched.model.desired import desired_of
from fleetsched.model.statement import Signed, Statement
from fleetsched.operations.files import read_bounded, write_whole
from fleetsched.operations.fleet import FleetAccess
from fleetsched.rollout.signatures import GivenSignatures, KeySignatures, Wish

FORMAT = "fleetsched-signatures"
VERSION = 1
_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class SignatureFile:
    """What `sign` writes and `apply --signatures` reads.

    Attributes:
        statements: in the order of their serials.
    """

    format: str
    version: int
    statements: list[Signed]


def sign_fleet(access: FleetAccess, key: Path, valid_s: float, out: Path) -> list[Statement]:
    """Sign, for each group that a goal claims, the goal's assignment, and write all of it to a file.

    No host is asked. `open_fleet` or `check_lab` has refused what is not approved.

    Args:
        access: the fleet repository.
        key: a private key's file, or a public one whose private key an agent holds.
        valid_s: seconds for which the statements are good.
        out: the file; a signature is no secret.

    Returns:
        What was signed.

    Raises:
        InputError: no goal has a policy.
        FleetschedError: the key makes no signature.
        OSError: the file cannot be written.
    """
    import msgspec

    wishes = {
        Wish(wanted.group, wanted.assignment, access.revision.label, wanted.program)
        for wanted in desired_of(access.fleet).values()
        if wanted.group and wanted.assignment
    }
    if not wishes:
        raise InputError("nothing to sign: no goal with hosts has a policy")
    signer = KeySignatures(key, valid_s)
    if why := signer.missing(next(iter(wishes))):
        raise InputError(why, remedy="--key names the file of a private key, or of one that an agent holds")
    signed = [signer.signed(wish) for wish in sorted(wishes, key=lambda wish: (wish.group, str(wish)))]
    content = msgspec.json.encode(SignatureFile(FORMAT, VERSION, signed))
    write_whole(out, msgspec.json.format(content, indent=1) + b"\n")
    return [Statement.read(each.statement) for each in signed]


def read_signatures(file: Path) -> GivenSignatures:
    """Read what `sign` has written. Only hosts verify the signatures.

    Raises:
        InputError: it cannot be read, or is no file of signatures of this version.
    """
    import msgspec

    again = "`fleetsched sign FILE` writes one"
    data = read_bounded(file, _MOST_BYTES)
    try:
        found = msgspec.json.decode(data, type=SignatureFile)
        if (found.format, found.version) != (FORMAT, VERSION):
            raise InputError(f"{file} is no {FORMAT} of version {VERSION}", remedy=again)
        return GivenSignatures(found.statements, str(file))
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} holds no signatures: {error}", remedy=again) from error
