# SPDX-License-Identifier: Apache-2.0
"""From a policy's source to its object, and back to what the object says about itself.

In: plain values (a policy's folder, its name, the inputs of a variant). Out: objects, their digests, locks, and what is in an object.
Operations, gates and the lab's tests call it; it starts the compiler and touches no host.
"""
