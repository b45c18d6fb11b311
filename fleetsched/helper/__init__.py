# SPDX-License-Identifier: Apache-2.0
"""The client of the helper's protocol, the helper's installation, and the one simulated helper of every fake.

A connection of the transport comes in; facts, status, trials and samples of the model go out, or HelperError.
The rollout, the lab, operations and their tests may call it; what a host does is in docs/helper-protocol.md.
"""
