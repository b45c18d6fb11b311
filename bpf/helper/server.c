// SPDX-License-Identifier: GPL-2.0-only
/* The socket, its connections, and the loop that everything but the guard runs in. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "attached.h"
#include "child.h"
#include "guard.h"
#include "journal.h"
#include "loader.h"
#include "observe.h"
#include "protocol.h"
#include "trial.h"
#include "upgrade.h"
#include "watch.h"

#define MOST_CONNECTIONS 16
#define OUTPUT_BYTES (512 << 10)	/* of answers that a client has not read yet */
#define SILENT_MS 60000			/* when all places are taken, who was silent for this long gives up its own */

static struct connection connections[MOST_CONNECTIONS];
static int epoll_fd = -1, listen_fd = -1, signal_fd = -1, lock_fd = -1;	/* epoll's events carry their addresses */

/* --- connections --- */

static void drop(struct connection *c)
{
	watch_free(c->watch);
	protocol_drop(c);
	close(c->fd);
	free(c->in);
	free(c->out);
	memset(c, 0, sizeof(*c));
}

static void want(struct connection *c)
{
	bool read = !c->closing && !c->eof && !c->watch && c->in_used < INPUT_BYTES;
	struct epoll_event ev = { .events = (read ? EPOLLIN : 0u) | (c->out_used ? EPOLLOUT : 0u), .data.ptr = c };

	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
}

void say(struct connection *c, json_t *message)
{
	char *text = json_line(message, JSON_COMPACT | JSON_REAL_PRECISION(6));
	size_t n;

	json_decref(message);
	n = strlen(text);
	if (c->out_used + n + 1 > OUTPUT_BYTES) {
		note("a client does not read its answers and is dropped");
		shutdown(c->fd, SHUT_RDWR);
		c->closing = true;
	} else {
		memcpy(c->out + c->out_used, text, n);
		c->out[c->out_used + n] = '\n';
		c->out_used += n + 1;
	}
	free(text);
}

/* False when the connection is gone. */
static bool flush(struct connection *c)
{
	while (c->out_used) {
		ssize_t n = send(c->fd, c->out, c->out_used, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN;
		memmove(c->out, c->out + n, c->out_used - (size_t)n);
		c->out_used -= (size_t)n;
	}
	return true;
}

static bool fill(struct connection *c)
{
	ssize_t n;

	if (c->closing || c->eof || c->watch || c->in_used == INPUT_BYTES)
		return true;
	n = recv(c->fd, c->in + c->in_used, INPUT_BYTES - c->in_used, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN;
	c->eof = n == 0;
	c->in_used += (size_t)n;
	c->heard_ms = boottime_ms();
	return true;
}

/* Do everything that can be done with the bytes and the time there are. */
static void go_on(struct connection *c)
{
	size_t taken = 0, n;

	while (!c->closing) {
		if (c->watch) {
			watch_tick(c);
			if (c->watch)
				break;
		}
		n = protocol_consume(c, c->in + taken, c->in_used - taken);
		if (!n)
			break;
		taken += n;
	}
	memmove(c->in, c->in + taken, c->in_used - taken);
	c->in_used -= taken;
	if (c->eof && !c->watch)
		c->closing = true;
}

static void serve_connection(struct connection *c, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP) || !fill(c)) {
		drop(c);
		return;
	}
	go_on(c);
	if (!flush(c) || (c->closing && !c->out_used))
		drop(c);
	else
		want(c);
}

/* A controller that lost its power says nothing more, and sshd keeps its connection for hours. NULL = all are in use. */
static struct connection *find_place(void)
{
	struct connection *silent = NULL;

	for (size_t i = 0; i < MOST_CONNECTIONS; i++) {
		struct connection *c = &connections[i];

		if (!c->used)
			return c;
		if (!c->watch && (!silent || c->heard_ms < silent->heard_ms))
			silent = c;
	}
	if (!silent || boottime_ms() - silent->heard_ms < SILENT_MS)
		return NULL;
	note("a client that was silent for a minute gives its place to another");
	drop(silent);
	return silent;
}

/* Not between the events of one round: one of them may be of the connection that goes. */
static void welcome(void)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct epoll_event ev = { .events = EPOLLIN };
	struct connection *c;

	if (fd < 0)
		return;
	c = find_place();
	if (!c) {
		dprintf(fd, "{\"id\":0,\"ok\":false,\"error\":{\"code\":\"busy\",\"message\":\"the helper has %d connections already\"}}\n",
			MOST_CONNECTIONS);
		close(fd);
		return;
	}
	c->fd = fd;
	c->used = true;
	c->heard_ms = boottime_ms();
	c->in = allocate(INPUT_BYTES);
	c->out = allocate(OUTPUT_BYTES);
	ev.data.ptr = c;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

