# SPDX-License-Identifier: Apache-2.0
"""Tells people of events: a webhook with a template, or whatever `apprise` knows. It never stops the loop."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fleetsched.errors import FleetschedError, InputError
from fleetsched.fleetrepo.secret import resolve_secret
from fleetsched.model.controller import Notify
from fleetsched.model.cycle import Cycle, Event
from fleetsched.rollout.run import HostEvent
from fleetsched.secrets import redact, redact_values

_LIMIT_S = 10.0
_MOST_BYTES = 64 << 10
_PLAIN = '{"text": {{ text | tojson }}, "event": {{ event | tojson }}}'


@dataclass(frozen=True, slots=True)
class Told:
    """One place that is told.

    Attributes:
        name: how the log calls it, without anything secret.
        on: kinds of events; empty = all.
        send: tells it of an event.
    """

    name: str
    on: tuple[str, ...]
    send: Callable[[Event], None]


class Notifier:
    """Watches the loop, and tells each new event once to everybody who wants it.

    Args:
        places: who is told.
        complain: called with a line where that fails.
    """

    def __init__(self, places: Sequence[Told], complain: Callable[[str], None]) -> None:
        self._places = places
        self._complain = complain

    def began(self, at: str) -> None:
        """Nobody is told of that."""

    def progress(self, event: HostEvent) -> None:
        """Nobody is told of that."""

    def unpublished(self, why: str) -> None:
        """Nobody is told of that: the metric rises, and the log says why."""

    def ended(self, cycle: Cycle, subject: str, new: Sequence[Event]) -> None:
        """Tell what is new."""
        for event in new:
            for place in self._places:
                if place.on and event.kind not in place.on:
                    continue
                try:
                    place.send(event)
                except (OSError, ValueError, FleetschedError) as error:
                    self._complain(redact(f"{place.name} was not told of {event.kind}: {error}"))


def places(settings: Sequence[Notify]) -> list[Told]:
    """Make what the controller's file names ready.

    Raises:
        InputError: a secret is not there, or a template is wrong.
        FleetschedError: apprise is not installed.
    """
    found = []
    for number, notify in enumerate(settings, 1):
        url = resolve_secret(notify.url)
        name = f"{notify.kind} {number}"
        send = _webhook(url, notify.template) if notify.kind == "webhook" else _apprise(url)
        found.append(Told(name, notify.on, send))
    return found


def _webhook(url: str, template: str) -> Callable[[Event], None]:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise InputError("a webhook of reconcile.notify is no http or https URL")
    form = message_form(_read(template) if template else _PLAIN)

    def send(event: Event) -> None:
        request = urllib.request.Request(  # noqa: S310 the scheme was looked at
            url, form(event), {"Content-Type": "application/json", "User-Agent": "fleetsched"}, method="POST"
        )
        try:
            with _OPENER.open(request, timeout=_LIMIT_S) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            error.close()
            raise OSError(f"it answered {error.code}") from None

    return send


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is told goes to the address that the controller's file names, and to no other."""

    def redirect_request(self, *arguments: Any, **more: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def message_form(template: str) -> Callable[[Event], bytes]:
    """Make the JSON of an event by a Jinja2 template, with `event` and `text` in it.

    Raises:
        InputError: the template is none.
    """
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    try:
        compiled = environment.from_string(template)
    except TemplateError as error:
        raise InputError(f"a template of reconcile.notify is wrong: {error}") from error

    def form(event: Event) -> bytes:
        value = {**asdict(event), "kind": str(event.kind)}
        try:
            text = compiled.render(redact_values({"event": value, "text": text_of(event)}))
            json.loads(text)
        except TemplateError as error:
            raise InputError(f"its template fails: {error}") from error
        except ValueError as error:
            raise InputError(f"its template makes no JSON: {error}") from error
        if len(text) > _MOST_BYTES:
            raise InputError("its template makes too long a text")
        return text.encode()

    return form


def text_of(event: Event) -> str:
    """An event as people read it."""
    about = f" goal {event.goal}" if event.goal else ""
    return f"fleetsched {event.kind}{about} at {event.revision[:12]}: {event.text}"


def _apprise(url: str) -> Callable[[Event], None]:
    try:
        import apprise
    except ImportError as error:
        raise FleetschedError(
            "apprise is not installed", remedy="pip install 'fleetsched[reconcile]'"
        ) from error
    service = apprise.Apprise()
    if not service.add(url):
        raise InputError("an apprise URL of reconcile.notify is not one that apprise knows")

    def send(event: Event) -> None:
        title = f"fleetsched: {event.kind}{f' {event.goal}' if event.goal else ''}"
        if not service.notify(body=redact(text_of(event)), title=redact(title)):
            raise OSError("it could not be reached")

    return send


def _read(file: str) -> str:
    try:
        return Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the template {file} cannot be read: {error}") from error
