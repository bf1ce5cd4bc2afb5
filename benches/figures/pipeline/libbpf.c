// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What the pipeline is compared with: libbpf's own consumer, which counts records and does nothing else with them.
 *
 *   consumer RING RECORD    RING: the ring buffer's descriptor; RECORD: bytes of a record
 *
 * Or, asked to copy, what whoever wants to read records later has to do first: it takes them out.
 *
 * A line on standard input is an order, a line on standard output the answer:
 *
 *   once     takes what is there                         COUNT NANOSECONDS
 *   follow   waits for records, until the next order     COUNT (0 NANOSECONDS) of all that came since
 *   copy     the same, and copies each
 */
#include <bpf/libbpf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct ring_buffer *ring;
static unsigned long count, wrong;
static size_t expected;
static atomic_bool over;

static bool copying;
/* Taken out to places by turns, as into a queue: not again and again to the same. */
static char taken[1024][4096];

static int record(void *context, void *data, size_t size)
{
	(void)context;
	if (size != expected)
		wrong++;
	else if (copying)
		memcpy(taken[count++ % 1024], data, size);
	else
		count++;
	return 0;
}

static void *follow(void *unused)
{
	(void)unused;
	while (!atomic_load_explicit(&over, memory_order_acquire))
		ring_buffer__poll(ring, 10);
	ring_buffer__consume(ring);
	return NULL;
}

static unsigned long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000UL + time.tv_nsec;
}

static void answer(unsigned long took)
{
	printf("%lu %lu\n", wrong ? 0 : count, took);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char order[32];
	pthread_t follower;

	if (argc != 3)
		return 2;
	expected = strtoul(argv[2], NULL, 10);
	if (expected > sizeof(taken[0]))
		return 2;
	ring = ring_buffer__new(atoi(argv[1]), record, NULL, NULL);
	if (!ring) {
		perror("ring_buffer__new");
		return 1;
	}
	answer(0);
	while (fgets(order, sizeof(order), stdin)) {
		count = 0;
		if (!strcmp(order, "once\n")) {
			unsigned long begun = now();

			ring_buffer__consume(ring);
			answer(now() - begun);
		} else if (!strcmp(order, "follow\n") || !strcmp(order, "copy\n")) {
			copying = order[0] == 'c';
			atomic_store(&over, false);
			if (pthread_create(&follower, NULL, follow, NULL))
				return 1;
			answer(0);
			if (!fgets(order, sizeof(order), stdin))
				return 1;
			atomic_store_explicit(&over, true, memory_order_release);
			pthread_join(follower, NULL);
			answer(0);
		} else {
			return 2;
		}
	}
	ring_buffer__free(ring);
	return 0;
}
