/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Decisions that are made too late to refuse, in a second hook of the same operation. */
#ifndef KRSI_LATE_BPF_H
#define KRSI_LATE_BPF_H

/*
 * A hook may know too little to decide. Then it settles scope and cheap params, and leaves the rest to a later
 * hook of the same operation, where a denial is a SIGKILL (KRSI_TOO_LATE). The params that want this have the tag KRSI_LATE,
 * and the template has a function that tells whether one is set (`late` below):
 *
 *   in the first hook   krsi_begin, krsi_late_forget, krsi_late_admits, krsi_take, gather;
 *                       then krsi_late_leave if it is late, krsi_decide if not
 *   in the second one   krsi_late_enter, krsi_late_take, gather, krsi_late_decide for each decision, krsi_give_back
 *
 * What is left is counted by the second hook, which may make several decisions of it, or never be reached; the first
 * counts only what it settles. Which operation it is, a number says that is the same in both hooks and of no other
 * operation of the task at that time: the address of the kernel's object for it.
 */
#include "krsi_engine.bpf.h"

/*
 * The operation that each task has left to the second hook. By the address of the task_struct, which stays the same
 * where an id does not: in execve a thread takes over the id of its process's first one (de_thread). So there is at most one
 * mark for each live task, the table has room for all of them, and nobody's mark has to go for another's.
 *
 * A mark goes with the task, and with the next such operation that the task begins: one that failed leaves nothing behind.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u64);
	__type(value, u64);
} krsi_late_by_task SEC(".maps");

SEC("tp_btf/sched_process_exit")
int krsi_late_track(u64 *context)
{
	u64 task = bpf_get_current_task();

	bpf_map_delete_elem(&krsi_late_by_task, &task);
	return 0;
}

/* Sets the task's mark. False if there is no memory for it. */
static __always_inline bool krsi_late_mark(u64 operation)
{
	u64 task = bpf_get_current_task();

	return !bpf_map_update_elem(&krsi_late_by_task, &task, &operation, BPF_ANY);
}

/* Whether the task has a mark for this operation. It is taken away; that of another operation is none. */
static __always_inline bool krsi_late_take_mark(u64 operation)
{
	u64 task = bpf_get_current_task();
	u64 *marked = bpf_map_lookup_elem(&krsi_late_by_task, &task);
	bool same;

	if (!marked)
		return false;
	same = *marked == operation;
	bpf_map_delete_elem(&krsi_late_by_task, &task);
	return same;
}

/* ---- the first hook ------------------------------------------------------ */

/* Takes away a mark that was left by an operation that failed. */
static __always_inline void krsi_late_forget(void)
{
	u64 task = bpf_get_current_task();

	if (bpf_map_lookup_elem(&krsi_late_by_task, &task))
		bpf_map_delete_elem(&krsi_late_by_task, &task);
}

/* krsi_admits, if it is not late. If it is, scope alone, which is counted only if the task is out of it. */
static __always_inline bool krsi_late_admits(volatile struct settings *settings, bool late)
{
	if (!late)
		return krsi_admits(settings);
	if (krsi_scope_decides(settings))
		return true;
	krsi_count(krsi_counter_out_of_scope);
	return false;
}

/* Leaves the operation to the second hook, whatever it is. Returns what the hook returns. */
static __always_inline int krsi_late_leave_all(u64 operation)
{
	return krsi_late_mark(operation) ? 0 : krsi_failed();
}

/*
 * Leaves the operation to the second hook if its params match so far, and gives the scratch back. A mark that cannot be
 * set is an error, decided here, where the operation can still be refused. Returns what the hook returns.
 */
static __always_inline int krsi_late_leave(volatile struct settings *settings, struct scratch *scratch, u64 operation,
					   enum krsi_match match)
{
	krsi_give_back(scratch);
	if (match == KRSI_UNKNOWN && krsi_denies_on_error(settings))
		match = KRSI_MATCH;
	if (match != KRSI_MATCH)
		return krsi_filtered();
	return krsi_late_leave_all(operation);
}

/* ---- the second hook ----------------------------------------------------- */

/* The settings if this operation was left to be decided here, else NULL. Params may have changed since. */
static __always_inline volatile struct settings *krsi_late_enter(u64 operation)
{
	volatile struct settings *settings = krsi_begin();

	return settings && krsi_late_take_mark(operation) ? settings : NULL;
}

/* Memory of this task's own; NULL if there is none, which is counted, and killed for where errors are denied. */
static __always_inline struct scratch *krsi_late_take(void)
{
	struct scratch *scratch = krsi_take_memory();

	if (!scratch)
		krsi_fail(KRSI_TOO_LATE);
	return scratch;
}

/* One decision. */
static __always_inline void krsi_late_decide(struct scratch *scratch, enum krsi_hook hook, enum krsi_match match)
{
	u32 slot = scratch->slot;
	u64 result = krsi_consider(slot, hook, match);

	if (result) {
		krsi_gather_rest(slot, krsi_cut(slot));
		krsi_conclude(slot, result, KRSI_TOO_LATE);
	}
}

#endif
