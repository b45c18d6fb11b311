# SPDX-License-Identifier: Apache-2.0
"""Who owns which file: as GitHub documents the syntax of CODEOWNERS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetsched.model.codeowners import owners_of, parse_codeowners


@pytest.mark.parametrize(
    ("pattern", "path", "owned"),
    [
        ("*", "manifests/a.yaml", True),
        ("*.yaml", "manifests/deep/a.yaml", True),
        ("*.yaml", "policies/fair/fair.bpf.c", False),
        ("/policies/", "policies/fair/policy.yaml", True),
        ("/policies/", "more/policies/fair/policy.yaml", False),
        ("policies/", "more/policies/fair/policy.yaml", True),
        ("/manifests/*", "manifests/a.yaml", True),
        ("/manifests/*", "manifests/deep/a.yaml", False),
        ("docs/*", "more/docs/a.md", False),
        ("**/fair", "policies/fair/policy.yaml", True),
        ("/policies/**/README.md", "policies/fair/README.md", True),
        ("/policies/**/README.md", "policies/README.md", True),
        ("/policies/fair", "policies/fair/policy.yaml", True),
        ("/policies/fair", "policies/fairer/policy.yaml", False),
        ("a?.yaml", "ab.yaml", True),
        ("a?.yaml", "a/.yaml", False),
        ("a.yaml", "axyaml", False),
    ],
)
def test_a_pattern_matches_as_documented(pattern: str, path: str, owned: bool) -> None:
    assert bool(owners_of(parse_codeowners(f"{pattern} @alice\n"), path)) is owned


def test_the_last_rule_that_matches_decides_also_when_it_names_nobody() -> None:
    rules = parse_codeowners(
        "# everything\n* @alice @acme/kernel a@example.test\n[Section] @eve\n/docs/ # nobody\n*.c @bob # C\n"
    )
    assert owners_of(rules, "manifests/a.yaml") == ("alice", "acme/kernel")
    assert owners_of(rules, "docs/a.md") == ()
    assert owners_of(rules, "docs/a.c") == ("bob",)


@given(st.text(), st.text())
def test_whatever_is_written_is_read(text: str, path: str) -> None:
    for rule in parse_codeowners(text):
        assert rule.pattern
    owners_of(parse_codeowners(text[:100]), path[:50])
