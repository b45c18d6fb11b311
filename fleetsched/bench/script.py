# SPDX-License-Identifier: Apache-2.0
"""One run of a workload as one shell script, and reading what it says.

One script, because a controller that asks meanwhile would be seen by what is measured, and because in a
machine whose clock counts instructions the answers would come at another moment each time.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetsched.errors import WorkloadError
from fleetsched.helper.wire import HELPER_PATH, PROTOCOL
from fleetsched.model.workload import Workload

CGROUP = "fleetsched-bench"
"""Below the cgroup mount; every run's commands are in its `run`, and may make others beside that."""

MOST_KEYS = 64  # of an observation, as the protocol has it
MOST_OBSERVED_S = 60.0
_SHORTEST_OBSERVED_S = 5.0
TIMED_OUT = 124  # what `timeout` exits with

_MOUNT = "/sys/fs/cgroup"
_PLACEHOLDER = re.compile(r"\{\{ *(\w+) *\}\}")
_KILL_AFTER_S = 2
# Everything but the commands of the workload runs outside of its cgroup.
_PROLOGUE = """\
base={mount}/{cgroup}
mkdir -p "$base/run"
echo +cpu > {mount}/cgroup.subtree_control 2> /dev/null || true
echo +cpu > "$base/cgroup.subtree_control" 2> /dev/null || true
rm -rf {folder}
mkdir -p {folder}
cd {folder}
export PATH={programs}:"$PATH" HOME={folder} LC_ALL=C.UTF-8
enter() {{ sh -c 'echo 0 > "$0/run/cgroup.procs" && exec "$@"' "$base" "$@" < /dev/null; }}
scheduler() {{
    cat /sys/kernel/sched_ext/state /sys/kernel/sched_ext/enable_seq /sys/kernel/sched_ext/root/ops \\
        2> /dev/null | tr '\\n' ' '
}}
end_all() {{
    for group in "$base"/*/; do echo 1 > "$group/cgroup.kill"; done
    until grep -q 'populated 0' "$base/cgroup.events"; do sleep 0.01; done
}}
clean_up() {{
    find "$base" -mindepth 1 -depth -type d ! -path "$base/run" -exec rmdir {{}} + 2> /dev/null || true
}}
out=$(mktemp -d /tmp/fleetsched-bench.XXXXXX)
"""
_UNTIL_OBSERVED = """\
while kill -0 $observer 2> /dev/null && [ "$(wc -l < "$out/observed")" -lt 2 ]; do sleep 0.05; done
sleep 0.1"""
_EPILOGUE = """\
end_all
{tear_down}
end_all
clean_up
echo "exit $code"
echo "step $step"
echo "uptime $began $ended"
echo "scheduler $before"
echo "scheduler $after"
for name in output errors observed; do
    [ -e "$out/$name" ] || continue
    echo "$name $(tail -c 4194304 "$out/$name" | base64 -w0)"
done
cd /
rm -rf "$out" {folder}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run happens.

    Attributes:
        cpus: of the machine.
        folder: the run's own, made empty before it and removed after it; on a file system in memory, because
            what waits for a disk is not measured.
        programs: the folder with the workload's compiled programs.
    """

    cpus: int
    folder: str = "/tmp/fleetsched-run"  # noqa: S108 (nobody else is on a machine of the lab)
    programs: str = "/run/fleetsched-programs"


@dataclass(frozen=True, slots=True)
class Said:
    """What a run's script said.

    Attributes:
        step: the step that ended with another code than 0: `setUp`, `command`, or empty.
        seconds: of the command, by the guest's own clock.
        before, after: the kernel's words about its scheduler around the command.
        observed: the observer's answer in the protocol's form; None when it was not asked or refused.
    """

    code: int
    step: str
    seconds: float
    before: str
    after: str
    output: str
    errors: str
    observed: Mapping[str, Any] | None


