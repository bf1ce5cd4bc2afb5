/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Where an operation came from. */
#ifndef KRSI_STACKS_BPF_H
#define KRSI_STACKS_BPF_H

#include "krsi_scratch.bpf.h"
#include "krsi_settings.bpf.h"

enum krsi_stack {
	KRSI_STACK_KERNEL = 1,
	KRSI_STACK_USER = 2,
};

/* Which the probe wants, a bit for each. Set before the load. */
const volatile enum krsi_stack krsi_stacks_wanted = 0;

/*
 * The program and what calls it are not a part of where an operation came from, and their addresses change with each
 * attach, which would make one stack many: two frames, but on 5.10 three (seen to be two from 6.1 on). In between,
 * three are no loss, since bpf_lsm_HOOK comes next, which says nothing. BPF_F_SKIP_FIELD_MASK of the flags.
 */
#define KRSI_OWN_FRAMES (krsi_kernel < KERNEL_VERSION(6, 1, 0) && krsi_door == KRSI_DOOR_LSM ? 3 : 2)
#define KRSI_FRAMES 127 /* PERF_MAX_STACK_DEPTH */

/*
 * Each stack once, under a number that is a hash of it: what finds its place taken by another is not kept. Made larger
 * by the shell if there are to be any.
 */
struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, KRSI_FRAMES * sizeof(u64));
} krsi_stacks SEC(".maps");

/* Gives the number and one more, or 0. */
static __always_inline u32 krsi_keep_stack(void *context, struct scratch *scratch, u64 flags)
{
	long number = bpf_get_stackid(context, &krsi_stacks, flags);

	if (number >= 0)
		return number + 1;
	scratch->event.header.notes |= KRSI_NOTE_NO_STACK;
	return 0;
}

static __always_inline void krsi_gather_stacks(void *context, struct scratch *scratch)
{
	if (krsi_stacks_wanted & KRSI_STACK_KERNEL)
		scratch->event.header.kstack = krsi_keep_stack(context, scratch, KRSI_OWN_FRAMES);
	if (krsi_stacks_wanted & KRSI_STACK_USER)
		scratch->event.header.ustack = krsi_keep_stack(context, scratch, BPF_F_USER_STACK);
}

#endif
