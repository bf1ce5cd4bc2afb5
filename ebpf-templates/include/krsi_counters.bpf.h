/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* A probe's accounting. Counters are added to atomically though they are per CPU: LSM programs are preemptible. */
#ifndef KRSI_COUNTERS_BPF_H
#define KRSI_COUNTERS_BPF_H

#include "krsi.bpf.h"

enum krsi_counter {
	krsi_counter_seen,
	krsi_counter_out_of_scope,
	krsi_counter_filtered,
	krsi_counter_matched,
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
	KRSI_COUNTERS, /* how many */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KRSI_COUNTERS);
	__type(key, u32);
	__type(value, u64);
} krsi_counters SEC(".maps");

KRSI_KEPT(enum krsi_counter, counter);

static __always_inline void krsi_count(enum krsi_counter counter)
{
	u32 key = counter;
	u64 *count = bpf_map_lookup_elem(&krsi_counters, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
}

#endif
