// SPDX-License-Identifier: GPL-2.0-only
/* What the controller's SSH session runs: bytes between its standard streams and the socket, nothing else. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server.h"

#define NO_SERVICE 3	/* exit status */

int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || !connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

/* Move what there is from @from to @to: bytes moved, 0 at the end, -1 when either side is gone. */
static ssize_t forward(int from, int to)
{
	char buf[65536];
	ssize_t n = read(from, buf, sizeof(buf)), done = 0;

	while (n > 0 && done < n) {
		ssize_t w = write(to, buf + done, (size_t)(n - done));

		if (w < 0)
			return -1;
		done += w;
	}
	return n;
}

int rpc(const char *socket_path)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN } };
	int fd = connect_to(socket_path);

	signal(SIGPIPE, SIG_IGN);	/* the helper may hang up while it is still spoken to; its last words are passed on */
	if (fd < 0) {
		printf("{\"id\":0,\"ok\":false,\"error\":{\"code\":\"no-service\",\"message\":\"the helper's service does not answer: %s\","
		       "\"remedy\":\"systemctl status fleetsched-host.service\"}}\n",
		       strerror(errno));
		return NO_SERVICE;
	}
	fds[1] = (struct pollfd){ .fd = fd, .events = POLLIN };
	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[1].revents && forward(fd, STDOUT_FILENO) <= 0)
			break;
		if (fds[0].revents && forward(STDIN_FILENO, fd) <= 0) {
			shutdown(fd, SHUT_WR);
			fds[0].fd = -1;		/* poll leaves it alone; the answers are still awaited */
		}
	}
	return 0;
}
