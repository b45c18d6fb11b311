# SPDX-License-Identifier: Apache-2.0
import pickle

import pytest

from fleetsched.errors import InputError
from fleetsched.model.inventory import Host, Inventory


def an_inventory() -> Inventory:
    names = ["web-01", "web-02", "web-03", "db-1", "db-2", "::1"]
    return Inventory(
        hosts={name: Host(name, name) for name in names},
        groups={
            "all": tuple(names),
            "ungrouped": ("::1",),
            "web": ("web-01", "web-02", "web-03"),
            "db": ("db-1", "db-2"),
            "prod": ("web-02", "web-03", "db-1"),
            "empty": (),
        },
    )


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("all", "web-01 web-02 web-03 db-1 db-2 ::1"),
        ("*", "web-01 web-02 web-03 db-1 db-2 ::1"),
        ("web", "web-01 web-02 web-03"),
        ("db-2", "db-2"),
        ("::1", "::1"),
        ("empty", ""),
        ("db:web", "db-1 db-2 web-01 web-02 web-03"),
        ("db,web", "db-1 db-2 web-01 web-02 web-03"),
        (" db , web-01 ", "db-1 db-2 web-01"),
        ("web:&prod", "web-02 web-03"),
        ("&prod:web", "web-02 web-03"),
        ("&prod", "web-02 web-03 db-1"),
        ("web:&prod:!web-03", "web-02"),
        ("!web", "db-1 db-2 ::1"),
        ("web-*", "web-01 web-02 web-03"),
        ("web-0[12]*", "web-01 web-02"),
        ("nothing-*", ""),
        ("d*", "db-1 db-2"),
        ("~web-0[13]", "web-01 web-03"),
        ("web[0]", "web-01"),
        ("web[-1]", "web-03"),
        ("web[7]", ""),
        ("web[0:1]", "web-01 web-02"),
        ("web[0-1]", "web-01 web-02"),
        ("web[1:]", "web-02 web-03"),
        ("web[:1]", "web-01 web-02"),
        ("web[0:1]:db[0]", "web-01 web-02 db-1"),
        ("web:web-02:web", "web-01 web-02 web-03"),
    ],
)
def test_a_pattern_selects_hosts_as_ansible_does(pattern: str, expected: str) -> None:
    assert [host.name for host in an_inventory().select(pattern)] == expected.split()


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("wbe", 'host pattern "wbe": no group or host "wbe"; did you mean "web"?'),
        ("web:!web02", 'host pattern "web:!web02": no group or host "web02"; did you mean "web-02"?'),
        ("~web(", 'host pattern "~web(": "~web(" is not a regular expression: missing ), '),
        ("wbe[0]", 'host pattern "wbe[0]": no group or host "wbe"; did you mean "web"?'),
        ("", "the host pattern is empty"),
        (":", "the host pattern is empty"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_an_error(pattern: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        an_inventory().select(pattern)
    assert caught.value.message.startswith(message)


def test_hosts_can_be_hashed_and_sent_to_another_process() -> None:
    host = Host("web-01", "10.0.0.1", ssh_options={"proxyjump": "gate"}, groups=("web",))
    assert pickle.loads(pickle.dumps(host)) == host
    assert len({host, host}) == 1
