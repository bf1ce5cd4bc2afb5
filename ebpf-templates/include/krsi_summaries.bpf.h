/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Aggregation, in maps. */
#ifndef KRSI_SUMMARIES_BPF_H
#define KRSI_SUMMARIES_BPF_H

#include "krsi_counters.bpf.h"
#include "krsi_scratch.bpf.h"
#include "krsi_settings.bpf.h"

/*
 * Aggregation, as the probe's constants describe it: an entry for each group (and bucket), in tables
 * that are as large as the shell made them. What finds no room is counted as overflow. The groups' bytes
 * are copied as the constants say, so what is not asked for is no code.
 *
 * Exact: counts and sums are added to atomically. What cannot be added (the least, the greatest, a rank) is under a
 * lock, which LSM programs have from 6.1 on; before, there is no least and greatest, and two tasks at once may cost a rank.
 *
 * To take a summary and begin anew, the shell moves the epoch on, waits until no program that read the
 * former one can be running (a grace period of RCU, under which they run), and takes that one's entries out.
 */

#define KRSI_SUMMARIES 4
#define KRSI_BY 4

enum krsi_summary_kind {
	krsi_summary_kind_none,
	krsi_summary_kind_count,
	krsi_summary_kind_number,
	krsi_summary_kind_log2,
	krsi_summary_kind_linear,
	krsi_summary_kind_distinct,
	KRSI_SUMMARY_KINDS, /* how many */
};

KRSI_KEPT(enum krsi_summary_kind, summary_kind);

/* A field of the event, and where it goes in the key. */
struct krsi_taken {
	u32 from;
	u16 size; /* 0: none */
	u16 text; /* up to its NUL, size being the room for it */
	u32 to;
};

struct krsi_summary {
	u32 kind;
	struct krsi_taken value;
	u64 first; /* of a linear histogram: where it begins, how wide a bucket is, and how many there are */
	u64 step;
	u64 buckets;
	struct krsi_taken by[KRSI_BY];
};

const volatile struct krsi_summary krsi_summaries[KRSI_SUMMARIES] = {};

struct krsi_total {
	struct bpf_spin_lock lock;
	u32 zero;
	u64 count;
	/*
	 * The sum of what is added of each number: its lower and its upper 32 bits. Under the lock what the lower ones
	 * carry goes to the upper, so there is no end to it; before 6.1 the first 2^32 numbers fit for certain.
	 */
	u64 sum_lower;
	u64 sum_upper;
	u64 least;
	u64 greatest;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct krsi_summary_key);
	__type(value, struct krsi_total);
} krsi_totals SEC(".maps");

/* HyperLogLog (Flajolet et al., 2007): the greatest rank seen of the hashes that fall into each register. */
#define KRSI_REGISTERS_LOG2 9
#define KRSI_REGISTERS (1 << KRSI_REGISTERS_LOG2)

struct krsi_sketch {
	struct bpf_spin_lock lock;
	u32 zero;
	u8 registers[KRSI_REGISTERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct krsi_summary_key);
	__type(value, struct krsi_sketch);
} krsi_sketches SEC(".maps");

/* What a sketch begins as: too large for the stack, and no lock, since those are not copied from. */
struct krsi_zeros {
	u8 zeros[sizeof(struct krsi_sketch)];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct krsi_zeros);
} krsi_blank_sketch SEC(".maps");

static __always_inline u64 krsi_number_at(struct scratch *scratch, u32 from, u32 size)
{
	void *at = (char *)krsi_record(scratch) + from;

	switch (size) {
	case 1:
		return *(u8 *)at;
	case 2:
		return *(u16 *)at;
	case 4:
		return *(u32 *)at;
	case 8:
		return *(u64 *)at;
	}
	return 0;
}

/* 0 for 0, else one more than the number of the highest bit. */
static __always_inline u32 krsi_bits(u64 number)
{
	u32 bits = 0;

#pragma clang loop unroll(full)
	for (u32 half = 32; half; half /= 2)
		if (number >> half) {
			number >>= half;
			bits += half;
		}
	return number ? bits + 1 : 0;
}

/* Finalizer of SplitMix64 (Steele et al., 2014). */
static __always_inline u64 krsi_mix(u64 number)
{
	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9ULL;
	number = (number ^ number >> 27) * 0x94d049bb133111ebULL;
	return number ^ number >> 31;
}

static __always_inline u64 krsi_hash_text(struct scratch *scratch, u32 from)
{
	u64 hash = 0;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < KRSI_DISTINCT_SIZE / sizeof(u64); i++)
		scratch->distinct.words[i] = 0;
	bpf_probe_read_kernel_str(scratch->distinct.text, KRSI_DISTINCT_SIZE, (char *)krsi_record(scratch) + from);
	for (u32 i = 0; i < KRSI_DISTINCT_SIZE / sizeof(u64); i++) {
		u64 word = scratch->distinct.words[i];

		if (!word)
			break;
		hash = krsi_mix(hash + 0x9e3779b97f4a7c15ULL ^ word);
	}
	return hash;
}

/* The entry of this key, made if there is none. NULL if there is no room, which is counted. */
static __always_inline struct krsi_total *krsi_total_of(const void *key)
{
	struct krsi_total *total = bpf_map_lookup_elem(&krsi_totals, key);

	if (!total) {
		struct krsi_total none = {};

		/* Whoever else makes it at the same time makes the same. */
		bpf_map_update_elem(&krsi_totals, key, &none, BPF_NOEXIST);
		total = bpf_map_lookup_elem(&krsi_totals, key);
	}
	if (!total)
		krsi_count(krsi_counter_overflow);
	return total;
}

