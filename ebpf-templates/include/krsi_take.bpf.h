/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Memory for a decision, and what is counted without any. */
#ifndef KRSI_TAKE_BPF_H
#define KRSI_TAKE_BPF_H

#include "krsi_fields.bpf.h"
#include "krsi_scratch.bpf.h"
#include "krsi_settings.bpf.h"
#include "krsi_summaries.bpf.h"
#include "krsi_verdict.bpf.h"

/*
 * A count that groups by little of the task needs no memory, if nothing else is asked: no filter but what the
 * pre-filter has decided, no param, no event, and nothing to refuse. The first is the plan's, and set before the
 * load; the rest may change while the probe runs, so both ways are in the program.
 */
const volatile u32 krsi_counts_first = 0;

/* Room for what it groups by. */
#define KRSI_FIRST_GROUP_SIZE 56

/* A field of struct krsi_early, and where it goes in the key. */
struct krsi_first_taken {
	u32 from;
	u32 size; /* 4, 8 or 16; 0: none */
	u32 to;
};

const volatile struct krsi_first_taken krsi_first_by[KRSI_BY] = {};

struct krsi_first_key {
	u32 epoch;
	u16 summary;
	u16 bucket;
	u8 group[KRSI_FIRST_GROUP_SIZE];
};

KRSI_KEPT(struct krsi_first_key, first_key);

/* Whether no param is set, nothing can be refused, and no event is sent. */
static __always_inline bool krsi_only_counts(volatile struct settings *settings)
{
	volatile u64 *words = (volatile u64 *)&settings->params;
	u64 set = 0;

	if (!settings->control.quiet || (settings->control.mode & 0xff) != KRSI_MODE_OBSERVE)
		return false;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < sizeof(struct params) / sizeof(u64); i++)
		set |= words[i];
	return !set;
}

/* Whether it is the running task's name, which needs no place of its own. */
static __always_inline bool krsi_is_own_comm(const volatile struct krsi_first_taken *taken)
{
	return krsi_casts && taken->size && taken->from == __builtin_offsetof(struct krsi_early, comm);
}

static __always_inline void krsi_take_first(u8 *group, const struct krsi_early *early,
					    const volatile struct krsi_first_taken *taken)
{
	const u8 *from = (const u8 *)early + taken->from;
	u8 *to = group + taken->to;

	if (krsi_is_own_comm(taken))
		return; /* is there already */
	/* Whole words: what a number leaves of one is zero. */
	if (taken->size == 4)
		*(u64 *)to = *(u32 *)from;
	if (taken->size >= 8)
		*(u64 *)to = *(u64 *)from;
	if (taken->size == 16)
		*(u64 *)(to + 8) = *(u64 *)(from + 8);
}

/* A function of its own: its stack is no part of that on the way to a path. */
__noinline u64 krsi_count_first(u32 epoch)
{
	/* What is not gathered is not read: neither is the rest of the key, which the map has no part in. */
	struct krsi_early early;
	struct krsi_first_key key;
	u32 others = krsi_summary_fields & ~(krsi_casts ? KRSI_FIELD(comm) : 0);

	/* The first summary has the number 0, and a count no bucket. */
	*(u64 *)&key = epoch;
	if (others)
		KRSI_GATHER_FIELDS(&early, others);
#pragma clang loop unroll(full)
	for (u32 i = 0; i < KRSI_BY; i++)
		if (krsi_is_own_comm(&krsi_first_by[i]))
			KRSI_COPY_COMM(key.group + krsi_first_by[i].to, krsi_current());
#pragma clang loop unroll(full)
	for (u32 i = 0; i < KRSI_BY; i++)
		krsi_take_first(key.group, &early, &krsi_first_by[i]);
	krsi_count_under(&key);
	krsi_count_both(krsi_counter_allow, krsi_counter_suppressed);
	return 0;
}

/*
 * Memory of this task's own, zeroed as far as it is always sent. NULL if none is needed, since all is counted, or
 * none is to be had; then `result` is what the hook returns. Only where nothing but params and the filter can rule the
 * operation out from here on; a template that decides more takes its memory by krsi_take_memory.
 */
static __always_inline struct scratch *krsi_take(volatile struct settings *settings, int *result)
{
	struct scratch *scratch;

	*result = 0;
	if (krsi_counts_first && krsi_only_counts(settings)) {
		krsi_count_first(settings->control.epoch);
		return NULL;
	}
	scratch = krsi_take_memory();
	if (!scratch)
		*result = krsi_failed();
	return scratch;
}

#endif
