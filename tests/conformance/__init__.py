# SPDX-License-Identifier: Apache-2.0
"""One table of exchanges with a helper (table/), and the runner that holds any helper to it.

A way to open connections and policies' objects come in; failures come out, one text a case. Run by hand:
`python -m tests.conformance --help`.
"""
