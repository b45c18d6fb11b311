# SPDX-License-Identifier: Apache-2.0
"""The status page: a `Standing` comes in, HTML goes out; no request, no state. The reconciler serves it."""
