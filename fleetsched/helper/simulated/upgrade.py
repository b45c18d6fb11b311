# SPDX-License-Identifier: Apache-2.0
"""The verb `upgrade` of a simulated host: what it refuses, and how another helper takes over or does not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fleetsched.helper.simulated.host import SimulatedHost
from fleetsched.helper.simulated.refusal import Refusal
from fleetsched.helper.simulated.signatures import wrong_signature
from fleetsched.helper.simulated.verbs import PREFLIGHT, check_token, trial
from fleetsched.model.statement import HELPER_NAMESPACE

_VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}")
_MACHINES = {"x86_64": 62, "aarch64": 183}  # e_machine of an ELF header
_PROOF_MS = 1_500  # until a good helper has answered, and until a broken one is given up
_BOUND_MS = 30_000


def may(host: SimulatedHost, arguments: Mapping[str, Any]) -> None:
    """Refuse what the request alone shows to be wrong.

    Raises:
        Refusal: `unknown-verb` of a helper of protocol 1, or the protocol's code.
    """
    host.require(host.protocol >= 2, "unknown-verb", "there is no verb upgrade")
    check_token(host, arguments.get("token"), "used")
    if host.trial:
        raise Refusal(
            "trial-in-progress",
            f"the trial {host.trial.id} is in progress",
            remedy="wait until it has ended",
            detail={"trial": trial(host)},
        )
    version = arguments["version"]
    host.require(_VERSION.fullmatch(version), "bad-request", "upgrade cannot take this value of version")
    highest = max(host.version, host.disk.highest_version or host.version, key=numbers)
    if numbers(version) < numbers(highest):
        raise Refusal(
            "downgrade",
            f"helper {version} is older than {highest}, which has run on this host",
            remedy="bring a helper that is not older",
        )
    if host.allowed_signers and not arguments.get("signature"):
        raise Refusal(
            "unsigned",
            "this host takes only signed helpers, and this one is not signed",
            remedy="give the controller a signing key (sign.key)",
        )
    if why := _why_off(host):
        raise Refusal(
            "stays-off",
            f"what runs on this host would not come back after the upgrade: {why}",
            remedy="put that right; or restart fleetsched-host there and apply, which confirms it as the host"
            " is now",
        )
    if host.disk_full:
        raise Refusal(
            "disk-full", "no room for another helper in /usr/libexec", remedy="free some space there"
        )


def _why_off(host: SimulatedHost) -> str:
    """Why a helper that starts now would leave off what runs; empty when it would not, or nothing runs."""
    record = host.disk.last_known_good
    if not host.attached or record is None:
        return ""
    if record["cpus"] != host.cpus:
        return f"it was confirmed with the CPUs {record['cpus']}, these are {host.cpus}"
    found = {problem["code"]: problem["message"] for problem in host.problems}
    return next((found[code] for code in PREFLIGHT if code in found and code != "disk-full"), "")


def take(host: SimulatedHost, arguments: Mapping[str, Any], data: bytes) -> None:
    """Take over what has arrived whole: `finish` goes on when it was answered.

    Raises:
        Refusal: `not-a-helper`, `bad-signature`, `no-ssh-keygen`, or as `may`.
    """
    may(host, arguments)
    _check_signature(host, arguments, data)
    machine = int.from_bytes(data[18:20], "little")
    if data[:4] != b"\x7fELF" or machine != _MACHINES.get(host.arch):
        raise Refusal(
            "not-a-helper",
            "the bytes are no whole, static program for this architecture",
            remedy="bring a helper that was built for this host's architecture",
        )
    version, digest = arguments["version"], arguments["digest"]
    host.log("upgrade", detail=f"from {host.version} to {version}, {digest[:12]}")


def _check_signature(host: SimulatedHost, arguments: Mapping[str, Any], data: bytes) -> None:
    if not host.allowed_signers:
        return
    if not host.ssh_keygen:
        raise Refusal(
            "no-ssh-keygen",
            "this host takes only what is signed, and /usr/bin/ssh-keygen, which verifies, is not there",
            remedy="install OpenSSH's client there",
        )
    if wrong := wrong_signature(host.allowed_signers, data, arguments["signature"], HELPER_NAMESPACE):
        raise Refusal("bad-signature", wrong, remedy="sign it with a key that the host allows, valid now")


def finish(host: SimulatedHost, arguments: Mapping[str, Any]) -> None:
    """Let the other helper take over, or this one come back. Ends every connection."""
    before, version, digest = host.version, arguments["version"], arguments["digest"]
    why = host.broken_helpers.get(digest) or host.broken_helpers.get(version)
    if host.attached:
        host.log("detached", host.attached.assignment, detail="the service stops")
    host.clock.advance(_BOUND_MS if why else _PROOF_MS)
    host.kill_helper()
    if why:
        host.log("upgrade-failed", detail=f"to {version}, {digest[:12]}: {why}; {before} is back")
        return
    host.version, host.helper_files = version, (digest, host.helper_files[1])
    host.disk.highest_version = max(version, host.disk.highest_version or version, key=numbers)
    host.log("upgraded", detail=f"from {before} to {version}, {digest[:12]}")


def numbers(version: str) -> tuple[int, ...]:
    """A version as it is compared."""
    return tuple(int(part) for part in version.split("."))
