// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only process of a virtual machine in which time follows instructions (observer_cost.py): two tasks wake each other
 * while the helper observes, and the kernel's own statistics say how long each program of the observer took.
 */
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <fcntl.h>
#include <unistd.h>

#define REQUEST "{\"id\":1,\"verb\":\"observe\",\"for_ms\":3000,\"top\":8}\n"

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* A program that does nothing, on every wakeup: what it seems to take is what measuring takes. */
static void attach_nothing(void)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 }, { .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT, .insns = (unsigned long)nothing, .insn_cnt = 2,
		.license = (unsigned long)"GPL", .prog_name = "nothing",
	};
	union bpf_attr open = { .raw_tracepoint.name = (unsigned long)"sched_wakeup" };

	open.raw_tracepoint.prog_fd = (unsigned int)bpf(BPF_PROG_LOAD, &attr);
	if (bpf(BPF_RAW_TRACEPOINT_OPEN, &open) < 0)
		perror("raw tracepoint");
}

static void ping(int from, int to)
{
	char byte = 0;

	while (write(to, &byte, 1) == 1 && read(from, &byte, 1) == 1)
		;
	_exit(1);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	for (int i = 0; i < 100 && connect(fd, (struct sockaddr *)&address, sizeof(address)); i++)
		usleep(100000);
	return fd;
}

static void print_programs(void)
{
	union bpf_attr next = { 0 };

	for (; !bpf(BPF_PROG_GET_NEXT_ID, &next); next.start_id = next.next_id) {
		union bpf_attr attr = { .prog_id = next.next_id };
		struct bpf_prog_info info = { 0 };

		attr.info.bpf_fd = (unsigned int)bpf(BPF_PROG_GET_FD_BY_ID, &attr);
		attr.info.info_len = sizeof(info);
		attr.info.info = (unsigned long)&info;
		if (!bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) && info.run_cnt)
			printf("PROGRAM %s %llu %llu\n", info.name, info.run_time_ns, info.run_cnt);
		close((int)attr.info.bpf_fd);
	}
}

int main(void)
{
	int a[2], b[2], fd;

	setvbuf(stdout, NULL, _IONBF, 0);
	mkdir("/proc", 0755), mkdir("/sys", 0755), mkdir("/run", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	fd = open("/proc/sys/kernel/bpf_stats_enabled", O_WRONLY);
	if (write(fd, "1", 1) != 1 || pipe(a) || pipe(b))
		perror("set up");
	if (!fork()) {
		execl("/helper", "helper", "serve", "--socket", "/run/s", "--state", "/run/state", NULL);
		_exit(1);
	}
	fd = connect_to("/run/s");
	attach_nothing();
	if (!fork())
		ping(a[0], b[1]);
	if (!fork())
		ping(b[0], a[1]);
	if (write(fd, REQUEST, strlen(REQUEST)) < 0)
		perror("observe");
	sleep(2);
	print_programs();
	puts("DONE");
	reboot(RB_POWER_OFF);
	return 0;
}
