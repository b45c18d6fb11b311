# SPDX-License-Identifier: Apache-2.0
"""From a policy's source to its object, and back to what the object says about itself.

In: a policy's folder and a variant's inputs. Out: objects, their digests, locks, and what is in an object.
Operations, gates and the lab's tests call it; it starts the compiler and touches no host.
"""
