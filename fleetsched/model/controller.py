# SPDX-License-Identifier: Apache-2.0
"""What the controller's own file says. It is never read from a fleet repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Trust:
    """Which branch vouches for a revision.

    Attributes:
        remote: the Git remote that it is fetched from: a name of the repository's own configuration, or a
            URL or path, which nobody but the controller's own file can change.
        branch: the branch from which an approved revision can be reached.
        allowed_signers: file of OpenSSH's allowed signers, one of whom must have signed the branch's tip;
            empty = no signature is asked for.
        revoked_keys: OpenSSH key revocation list; empty = none.
    """

    remote: str = "origin"
    branch: str = "main"
    allowed_signers: str = ""
    revoked_keys: str = ""

    @property
    def remote_is_url(self) -> bool:
        """Whether the remote is a URL or a path, not a name."""
        return ":" in self.remote or self.remote.startswith(("/", "~"))

    @property
    def reference(self) -> str:
        """Where the branch is kept in the repository once fetched."""
        if self.remote_is_url:
            return f"refs/fleetsched/trusted/{self.branch}"
        return f"refs/remotes/{self.remote}/{self.branch}"

    @property
    def newest_reference(self) -> str:
        """Where a checkout keeps the tip that was approved last, wherever the branch has gone since."""
        return f"refs/fleetsched/newest/{self.reference.removeprefix('refs/')}"


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is: an environment variable, a file, or a credential of systemd; exactly one."""

    env: str = ""
    file: str = ""
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Ssh:
    """How hosts are reached where the inventory says nothing.

    Attributes:
        key_file: private key file; may begin with `~`.
        connect_timeout_s: seconds until a host that does not answer is out of reach.
        forks: hosts worked on at the same time.
        become_password: the password that sudo wants on hosts.
    """

    user: str | None = None
    key_file: str | None = None
    connect_timeout_s: float = 10.0
    forks: int = 64
    become_password: SecretReference | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """How assignments are signed for the hosts that want that.

    Attributes:
        key: a private key's file, or a public one whose private key an agent holds; may begin with `~`;
            empty = none are signed.
        valid_s: seconds for which a statement is good.
    """

    key: str = ""
    valid_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class ForgeAccess:
    """Where proposals live.

    Attributes:
        kind: `local` = on the trusted remote itself.
        repository: its name there, such as `acme/fleet`.
        url: base of the forge's API; empty = the public one.
        token: how this user is known there.
    """

    kind: Literal["local", "github", "gitlab", "forgejo", "pagure"] = "local"
    repository: str = ""
    url: str = ""
    token: SecretReference | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What one proposal may cost; reaching one of them ends it with the best so far.

    Attributes:
        usd: US dollars.
        tokens: of a language model, in and out, cached ones too.
        wall_s: seconds of this machine's time.
        candidates: policies, or parameters of one, that are tried.
    """

    usd: float = 2.0
    tokens: int = 500_000
    wall_s: float = 1800.0
    candidates: int = 12


@dataclass(frozen=True, slots=True)
class Price:
    """What a language model costs, in US dollars for a million tokens."""

    input: float
    output: float
    cache_write: float
    cache_read: float


@dataclass(frozen=True, slots=True)
class AgentAccess:
    """Who chooses or writes policies.

    Attributes:
        model: the language model's name.
        key: of the API.
        url: base of the API; empty = the public one.
        price: of the model; None = as the table has it that comes with fleetsched.
    """

    backend: Literal["catalogue", "anthropic"] = "catalogue"
    model: str = "claude-sonnet-5-5"
    key: SecretReference | None = None
    url: str = ""
    budget: Budget = Budget()
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Notify:
    """Somebody who is told what the reconciler does.

    Attributes:
        kind: `webhook` = a POST of JSON; `apprise` = whatever its URL says.
        url: where; it may hold a token.
        template: file of the Jinja2 template of a webhook's JSON; empty = a plain form.
        on: the kinds of events; empty = all.
    """

    kind: Literal["webhook", "apprise"]
    url: SecretReference
    template: str = ""
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconciling:
    """How a fleet is kept at the approved revision.

    Attributes:
        interval_s: seconds between two looks.
        jitter: percent of the interval that a wait may last longer, by chance.
        listen: `HOST:PORT` of the status page, the metrics and the webhook.
        webhook_secret: what forges sign webhooks with; None = no webhook is taken.
    """

    interval_s: float = 60.0
    listen: str = "127.0.0.1:9644"
    webhook_secret: SecretReference | None = None
    notify: tuple[Notify, ...] = ()
    jitter: float = 5.0


@dataclass(frozen=True, slots=True)
class Controller:
    """The controller's configuration.

    Attributes:
        source: the file it was read from; empty when there is none.
        experiments: names of the HostGroups on which unapproved policies may be measured.
    """

    trust: Trust = Trust()
    ssh: Ssh = Ssh()
    source: str = ""
    sign: Sign = Sign()
    experiments: tuple[str, ...] = ()
    forge: ForgeAccess = ForgeAccess()
    agent: AgentAccess = AgentAccess()
    reconcile: Reconciling = Reconciling()
