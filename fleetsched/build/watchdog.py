# SPDX-License-Identifier: Apache-2.0
"""An object with a shorter time-out: the kernel's watchdog speaks sooner, and nothing else is changed."""

from __future__ import annotations

import io

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from fleetsched.build.btf import Btf
from fleetsched.build.objects import plain_data
from fleetsched.errors import BuildError

_SECTION = ".struct_ops.link"


def with_timeout(image: bytes, most_ms: int) -> bytes:
    """Return the object with `timeout_ms` of its ops table lowered to `most_ms`; as it is when it is less.

    Raises:
        BuildError: it has no ops table with a time-out.
    """
    try:
        elf = ELFFile(io.BytesIO(image))
        section = elf.get_section_by_name(_SECTION)
        btf = Btf(plain_data(elf.get_section_by_name(".BTF")))
        (number,) = btf.variables(_SECTION).values()
        member = btf.resolve(number).item("timeout_ms")
        if section is None or member is None:
            raise ValueError("no timeout_ms")
        at = section["sh_offset"] + member.value
        found = int.from_bytes(image[at : at + 4], "little")
    except (ELFError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise BuildError(f"the object's watchdog cannot be set: {error}") from error
    if 0 < found <= most_ms:
        return image
    return image[:at] + most_ms.to_bytes(4, "little") + image[at + 4 :]
