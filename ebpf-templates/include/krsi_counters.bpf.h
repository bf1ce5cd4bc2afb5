/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* A probe's accounting. Counters are added to atomically though they are per CPU: LSM programs are preemptible. */
#ifndef KRSI_COUNTERS_BPF_H
#define KRSI_COUNTERS_BPF_H

#include "krsi.bpf.h"

/*
 * What follows from others is not counted: what was seen is out of scope, filtered or matched; what matched has one of
 * six verdicts. What was asked was answered, or timed out, or withdrawn, or is held still.
 */
enum krsi_counter {
	krsi_counter_out_of_scope,
	krsi_counter_filtered,
	krsi_counter_allow,
	krsi_counter_would_deny,
	krsi_counter_deny,
	krsi_counter_kill,
	krsi_counter_emitted,
	krsi_counter_suppressed,
	krsi_counter_lost_ring,
	krsi_counter_errors,
	krsi_counter_lapsed,
	krsi_counter_guarded,
	krsi_counter_overflow,
	krsi_counter_would_ask,
	krsi_counter_asked,
	krsi_counter_answered,
	krsi_counter_timed_out,
	krsi_counter_withdrawn,
	krsi_counter_otherwise,
	/* Of the suppressed (krsi_limit.bpf.h). */
	krsi_counter_limited,
	krsi_counter_sampled_out,
	KRSI_COUNTERS, /* how many */
};

struct krsi_counts {
	u64 counts[KRSI_COUNTERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct krsi_counts);
} krsi_counters SEC(".maps");

KRSI_KEPT(enum krsi_counter, counter);

/* Adds one to each of two, or to one if they are the same. */
static __always_inline void krsi_count_both(enum krsi_counter one, enum krsi_counter other)
{
	u32 zero = 0;
	struct krsi_counts *here = bpf_map_lookup_elem(&krsi_counters, &zero);

	if (!here)
		return; /* the verifier cannot know that index 0 exists */
	__sync_fetch_and_add(&here->counts[one], 1);
	if (one != other)
		__sync_fetch_and_add(&here->counts[other], 1);
}

static __always_inline void krsi_count(enum krsi_counter counter)
{
	krsi_count_both(counter, counter);
}

#endif
