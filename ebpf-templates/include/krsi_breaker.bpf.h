/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* A breaker: a probe that refuses more than it was meant to refuses nothing from then on. */
#ifndef KRSI_BREAKER_BPF_H
#define KRSI_BREAKER_BPF_H

#include "krsi_settings.bpf.h"

/* How long a refusal counts, in nanoseconds; 0: the probe has no breaker. Set before the load. */
const volatile u64 krsi_trip_ns = 0;

/*
 * As many tokens as refusals may count at once, each the time of the refusal that had it last. A refusal takes the oldest and puts it
 * back with its own time, if that one counts no more. 5.10 has no atomics that fetch, but of two programs only one can take a
 * token: so with any number of processors there are never more refusals within that time. Where none is left, as many are
 * being made at this moment. The shell puts them there, before the attach.
 */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1);
	__type(value, u64);
} krsi_tokens SEC(".maps");

static __always_inline bool krsi_has_tripped(volatile struct settings *settings)
{
	return krsi_trip_ns && settings->control.tripped_ns > settings->control.trip_from_ns;
}

/* Takes one for a refusal, which counts if it was later than `from`. 0; or the time, if it must not be. */
__noinline u64 krsi_take_token(u64 from)
{
	u64 last = 0;
	bool is_there = !bpf_map_pop_elem(&krsi_tokens, &last);
	/* Later than whatever was put back before. */
	u64 now = bpf_ktime_get_ns();

	if (!is_there)
		return now;
	if (last > from && now - last < krsi_trip_ns) {
		bpf_map_push_elem(&krsi_tokens, &last, BPF_ANY);
		return now;
	}
	bpf_map_push_elem(&krsi_tokens, &now, BPF_ANY);
	return 0;
}

/* Whether a refusal is not to be: the breaker has tripped, or does so now. */
static __always_inline bool krsi_trips(volatile struct settings *settings)
{
	u64 late;

	if (krsi_has_tripped(settings))
		return true;
	late = krsi_take_token(settings->control.trip_from_ns);
	if (late)
		settings->control.tripped_ns = late;
	return late;
}

#endif
