# SPDX-License-Identifier: Apache-2.0
"""The lab: real Debian virtual machines that stand in for a fleet.

In: how many hosts, which kernel. Out: hosts that answer SSH on loopback, their inventory and host keys.
`operations` calls it, and tests do; machine.py has machines for gates and benchmarks, and the helper in them.
Nothing here knows of policies or plans.
"""

from __future__ import annotations

from fleetsched.lab.paths import is_lab_known_hosts

__all__ = ["is_lab_known_hosts"]
