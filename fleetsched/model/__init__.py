# SPDX-License-Identifier: Apache-2.0
"""Pure data and decisions: what a host, a goal, a plan and a rollout are.

Values come in from every room and go out as values.
Nothing here opens a file, a socket or a process, and no clock is read.
"""
