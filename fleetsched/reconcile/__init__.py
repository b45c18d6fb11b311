# SPDX-License-Identifier: Apache-2.0
"""The loop: fetch the trusted branch, carry out what is approved, heal, tell; metrics and a status page.

A repository's address and the controller's own file come in; hosts are changed by operations alone.
Only cli calls it.
"""
