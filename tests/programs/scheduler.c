// SPDX-License-Identifier: GPL-2.0-only
/*
 * A scheduler program for tests: loads a policy object, attaches it, and then does whatever it was told to.
 *
 *   --object FILE    what to load
 *   --slice-us N     nothing; it can be seen among the arguments
 *   --exit-after S   end with status 3 after so many seconds
 *   --leak MIB       take so much memory after a second
 *   --restart S      detach and attach again after so many seconds, as resident loaders do
 *   --ignore-term    do not end on SIGTERM
 *   --child          have a child that holds the scheduler, too, and goes on until it is killed
 *   --fail           say why and end before anything is loaded
 */
#include <bpf/libbpf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t told_to_end;

static void on_term(int signal)
{
	(void)signal;
	told_to_end = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "test scheduler: %s\n", what);
	exit(1);
}

static struct bpf_link *attach(const char *file)
{
	struct bpf_object *object = bpf_object__open_file(file, NULL);
	struct bpf_link *link = NULL;
	struct bpf_map *map;

	if (!object)
		die("cannot open the object");
	if (bpf_object__load(object))
		die("cannot load the object");
	bpf_object__for_each_map(map, object)
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			link = bpf_map__attach_struct_ops(map);
	if (!link)
		die("cannot attach");
	return link;
}

static void have_a_child(void)
{
	if (fork())
		return;
	signal(SIGTERM, SIG_IGN);
	for (;;)
		pause();
}

static bool is_enabled(void)
{
	char state[16] = "";
	FILE *file = fopen("/sys/kernel/sched_ext/state", "re");

	if (file) {
		if (!fgets(state, sizeof(state), file))
			state[0] = 0;
		fclose(file);
	}
	return !strncmp(state, "enabled", 7);
}

static void leak(long mib)
{
	for (long i = 0; i < mib; i++) {
		volatile char *memory = malloc(1 << 20);

		if (!memory)
			die("malloc");
		for (long at = 0; at < 1 << 20; at += 4096)
			memory[at] = 1;
	}
}

int main(int argc, char **argv)
{
	const char *object = NULL;
	long exit_after = -1, leaked = 0, restart = -1;
	bool child = false;
	struct bpf_link *link;

	signal(SIGTERM, on_term);
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";

		if (!strcmp(name, "--ignore-term")) {
			signal(SIGTERM, SIG_IGN);
			continue;
		}
		if (!strcmp(name, "--child")) {
			child = true;
			continue;
		}
		if (!strcmp(name, "--fail"))
			die("told to fail");
		i++;
		if (!strcmp(name, "--object"))
			object = value;
		else if (!strcmp(name, "--slice-us"))
			continue;
		else if (!strcmp(name, "--exit-after"))
			exit_after = atol(value);
		else if (!strcmp(name, "--leak"))
			leaked = atol(value);
		else if (!strcmp(name, "--restart"))
			restart = atol(value);
		else
			die("unknown argument");
	}
	if (!object)
		die("no --object");
	link = attach(object);
	if (child)
		have_a_child();
	printf("test scheduler: attached\n");
	fflush(stdout);
	for (long tenths = 0; !told_to_end; tenths++) {
		usleep(100000);
		if (tenths == 10 && leaked)
			leak(leaked);
		if (tenths == restart * 10) {
			bpf_link__destroy(link);
			link = attach(object);
		}
		if (tenths == exit_after * 10) {
			fprintf(stderr, "test scheduler: told to end with status 3\n");
			return 3;
		}
		if (!is_enabled()) {
			fprintf(stderr, "EXIT: the scheduler has left the kernel\n");
			return 0;
		}
	}
	bpf_link__destroy(link);
	return 0;
}
