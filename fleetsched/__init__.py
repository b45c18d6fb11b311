# SPDX-License-Identifier: Apache-2.0
"""fleetsched manages the CPU schedulers of a fleet of Linux hosts the GitOps way."""

__version__ = "0.1.0"
