# SPDX-License-Identifier: Apache-2.0
"""The fleet repository: its files, checked, and its Git.

A folder comes in; a `Fleet` of checked values, or all problems at once, and the revision with its approval go
out. Operations call it, and the lab's tests; it is the only room that runs Git.
"""
