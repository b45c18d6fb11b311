# SPDX-License-Identifier: Apache-2.0
"""Carries out a plan on hosts: drives the model's state machine over their helpers.

Plans, objects and a transport come in; journal lines, progress events and the ended rollout go out.
Only operations call it, and it alone (with bootstrap) changes hosts.
"""
