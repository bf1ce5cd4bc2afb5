/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Processes of a scope, and all that descend from them. */
#ifndef KRSI_SUBTREES_BPF_H
#define KRSI_SUBTREES_BPF_H

#include "krsi.bpf.h"
#include "krsi_counters.bpf.h"

enum krsi_subtree {
	KRSI_SUBTREE = 1,     /* below a process of `pid` */
	KRSI_NOT_SUBTREE = 2, /* below one of `not_pid` */
};

KRSI_KEPT(enum krsi_subtree, subtree);

/*
 * Processes of the subtrees that the scope names, with enum krsi_subtree. The shell seeds it;
 * from then on the tracepoint programs below keep it: membership is inherited at fork, so a
 * daemon that has lost its parent is still in it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, u8);
} krsi_scope_pids SEC(".maps");

/*
 * When the first process started that belongs to a subtree and found no room above, which the shell makes for as many as the
 * kernel allows; 0: none. Of those that started since, and are not in the table, nobody knows whether they belong
 * to one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} krsi_scope_lost SEC(".maps");

#define KRSI_SECOND_NS 1000000000ULL

/* Two that get lost at once may come here in either order, hence the second. */
static __always_inline void krsi_scope_lose(struct task_struct *child)
{
	u32 zero = 0;
	u64 *lost = bpf_map_lookup_elem(&krsi_scope_lost, &zero);
	u64 start = READ(child, start_boottime);

	krsi_count(krsi_counter_errors);
	if (lost && !*lost)
		*lost = start > KRSI_SECOND_NS ? start - KRSI_SECOND_NS : 1;
}

static __always_inline bool krsi_scope_may_be_lost(struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);
	u32 zero = 0;
	u64 *lost = bpf_map_lookup_elem(&krsi_scope_lost, &zero);

	return lost && *lost && READ(leader, start_boottime) >= *lost;
}

/* The child has its parent's membership, and no other: not that of a process which had its id before. */
static __always_inline void krsi_scope_inherit(u32 parent_pid, struct task_struct *child)
{
	u32 child_pid = READ(child, tgid);
	u8 *trees, inherited;

	if (parent_pid == child_pid)
		return;
	trees = bpf_map_lookup_elem(&krsi_scope_pids, &parent_pid);
	if (!trees) {
		if (bpf_map_lookup_elem(&krsi_scope_pids, &child_pid))
			bpf_map_delete_elem(&krsi_scope_pids, &child_pid);
		return;
	}
	inherited = *trees;
	if (bpf_map_update_elem(&krsi_scope_pids, &child_pid, &inherited, BPF_ANY))
		krsi_scope_lose(child);
}

/*
 * Up to 6.18. Later kernels may put a task aside in the middle of a tracepoint's program, and pass the program over for
 * whoever comes by on that processor meanwhile (seen on 7.3: of 600 forks, 27 unseen).
 */
SEC("tp_btf/sched_process_fork")
int krsi_scope_fork(u64 *context)
{
	struct task_struct *parent = ARG(context, 0, struct task_struct *);

	krsi_scope_inherit(READ(parent, tgid), ARG(context, 1, struct task_struct *));
	return 0;
}

/*
 * Since then: its parent wakes the child up, with a lock of the scheduler's, so that nobody puts it aside
 * (kernel/sched/core.c, wake_up_new_task), and the child runs after that only.
 */
SEC("tp_btf/sched_wakeup_new")
int krsi_scope_woken(u64 *context)
{
	krsi_scope_inherit(bpf_get_current_pid_tgid() >> 32, ARG(context, 0, struct task_struct *));
	return 0;
}

SEC("tp_btf/sched_process_exit")
int krsi_scope_exit(u64 *context)
{
	struct task_struct *task = ARG(context, 0, struct task_struct *);
	struct signal_struct *signal = READ(task, signal);
	u32 pid = READ(task, tgid);

	/* The leader may go before other threads of its process. */
	if (READ(signal, live.counter) == 0)
		bpf_map_delete_elem(&krsi_scope_pids, &pid);
	return 0;
}

#endif
