# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.build import render as render_module
from fleetsched.build import sandbox
from fleetsched.build.policy import compile_policy
from fleetsched.build.render import render
from fleetsched.errors import BuildError
from tests.unit.build.conftest import MINIMAL, MakePolicy

TEMPLATE = """\
{# what a variant chooses #}
#include <fleetsched/policy.bpf.h>
{% if fifo %}
/* first in,
   first out */
{% endif %}
{% for name in names %}
static u64 nr_{{ name }};
{% endfor %}
int last;
"""

ENDLESS = ": error: rendering the template takes more than 1 s"


def message(folder: Path, inputs: dict[str, object]) -> str:
    with pytest.raises(BuildError) as caught:
        render(folder, inputs)
    return caught.value.message


def test_plain_source_is_taken_as_it_is(make_policy: MakePolicy) -> None:
    assert render(make_policy(), {}) == MINIMAL


def test_template_gets_the_variants_inputs(make_policy: MakePolicy) -> None:
    text = render(make_policy(TEMPLATE, end=".j2"), {"fifo": False, "names": ["a", "b"]})
    code = [line for line in text.split("\n") if line and not line.startswith("#line")]
    assert code == ["#include <fleetsched/policy.bpf.h>", "static u64 nr_a;", "static u64 nr_b;", "int last;"]


@pytest.mark.parametrize("fifo", [True, False])
@pytest.mark.parametrize("names", [[], ["a"], ["a", "b", "c"]])
def test_compile_errors_name_the_templates_lines(
    make_policy: MakePolicy, cache: Path, fifo: bool, names: list[str]
) -> None:
    folder = make_policy(TEMPLATE.replace("int last;", "int last = nothing;"), end=".j2")
    with pytest.raises(BuildError) as caught:
        compile_policy(folder, {"fifo": fifo, "names": names}, cache=cache)
    assert caught.value.message == (
        "policies/small/small.bpf.c.j2:10:12: error: use of undeclared identifier 'nothing'"
    )


def test_macros_over_several_lines_stay_whole(make_policy: MakePolicy, cache: Path) -> None:
    template = "#define TWO \\\n\t{{ a }} \\\n\t{% if b %}+ 1{% endif %} \\\n\t+ 0\n" + MINIMAL
    compile_policy(make_policy(template, end=".j2"), {"a": 1, "b": True}, cache=cache)


def test_variants_make_different_objects_with_equal_names(make_policy: MakePolicy, cache: Path) -> None:
    folder = make_policy(MINIMAL.replace("5000", "{{ slice_us }}"), end=".j2")
    short, long = (compile_policy(folder, {"slice_us": value}, cache=cache) for value in (1000, 9000))
    assert short.digest != long.digest


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("int x;\nint y = {{ missing }};\n", "2: error: 'missing' is undefined"),
        (
            "{% if true %}\nint x;\n{% endif %}\n{% if missing.field %}{% endif %}\n",
            "4: error: 'missing' is undefined",
        ),
        ("int x;\n{% for %}\n", "2: error: Expected an expression, got 'end of statement block'"),
        ("\n\n{{ 1 / 0 }}\n", "3: error: division by zero"),
        ("{{ ''.__class__ }}", "1: error: access to attribute '__class__' of 'str' object is unsafe."),
        ("\n{% include '/etc/passwd' %}", "2: error: no loader for this environment specified"),
    ],
)
def test_mistakes_of_templates_have_their_line(make_policy: MakePolicy, template: str, problem: str) -> None:
    assert message(make_policy(template, end=".j2"), {}) == f"policies/small/small.bpf.c.j2:{problem}"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", ENDLESS),
        ("{{ 9 ** (9 ** 9) }}", ENDLESS),
        ("int x;\n{{ ('x' * 10 ** 10) | length }}", ":2: error: rendering takes more than 512 MiB"),
        ("{% macro f() %}{{ f() }}{% endmacro %}\n{{ f() }}", ":1: error: maximum recursion depth exceeded"),
        (f"{{{{ {'(' * 5000} }}}}", ":1: error: maximum recursion depth exceeded"),
    ],
)
def test_a_template_takes_only_so_much(
    make_policy: MakePolicy, monkeypatch: pytest.MonkeyPatch, template: str, problem: str
) -> None:
    monkeypatch.setitem(render_module.LIMITS, "cpu_s", 1)
    assert message(make_policy(template, end=".j2"), {}).startswith(f"policies/small/small.bpf.c.j2{problem}")


def test_a_template_sees_nothing_of_the_callers_environment(
    make_policy: MakePolicy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "jinja2.py").write_text("raise SystemExit('not the one that is installed')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert render(make_policy("int x{{ 1 }};", end=".j2"), {}).endswith("int x1;")


def test_a_template_that_gets_out_of_the_sandbox_opens_nothing(
    make_policy: MakePolicy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As if Jinja's sandbox had a hole: the process has none of the rights that a template could want."""
    holed = tmp_path / "sandbox.py"
    own = Path(sandbox.__file__).read_text(encoding="utf-8")
    holed.write_text(own.replace("    answer: dict[str, Any]\n", '    asked["inputs"]["open"] = open\n'))
    assert holed.read_text(encoding="utf-8") != own
    monkeypatch.setattr(render_module, "_SANDBOX", holed)
    assert "Too many open files" in message(make_policy("{{ open('/etc/passwd').read() }}", end=".j2"), {})


def test_a_source_is_no_link(make_policy: MakePolicy, tmp_path: Path) -> None:
    folder = make_policy()
    (folder / "small.bpf.c").rename(tmp_path / "elsewhere")
    (folder / "small.bpf.c").symlink_to(tmp_path / "elsewhere")
    assert message(folder, {}) == ("policies/small/small.bpf.c: error: a link is refused: a source is a file")


def test_a_source_is_not_read_when_it_is_huge(make_policy: MakePolicy) -> None:
    folder = make_policy()
    with (folder / "small.bpf.c").open("wb") as file:
        file.truncate(1 << 40)
    assert message(folder, {}) == (
        "policies/small/small.bpf.c: error: 1099511627776 bytes; at most 1048576 are read"
    )


def test_inputs_need_a_template(make_policy: MakePolicy) -> None:
    with pytest.raises(BuildError) as caught:
        render(make_policy(), {"fifo": True})
    assert str(caught.value) == (
        "policies/small/small.bpf.c: a variant has inputs (fifo), and the source is no template\n"
        "  rename the source to small.bpf.c.j2"
    )


def test_source_is_utf_8(make_policy: MakePolicy) -> None:
    folder = make_policy()
    (folder / "small.bpf.c").write_bytes(b"/* \xff */")
    assert message(folder, {}) == "policies/small/small.bpf.c: error: not UTF-8 (byte 3)"


def test_there_is_one_source(make_policy: MakePolicy) -> None:
    folder = make_policy()
    make_policy(end=".j2")
    assert message(folder, {}) == (
        "policy 'small': expected one source, policies/small/small.bpf.c or small.bpf.c.j2, found 2"
    )
    for file in folder.iterdir():
        file.unlink()
    assert message(folder, {}) == (
        "policy 'small': expected one source, policies/small/small.bpf.c or small.bpf.c.j2, found none"
    )
