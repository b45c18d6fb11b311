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
        says: part of what that gate says.
    """

    name: str
    kind: str
    gate: Gate
    says: str

    @property
    def folder(self) -> Path:
        """Its files."""
        return FOLDER / self.name


def _rows(gate: Gate, *rows: tuple[str, str, str]) -> tuple[BadPolicy, ...]:
    return tuple(BadPolicy(name, kind, gate, says) for name, kind, says in rows)


_REFUSED_INCLUDE = "only <fleetsched/NAME.bpf.h> may be included"
_MEMORY = "more than 67108864 bytes of maps and data"
_NO_CALLBACK = "holds a program that is no callback of a scheduler"
_NO_RECORD = "it has no exit record"
_NO_PARAMETER = "parameter slice_us is no `const volatile` variable of the source"

BAD = (
    *_rows(
        Gate.SCHEMA,
        ("asks-for-more", "false manifest", 'unknown field "capabilities"'),
        ("default-out-of-range", "false manifest", "`slice_us`: expected 250 to 20000, got 50000"),
        ("goes-by-another-name", "false manifest", 'the name of its folder, got "fair"'),
        ("time-out-too-long", "too long time-out", "expected 1s to 30s"),
    ),
    *_rows(
        Gate.COMPILE,
        ("does-not-compile", "mistake", "use of undeclared identifier 'slice_that_nobody_declared'"),
        ("includes-host-file", "include of a host file", '#include "/etc/passwd": ' + _REFUSED_INCLUDE),
        ("source-is-a-link", "include of a host file", "a source is a file, and this is a link"),
        ("includes-from-above", "include of a host file", "/etc/passwd>: " + _REFUSED_INCLUDE),
        ("includes-standard-header", "include of a host file", "#include <stdio.h>: " + _REFUSED_INCLUDE),
        ("includes-by-macro", "include of a host file", "#include WHERE: " + _REFUSED_INCLUDE),
        ("includes-next", "include of a host file", "#include_next is refused"),
        ("embeds-file", "include of a host file", "#embed is refused"),
        ("asks-for-files", "include of a host file", "__has_include: a question about files is refused"),
        ("embeds-by-assembler", "inline assembly", "__asm__: inline assembly is refused"),
        ("inline-assembly", "inline assembly", "asm: inline assembly is refused"),
        ("hides-by-splice", "hidden text", '#include "/etc/passwd": ' + _REFUSED_INCLUDE),
        ("hides-by-control-character", "hidden text", "character '\\x0c' is refused"),
        ("hides-by-digraph", "hidden text", "%:: making words of pieces is refused"),
        ("hides-by-trigraph", "hidden text", "error: expected identifier or '('"),
        ("pastes-words", "hidden text", "##: making words of pieces is refused"),
        ("claims-another-file", "hidden text", "#line is refused"),
        ("huge-source", "costly build", "characters; at most 262144 are compiled"),
        ("template-without-end", "costly build", "rendering the template takes more than"),
        ("template-fills-memory", "costly build", "rendering takes more than 512 MiB"),
        (
            "template-escapes",
            "escape of a template",
            "access to attribute '__class__' of 'str' object is unsafe",
        ),
        ("template-reads-file", "escape of a template", "no loader for this environment specified"),
    ),
    *_rows(
        Gate.INSPECT,
        ("writes-user-memory", "forbidden helper", "BPF helper 36 in struct_ops"),
        ("sends-signals", "forbidden helper", "BPF helper 109 in struct_ops"),
        ("bad-in-a-variant", "forbidden helper", "BPF helper 109 in struct_ops"),
        ("overrides-returns", "forbidden helper", "BPF helper 58 in struct_ops"),
        ("calls-crash-kexec", "forbidden kernel function", "kernel function or variable crash_kexec"),
        ("reads-kernel-variable", "forbidden kernel variable", "kernel function or variable runqueues"),
        ("kprobe-program", "extra program section", f"section kprobe/do_exit {_NO_CALLBACK}"),
        ("syscall-program", "extra program section", f"section syscall {_NO_CALLBACK}"),
        ("tracepoint-program", "extra program section", f"section tp/sched/sched_switch {_NO_CALLBACK}"),
        ("hides-a-section", "extra program section", "section xdp"),
        ("two-tables", "second scheduler", "expected one struct sched_ext_ops, found 2 tables"),
        ("sub-scheduler", "second scheduler", "member sub_attach of the ops table"),
        ("partial-switch", "partial switch", "ops.flags 0x8: only the bits of 0x77 may be set"),
        ("pinned-map", "pinned map", "map table is pinned"),
        ("program-array", "forbidden map", "map table of type 3"),
        ("map-from-processes", "forbidden map", "map table of type 31"),
        ("giant-map", "giant map", _MEMORY),
        ("giant-data", "giant map", _MEMORY),
        ("giant-task-storage", "giant map", _MEMORY),
        ("giant-dump", "giant buffer of the kernel", "ops.exit_dump_len 4294967295: at most 1048576"),
        ("giant-batch", "giant buffer of the kernel", "ops.dispatch_max_batch 1000000000: at most 1024"),
        ("too-many-maps", "giant map", "more maps than 64"),
        ("wrong-licence", "wrong licence", "its license is 'Proprietary', expected 'GPL'"),
        ("no-licence", "wrong licence", "its license is '', expected 'GPL'"),
        ("no-exit-record", "missing exit record", _NO_RECORD),
        ("exit-record-not-written", "missing exit record", _NO_RECORD),
        ("exit-record-without-exit", "missing exit record", _NO_RECORD),
        ("misnamed-ops", "other than its manifest", "its ops table is named 'fair', expected 'misnamed_ops'"),
        ("time-out-differs", "too long time-out", "its timeout_ms is 30000, policy.yaml says 5000"),
        ("parameter-missing", "other than its manifest", _NO_PARAMETER),
        ("parameter-can-change", "other than its manifest", _NO_PARAMETER),
        (
            "parameter-other-type",
            "other than its manifest",
            "parameter slice_us is u64 in the source, u32 in policy.yaml",
        ),
        (
            "parameter-other-default",
            "other than its manifest",
            "parameter slice_us starts as 5000 in the source, policy.yaml says 3000",
        ),
    ),
    *_rows(
        Gate.VERIFY,
        ("verifier-rejects", "unsafe memory access", "invalid mem access 'map_value_or_null'"),
        ("writes-past-array", "unsafe memory access", "math between map_value pointer and register"),
        ("writes-task", "unsafe memory access", "writes_task_enqueue"),
        ("unbounded-loop", "unbounded loop", "infinite loop detected"),
        ("sleeps-in-enqueue", "misuse of a kernel function", "program must be sleepable"),
        ("keeps-reference", "misuse of a kernel function", "Unreleased reference"),
    ),
    *_rows(
        Gate.ATTACH,
        ("init-fails", "init failure", "ops.init() failed (-22)"),
        ("init-task-fails", "init_task failure", "ops.init_task() failed (-12)"),
        ("forbidden-cpu", "forbidden CPU", "not allowed for"),
        ("selects-no-cpu", "forbidden CPU", "invalid CPU 9999 from ops.select_cpu()"),
        ("unknown-queue", "misuse of queues", "non-existent DSQ 0x2a"),
        ("double-insert", "misuse of queues", "already direct-dispatched"),
        ("orders-kernels-queue", "misuse of queues", "cannot use vtime ordering for built-in DSQs"),
        ("leaves-quietly", "exit at once", "thank you, that was all"),
        ("stall", "stall of all processes", "failed to run for"),
        ("stall-all", "stall of everything", "watchdog failed to check in for"),
        ("hangs-cpu", "endless callback", ""),
    ),
    *_rows(
        Gate.STRESS,
        ("stalls-one", "stall of one task", "failed to run for"),
        ("drops-wakeups", "lost wakeup", "failed to run for"),
        ("starves-light", "starvation by weight", "failed to run for"),
        ("starves-quietly", "starvation by weight, unseen by the watchdog", ""),
        ("preempts-for-ever", "live-lock, unseen by the watchdog", ""),
        ("forgets-affinity", "forbidden CPU", "SCX_DSQ_LOCAL[_ON] target CPU 0 not allowed for"),
        ("no-hotplug", "exit at hotplug", "going offline, exiting scheduler"),
        ("hotplug-error", "exit at hotplug", "a CPU is gone, and nothing here knows what to do"),
        ("forgets-offline-cpu", "stall at hotplug", "failed to"),
        ("refuses-forks", "no new processes, unseen by the watchdog", ""),
        ("remembers-the-dead", "leak", "no place for another task"),
        ("exits-late", "late exit", "exits late, as it was made to"),
    ),
    *_rows(
        Gate.SOAK,
        ("stalls-late", "late stall", "failed to run for"),
        ("stalls-after-a-minute", "late stall", "failed to run for"),
        ("exits-after-a-minute", "late exit", "a minute is over"),
        ("leaves-after-a-minute", "late exit", "a minute is over"),
    ),
)
