/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Which operation it is: 128 bits made of everything that its event tells of it, under a key that nobody else knows. */
#ifndef KRSI_IDENTITY_BPF_H
#define KRSI_IDENTITY_BPF_H

#include "krsi_event.bpf.h"
#include "krsi_scratch.bpf.h"

/*
 * An answer was given about what an event tells, so it is for what is told in the same words, and for nothing else: all that the
 * template tells, its texts to their ends, and of the task who it is (ids, namespaces) and what it runs. What passes
 * without making it another operation, such as the size that a file has just now, a template names: `#define KRSI_PASSING size`.
 *
 * The hash is SipHash-1-3 with 128 bits of result: whoever does not know the key finds no two operations that share one.
 */
const volatile u64 krsi_ask_key[2] = {};

#ifdef KRSI_PASSING
#define KRSI_PASSING_AT __builtin_offsetof(struct event, KRSI_PASSING)
_Static_assert(sizeof(((struct event *)0)->KRSI_PASSING) == sizeof(u64) && KRSI_PASSING_AT % sizeof(u64) == 0,
	       "what passes is one word");
#else
#define KRSI_PASSING_AT sizeof(struct event)
#endif

_Static_assert(sizeof(struct event) % sizeof(u64) == 0 && sizeof(struct krsi_header) % sizeof(u64) == 0,
	       "an event is whole words");

#define KRSI_ROTATED(word, by) ((word) << (by) | (word) >> (64 - (by)))

static __always_inline void krsi_sip_round(u64 *v)
{
	v[0] += v[1];
	v[1] = KRSI_ROTATED(v[1], 13) ^ v[0];
	v[0] = KRSI_ROTATED(v[0], 32);
	v[2] += v[3];
	v[3] = KRSI_ROTATED(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = KRSI_ROTATED(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = KRSI_ROTATED(v[1], 17) ^ v[2];
	v[2] = KRSI_ROTATED(v[2], 32);
}

static __always_inline void krsi_sip_take(u64 *v, u64 word)
{
	v[3] ^= word;
	krsi_sip_round(v);
	v[0] ^= word;
}

static __always_inline u64 krsi_sip_end(u64 *v, u64 mark)
{
	v[mark == 0xee ? 2 : 1] ^= mark;
	krsi_sip_round(v);
	krsi_sip_round(v);
	krsi_sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#define KRSI_HASHED_AT_ONCE 32 /* words */

/* Takes words of the event from this byte on, up to `end`. A function of its own, which the verifier looks at once. */
__noinline u64 krsi_hash_some(u32 slot, u32 from, u32 end)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	u64 v[4];

	if (!scratch)
		return 0;
	v[0] = scratch->hash[0];
	v[1] = scratch->hash[1];
	v[2] = scratch->hash[2];
	v[3] = scratch->hash[3];
	for (u32 i = 0; i < KRSI_HASHED_AT_ONCE; i++) {
		u64 at = from + i * sizeof(u64);
		u64 word;

		asm volatile("" : "+r"(at));
		if (at >= end || at > sizeof(struct event) - sizeof(u64))
			break;
		word = *(u64 *)((char *)&scratch->event + at);
		/* What lies behind the end is left over from another event. */
		if (end - at < sizeof(u64))
			word &= (1ULL << (end - at) * 8) - 1;
		krsi_sip_take(v, at == KRSI_PASSING_AT ? 0 : word);
	}
	scratch->hash[0] = v[0];
	scratch->hash[1] = v[1];
	scratch->hash[2] = v[2];
	scratch->hash[3] = v[3];
	return 1;
}

/* Takes a part of the event, and how long it is. */
static __always_inline void krsi_hash_part(struct scratch *scratch, u32 slot, u32 from, u32 end)
{
	for (u32 turn = 0; turn <= sizeof(struct event) / sizeof(u64) / KRSI_HASHED_AT_ONCE; turn++) {
		if (from >= end)
			break;
		krsi_hash_some(slot, from, end);
		from += KRSI_HASHED_AT_ONCE * sizeof(u64);
	}
	scratch->hash[0] ^= end;
}

static __always_inline u32 krsi_device_of_exe(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct mm_struct *mm = READ(task, mm);
	struct file *file = READ(mm, exe_file);
	struct inode *inode = READ(file, f_inode);
	struct super_block *super = READ(inode, i_sb);

	return READ(super, s_dev);
}

/* What an event must have told, or it may be about one operation as well as about another. */
#define KRSI_NOTES_UNKNOWN                                                                                 \
	(KRSI_NOTE_NO_PATH | KRSI_NOTE_NO_ARGS | KRSI_NOTE_NO_EXE | KRSI_NOTE_NO_CWD | KRSI_NOTE_NO_SOURCE |         \
	 KRSI_NOTE_NO_TARGET)

/*
 * Gathers what makes the operation what it is, and writes its identity to scratch.hash[0] and [1]; [2] says whether it can be told.
 * Called by the hook's program itself: below krsi_conclude there is no stack left for it.
 */
__noinline u64 krsi_identify(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct krsi_header *header;
	u64 v[4];

	if (!scratch)
		return 0;
	if (krsi_exe == KRSI_EXE_FOR_SUMMARIES)
		krsi_gather_exe(scratch);
	/* Once: the time is part of the question. */
	krsi_gather_header(scratch, krsi_event_fields, krsi_filter_fields);
	header = &scratch->event.header;
	if (header->notes & KRSI_NOTES_UNKNOWN) {
		scratch->hash[2] = 0;
		return 0;
	}
	v[0] = krsi_ask_key[0] ^ 0x736f6d6570736575ULL;
	v[1] = krsi_ask_key[1] ^ 0x646f72616e646f6dULL ^ 0xee;
	v[2] = krsi_ask_key[0] ^ 0x6c7967656e657261ULL;
	v[3] = krsi_ask_key[1] ^ 0x7465646279746573ULL;
	krsi_sip_take(v, (u64)header->hook << 32 | header->uid);
	krsi_sip_take(v, (u64)header->euid << 32 | header->gid);
	krsi_sip_take(v, (u64)header->user_ns << 32 | header->mnt_ns);
	krsi_sip_take(v, (u64)header->pid_ns << 32 | krsi_device_of_exe());
	krsi_sip_take(v, header->exe_inode);
	scratch->hash[0] = v[0];
	scratch->hash[1] = v[1];
	scratch->hash[2] = v[2];
	scratch->hash[3] = v[3];
	krsi_hash_part(scratch, slot, __builtin_offsetof(struct krsi_header, exe), sizeof(struct krsi_header));
	krsi_hash_part(scratch, slot, sizeof(struct krsi_header), KRSI_FIXED_SIZE + scratch->used);
	v[0] = scratch->hash[0];
	v[1] = scratch->hash[1];
	v[2] = scratch->hash[2];
	v[3] = scratch->hash[3];
	scratch->hash[0] = krsi_sip_end(v, 0xee);
	scratch->hash[1] = krsi_sip_end(v, 0xdd);
	scratch->hash[2] = 1;
	return 1;
}

#endif
