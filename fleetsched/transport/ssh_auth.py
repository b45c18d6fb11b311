# SPDX-License-Identifier: Apache-2.0
"""Logging in with keys: the named files, the agent's, the usual files. Never with a password."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType

from fleetsched.errors import UnreachableError
from fleetsched.transport.ssh_options import SshOptions


def log_in(transport: paramiko.Transport, options: SshOptions) -> None:
    """Log in with the first key that the host accepts.

    Raises:
        UnreachableError: it accepts none, or wants more than a key.
    """
    tried: list[str] = []
    with contextlib.closing(paramiko.Agent()) as agent:
        for label, key in _candidates(options, agent, tried):
            try:
                further = transport.auth_publickey(options.user, key)
            except paramiko.BadAuthenticationType as error:
                raise _wants_more(options, error.allowed_types) from error
            except paramiko.AuthenticationException:
                tried.append(label)
                continue
            except (paramiko.SSHException, EOFError, OSError) as error:
                tried.append(f"{label} (then the host ended the connection)")
                raise _refused(options, tried) from error
            if further:
                raise _wants_more(options, further)
            return
    raise _refused(options, tried)


def _candidates(
    options: SshOptions, agent: paramiko.Agent, notes: list[str]
) -> Iterator[tuple[str, paramiko.PKey]]:
    """Yield keys with a name for messages, and note why a file gives none.

    The agent is asked after named files, because each refused key brings the host's limit of attempts (six by
    default) nearer.
    """
    if options.key_files_given:
        yield from _files(options, notes)
    yield from _from_agent(options, agent, notes)
    if not options.key_files_given:
        yield from _files(options, notes)


def _files(options: SshOptions, notes: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    for path in options.key_files:
        try:
            yield str(path), paramiko.PKey.from_path(path)
        except FileNotFoundError:
            if options.key_files_given:
                notes.append(f"{path} (does not exist)")
        except (
            paramiko.PasswordRequiredException,
            TypeError,
        ):  # paramiko 5.1 lets cryptography's own through
            notes.append(f"{path} (has a passphrase: add it to the agent)")
        except (paramiko.SSHException, UnknownKeyType, OSError, ValueError) as error:
            notes.append(f"{path} (cannot be read: {error})")


def _from_agent(
    options: SshOptions, agent: paramiko.Agent, notes: list[str]
) -> Iterator[tuple[str, paramiko.PKey]]:
    try:
        keys = agent.get_keys()
    except (paramiko.SSHException, OSError, ValueError) as error:
        notes.append(f"the agent (does not answer: {error})")
        return
    wanted = {blob for path in options.key_files if (blob := _public_half(path))}
    for key in keys:
        if not options.identities_only or key.asbytes() in wanted:
            yield f"the agent's {key.get_name()} {key.comment or key.fingerprint}", key


def _public_half(path: Path) -> bytes:
    """Return the public key beside a private one, which is how a key of the agent is recognised."""
    try:
        words = Path(f"{path}.pub").read_text(encoding="utf-8").split()
        return base64.b64decode(words[1], validate=True)
    except (OSError, ValueError, IndexError):
        return b""


def _refused(options: SshOptions, tried: list[str]) -> UnreachableError:
    keys = ", ".join(tried) or "there is no key"
    return UnreachableError(
        f"{options.host}: {_who(options)} accepts none of our keys; tried: {keys}",
        remedy="set `ansible_user` and `ansible_ssh_private_key_file`, or add the key to the agent",
    )


def _wants_more(options: SshOptions, types: list[str]) -> UnreachableError:
    return UnreachableError(
        f"{options.host}: {_who(options)} wants {' or '.join(types)}, and fleetsched logs in with keys only",
        remedy=f"let the host accept a key for {options.user}",
    )


def _who(options: SshOptions) -> str:
    return f"{options.user}@{options.address}:{options.port}"
