# SPDX-License-Identifier: Apache-2.0
"""Reading Ansible inventories.

Paths of YAML files and folders come in; an `Inventory`, with problems and warnings at their places, goes out.
Called by `fleetrepo` when it loads a fleet; nothing here connects to a host.
"""
