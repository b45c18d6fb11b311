/* SPDX-License-Identifier: GPL-2.0-only */
/* The socket, its connections, and the loop that everything but the guard runs in. */
#ifndef FLEETSCHED_SERVER_H
#define FLEETSCHED_SERVER_H

#include "util.h"

#define CHUNK_BYTES 65536
#define INPUT_BYTES (CHUNK_BYTES + 4)	/* the longest line is shorter than a whole chunk */

struct staging;
struct watch;

struct connection {
	int fd;
	bool used;
	bool eof;		/* the client says nothing more; what it asked is still answered */
	bool closing;		/* nothing more is read; closed once @out is sent */
	struct staging *staging;	/* an object or a helper is arriving */
	struct watch *watch;	/* a watch is in progress; later requests wait */
	int64_t heard_ms;	/* BOOTTIME of its last bytes */
	size_t in_used, out_used;
	char *in, *out;
};

/* Queue one message, which is consumed. A client that reads too slowly is dropped. */
void say(struct connection *c, json_t *message);

int serve(const char *socket_path, const char *state_dir, char **arguments);	/* @arguments: main's own */
int rpc(const char *socket_path);
int connect_to(const char *socket_path);	/* -1 when nobody listens there */

#endif
