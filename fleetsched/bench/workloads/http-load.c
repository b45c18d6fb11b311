/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of a web server on this machine: each asks over its own connection, waits for the answer and then for a
 * moment, at random by the seed. A request is the time from the first byte sent to the last byte of the answer.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CLIENTS 64
#define MAX_SAMPLES 400000

struct client {
	uint64_t random;
	int failed;
};

static int clients = 4, port = 8080;
static double seconds = 5;
static uint64_t pause_us = 5000, seed = 1, end_ns;
static uint32_t samples_ns[MAX_SAMPLES];
static _Atomic uint32_t count;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What takes 4.3 s or longer counts as that. */
static uint32_t clamped(uint64_t ns)
{
	return ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int connected(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* One request: 1, or 0 when there is no answer. */
static int ask(int fd)
{
	static const char request[] = "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char answer[65536];
	size_t got = 0, wanted = 0;

	if (write(fd, request, sizeof(request) - 1) != (ssize_t)sizeof(request) - 1)
		return 0;
	while (!wanted || got < wanted) {
		ssize_t n = read(fd, answer + got, sizeof(answer) - 1 - got);
		char *end, *length;

		if (n <= 0)
			return 0;
		got += (size_t)n;
		answer[got] = 0;
		end = strstr(answer, "\r\n\r\n");
		if (end && !wanted) {
			length = strcasestr(answer, "Content-Length:");
			if (!length || strncmp(answer, "HTTP/1.1 200", 12))
				return 0;
			wanted = (size_t)(end - answer) + 4 + strtoul(length + 15, NULL, 10);
		}
	}
	return 1;
}

static void *serve(void *argument)
{
	struct client *client = argument;
	int fd = connected();

	prctl(PR_SET_NAME, "client");
	while (fd >= 0 && now_ns() < end_ns) {
		uint64_t began_ns, pause_ns = (pause_us / 2 + next_random(&client->random) % (pause_us + 1)) * 1000;
		struct timespec pause = { .tv_sec = (time_t)(pause_ns / 1000000000), .tv_nsec = (long)(pause_ns % 1000000000) };
		uint32_t slot;

		nanosleep(&pause, NULL);
		began_ns = now_ns();
		if (!ask(fd)) {
			client->failed = 1;
			break;
		}
		slot = atomic_fetch_add(&count, 1);
		if (slot < MAX_SAMPLES)
			samples_ns[slot] = clamped(now_ns() - began_ns);
	}
	client->failed |= fd < 0;
	return NULL;
}

static int compare(const void *a, const void *b)
{
	uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

	return (first > second) - (first < second);
}

static double percentile_us(uint32_t used, double share)
{
	uint32_t place = (uint32_t)(share * used);

	return samples_ns[place < used ? place : used - 1] / 1000.0;
}

int main(int argc, char **argv)
{
	static struct client all[MAX_CLIENTS];
	pthread_t threads[MAX_CLIENTS];
	uint64_t began_ns;
	uint32_t used;
	double took_s;
	int option, failed = 0;

	while ((option = getopt(argc, argv, "c:p:q:s:r:")) != -1) {
		if (option == 'c')
			clients = atoi(optarg);
		else if (option == 'p')
			port = atoi(optarg);
		else if (option == 'q')
			pause_us = strtoull(optarg, NULL, 10);
		else if (option == 's')
			seconds = atof(optarg);
		else if (option == 'r')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (clients < 1 || clients > MAX_CLIENTS) {
		fprintf(stderr, "1 to %d clients\n", MAX_CLIENTS);
		return 2;
	}
	began_ns = now_ns();
	end_ns = began_ns + (uint64_t)(seconds * 1e9);
	for (int i = 0; i < clients; i++) {
		all[i].random = (seed * 1000 + (uint64_t)i + 1) * 0x9e3779b97f4a7c15;
		if (pthread_create(&threads[i], NULL, serve, &all[i]))
			return 1;
	}
	for (int i = 0; i < clients; i++) {
		pthread_join(threads[i], NULL);
		failed |= all[i].failed;
	}
	used = atomic_load(&count);
	used = used < MAX_SAMPLES ? used : MAX_SAMPLES;
	if (failed || !used) {
		fprintf(stderr, "the server does not answer\n");
		return 1;
	}
	took_s = (double)(now_ns() - began_ns) / 1e9;
	qsort(samples_ns, used, sizeof(*samples_ns), compare);
	printf("{\"requests_per_second\": %.2f, \"request_latency_p50_us\": %.1f, \"request_latency_p99_us\": %.1f}\n",
	       used / took_s, percentile_us(used, 0.50), percentile_us(used, 0.99));
	return 0;
}
