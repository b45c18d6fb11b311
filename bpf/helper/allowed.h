/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a policy's object may contain. The same lists are in fleetsched/build/allowed.py, with the reasons; a test
 * compares the two.
 */
#ifndef FLEETSCHED_ALLOWED_H
#define FLEETSCHED_ALLOWED_H

#define ALLOWED_OPS_FLAGS 0x77u
#define ALLOWED_MAP_FLAGS 0x1u
#define MOST_MAPS 64u
#define MOST_MEMORY (64u << 20)	/* bytes of all maps and data */
#define ASSUMED_CPUS 128u	/* for maps of which each CPU has its own */
#define ASSUMED_TASKS 10000u	/* for maps of which each task has its own */

static const char *const allowed_code[] = { ".text", "struct_ops", "struct_ops.s" };
static const char *const allowed_data[] = { ".rodata", ".data", ".bss", "license", ".struct_ops.link", ".maps" };
static const char *const allowed_description[] = { ".strtab", ".shstrtab", ".symtab", ".BTF", ".BTF.ext" };

static const char *const allowed_ops[] = {
	"select_cpu", "enqueue", "dequeue", "dispatch", "tick", "runnable", "running", "stopping", "quiescent", "yield",
	"set_weight", "set_cpumask", "update_idle", "init_task", "exit_task", "enable", "disable", "cpu_online",
	"cpu_offline", "init", "exit", "dispatch_max_batch", "flags", "timeout_ms", "exit_dump_len", "hotplug_seq", "name",
};

/* Numbers in the ops table for which the kernel takes memory at the attach. */
static const struct { const char *name; unsigned int most; } most_settings[] = {
	{ "dispatch_max_batch", 1024 }, { "exit_dump_len", 1048576 },
};

static const char *const allowed_map_members[] = { "type", "max_entries", "map_flags", "key", "value" };

static const unsigned int allowed_map_types[] = {
	1 /* hash */, 2 /* array */, 6 /* percpu array */, 27 /* ring buffer */, 29 /* task storage */,
};

static const unsigned int allowed_helpers[] = {
	1 /* bpf_map_lookup_elem */, 2 /* bpf_map_update_elem */, 3 /* bpf_map_delete_elem */, 5 /* bpf_ktime_get_ns */,
	8 /* bpf_get_smp_processor_id */, 113 /* bpf_probe_read_kernel */, 115 /* bpf_probe_read_kernel_str */,
	130 /* bpf_ringbuf_output */, 156 /* bpf_task_storage_get */, 165 /* bpf_snprintf */, 195 /* bpf_map_lookup_percpu_elem */,
};

static const char *const allowed_kfuncs[] = {
	"scx_bpf_create_dsq", "scx_bpf_dsq_nr_queued", "scx_bpf_select_cpu_dfl", "scx_bpf_test_and_clear_cpu_idle",
	"scx_bpf_pick_idle_cpu", "scx_bpf_task_cpu", "scx_bpf_nr_cpu_ids", "scx_bpf_error_bstr", "scx_bpf_exit_bstr",
	"scx_bpf_get_online_cpumask", "scx_bpf_put_cpumask", "bpf_cpumask_test_cpu",
	"scx_bpf_dispatch", "scx_bpf_dsq_insert", "scx_bpf_dsq_insert___v2",
	"scx_bpf_dispatch_vtime", "scx_bpf_dsq_insert_vtime", "__scx_bpf_dsq_insert_vtime",
	"scx_bpf_consume", "scx_bpf_dsq_move_to_local", "scx_bpf_dsq_move_to_local___v2",
	"scx_bpf_task_set_dsq_vtime", "scx_bpf_kick_cpu", "scx_bpf_dispatch_from_dsq", "scx_bpf_dsq_move",
	"bpf_iter_scx_dsq_new", "bpf_iter_scx_dsq_next", "bpf_iter_scx_dsq_destroy",
};

#endif
