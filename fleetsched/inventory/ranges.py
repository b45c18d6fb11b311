# SPDX-License-Identifier: Apache-2.0
"""Host ranges: `www[01:50:2].example.com`, `db-[a:f]`, several in one name, and a port at the end."""

from __future__ import annotations

import itertools
import re
import string

MOST_HOSTS = 100_000
"""Most hosts that one name may stand for."""

_RANGE = re.compile(r"\[([^\[\]]*)\]")
_BRACKETED_IPV6 = re.compile(r"\[(?P<address>[0-9a-fA-F.]*(:[0-9a-fA-F.]*){2,})\](:(?P<port>[0-9]{1,5}))?")
_PORT = re.compile(r"^(?P<name>[^:]+):(?P<port>[0-9]{1,5})$")


def split_port(name: str) -> tuple[str, int | None]:
    """Split `host:5309`, where colons of ranges do not count, and `[2001:db8::1]:22`.

    A bare IPv6 address has no port.
    """
    bracketed = _BRACKETED_IPV6.fullmatch(name)
    if bracketed is not None:
        return bracketed["address"], int(bracketed["port"]) if bracketed["port"] else None
    match = _PORT.match(_RANGE.sub(lambda found: found[0].replace(":", "\0"), name))
    if match is None:
        return name, None
    return match["name"].replace("\0", ":"), int(match["port"])


def expand(name: str) -> list[str]:
    """List the names that a name with ranges stands for, in order, both ends included.

    Raises:
        ValueError: a range cannot be read or stands for too many names; the message says why.
    """
    literals = _RANGE.split(name)[::2]
    choices = [_choices(text) for text in _RANGE.findall(name)]
    total = 1
    for choice in choices:
        total *= len(choice)
    if total > MOST_HOSTS:
        raise ValueError(f"stands for {total:,} hosts; {MOST_HOSTS:,} are the most")
    names = []
    for combination in itertools.product(*choices):
        parts = itertools.zip_longest(literals, combination, fillvalue="")
        names.append("".join(literal + chosen for literal, chosen in parts))
    return names


def _choices(text: str) -> list[str]:
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts[1:]):
        raise ValueError(f"range [{text}] is not [first:last] or [first:last:step]")
    first, last = parts[0] or "0", parts[1]
    step = parts[2] if len(parts) == 3 else "1"
    if not re.fullmatch("[0-9]{1,6}", step) or int(step) == 0:
        raise ValueError(f"range [{text}] needs a step of 1 or more")
    if re.fullmatch("[0-9]{1,9}", first) and re.fullmatch("[0-9]{1,9}", last):
        chosen = _numbers(text, first, last, int(step))
    elif len(first) == len(last) == 1 and first in string.ascii_letters and last in string.ascii_letters:
        letters = string.ascii_letters
        chosen = list(letters[letters.index(first) : letters.index(last) + 1 : int(step)])
    else:
        raise ValueError(f"range [{text}] goes neither from number to number nor from letter to letter")
    if not chosen:
        raise ValueError(f"range [{text}] ends before it begins")
    return chosen


def _numbers(text: str, first: str, last: str, step: int) -> list[str]:
    """Count from first to last; a leading zero pads all to the first's width, as in Ansible."""
    padded = first.startswith("0") and len(first) > 1
    if padded and len(first) != len(last):
        raise ValueError(f"range [{text}] pads with zeros: write both ends with {len(first)} digits")
    numbers = range(int(first), int(last) + 1, step)
    if len(numbers) > MOST_HOSTS:
        raise ValueError(f"range [{text}] stands for {len(numbers):,} hosts; {MOST_HOSTS:,} are the most")
    return [str(number).zfill(len(first) if padded else 1) for number in numbers]
