// SPDX-License-Identifier: GPL-2.0-only
/* fleetsched-host: runs on every managed host, holds its scheduler, and puts the last known good back by itself. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

#define SOCKET_PATH "/run/fleetsched/host.sock"
#define STATE_DIR "/var/lib/fleetsched"
#define USAGE 64

static int usage(FILE *out, int status)
{
	fputs("usage: fleetsched-host serve [--socket PATH] [--state FOLDER]\n"
	      "       fleetsched-host rpc [--socket PATH]\n"
	      "       fleetsched-host version\n",
	      out);
	return status;
}

int main(int argc, char **argv)
{
	const char *socket_path = SOCKET_PATH, *state_dir = STATE_DIR;
	const char *role = argc > 1 ? argv[1] : "";
	bool serves = !strcmp(role, "serve");

	for (int i = 2; i < argc; i += 2) {
		if (i + 1 < argc && !strcmp(argv[i], "--socket"))
			socket_path = argv[i + 1];
		else if (i + 1 < argc && serves && !strcmp(argv[i], "--state"))
			state_dir = argv[i + 1];
		else
			return usage(stderr, USAGE);
	}
	signal(SIGHUP, SIG_IGN);	/* no terminal's end is theirs: rpc ends with its streams, serve with SIGTERM */
	if (serves && geteuid()) {
		fputs("fleetsched-host: only root can serve\n", stderr);
		return USAGE;
	}
	if (serves)
		return serve(socket_path, state_dir, argv);
	if (!strcmp(role, "rpc"))
		return rpc(socket_path);
	if (!strcmp(role, "version"))
		return puts(FLEETSCHED_VERSION) < 0;
	if (!strcmp(role, "--help"))
		return usage(stdout, 0);
	return usage(stderr, USAGE);
}
