# SPDX-License-Identifier: Apache-2.0
"""What a forge's answers are told as."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetsched.errors import ConflictError, FleetschedError, RefusedError
from fleetsched.forge.forgejo import Forgejo
from fleetsched.forge.github import GitHub
from fleetsched.forge.gitlab import GitLab
from fleetsched.forge.pagure import Pagure
from fleetsched.forge.pulls import PullRequests
from fleetsched.forge.trouble import trouble
from fleetsched.model.controller import ForgeAccess
from tests.unit.forge.canned import Canned


@pytest.mark.parametrize(
    ("status", "headers", "kind", "said"),
    [
        (0, {}, FleetschedError, "no answer: why"),
        (401, {}, FleetschedError, "the token is not accepted: why"),
        (403, {}, FleetschedError, "the token may not: why"),
        (403, {"x-ratelimit-remaining": "0"}, FleetschedError, "too many requests"),
        (403, {"Retry-After": "30"}, FleetschedError, "too many requests, for 30 s more"),
        (403, {"x-ratelimit-remaining": "9"}, FleetschedError, "the token may not: why"),
        (404, {}, FleetschedError, "no such repository or thing, or the token may not see it: why"),
        (405, {}, RefusedError, "the forge's rules do not let it be: why"),
        (409, {}, ConflictError, "it changed at the same time: why"),
        (422, {}, RefusedError, "refused: why"),
        (
            429,
            {"X-RateLimit-Reset": "1790000000"},
            FleetschedError,
            "too many requests, until 2026-09-21T14:13:20Z",
        ),
        (429, {"X-RateLimit-Reset": "soon"}, FleetschedError, "too many requests"),
        (
            429,
            {"RateLimit-Reset": "1790000000"},
            FleetschedError,
            "too many requests, until 2026-09-21T14:13:20Z",
        ),
        (503, {}, FleetschedError, "the forge failed (HTTP 503): why"),
    ],
)
def test_each_answer_has_its_error_and_a_remedy(
    status: int, headers: dict[str, str], kind: type[FleetschedError], said: str
) -> None:
    error = trouble("GitHub", "acme/fleet", "open a pull request", status, "why", headers)
    assert type(error) is kind
    assert error.message == f"GitHub, acme/fleet: cannot open a pull request: {said}"
    assert error.remedy


def test_what_the_forge_says_is_one_bounded_line() -> None:
    error = trouble("GitHub", "acme/fleet", "ask", 422, "x\x1b[31m\n" * 500, {})
    assert len(error.message) < 300
    assert error.message.isprintable()


@pytest.mark.parametrize(
    ("client", "library", "said"),
    [
        (GitHub, "github", "GitHub (PyGithub)"),
        (GitLab, "gitlab", "GitLab (python-gitlab)"),
        (Forgejo, "requests", "Forgejo (requests)"),
        (Pagure, "requests", "Pagure (requests)"),
    ],
)
def test_a_library_that_is_missing_is_told_with_what_brings_it(
    client: Callable[[ForgeAccess, str], PullRequests],
    library: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(FleetschedError) as caught:
        client(ForgeAccess(), "token")
    assert caught.value.message == f"the library that speaks to {said} is not installed"
    assert caught.value.remedy == "pip install 'fleetsched[forge]'"


@pytest.mark.parametrize("client", [GitHub, GitLab, Forgejo, Pagure])
def test_certificates_are_those_of_the_environment(
    client: Callable[[ForgeAccess, str], PullRequests], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    forge = client(ForgeAccess(repository="acme/fleet", url="https://127.0.0.1:9"), "token")
    with pytest.raises(FleetschedError, match=r"no answer: .*certificate.*/nowhere/ca\.pem"):
        forge.newest()


@pytest.mark.parametrize("client", [GitHub, GitLab, Forgejo, Pagure])
def test_what_git_knows_of_the_host_does_not_replace_the_token(
    client: Callable[[ForgeAccess, str], PullRequests],
    server: Canned,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login alice password of-git\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    forge = client(ForgeAccess(repository="acme/fleet", url=server.url), "the-token")
    with pytest.raises(FleetschedError, match="no such repository or thing"):
        forge.newest()
    sent = server.headers.get("PRIVATE-TOKEN") or server.headers["Authorization"]
    assert sent.endswith("the-token")
