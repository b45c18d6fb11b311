// SPDX-License-Identifier: GPL-2.0-only
/* The compiled observe.bpf.c, inside the helper. */
	.section .rodata
	.balign 8
	.globl observe_object, observe_object_end
observe_object:
	.incbin "observe.bpf.o"
observe_object_end:
	.byte 0
	.section .note.GNU-stack, "", %progbits
