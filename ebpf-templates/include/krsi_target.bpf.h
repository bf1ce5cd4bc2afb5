/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* The task that an operation is about: how it stands to the one that asks, and what is told of it. */
#ifndef KRSI_TARGET_BPF_H
#define KRSI_TARGET_BPF_H

#include "krsi.bpf.h"
#include "krsi_target_members.bpf.h"
#include "krsi_walk.bpf.h"

/* Whether they are threads of one process. */
static __always_inline bool krsi_is_same_process(struct task_struct *task, struct task_struct *other)
{
	return READ(task, tgid) == READ(other, tgid);
}

/* Whether one is the other's parent, as a debugger is that of the program that it has started. */
static __always_inline bool krsi_is_parent_of(struct task_struct *task, struct task_struct *other)
{
	struct task_struct *leader = READ(other, group_leader);

	return krsi_is_same_process(task, READ(leader, real_parent));
}

static __always_inline u32 krsi_uid_of(struct task_struct *task)
{
	struct cred *cred = READ(task, real_cred);

	return READ(cred, uid.val);
}

static __always_inline void krsi_gather_target(struct scratch *scratch, struct krsi_target *to,
					       struct task_struct *target)
{
	struct task_struct *leader = READ(target, group_leader);
	struct mm_struct *mm = READ(target, mm);
	struct file *file = READ(mm, exe_file);

	to->target_start_ns = READ(leader, start_boottime);
	to->target_pid = READ(target, tgid);
	to->target_tid = READ(target, pid);
	to->target_uid = krsi_uid_of(target);
	bpf_probe_read_kernel_str(to->target_comm, sizeof(to->target_comm),
				  __builtin_preserve_access_index(&target->comm));
	if (file && !krsi_walk_to(scratch, to->target_exe, sizeof(to->target_exe), READ(file, f_path.mnt),
				  READ(file, f_path.dentry)))
		scratch->event.header.notes |= KRSI_NOTE_NO_TARGET;
}

#endif
