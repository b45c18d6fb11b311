// SPDX-License-Identifier: GPL-2.0-only
/* The compiled lease.bpf.c, inside the helper. */
	.section .rodata
	.balign 8
	.globl lease_object, lease_object_end
lease_object:
	.incbin "lease.bpf.o"
lease_object_end:
	.byte 0
	.section .note.GNU-stack, "", %progbits
