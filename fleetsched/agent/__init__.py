# SPDX-License-Identifier: Apache-2.0
"""The agent: turns a goal and what was observed of its hosts into a measured draft of a proposal.

In comes a `Task`, out goes a `Draft`. Only `operations` and `mcp` call it. It reaches no host and no forge:
what it can do is what a `Workbench` offers, and that is to write and measure policies in a run's own folder.
"""