def run_script(workload: Workload, place: Place, seed: int, observe_s: float | None) -> str:
    """Write the script of one run, for `/bin/sh -eu` as root.

    Args:
        workload: what is run.
        place: where.
        seed: for the placeholder.
        observe_s: for how long the helper's observer counts, from just before the command; None = not.
    """
    values = {"cpus": str(place.cpus), "seed": str(seed), "cgroup": f"{_MOUNT}/{CGROUP}"}

    def words(command: Sequence[str]) -> str:
        filled = (_PLACEHOLDER.sub(lambda match: values[match[1]], word) for word in command)
        return f"enter {shlex.join(filled)}"

    folder = shlex.quote(place.folder)
    lines = [
        _PROLOGUE.format(
            mount=_MOUNT, cgroup=CGROUP, folder=folder, programs=shlex.quote(place.programs)
        ).rstrip()
    ]
    for name, text in sorted(workload.files.items()):
        lines.append(f"printf %s {shlex.quote(text)} > {shlex.quote(name)}")
    lines += ["code=0 step= began=0 ended=0 before= after="]
    steps = [f'{words(each)} >> "$out/errors" 2>&1' for each in workload.set_up]
    set_up = " && ".join(["true", *steps])
    lines += [f"{{ {set_up}; }} || {{ code=$? step=setUp; }}", 'if [ "$code" = 0 ]; then']
    if observe_s is not None:
        lines += [f"{_observing(observe_s)} &", "observer=$!", _UNTIL_OBSERVED]
    lines += [f"{words(each)} > /dev/null 2>&1 &" for each in workload.background]
    limit = f"timeout -k {_KILL_AFTER_S} {workload.time_limit_s:g}"
    lines += [
        "before=$(scheduler)",
        "read -r began rest < /proc/uptime",
        f"{words(workload.command).replace('enter ', f'enter {limit} ', 1)} "
        '> "$out/output" 2>> "$out/errors" || { code=$? step=command; }',
        "read -r ended rest < /proc/uptime",
        "after=$(scheduler)",
        "end_all",
    ]
    if observe_s is not None:
        lines.append("wait $observer || true")
    lines.append("fi")
    tear_down = "\n".join(f'{words(each)} >> "$out/errors" 2>&1 || true' for each in workload.tear_down)
    return "\n".join([*lines, _EPILOGUE.format(tear_down=tear_down, folder=folder)])


def observed_for_s(workload: Workload, longest_s: float | None) -> float:
    """For how long to observe a run: an observation has its length before it begins, and outlasts the run.

    Args:
        workload: what is run.
        longest_s: what its runs took so far, at most; None = it never ran.
    """
    expected_s = 1.5 * (workload.time_limit_s if longest_s is None else longest_s)
    return min(max(expected_s, _SHORTEST_OBSERVED_S), MOST_OBSERVED_S)


def _observing(seconds: float) -> str:
    requests = (
        {"id": 1, "verb": "hello", "protocol": PROTOCOL, "client": "fleetsched bench"},
        # The first one, of which only the end is of interest, loads the observer.
        {"id": 2, "verb": "observe", "for_ms": 100, "top": 0},
        {"id": 3, "verb": "observe", "for_ms": round(seconds * 1000), "top": MOST_KEYS},
    )
    asked = " ".join(shlex.quote(json.dumps(each)) for each in requests)
    return f"printf '%s\\n' {asked} | {HELPER_PATH} rpc > \"$out/observed\""


def read_said(text: str, workload: Workload) -> Said:
    """Read what a run's script printed.

    Raises:
        WorkloadError: it is not that.
    """
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        said.setdefault(name, []).append(rest.strip())
    try:
        began, ended = map(float, said["uptime"][0].split())
        before, after = said["scheduler"]
        return Said(
            code=int(said["exit"][0]),
            step=said["step"][0],
            seconds=ended - began,
            before=before,
            after=after,
            output=_text(said, "output"),
            errors=_text(said, "errors"),
            observed=_observed(_text(said, "observed")),
        )
    except (KeyError, ValueError, IndexError, binascii.Error) as error:
        raise WorkloadError(f"workload {workload.name}: the run's end cannot be read: {error!r}") from error


def check_ended_well(said: Said, workload: Workload) -> None:
    """Raise unless the command exited with 0.

    Raises:
        WorkloadError: with its last words.
    """
    if not said.code:
        return
    last = "\n  ".join(said.errors.strip().splitlines()[-8:])
    what = f"its command exited with {said.code}"
    if said.step == "setUp":
        what = f"its setUp exited with {said.code}"
    elif said.code in (TIMED_OUT, 128 + 9):
        what = f"it took more than {workload.time_limit_s:g} s"
    raise WorkloadError(f"workload {workload.name}: {what}", remedy=last)


def _text(said: Mapping[str, list[str]], name: str) -> str:
    return base64.b64decode(said[name][0], validate=True).decode("utf-8", "replace") if name in said else ""


def _observed(text: str) -> Mapping[str, Any] | None:
    for line in text.splitlines():
        answer = json.loads(line)
        if answer.get("id") == 3 and answer.get("ok"):
            result: Mapping[str, Any] = answer["result"]
            return result
    return None