/* --- the loop --- */

static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int pause_ms(void)
{
	int64_t next = sooner(sooner(host_next_tick_ms(), observer_next_ms()), child_next_ms()), left;

	for (size_t i = 0; i < MOST_CONNECTIONS; i++)
		if (connections[i].used && connections[i].watch)
			next = sooner(next, watch_next_ms(connections[i].watch));
	if (next < 0)
		return -1;
	left = next - boottime_ms();
	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left + 1;
}

/* Watches speak of what the ticks found. */
static void tick(void)
{
	host_tick();
	observer_tick();
	child_reap();
	for (size_t i = 0; i < MOST_CONNECTIONS && !upgrade_is_due(); i++)
		if (connections[i].used && connections[i].watch)
			serve_connection(&connections[i], 0);
}

/* SIGHUP is the word of an upgrade's watcher; the other signals end the service. */
static bool told_to_stop(void)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info) || info.ssi_signo != SIGHUP)
		return true;
	upgrade_accepted((pid_t)info.ssi_pid);
	return false;
}

/* Until the service is stopped, or another helper is to take over: nothing is begun then any more. */
static void loop(void)
{
	struct epoll_event events[8];

	while (!upgrade_is_due()) {
		int n = epoll_wait(epoll_fd, events, ARRAY_SIZE(events), pause_ms());
		bool knocked = false;

		for (int i = 0; i < n && !upgrade_is_due(); i++) {
			void *source = events[i].data.ptr;
			uint64_t count;

			if (source == &signal_fd) {
				if (told_to_stop())
					return;
			} else if (source == &listen_fd) {
				knocked = true;
			} else if (source == &now) {
				end_told();
			} else if (source) {
				serve_connection(source, events[i].events);
			} else if (read(guard_event_fd(), &count, sizeof(count)) < 0 && errno != EAGAIN) {
				note("guard: %s", strerror(errno));
			}
		}
		if (knocked && !upgrade_is_due())
			welcome();
		tick();
	}
}

static int add(int fd, void *source)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = source };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

/* --- start --- */

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >= (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	umask(0077);	/* the socket is root's alone from its first moment */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, MOST_CONNECTIONS)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* Tell systemd, when it waits for it, that the socket answers. */
static void announce(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!path || snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >= (int)sizeof(address.sun_path))
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (address.sun_path[0] == '@')
		address.sun_path[0] = 0;
	if (fd < 0 || sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0)
		note("NOTIFY_SOCKET: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* The guard must not wait for a page from disk. Address space that is never touched is not locked. */
static void lock_memory(void)
{
#ifndef FLEETSCHED_SANITIZED
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		note("mlockall: %s", strerror(errno));
#endif
}

static int catch_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A second helper on the same state would undo what the first one does. */
static int lock_state(struct failure *f)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/lock", journal_dir());
	lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock_fd < 0 || flock(lock_fd, LOCK_EX | LOCK_NB))
		return fail(f, "busy", NULL, "another helper uses %s: %s", journal_dir(), strerror(errno));
	return 0;
}

int serve(const char *socket_path, const char *state_dir, char **arguments)
{
	struct failure f = { 0 };
	int err;

	signal_fd = catch_signals();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loader_init();
	err = upgrade_init(arguments);
	if (err)
		note("/proc/self/exe: %s", strerror(-err));
	if (journal_open(state_dir, &f) || lock_state(&f)) {
		note("%s", f.message);
		return 1;
	}
	listen_fd = listen_at(socket_path);
	if (listen_fd < 0) {
		note("%s: %s", socket_path, strerror(-listen_fd));
		return 1;
	}
	lock_memory();
	err = guard_start();
	if (err)	/* `try` refuses with fifo-refused; facts are still told */
		note("no guard: %s", strerror(-err));
	if (add(listen_fd, &listen_fd) || add(signal_fd, &signal_fd) || add(guard_event_fd(), NULL) ||
	    add(ends_fd(), &now)) {
		note("epoll: %s", strerror(errno));
		return 1;
	}
	announce();
	host_start();
	loop();
	host_stop();
	unlink(socket_path);
	if (!upgrade_is_due())
		return 0;
	close(lock_fd);		/* before another process shares it */
	upgrade_begin(socket_path);
	return 1;
}