/* Counts one under a key. */
static __always_inline void krsi_count_under(const void *key)
{
	struct krsi_total *total = krsi_total_of(key);

	if (total)
		__sync_fetch_and_add(&total->count, 1);
}

static __always_inline void krsi_count_total(struct scratch *scratch, const volatile struct krsi_summary *summary)
{
	u64 number = krsi_number_at(scratch, summary->value.from, summary->value.size);
	struct krsi_total *total = krsi_total_of(&scratch->key);

	if (!total)
		return;
	if (summary->kind != krsi_summary_kind_number) {
		__sync_fetch_and_add(&total->count, 1);
		return;
	}
	if (krsi_kernel < KERNEL_VERSION(6, 1, 0)) {
		__sync_fetch_and_add(&total->count, 1);
		__sync_fetch_and_add(&total->sum_lower, (u32)number);
		__sync_fetch_and_add(&total->sum_upper, number >> 32);
		return;
	}
	bpf_spin_lock(&total->lock);
	if (!total->count || number < total->least)
		total->least = number;
	if (!total->count || number > total->greatest)
		total->greatest = number;
	total->count++;
	total->sum_lower += (u32)number;
	total->sum_upper += (number >> 32) + (total->sum_lower >> 32);
	total->sum_lower = (u32)total->sum_lower;
	bpf_spin_unlock(&total->lock);
}

static __always_inline void krsi_count_distinct(struct scratch *scratch, const volatile struct krsi_summary *summary)
{
	struct krsi_sketch *sketch = bpf_map_lookup_elem(&krsi_sketches, &scratch->key);
	u32 zero = 0;
	u64 hash;

	if (!sketch) {
		struct krsi_zeros *blank = bpf_map_lookup_elem(&krsi_blank_sketch, &zero);

		if (blank)
			bpf_map_update_elem(&krsi_sketches, &scratch->key, blank, BPF_NOEXIST);
		sketch = bpf_map_lookup_elem(&krsi_sketches, &scratch->key);
	}
	if (!sketch) {
		krsi_count(krsi_counter_overflow);
		return;
	}
	if (summary->value.text)
		hash = krsi_hash_text(scratch, summary->value.from);
	else
		hash = krsi_mix(krsi_number_at(scratch, summary->value.from, summary->value.size));

	u32 index = hash & (KRSI_REGISTERS - 1);
	/* Zeros before the first one of the bits that are left, and one. */
	u8 rank = 65 - KRSI_REGISTERS_LOG2 - krsi_bits(hash >> KRSI_REGISTERS_LOG2);

	asm volatile("%[index] &= %[mask]" : [index] "+r"(index) : [mask] "i"(KRSI_REGISTERS - 1));
	if (sketch->registers[index] >= rank)
		return;
	if (krsi_kernel < KERNEL_VERSION(6, 1, 0)) {
		sketch->registers[index] = rank;
		return;
	}
	bpf_spin_lock(&sketch->lock);
	if (sketch->registers[index] < rank)
		sketch->registers[index] = rank;
	bpf_spin_unlock(&sketch->lock);
}

static __always_inline u16 krsi_bucket(struct scratch *scratch, const volatile struct krsi_summary *summary)
{
	u64 number;

	if (summary->kind != krsi_summary_kind_log2 && summary->kind != krsi_summary_kind_linear)
		return 0;
	number = krsi_number_at(scratch, summary->value.from, summary->value.size);
	if (summary->kind == krsi_summary_kind_log2)
		return krsi_bits(number);
	if (number < summary->first)
		return 0;
	number = (number - summary->first) / (summary->step ?: 1);
	return number < summary->buckets ? number + 1 : summary->buckets + 1;
}

static __always_inline void krsi_take_field(struct scratch *scratch, const volatile struct krsi_taken *taken)
{
	u32 from = taken->from;
	u32 to = taken->to;
	u32 size = taken->size;

	if (!size)
		return;
	if (taken->text)
		bpf_probe_read_kernel_str(scratch->key.group + to, size, (char *)krsi_record(scratch) + from);
	else
		bpf_probe_read_kernel(scratch->key.group + to, size, (char *)krsi_record(scratch) + from);
}

static __always_inline void krsi_summarize_one(struct scratch *scratch, u32 epoch, const u32 which)
{
	const volatile struct krsi_summary *summary = &krsi_summaries[which];
	u64 *words = (u64 *)&scratch->key;

	if (summary->kind == krsi_summary_kind_none)
		return;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < sizeof(scratch->key) / sizeof(u64); i++)
		words[i] = 0;
	scratch->key.epoch = epoch;
	scratch->key.summary = which;
	scratch->key.bucket = krsi_bucket(scratch, summary);
#pragma clang loop unroll(full)
	for (u32 i = 0; i < KRSI_BY; i++)
		krsi_take_field(scratch, &summary->by[i]);
	if (summary->kind == krsi_summary_kind_distinct)
		krsi_count_distinct(scratch, summary);
	else
		krsi_count_total(scratch, summary);
}

/* Adds the event to the probe's summaries. */
__noinline u64 krsi_summarize(u32 slot, u32 epoch)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	if (!scratch)
		return 0;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < KRSI_SUMMARIES; i++)
		krsi_summarize_one(scratch, epoch, i);
	return 0;
}

#endif
