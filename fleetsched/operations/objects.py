# SPDX-License-Identifier: Apache-2.0
"""The objects that a plan brings to hosts, rebuilt from source and compared with their locks."""

from __future__ import annotations

from fleetsched.errors import BuildError
from fleetsched.model.fleet import Fleet
from fleetsched.model.plan import CHANGING, Plan


def build_objects(fleet: Fleet, plan: Plan) -> dict[str, bytes]:
    """Build every object that a changing host needs. Programs are on the hosts already.

    Returns:
        The objects' bytes by SHA-256 digest.

    Raises:
        BuildError: a policy does not compile, compiles to something else than its lock says, or to something
            that no policy may contain.
    """
    from fleetsched.build.allowed import check_allowed
    from fleetsched.build.policy import compile_policy

    wanted = {
        host.desired.assignment
        for host in plan.hosts
        if host.action in CHANGING and host.desired.assignment and not host.desired.program
    }
    objects: dict[str, bytes] = {}
    for assignment in sorted(wanted, key=str):
        if assignment.digest in objects:
            continue
        policy = fleet.policies[assignment.policy]
        built = compile_policy(policy.folder, policy.variants[assignment.variant])
        if built.digest != assignment.digest:
            raise BuildError(
                f"policy {assignment.policy}, variant {assignment.variant}: built {built.digest[:12]}, "
                f"but its lock says {assignment.digest[:12]}",
                remedy=f"look at what changed, then run `fleetsched lock {assignment.policy}`",
            )
        check_allowed(built.image, policy.name)
        objects[assignment.digest] = built.image
    return objects
