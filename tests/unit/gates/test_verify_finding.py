# SPDX-License-Identifier: Apache-2.0
"""What the verify gate takes out of a verifier's log, as kernels 6.18 and 7.3 write it."""

from __future__ import annotations

import pytest

from fleetsched.errors import HelperError
from fleetsched.gates.course import Seen
from fleetsched.gates.verify import verify
from fleetsched.model.gate import GateFinding

BEGIN = """\
Global function quick_enqueue() doesn't return scalar. Only those are supported.
func 'enqueue' arg0 has btf_id 114 type STRUCT 'task_struct'
0: R1=ctx() R10=fp0
; p->pid = 1; @ quick.bpf.c:14
3: (b7) r2 = 1                        ; R2_w=1
4: (63) *(u32 *)(r1 +2704) = r2
"""
END = """\
processed 5 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
-- END PROG LOAD LOG --
libbpf: prog 'quick_enqueue': failed to load: -13
"""


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (BEGIN + "R2 invalid mem access 'scalar'\n" + END, "R2 invalid mem access 'scalar'"),
        (BEGIN + END, "refused: 4: (63) *(u32 *)(r1 +2704) = r2"),
    ],
    ids=["a complaint", "refused without a word"],
)
def test_the_first_complaint_is_the_finding(log: str, message: str) -> None:
    refusal = HelperError("the kernel does not take the object", code="load-failed", detail={"log": log})
    (finding,) = verify(Seen(refusal=refusal)).findings
    assert finding == GateFinding("verifier", message, "quick.bpf.c:14", finding.remedy)
