# SPDX-License-Identifier: Apache-2.0
"""Reading the files that a person writes.

Bytes or a file's path come in; plain values with the place of each, and problems with their place, go out,
never a traceback. Called by `fleetrepo` and `inventory`, for whatever is written in YAML.
"""
