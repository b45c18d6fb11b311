# SPDX-License-Identifier: Apache-2.0
"""A byte channel to a host.

A host of the inventory comes in; a connection goes out, on which commands are started (`interface.py`).
The helper's client, the lab, the rollout and operations may call it; one file a way to reach a host.
"""
