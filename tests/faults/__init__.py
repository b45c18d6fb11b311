# SPDX-License-Identifier: Apache-2.0
"""The fault table: what happens to a host when something goes wrong at a bad moment.

Rows are data (table/*.yaml, read by rows.py). Each names a moment, which a guest reaches once and is
brought back to by snapshot (states.py), a fault, and what must be true afterwards, all of it (judge.py).
test_faults.py runs them, in one guest or several side by side; run.py keeps and shows what came of all,
and report.py says how docs/safety.md tells of it.
"""
