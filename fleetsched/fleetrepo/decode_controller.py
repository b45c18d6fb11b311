# SPDX-License-Identifier: Apache-2.0
"""The controller's own file, which fits its schema, to the model's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fleetsched.fleetrepo.decode import percent, seconds
from fleetsched.model.controller import (
    AgentAccess,
    Budget,
    Controller,
    ForgeAccess,
    Notify,
    Price,
    Reconciling,
    SecretReference,
    Sign,
    Ssh,
    Trust,
)


def controller(value: Mapping[str, Any], source: str) -> Controller:
    """Read the controller's own file, with what the environment says over it."""
    trust, ssh, sign = value.get("trust", {}), value.get("ssh", {}), value.get("sign", {})
    plain, trusted = Ssh(), Trust()
    return Controller(
        trust=Trust(
            remote=trust.get("remote", trusted.remote),
            branch=trust.get("branch", trusted.branch),
            allowed_signers=trust.get("allowedSigners", trusted.allowed_signers),
            revoked_keys=trust.get("revokedKeys", trusted.revoked_keys),
        ),
        ssh=Ssh(
            user=ssh.get("user"),
            key_file=ssh.get("keyFile"),
            connect_timeout_s=seconds(ssh, "connectTimeout", plain.connect_timeout_s),
            forks=int(ssh.get("forks", plain.forks)),
            become_password=_secret(ssh, "becomePassword"),
        ),
        source=source,
        sign=Sign(sign.get("key", ""), seconds(sign, "validFor", Sign().valid_s)),
        experiments=tuple(value.get("experiments", ())),
        forge=_forge(value.get("forge", {})),
        agent=_agent(value.get("agent", {})),
        reconcile=_reconciling(value.get("reconcile", {})),
    )


def _secret(value: Mapping[str, Any], name: str) -> SecretReference | None:
    return SecretReference(**value[name]) if name in value else None


def _forge(value: Mapping[str, Any]) -> ForgeAccess:
    plain = ForgeAccess()
    return ForgeAccess(
        kind=value.get("kind", plain.kind),
        repository=value.get("repository", plain.repository),
        url=value.get("url", plain.url),
        token=_secret(value, "token"),
    )


def _agent(value: Mapping[str, Any]) -> AgentAccess:
    plain, budget = AgentAccess(), value.get("budget", {})
    return AgentAccess(
        backend=value.get("backend", plain.backend),
        model=value.get("model", plain.model),
        key=_secret(value, "key"),
        url=value.get("url", plain.url),
        budget=Budget(
            usd=float(budget.get("usd", plain.budget.usd)),
            tokens=int(budget.get("tokens", plain.budget.tokens)),
            wall_s=seconds(budget, "wall", plain.budget.wall_s),
            candidates=int(budget.get("candidates", plain.budget.candidates)),
        ),
        price=_price(value["price"]) if "price" in value else None,
    )


def _price(value: Mapping[str, Any]) -> Price:
    plain = value["input"]
    return Price(plain, value["output"], value.get("cacheWrite", plain * 1.25), value.get("cacheRead", plain))


def _reconciling(value: Mapping[str, Any]) -> Reconciling:
    plain = Reconciling()
    return Reconciling(
        interval_s=seconds(value, "interval", plain.interval_s),
        listen=value.get("listen", plain.listen),
        webhook_secret=_secret(value, "webhookSecret"),
        notify=tuple(map(_notify, value.get("notify", ()))),
        jitter=percent(value["jitter"]) if "jitter" in value else plain.jitter,
    )


def _notify(value: Mapping[str, Any]) -> Notify:
    kind: Literal["webhook", "apprise"] = "webhook" if "webhook" in value else "apprise"
    return Notify(kind, SecretReference(**value[kind]), value.get("template", ""), tuple(value.get("on", ())))
