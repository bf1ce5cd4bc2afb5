/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* How many of the events that there could be are sent. Verdicts, counters and summaries know nothing of it. */
#ifndef KRSI_LIMIT_BPF_H
#define KRSI_LIMIT_BPF_H

#include "krsi_counters.bpf.h"
#include "krsi_event.bpf.h"
#include "krsi_scratch.bpf.h"
#include "krsi_settings.bpf.h"

/* All of these are set before the load; 0: as many as there are. One of so many is sent. */
const volatile u32 krsi_sample_every = 0;
/* Of the probe, so many within that time, in nanoseconds. */
const volatile u32 krsi_limit_events = 0;
const volatile u64 krsi_limit_ns = 0;
/* Of each process. */
const volatile u32 krsi_limit_process_events = 0;
const volatile u64 krsi_limit_process_ns = 0;

#define KRSI_LIMITS (krsi_sample_every || krsi_limit_events || krsi_limit_process_events)

/* Events of each processor, of which the shell wants one of so many. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} krsi_sampled SEC(".maps");

/*
 * A place for each event that may be sent within the time, and in it when the event was that had it last. An event takes the place
 * that was had longest ago, if that time is over: so there are never more within any such time, by their own clock, with any number of
 * processors. Behind the places stands how often one was taken, and so where the next one is. The shell makes room for them.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
} krsi_limit_places SEC(".maps");

/* As many as the limit of a process may have. */
#define KRSI_PROCESS_PLACES 64

struct krsi_limited {
	u32 pid;
	u32 zero;
	u64 start_ns;
};

struct krsi_places {
	u64 had[KRSI_PROCESS_PLACES];
};

KRSI_KEPT(struct krsi_places, places);

/* The same for each process; its entry goes with it, so there is room for all. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct krsi_limited);
	__type(value, struct krsi_places);
} krsi_limited_by_task SEC(".maps");

/* What an entry begins as: too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct krsi_places);
} krsi_no_places SEC(".maps");

/* Before 5.12 nothing exchanges words: an insertion that must not replace anything says who may write to a place. */
struct krsi_place_claim {
	u64 start_ns;
	u32 pid;
	u32 place;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KRSI_SLOTS);
	__type(key, struct krsi_place_claim);
	__type(value, u32);
} krsi_place_claims SEC(".maps");

static __always_inline bool krsi_is_had(u64 last, u64 now, u64 within)
{
	return last && now < last + within;
}

/* Puts `now` where `last` is still. False if another one was quicker. */
static __always_inline bool krsi_take_place(volatile u64 *place, u64 last, u64 now, const struct krsi_place_claim *claim)
{
	if (KRSI_EXCHANGES) {
		return __sync_val_compare_and_swap(place, last, now) == last;
	} else {
		u32 one = 1;
		bool is_free;

		if (bpf_map_update_elem(&krsi_place_claims, claim, &one, BPF_NOEXIST))
			return false;
		is_free = *place == last;
		if (is_free)
			*place = now;
		bpf_map_delete_elem(&krsi_place_claims, claim);
		return is_free;
	}
}

/* How many places are looked at: one that was just taken by somebody who has not said so yet is passed over. */
#define KRSI_LOOKS 4

/* Whether one more event of the probe may be sent that was at `now`; then it has its place. */
__noinline u64 krsi_place_of_probe(u64 now)
{
	u32 behind = krsi_limit_events;
	u64 *taken = bpf_map_lookup_elem(&krsi_limit_places, &behind);
	u64 first;

	if (!taken)
		return 0;
	first = *(volatile u64 *)taken;
	for (u32 turn = 0; turn < KRSI_LOOKS && turn < krsi_limit_events; turn++) {
		u32 index = (first + turn) % krsi_limit_events;
		struct krsi_place_claim claim = { .place = index };
		u64 *place = bpf_map_lookup_elem(&krsi_limit_places, &index);
		u64 last;

		if (!place)
			return 0;
		last = *(volatile u64 *)place;
		if (krsi_is_had(last, now, krsi_limit_ns) || !krsi_take_place(place, last, now, &claim))
			continue;
		__sync_fetch_and_add(taken, 1);
		return 1;
	}
	return 0;
}

