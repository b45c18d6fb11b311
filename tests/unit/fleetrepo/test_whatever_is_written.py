# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in a place of a right file: the fleet is loaded, or its mistakes are named."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetsched.errors import ProblemsError
from fleetsched.fleetrepo.load import load_fleet
from tests.unit.fleetrepo.repository import FILES, write

INVENTORY = """\
all:
  vars: {ansible_user: admin, ansible_ssh_common_args: -o A=b -J gate, ansible_become: true}
  children:
    web: {hosts: {"web-[1:3]": {ansible_host: 10.0.0.1, ansible_port: 22}}, children: {front: {vars: {a: 1}}}}
    db: {hosts: {db-1: {ansible_connection: local, ansible_become_user: root}}}
"""
RIGHT = {name: text for name, text in FILES.items() if not name.endswith(".c")} | {
    "inventory/hosts.yaml": INVENTORY
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet="ab1:[]{}%&!~*-_.,= \n\u00e9\u2028\x1b", max_size=12)
    | st.sampled_from(
        ["web", "all", "fair", "10%", "15s", ">=6.1", "{{ x }}", "web[0:9]", "-o", "2020-01-01"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["hosts", "name", "spec", "kind", "a", "-", "1"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """List every mapping or list with each of its keys."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in list(children):
        yield value, key
        yield from places(child)


def mistakes(root: Path) -> list[str]:
    try:
        load_fleet(root)
    except ProblemsError as error:
        return [str(problem) for problem in error.problems]
    return []


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(RIGHT)), st.data())
def test_a_fleet_is_loaded_or_its_mistakes_are_named(name: str, data: st.DataObject) -> None:
    document = yaml.safe_load(RIGHT[name])
    holder, key = data.draw(st.sampled_from(list(places(document))))
    holder[key] = data.draw(ANYTHING)
    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder), RIGHT | {name: yaml.safe_dump(document, allow_unicode=True)})
        assert all(said.isprintable() for said in mistakes(root))
