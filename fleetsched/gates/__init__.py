# SPDX-License-Identifier: Apache-2.0
"""The checks that a policy passes before it may be proposed or merged: a folder goes in, a report comes out.

One file a gate. Only `operations` and `agent` call it.
"""
