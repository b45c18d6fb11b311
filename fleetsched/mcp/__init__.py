# SPDX-License-Identifier: Apache-2.0
"""The Model Context Protocol: calls of tools come in, answers leave; for programs that drive fleetsched.

Offered are the agent's tools over one run's folder, and what reads the fleet: nothing that changes a host or
a branch. Called by `cli` alone.
"""
