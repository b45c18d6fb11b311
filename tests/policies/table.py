# SPDX-License-Identifier: Apache-2.0
"""The policies that no gate chain may let through: which gate stops each, and what it says.

Every folder beside this file is one of them; its source says in a comment what is wrong. `says` is a part of
what the named gate's first finding says, enough to know that the policy was stopped for its fault and not for
another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fleetsched.model.gate import Gate

FOLDER = Path(__file__).parent
BEFORE_ANY_KERNEL = (Gate.SCHEMA, Gate.COMPILE, Gate.INSPECT)


@dataclass(frozen=True, slots=True)
class BadPolicy:
    """One row.

    Attributes:
        name: its folder.
        kind: what kind of harm it does, or would do, in a few words.
        gate: the one that must stop it; all before pass it.
        code: of that gate's first finding.
        says: part of what that gate says.
    """

    name: str
    kind: str
    gate: Gate
    code: str
    says: str

    @property
    def folder(self) -> Path:
        """Its files."""
        return FOLDER / self.name


def _rows(gate: Gate, *rows: tuple[str, str, str, str]) -> tuple[BadPolicy, ...]:
    return tuple(BadPolicy(name, kind, gate, code, says) for name, kind, code, says in rows)


_REFUSED_INCLUDE = "only <fleetsched/NAME.bpf.h> may be included"
_MEMORY = "more than 67108864 bytes of maps and data"
_NO_CALLBACK = "holds a program that is no callback of a scheduler"
_NO_RECORD = "it has no exit record"
_NO_PARAMETER = "parameter slice_us is no `const volatile` variable of the source"

BAD = (
    *_rows(
        Gate.SCHEMA,
        ("asks-for-more", "false manifest", "invalid-manifest", 'unknown field "capabilities"'),
        (
            "default-out-of-range",
            "false manifest",
            "invalid-manifest",
            "`slice_us`: expected 250 to 20000, got 50000",
        ),
        ("goes-by-another-name", "false manifest", "invalid-manifest", 'the name of its folder, got "fair"'),
        ("time-out-too-long", "too long time-out", "invalid-manifest", "expected 1s to 30s"),
    ),
    *_rows(
        Gate.COMPILE,
        (
            "does-not-compile",
            "mistake",
            "compile-error",
            "use of undeclared identifier 'slice_that_nobody_declared'",
        ),
        (
            "includes-host-file",
            "include of a host file",
            "refused-source",
            '#include "/etc/passwd": ' + _REFUSED_INCLUDE,
        ),
        (
            "source-is-a-link",
            "include of a host file",
            "refused-source",
            "a link is refused: a source is a file",
        ),
        (
            "includes-from-above",
            "include of a host file",
            "refused-source",
            "/etc/passwd>: " + _REFUSED_INCLUDE,
        ),
        (
            "includes-standard-header",
            "include of a host file",
            "refused-source",
            "#include <stdio.h>: " + _REFUSED_INCLUDE,
        ),
        (
            "includes-by-macro",
            "include of a host file",
            "refused-source",
            "#include WHERE: " + _REFUSED_INCLUDE,
        ),
        ("includes-next", "include of a host file", "refused-source", "#include_next is refused"),
        ("embeds-file", "include of a host file", "refused-source", "#embed is refused"),
        (
            "asks-for-files",
            "include of a host file",
            "refused-source",
            "__has_include: a question about files is refused",
        ),
        ("embeds-by-assembler", "inline assembly", "refused-source", "__asm__: inline assembly is refused"),
        ("inline-assembly", "inline assembly", "refused-source", "asm: inline assembly is refused"),
        ("hides-by-splice", "hidden text", "refused-source", '#include "/etc/passwd": ' + _REFUSED_INCLUDE),
        ("hides-by-control-character", "hidden text", "refused-source", "character '\\x0c' is refused"),
        ("hides-by-digraph", "hidden text", "refused-source", "%:: making words of pieces is refused"),
        ("hides-by-trigraph", "hidden text", "compile-error", "expected identifier or '('"),
        ("pastes-words", "hidden text", "refused-source", "##: making words of pieces is refused"),
        ("claims-another-file", "hidden text", "refused-source", "#line is refused"),
        ("huge-source", "costly build", "refused-source", "characters; at most 262144 are compiled"),
        ("template-without-end", "costly build", "template-error", "rendering the template takes more than"),
        ("template-fills-memory", "costly build", "template-error", "rendering takes more than 512 MiB"),
        (
            "template-escapes",
            "escape of a template",
            "template-error",
            "access to attribute '__class__' of 'str' object is unsafe",
        ),
        (
            "template-reads-file",
            "escape of a template",
            "template-error",
            "no loader for this environment specified",
        ),
    ),
    *_rows(
        Gate.INSPECT,
        ("writes-user-memory", "forbidden helper", "forbidden-helper", "BPF helper 36 in struct_ops"),
        ("sends-signals", "forbidden helper", "forbidden-helper", "BPF helper 109 in struct_ops"),
        ("bad-in-a-variant", "forbidden helper", "forbidden-helper", "BPF helper 109 in struct_ops"),
        ("overrides-returns", "forbidden helper", "forbidden-helper", "BPF helper 58 in struct_ops"),
        (
            "calls-crash-kexec",
            "forbidden kernel function",
            "forbidden-kfunc",
            "kernel function or variable crash_kexec",
        ),
        (
            "reads-kernel-variable",
            "forbidden kernel variable",
            "forbidden-kfunc",
            "kernel function or variable runqueues",
        ),
        (
            "kprobe-program",
            "extra program section",
            "forbidden-program",
            f"section kprobe/do_exit {_NO_CALLBACK}",
        ),
        ("syscall-program", "extra program section", "forbidden-program", f"section syscall {_NO_CALLBACK}"),
        (
            "tracepoint-program",
            "extra program section",
            "forbidden-program",
            f"section tp/sched/sched_switch {_NO_CALLBACK}",
        ),
        ("hides-a-section", "extra program section", "forbidden-section", "section xdp"),
        (
            "two-tables",
            "second scheduler",
            "not-one-scheduler",
            "expected one struct sched_ext_ops, found 2 tables",
        ),
        ("sub-scheduler", "second scheduler", "forbidden-callback", "member sub_attach of the ops table"),
        (
            "partial-switch",
            "partial switch",
            "forbidden-flags",
            "ops.flags 0x8: only the bits of 0x77 may be set",
        ),
        ("pinned-map", "pinned map", "pinned-map", "map table is pinned"),
        ("program-array", "forbidden map", "forbidden-map", "map table of type 3"),
        ("map-from-processes", "forbidden map", "forbidden-map", "map table of type 31"),
        ("giant-map", "giant map", "too-much-memory", _MEMORY),
        ("giant-data", "giant map", "too-much-memory", _MEMORY),
        ("giant-task-storage", "giant map", "too-much-memory", _MEMORY),
        (
            "giant-dump",
            "giant buffer of the kernel",
            "too-much-memory",
            "ops.exit_dump_len 4294967295: at most 1048576",
        ),
        (
            "giant-batch",
            "giant buffer of the kernel",
            "too-much-memory",
            "ops.dispatch_max_batch 1000000000: at most 1024",
        ),
        ("too-many-maps", "giant map", "too-much-memory", "more maps than 64"),
        ("wrong-licence", "wrong licence", "wrong-licence", "its license is 'Proprietary', expected 'GPL'"),
        ("no-licence", "wrong licence", "wrong-licence", "its license is '', expected 'GPL'"),
        ("no-exit-record", "missing exit record", "no-exit-record", _NO_RECORD),
        ("exit-record-not-written", "missing exit record", "no-exit-record", _NO_RECORD),
        ("exit-record-without-exit", "missing exit record", "no-exit-record", _NO_RECORD),
        (
            "misnamed-ops",
            "other than its manifest",
            "wrong-name",
            "its ops table is named 'fair', expected 'misnamed_ops'",
        ),
        (
            "time-out-differs",
            "too long time-out",
            "time-out-differs",
            "its timeout_ms is 30000, policy.yaml says 5000",
        ),
        ("parameter-missing", "other than its manifest", "parameter-differs", _NO_PARAMETER),
        ("parameter-can-change", "other than its manifest", "parameter-differs", _NO_PARAMETER),
        (
            "parameter-other-type",
            "other than its manifest",
            "parameter-differs",
            "parameter slice_us is u64 in the source, u32 in policy.yaml",
        ),
        (
            "parameter-other-default",
            "other than its manifest",
            "parameter-differs",
            "parameter slice_us starts as 5000 in the source, policy.yaml says 3000",
        ),
    ),
    *_rows(
        Gate.VERIFY,
        ("verifier-rejects", "unsafe memory access", "verifier", "invalid mem access 'map_value_or_null'"),
        (
            "writes-past-array",
            "unsafe memory access",
            "verifier",
            "math between map_value pointer and register",
        ),
        ("writes-task", "unsafe memory access", "verifier", "writes_task_enqueue"),
        ("unbounded-loop", "unbounded loop", "verifier", "infinite loop detected"),
        ("sleeps-in-enqueue", "misuse of a kernel function", "verifier", "program must be sleepable"),
        ("keeps-reference", "misuse of a kernel function", "verifier", "Unreleased reference"),
    ),
    *_rows(
        Gate.ATTACH,
        ("init-fails", "init failure", "runtime-error", "ops.init() failed (-22)"),
        ("init-task-fails", "init_task failure", "runtime-error", "ops.init_task() failed (-12)"),
        ("forbidden-cpu", "forbidden CPU", "runtime-error", "not allowed for"),
        ("selects-no-cpu", "forbidden CPU", "runtime-error", "invalid CPU 9999 from ops.select_cpu()"),
        ("unknown-queue", "misuse of queues", "runtime-error", "non-existent DSQ 0x2a"),
        ("double-insert", "misuse of queues", "runtime-error", "already direct-dispatched"),
        (
            "orders-kernels-queue",
            "misuse of queues",
            "runtime-error",
            "cannot use vtime ordering for built-in DSQs",
        ),
        ("leaves-quietly", "exit at once", "exits-by-itself", "thank you, that was all"),
        ("stall", "stall of all processes", "runnable-task-stall", "failed to run for"),
        ("stall-all", "stall of everything", "runnable-task-stall", "watchdog failed to check in for"),
        ("hangs-cpu", "endless callback", "machine-hangs", "ceased to answer under this policy"),
    ),
    *_rows(
        Gate.STRESS,
        ("stalls-one", "stall of one task", "runnable-task-stall", "failed to run for"),
        ("drops-wakeups", "lost wakeup", "runnable-task-stall", "failed to run for"),
        ("starves-light", "starvation by weight", "runnable-task-stall", "failed to run for"),
        (
            "starves-quietly",
            "starvation by weight, unseen by the watchdog",
            "no-progress",
            "got next to nothing done",
        ),
        ("preempts-for-ever", "live-lock, unseen by the watchdog", "no-progress", "got next to nothing done"),
        (
            "forgets-affinity",
            "forbidden CPU",
            "runtime-error",
            "SCX_DSQ_LOCAL[_ON] target CPU 0 not allowed for",
        ),
        ("no-hotplug", "exit at hotplug", "exits-at-hotplug", "going offline, exiting scheduler"),
        ("hotplug-error", "exit at hotplug", "gives-up", "a CPU is gone, and nothing here knows what to do"),
        ("forgets-offline-cpu", "stall at hotplug", "runnable-task-stall", "failed to"),
        ("refuses-forks", "no new processes, unseen by the watchdog", "no-fork", "no process can be made"),
        ("remembers-the-dead", "leak", "gives-up", "no place for another task"),
        ("exits-late", "late exit", "gives-up", "exits late, as it was made to"),
    ),
    *_rows(
        Gate.SOAK,
        ("stalls-late", "late stall", "runnable-task-stall", "failed to run for"),
        ("stalls-after-a-minute", "late stall", "runnable-task-stall", "failed to run for"),
        ("exits-after-a-minute", "late exit", "gives-up", "a minute is over"),
        ("leaves-after-a-minute", "late exit", "exits-by-itself", "a minute is over"),
    ),
)
