/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Memory of a task's own while it is inside a hook: the event, and what is needed to make it. */
#ifndef KRSI_SCRATCH_BPF_H
#define KRSI_SCRATCH_BPF_H

#include "krsi.bpf.h"
#include "krsi_origin_members.bpf.h"

#define KRSI_KEY_SIZE 256 /* LPM_DATA_SIZE_MAX */
/* A path, and room behind it that nothing is ever written to: so far the verifier sees a name go. */
#define KRSI_WALK_SIZE (KRSI_PATH_SIZE + 256)

struct krsi_reversed {
	u32 bits;
	u8 text[KRSI_KEY_SIZE];
};

/* A path being found; addresses as numbers. */
struct krsi_walk {
	u64 mount;
	u64 dentry;
	u64 root_mount;
	u64 root_dentry;
	u32 at;  /* where the text begins */
	u32 top; /* enum krsi_top */
};

/* Room for what a summary groups by. */
#define KRSI_GROUP_SIZE 240

/* One entry of a summary. */
struct krsi_summary_key {
	u32 epoch;
	u16 summary; /* which of krsi_summaries */
	u16 bucket;  /* of a histogram */
	u8 group[KRSI_GROUP_SIZE];
};

/* As much of a text as tells it from others, where they are told apart by a hash. */
#define KRSI_DISTINCT_SIZE 256

/* What a template has to remember besides: members of a struct. Defined behind this line, it is defined twice. */
#ifndef KRSI_SCRATCH
#define KRSI_SCRATCH
#endif

struct scratch {
	/* 1 while a task has it; from 5.12 on. */
	u32 taken;
	u32 zero;
	/* Directly before the event: its end is sent with it. */
	struct krsi_origin origin;
	struct event event;
	/* Bytes in use of the packed part: the path, and what stands behind it. */
	u32 used;
	u32 slot;
	/* 1: there will be no event (krsi_limit.bpf.h). */
	u32 silent;
	/* What the hook refuses with, or 0. */
	u32 errno;
	/* Whose path the event's is; 0: nobody's, such as a socket's name. */
	u64 path_mount;
	u64 path_dentry;
	u64 hash[4]; /* of the operation, in the making */
	KRSI_SCRATCH
	struct krsi_reversed reversed;
	struct krsi_walk walk;
	char exe[KRSI_WALK_SIZE];
	struct krsi_summary_key key;
	union {
		char text[KRSI_DISTINCT_SIZE];
		u64 words[KRSI_DISTINCT_SIZE / sizeof(u64)];
	} distinct;
};

/* What filters and summaries look at: the origin and the event are one to them. */
struct krsi_record {
	struct krsi_origin origin;
	struct event event;
};

static __always_inline struct krsi_record *krsi_record(struct scratch *scratch)
{
	return (struct krsi_record *)&scratch->origin;
}

#define KRSI_SLOTS 256

/* How many there are: a power of two, and what the shell makes the map for. */
const volatile u32 krsi_slots = KRSI_SLOTS;

/*
 * A slot belongs to a task for as long as it is inside a hook, and not to a CPU: a task
 * preempted here must find its bytes as it left them. A word of the slot says whether it is taken. Before 5.12 there is
 * no exchange of such words; then `krsi_claims` says it: an
 * insertion that must not replace anything is the one operation of 5.10 that only one of two can do.
 * Preallocated, so it neither allocates in the hook nor fails before this many tasks are in it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KRSI_SLOTS);
	__type(key, u32);
	__type(value, struct scratch);
} krsi_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KRSI_SLOTS);
	__type(key, u32);
	__type(value, u32);
} krsi_claims SEC(".maps");

/* Bytes of the event that stand before its packed part. */
#define KRSI_FIXED_SIZE krsi_sent_always
/* Whether the event has a packed part (KRSI_PACKED_FROM); its first byte must be zero too. */
#define KRSI_IS_PACKED (KRSI_FIXED_SIZE < sizeof(struct event))

static __always_inline void krsi_clear(struct scratch *scratch)
{
	u64 *words = (u64 *)&scratch->event;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < KRSI_FIXED_SIZE / sizeof(u64) + KRSI_IS_PACKED; i++) {
		words[i] = 0;
		/* More than 128 words in a row clang takes for memset, which BPF has not. */
		if (i % 128 == 127)
			asm volatile("" ::: "memory");
	}
	scratch->used = KRSI_IS_PACKED; /* a NUL */
	scratch->path_dentry = 0;
}

#define KRSI_EXCHANGES (krsi_kernel >= KERNEL_VERSION(5, 12, 0))

/* Makes the slot this task's own. Gives whether another one has it. */
__noinline u64 krsi_is_taken(u32 slot)
{
	if (KRSI_EXCHANGES) {
		struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

		return !scratch || __sync_val_compare_and_swap(&scratch->taken, 0, 1);
	} else {
		u32 task = bpf_get_current_pid_tgid();

		return bpf_map_update_elem(&krsi_claims, &slot, &task, BPF_NOEXIST);
	}
}

/* Makes a slot this task's own. KRSI_SLOTS: none is free. */
__noinline u64 krsi_claim(u32 slot)
{
	for (u32 turn = 0; turn < KRSI_SLOTS; turn++, slot++) {
		slot &= krsi_slots - 1;
		if (!krsi_is_taken(slot))
			return slot;
		if (turn + 1 >= krsi_slots)
			break;
	}
	return KRSI_SLOTS;
}

/* NULL if every slot is taken. */
static __always_inline struct scratch *krsi_take_memory(void)
{
	/* Mostly free, and in this processor's cache. */
	u32 slot = bpf_get_smp_processor_id() & (krsi_slots - 1);
	struct scratch *scratch;

	if (krsi_is_taken(slot))
		slot = krsi_claim(slot + 1);
	scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	if (!scratch)
		return NULL; /* behind the last slot */
	krsi_clear(scratch);
	scratch->slot = slot;
	return scratch;
}

static __always_inline void krsi_give_back(struct scratch *scratch)
{
	u32 slot = scratch->slot;

	if (KRSI_EXCHANGES)
		__sync_lock_test_and_set(&scratch->taken, 0);
	else
		bpf_map_delete_elem(&krsi_claims, &slot);
}

/*
 * Where the next text behind the path goes, or NULL if more than `limit` bytes are in use, which is the
 * sum of what may stand before it: the verifier wants to be told.
 */
static __always_inline char *krsi_tail(struct scratch *scratch, const u32 limit)
{
	u32 used = scratch->used;

	asm volatile("" : "+r"(used));
	if (used > limit)
		return NULL;
	return (char *)&scratch->event + KRSI_FIXED_SIZE + used;
}

#endif
