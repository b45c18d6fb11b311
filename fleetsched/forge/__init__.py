# SPDX-License-Identifier: Apache-2.0
"""Where proposals live and people judge them: one file a forge, behind interface.py.

A change to a fleet repository comes in; a `Proposal` with its state and approvals goes out. Operations call
it; forges that are Git alone go through fleetrepo, the others through their client libraries.
"""
