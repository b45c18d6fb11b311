# SPDX-License-Identifier: Apache-2.0
"""Where a run's signatures come from, and that a host never gets an older statement after a newer one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleetsched.errors import HelperError
from fleetsched.helper.simulated.signatures import wrong_signature
from fleetsched.model.program import Program
from fleetsched.model.statement import Signed, Statement
from fleetsched.rollout.signatures import GivenSignatures, KeySignatures, NoSignatures, Wish
from tests.conformance.signing import allowed_signers, key
from tests.unit.builders import assignment

START = datetime(2026, 5, 6, 7, 8, 9, 500_000, tzinfo=UTC)
FAIR = Wish("web", assignment("fair", slice_us=5000), "c" * 40)
BATCH = Wish("web", assignment("batch"), "d" * 40)


class Clock:
    """A wall clock that stands still."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_a_statement_is_canonical_and_its_signature_is_the_keys() -> None:
    signed = KeySignatures(key("known"), 86_400, Clock()).signed(FAIR)

    assert signed.statement == (
        '{"assignment":{"digest":"' + "a" * 64 + '","parameters":{"slice_us":5000},"policy":"fair",'
        '"variant":"default"},"group":"web","notAfter":"2026-05-07T07:08:09Z","revision":"'
        + "c" * 40
        + '","serial":1778051289500}'
    )
    assert Statement.read(signed.statement).text() == signed.statement
    assert wrong_signature(allowed_signers(), signed.statement.encode(), signed.signature) == ""


def test_hosts_of_a_group_share_the_newest_statement_and_never_get_an_older_one() -> None:
    clock = Clock()
    signatures = KeySignatures(key("known"), 86_400, clock)

    made = [signatures.signed(wish, brief=wish is BATCH) for wish in (FAIR, FAIR, BATCH, BATCH, FAIR)]

    serials = [Statement.read(each.statement).serial for each in made]
    first = serials[0]
    assert serials == [first, first, first + 1, first + 1, first + 2]
    assert Statement.read(made[2].statement).not_after == START.replace(microsecond=0) + timedelta(minutes=10)


def test_a_statement_that_will_soon_be_over_is_made_again() -> None:
    clock = Clock()
    signatures = KeySignatures(key("known"), 3600, clock)
    first = Statement.read(signatures.signed(FAIR).statement)

    clock.now += timedelta(minutes=31)
    second = Statement.read(signatures.signed(FAIR).statement)

    assert second.serial - first.serial == 31 * 60_000
    assert second.not_after - first.not_after == timedelta(minutes=31)


def test_serials_rise_although_the_clock_goes_back() -> None:
    clock = Clock()
    signatures = KeySignatures(key("known"), 3600, clock)
    first = Statement.read(signatures.signed(FAIR).statement)

    clock.now -= timedelta(days=1)

    assert Statement.read(signatures.signed(BATCH).statement).serial == first.serial + 1


def test_a_programs_path_and_arguments_are_signed_too() -> None:
    rusty = replace(FAIR, program=Program("/usr/bin/scx_rusty", ("--slice-us", "1")))

    signed = KeySignatures(key("known"), 3600, Clock()).signed(rusty)

    assert '"program":{"args":["--slice-us","1"],"path":"/usr/bin/scx_rusty"}' in signed.statement
    assert Statement.read(signed.statement).program == rusty.program
    found = GivenSignatures([signed], "week.json", lambda: START)
    assert (found.missing(rusty), found.missing(FAIR)) == (
        "",
        "week.json has nothing for fair@aaaaaaaa, group web, at this revision",
    )


def given(not_after: datetime) -> GivenSignatures:
    statement = Statement(FAIR.assignment, FAIR.group, FAIR.revision, not_after, 1)
    return GivenSignatures([Signed(statement.text(), "armor")], "week.json", lambda: START)


@pytest.mark.parametrize(
    ("signatures", "wish", "message"),
    [
        (NoSignatures(), FAIR, "it takes only signed assignments: there is no key to sign with"),
        (
            KeySignatures(Path("/keys/gone"), 60.0),
            FAIR,
            "it takes only signed assignments: the key /keys/gone is not there",
        ),
        (
            given(START + timedelta(hours=1)),
            BATCH,
            "it takes only signed assignments: week.json has nothing for batch@aaaaaaaa, group web, "
            "at this revision",
        ),
        (
            given(START - timedelta(hours=1)),
            FAIR,
            "it takes only signed assignments: what week.json says was good until 2026-05-06T06:08:09Z",
        ),
        (
            given(START + timedelta(hours=1)),
            Wish("", FAIR.assignment, FAIR.revision),
            "fair@aaaaaaaa cannot be signed: no HostGroup holds the host",
        ),
    ],
)
def test_what_is_missing_is_told(signatures: NoSignatures, wish: Wish, message: str) -> None:
    with pytest.raises(HelperError) as caught:
        signatures.signed(wish)
    assert (caught.value.code, caught.value.message) == ("unsigned", message)


def test_a_key_that_signs_nothing_is_told() -> None:
    file = key("known").with_name("no-key")
    file.write_text("no key\n", encoding="utf-8")
    file.chmod(0o600)

    with pytest.raises(HelperError) as caught:
        KeySignatures(file, 60.0).signed(FAIR)

    assert str(caught.value).startswith(f"{file} makes no signature: ")
    assert str(caught.value).endswith(
        "\n  name a private key, or a public one that an agent holds (`ssh-add -L`)"
    )
