/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What is known of a task: its credentials and namespaces. All from a task as krsi_current gives it. */
#ifndef KRSI_TASK_BPF_H
#define KRSI_TASK_BPF_H

#include "krsi_kernel.bpf.h"

/* The namespace a task lives in is that of the last of its pid's numbers. */
static __always_inline u32 krsi_pid_ns(struct task_struct *task)
{
	struct pid *pid = READ_TASK(task, thread_pid);
	u32 level = READ(pid, level);
	struct upid *numbers = (struct upid *)__builtin_preserve_access_index(&pid->numbers[0]);
	struct pid_namespace *pid_ns = READ(numbers + (level & 31), ns);

	return READ(pid_ns, ns.inum);
}

static __always_inline u32 krsi_mnt_ns(struct task_struct *task)
{
	struct nsproxy *proxy = READ_TASK(task, nsproxy);
	struct mnt_namespace *mnt_ns = READ(proxy, mnt_ns);

	return READ(mnt_ns, ns.inum);
}

static __always_inline u32 krsi_user_ns(struct cred *cred)
{
	struct user_namespace *user_ns = READ(cred, user_ns);

	return READ(user_ns, ns.inum);
}

/*
 * The credentials that say who a task is. While the kernel works for it in another role, `cred` is that role's:
 * overlayfs opens the file beneath as its mounter, access(2) looks as the real user; `real_cred` stays the task's. Threads
 * of the kernel's own (NFS server, io_uring) have none that count, but those they work with.
 */
static __always_inline struct cred *krsi_cred(struct task_struct *task)
{
	return READ_TASK(task, flags) & (PF_KTHREAD | PF_IO_WORKER) ? READ_TASK(task, cred) : READ_TASK(task, real_cred);
}

#endif
