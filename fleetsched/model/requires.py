# SPDX-License-Identifier: Apache-2.0
"""What a group or a policy demands of its hosts."""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(r"^(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Requires:
    """What a host must have.

    Attributes:
        kernel: conditions on the release that must all hold, such as `(">=", (6, 16, 0))`.
        arch: machine names as `uname -m` prints them; empty = any.
    """

    kernel: tuple[tuple[str, tuple[int, int, int]], ...] = ()
    arch: tuple[str, ...] = ()

    def contradiction(self, other: Requires) -> str:
        """Say in a few words why no host can meet both, or return an empty string."""
        if self.arch and other.arch and not set(self.arch) & set(other.arch):
            return f"no host is both {' or '.join(self.arch)} and {' or '.join(other.arch)}"
        both = Requires(kernel=tuple(dict.fromkeys((*self.kernel, *other.kernel))))
        # The least kernel that is possible, if any is, is one of the conditions' own or the next after it.
        edges = {(0, 0, 0), *(version for _, version in both.kernel)}
        around = {(major, minor, patch + 1) for major, minor, patch in edges} | edges
        possible = any(
            all(_COMPARE[operator](version, wanted) for operator, wanted in both.kernel) for version in around
        )
        return "" if possible else f"no kernel is {both.kernel_text}"

    @property
    def kernel_text(self) -> str:
        """The conditions on the kernel as they are written; empty = any."""
        return ", ".join(
            operator + ".".join(map(str, version if version[2] else version[:2]))
            for operator, version in self.kernel
        )

    def unmet(self, kernel_release: str, arch: str) -> str:
        """Say in a few words what is not met, or return an empty string."""
        if self.arch and arch not in self.arch:
            return f"needs architecture {' or '.join(self.arch)}, is {arch}"
        match = _VERSION.match(kernel_release)
        found = (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)
        for operator, wanted in self.kernel:
            if not _COMPARE[operator](found, wanted):
                version = ".".join(str(number) for number in (wanted if wanted[2] else wanted[:2]))
                return f"needs kernel {operator}{version}, runs {kernel_release}"
        return ""


_COMPARE = {
    ">=": lambda found, wanted: found >= wanted,
    "<=": lambda found, wanted: found <= wanted,
    ">": lambda found, wanted: found > wanted,
    "<": lambda found, wanted: found < wanted,
    "==": lambda found, wanted: found == wanted,
}
