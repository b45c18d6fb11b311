# SPDX-License-Identifier: Apache-2.0
import pytest

from fleetsched.inventory.ranges import expand, split_port


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web", "web"),
        ("www[1:3].example.com", "www1.example.com www2.example.com www3.example.com"),
        ("w[08:11]", "w08 w09 w10 w11"),
        ("w[01:07:3]", "w01 w04 w07"),
        ("w[:2]", "w0 w1 w2"),
        ("db-[a:c]", "db-a db-b db-c"),
        ("db-[a:e:2]", "db-a db-c db-e"),
        ("r[1:2]h[1:2]", "r1h1 r1h2 r2h1 r2h2"),
    ],
)
def test_a_range_stands_for_hosts_as_in_ansible(name: str, expected: str) -> None:
    assert expand(name) == expected.split()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("w[3:1]", "range [3:1] ends before it begins"),
        ("w[1]", "range [1] is not [first:last] or [first:last:step]"),
        ("w[1:]", "range [1:] is not [first:last] or [first:last:step]"),
        ("w[1:3:0]", "range [1:3:0] needs a step of 1 or more"),
        ("w[01:100]", "range [01:100] pads with zeros: write both ends with 2 digits"),
        ("w[a:3]", "range [a:3] goes neither from number to number nor from letter to letter"),
        ("w[1:999999999]", "range [1:999999999] stands for 999,999,999 hosts; 100,000 are the most"),
        ("w[1:1000]x[1:1000]", "stands for 1,000,000 hosts; 100,000 are the most"),
    ],
)
def test_a_range_that_cannot_be_meant_is_named(name: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        expand(name)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web", ("web", None)),
        ("web:2222", ("web", 2222)),
        ("w[1:3]", ("w[1:3]", None)),
        ("w[1:3]:22", ("w[1:3]", 22)),
        ("::1", ("::1", None)),
        ("fe80::1:2222", ("fe80::1:2222", None)),
    ],
)
def test_a_port_may_follow_the_name(name: str, expected: tuple[str, int | None]) -> None:
    assert split_port(name) == expected
