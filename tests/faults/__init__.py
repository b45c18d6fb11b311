# SPDX-License-Identifier: Apache-2.0
"""The fault table: what happens to a host when something goes wrong at a bad moment.

Rows are data (table/*.yaml, read by rows.py). Each names a moment, which one guest reaches once and is
brought back to by snapshot (states.py), a fault, and what must be true afterwards, all of it (judge.py).
test_faults.py runs them; report.py writes docs/safety.md.
"""
