# SPDX-License-Identifier: Apache-2.0
"""The catalogue as a page of Markdown: what each policy is for, where it wins and loses, what gates said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fleetsched.model.dossier import Dossier, Outcome, outcomes
from fleetsched.model.evidence import Finding, kernel_version
from fleetsched.model.gate import GateReport, GateResult, GateVerdict
from fleetsched.views.measures import LABELS, interval, outcome_text, percent
from fleetsched.views.policy import facts, suits_text

_HEAD = """\
# The catalogue

What each policy is for, what gates said of it, and what was measured of it against the kernel's own
scheduler. Written by `make catalogue` from `policies/*/policy.yaml`, the evidence beside them and the
results of `make test-matrix`: only what is about the locked objects is here. How it was measured, and what
the words mean: [evidence.md](evidence.md).
"""


def catalogue_markdown(dossiers: Sequence[Dossier]) -> str:
    """The page, from what is known of every policy, in the order of names."""
    parts = [_HEAD, *_beware(dossiers), _purposes(dossiers), _best(dossiers), _gates(dossiers)]
    return "\n".join([*parts, *(_policy(each) for each in dossiers)]).rstrip() + "\n"


def _beware(dossiers: Sequence[Dossier]) -> Iterator[str]:
    evidence = [each for dossier in dossiers for each in dossier.evidence]
    labels = dict.fromkeys(label for each in evidence for label in each.environment.labels)
    unmeasured = dict.fromkeys(what for each in evidence for what in each.unmeasured)
    lines = [f"- {LABELS[label]}." for label in labels]
    if unmeasured:
        what = ", ".join(unmeasured)
        lines.append(f"- unmeasured: {what}. No number here is about them, and nothing ranks on them.")
    if lines:
        yield "\n".join(lines) + "\n"


def _purposes(dossiers: Sequence[Dossier]) -> str:
    rows = [
        "## By purpose",
        "",
        "Counted are metrics of workloads, against the kernel's own scheduler. A win beside a guardrail that "
        "was not shown to hold is none.",
        "",
        "| policy | purpose | wins | loses | similar | inconclusive |",
        "|---|---|---|---|---|---|",
    ]
    for dossier in dossiers:
        name = dossier.policy.name
        found = {finding: list(outcomes(dossier, finding)) for finding in Finding}
        wins = [each for each in found[Finding.BETTER] if each.guardrails_held]
        counts = (wins, found[Finding.WORSE], found[Finding.SIMILAR], found[Finding.INCONCLUSIVE])
        said = [str(len(each)) for each in counts] if dossier.evidence else ["not measured", "", "", ""]
        rows.append(_row(f"[{name}](#{name})", dossier.policy.summary, *said))
    return "\n".join(rows) + "\n"


@dataclass(frozen=True, slots=True)
class _Contest:
    """What every policy reached in one metric of one workload on one kernel."""

    workload: str
    metric: str
    kernel: str


def _best(dossiers: Sequence[Dossier]) -> str:
    contests: dict[_Contest, list[Outcome]] = {}
    for dossier in dossiers:
        for outcome in outcomes(dossier, *Finding):
            if outcome.measured.guardrail is None:
                key = _Contest(outcome.evidence.workload, outcome.comparison.metric, outcome.evidence.kernel)
                contests.setdefault(key, []).append(outcome)
    rows = ["## By workload", ""]
    if not contests:
        rows.append("Nothing was measured yet: nothing is known to beat the kernel's own scheduler.")
        return "\n".join(rows) + "\n"
    rows += [
        "The best policy of each, among those that are better and whose guardrails hold; where there is",
        "none, the kernel's own scheduler is what to use. The best of several is flattered by chance: its",
        "number is likely a little less when measured again.",
        "",
        "| workload | metric | Linux | best | change of the median (95 %) | labels | tried |",
        "|---|---|---|---|---|---|---|",
    ]
    for key in sorted(contests, key=lambda each: (each.workload, each.metric, each.kernel)):
        rows.append(_contest(key, contests[key]))
    return "\n".join(rows) + "\n"


def _contest(key: _Contest, measured: Sequence[Outcome]) -> str:
    winners = [
        each for each in measured if each.comparison.finding is Finding.BETTER and each.guardrails_held
    ]
    policies = ", ".join(sorted({each.evidence.policy for each in measured}))
    where = (key.workload, key.metric, key.kernel)
    if not winners:
        return _row(*where, "**the kernel's own**: nothing that was tried beats it", "", "", policies)
    best = max(winners, key=_gain)
    change = f"{percent(best.comparison.change)} ({interval(best.comparison)})"
    name = best.evidence.policy
    return _row(*where, f"[{name}](#{name})", change, ", ".join(best.evidence.environment.labels), policies)


def _gain(outcome: Outcome) -> float:
    """How much better, whatever the direction."""
    return outcome.comparison.change * (1 if outcome.measured.better == "maximize" else -1)


def _gates(dossiers: Sequence[Dossier]) -> str:
    reports = [(dossier, report) for dossier in dossiers for report in dossier.gates]
    rows = ["## Gates by kernel", ""]
    if not reports:
        return "\n".join([*rows, "No verdicts are recorded for the locked objects."]) + "\n"
    results = [result for _, report in reports for result in report.results]
    kernels = sorted(
        {kernel_version(result.kernel) for result in results if result.kernel},
        key=lambda version: [int(part) for part in version.split(".")],
    )
    rows += [
        "Each cell: the last gate that the object passed on that kernel, or the one that stopped it.",
        "",
        _row("policy", "variant", "object", *kernels, "commit"),
        "|---" * (len(kernels) + 4) + "|",
    ]
    for dossier, report in reports:
        name = dossier.policy.name
        cells = [_verdict(report, kernel) for kernel in kernels]
        rows.append(
            _row(
                f"[{name}](#{name})",
                report.variant,
                f"`{report.digest[:12]}`",
                *cells,
                f"`{dossier.gates_commit[:12]}`" if dossier.gates_commit else "",
            )
        )
    return "\n".join(rows) + "\n"


def _verdict(report: GateReport, kernel: str) -> str:
    """What was said on one kernel; gates that need none speak of every kernel."""
    results = [each for each in report.results if not each.kernel or kernel_version(each.kernel) == kernel]
    bad = next((each for each in results if each.verdict in (GateVerdict.FAILED, GateVerdict.ERROR)), None)
    if bad is not None:
        return f"**{bad.verdict}** at {bad.gate}{_why(bad)}"
    passed = [each for each in results if each.kernel and each.verdict is GateVerdict.PASSED]
    return f"passed {passed[-1].gate}" if passed else "not run"


def _why(result: GateResult) -> str:
    return f": {result.findings[0].code}" if result.findings else ""


def _policy(dossier: Dossier) -> str:
    policy, lock = dossier.policy, dossier.lock
    said = {
        **facts(policy),
        "Suits": suits_text(policy),
        "Object": ", ".join(f"{name} `{digest[:12]}`" for name, digest in lock.variants.items())
        if lock
        else "not locked",
    }
    lines = [f"## {policy.name}", "", f"{_plain(policy.summary)}.", ""]
    lines += [f"- {label}: {_plain(text)}" for label, text in said.items() if text]
    lines += ["", *_measured(dossier)]
    if policy.failure_modes:
        lines += ["Known failure modes:", "", *(f"- {_plain(text)}" for text in policy.failure_modes), ""]
    return "\n".join(lines)


def _measured(dossier: Dossier) -> Iterator[str]:
    if not dossier.evidence:
        yield "Nothing was measured of it as it is locked; so nothing says that it beats the kernel's own."
        yield ""
        return
    for title, findings in (
        ("Wins:", (Finding.BETTER,)),
        ("Loses:", (Finding.WORSE,)),
        ("Neither:", (Finding.SIMILAR, Finding.INCONCLUSIVE)),
    ):
        found = list(outcomes(dossier, *findings))
        if found:
            yield title
            yield ""
            for each in found:
                word = f" ({each.comparison.finding})" if title == "Neither:" else ""
                yield f"- {_plain(outcome_text(each))}{word}"
        else:
            yield f"{title} nothing that was measured."
        yield ""
    yield from _not_measured(dossier)
    name = dossier.policy.name
    files = (f"[{each.file_name}](../policies/{name}/evidence/{each.file_name})" for each in dossier.evidence)
    yield f"Evidence: {', '.join(files)}"
    yield ""


def _not_measured(dossier: Dossier) -> Iterator[str]:
    """What nothing is known of, whatever the policy is for."""
    unmeasured = list(dict.fromkeys(what for each in dossier.evidence for what in each.unmeasured))
    if all(each.environment.cpus == 1 for each in dossier.evidence):
        unmeasured.append("how it places work on CPUs, for there was only one")
    if unmeasured:
        yield f"Unmeasured: {', '.join(unmeasured)}."
        yield ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """Text of manifests is no markup here."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
