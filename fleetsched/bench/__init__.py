# SPDX-License-Identifier: Apache-2.0
"""Workloads and measuring them: an experiment goes in (workload, arms, a place to run), evidence comes out.

Only `operations` and `gates` call it. Where things run is behind `interface.Target`; statistics are pure.
"""
