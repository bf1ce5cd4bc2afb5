/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* The event: its header, and its way to the shell. */
#ifndef KRSI_EVENT_BPF_H
#define KRSI_EVENT_BPF_H

#include "krsi_counters.bpf.h"
#include "krsi_fields.bpf.h"
#include "krsi_scratch.bpf.h"
#include "krsi_settings.bpf.h"
#include "krsi_verdict.bpf.h"
#include "krsi_walk.bpf.h"

#define KRSI_RING_SIZE (1 << 20)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, KRSI_RING_SIZE);
} krsi_events SEC(".maps");

/*
 * The kernel wakes the reader for the first record that it has not read, and no other: a reader that waits a moment before it
 * reads is woken once for all that come meanwhile (src/kernel/maps/ring.rs). It is told not to wait where a task is held until
 * there is an answer, and while the buffer fills.
 */
static __always_inline u64 krsi_waking(u32 verdict)
{
	if (verdict == KRSI_ASK)
		return BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_query(&krsi_events, BPF_RB_AVAIL_DATA) > KRSI_RING_SIZE / 4)
		return BPF_RB_FORCE_WAKEUP;
	return 0;
}

struct krsi_sequence {
	struct bpf_spin_lock lock;
	u32 zero;
	u64 last;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct krsi_sequence);
} krsi_sequence SEC(".maps");

/*
 * A lock, since 5.10 has no atomic addition that gives its result; and where LSM
 * programs have no lock either (5.10; seen to be there from 6.1), 0: then the reader numbers the
 * events, and a loss leaves no gap.
 */
static __always_inline u64 krsi_next_number(void)
{
	u32 zero = 0;
	struct krsi_sequence *sequence;
	u64 number;

	if (krsi_kernel < KERNEL_VERSION(6, 1, 0))
		return 0;
	sequence = bpf_map_lookup_elem(&krsi_sequence, &zero);
	if (!sequence)
		return 0;
	bpf_spin_lock(&sequence->lock);
	number = ++sequence->last;
	bpf_spin_unlock(&sequence->lock);
	return number;
}

/* When the executable's path, which costs more than all the rest of the header, is found. */
enum krsi_exe {
	KRSI_EXE_FOR_EVENTS,    /* once the filter has said yes, and if there is to be an event */
	KRSI_EXE_FOR_SUMMARIES, /* once the filter has said yes */
	KRSI_EXE_FOR_FILTER,    /* before the filter, which asks about it */
	KRSI_EXE_NEVER,
};

/* Set before the load. */
const volatile enum krsi_exe krsi_exe = KRSI_EXE_FOR_FILTER;

static __always_inline void krsi_gather_exe(struct scratch *scratch)
{
	struct krsi_header *header = &scratch->event.header;
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct mm_struct *mm = READ(task, mm);
	struct file *file = READ(mm, exe_file);

	if (!file)
		return; /* a kernel thread */

	struct inode *inode = READ(file, f_inode);
	struct dentry *dentry = READ(file, f_path.dentry);

	header->exe_inode = READ(inode, i_ino);
	if (!krsi_walk_to(scratch, header->exe, sizeof(header->exe), READ(file, f_path.mnt), dentry))
		header->notes |= KRSI_NOTE_NO_EXE;
	if (krsi_is_unlinked(dentry))
		header->notes |= KRSI_NOTE_EXE_UNLINKED;
}

/* Gathers what of these fields has not been gathered: `before` are the bits of those that have. */
static __always_inline void krsi_gather_header(struct scratch *scratch, u32 wanted, u32 before)
{
	struct krsi_header *header = &scratch->event.header;

	wanted &= ~before;
	if (wanted & KRSI_FIELD_TIME) {
		header->mono_ns = bpf_ktime_get_ns();
		header->wall_ns = header->mono_ns; /* moved to the wall's clock by the reader */
	}
	if (wanted & ~KRSI_FIELD_TIME)
		KRSI_GATHER_FIELDS(header, wanted);
}

static __always_inline void krsi_write_answer(struct scratch *scratch, struct krsi_answer *answer)
{
	struct krsi_header *header = &scratch->event.header;

	header->verdict = answer->verdict;
	header->mode = answer->mode;
	header->errno = answer->verdict == KRSI_DENY || answer->verdict == KRSI_KILL ? answer->errno : 0;
	header->notes |= answer->notes;
	if (krsi_door == KRSI_DOOR_FMOD_RET)
		header->notes |= KRSI_NOTE_FMOD_RET;
	if (krsi_door == KRSI_DOOR_OBSERVE)
		header->notes |= KRSI_NOTE_AUDIT_ONLY;
	scratch->errno = answer->errno;
	/*
	 * Read back: then these are numbers of which the verifier knows nothing, and it walks once through all that follows. It
	 * would do so for each way to an answer otherwise, which took nearly all of an attach's time.
	 */
	answer->verdict = *(volatile u32 *)&header->verdict;
	answer->notes = *(volatile typeof(header->notes) *)&header->notes;
	answer->errno = *(volatile u32 *)&scratch->errno;
}

/* How many bytes of the origin are sent before the event. Set before the load. */
const volatile u32 krsi_origin_sent = 0;

/* Gives whether it was sent. A function of its own: its stack is no part of that on the way to a path. */
__noinline u64 krsi_emit(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	u64 size;

	if (!scratch)
		return 0;
	size = KRSI_FIXED_SIZE + scratch->used;
	scratch->event.header.seq = krsi_next_number();
	if (size > sizeof(struct event))
		size = sizeof(struct event);
	if (bpf_ringbuf_output(&krsi_events, (char *)&scratch->event - krsi_origin_sent, krsi_origin_sent + size,
			       krsi_waking(scratch->event.header.verdict))) {
		krsi_count(krsi_counter_lost_ring);
		return 0;
	}
	krsi_count(krsi_counter_emitted);
	return 1;
}

#endif