static __always_inline struct krsi_limited krsi_process_of(struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);
	struct krsi_limited process = { .pid = READ(task, tgid), .start_ns = READ(leader, start_boottime) };

	return process;
}

/* The same of the running process. Without memory for its places there is none. */
__noinline u64 krsi_place_of_process(u64 now)
{
	struct krsi_limited process = krsi_process_of((struct task_struct *)bpf_get_current_task());
	struct krsi_place_claim claim = { .start_ns = process.start_ns, .pid = process.pid };
	struct krsi_places *places = bpf_map_lookup_elem(&krsi_limited_by_task, &process);
	u32 zero = 0;

	if (!places) {
		struct krsi_places *none = bpf_map_lookup_elem(&krsi_no_places, &zero);

		/* Whoever else makes it at the same time makes the same. */
		if (none)
			bpf_map_update_elem(&krsi_limited_by_task, &process, none, BPF_NOEXIST);
		places = bpf_map_lookup_elem(&krsi_limited_by_task, &process);
	}
	if (!places)
		return 0;
	for (u32 index = 0; index < KRSI_PROCESS_PLACES && index < krsi_limit_process_events; index++) {
		volatile u64 *place = &places->had[index];
		u64 last = *place;

		claim.place = index;
		if (!krsi_is_had(last, now, krsi_limit_process_ns) && krsi_take_place(place, last, now, &claim))
			return 1;
	}
	return 0;
}

/* A process is gone for good: none of its threads comes to a hook any more. Attached by the shell if there is such a limit. */
SEC("tp_btf/sched_process_free")
int krsi_limit_freed(u64 *context)
{
	struct task_struct *task = ARG(context, 0, struct task_struct *);

	if (READ(task, pid) == READ(task, tgid)) {
		struct krsi_limited process = krsi_process_of(task);

		bpf_map_delete_elem(&krsi_limited_by_task, &process);
	}
	return 0;
}

/* Whether it is none of those of which one in so many is sent. */
static __always_inline bool krsi_is_passed_over(void)
{
	u32 zero = 0;
	u64 *sampled = bpf_map_lookup_elem(&krsi_sampled, &zero);
	u64 number;

	if (!sampled)
		return false;
	if (KRSI_EXCHANGES) {
		number = __sync_fetch_and_add(sampled, 1) + 1;
	} else {
		/* As it stands here: clang would make one of both, which fetches. A task that is put aside in between is sent
		 * in the place of another. */
		asm volatile("lock *(u64 *)(%[sampled] + 0) += %[one]" : : [sampled] "r"(sampled), [one] "r"(1ULL) : "memory");
		number = *(volatile u64 *)sampled;
	}
	return number % krsi_sample_every;
}

/*
 * Whether the event that there could be is not sent; then why is counted. Its time is that by which it has its place, so it is
 * gathered here, and nowhere behind.
 */
__noinline u64 krsi_is_cut(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	volatile struct settings *settings = krsi_read_settings();
	u64 now;

	if (!scratch || !settings)
		return 0;
	krsi_gather_header(scratch, KRSI_FIELD_TIME, krsi_filter_fields);
	now = scratch->event.header.mono_ns;
	if (settings->control.quiet)
		return 0;
	if (krsi_sample_every && krsi_is_passed_over()) {
		krsi_count(krsi_counter_sampled_out);
		return 1;
	}
	if ((krsi_limit_process_events && !krsi_place_of_process(now)) ||
	    (krsi_limit_events && !krsi_place_of_probe(now))) {
		krsi_count(krsi_counter_limited);
		return 1;
	}
	return 0;
}

#endif
