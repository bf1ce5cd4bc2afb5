/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Which processes are in scope now: an iterator that the shell reads before an attach. */
#ifndef KRSI_PREVIEW_BPF_H
#define KRSI_PREVIEW_BPF_H

#include "krsi.bpf.h"
#include "krsi_scope.bpf.h"
#include "krsi_task.bpf.h"

/* A process in scope, as the shell reads it. */
struct krsi_previewed {
	u32 pid;
	u32 uid;
	char comm[16];
};

KRSI_KEPT(struct krsi_previewed, previewed);

/* Which processes are in scope now, by the same function that the hooks ask. */
SEC("iter/task")
int krsi_preview(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;

	if (!task || READ(task, pid) != READ(task, tgid))
		return 0;
	struct signal_struct *signal = READ(task, signal);

	/* It is over, and only waits for its parent to hear so. */
	if (READ(signal, live.counter) <= 0)
		return 0;
	if (krsi_in_scope(task) == KRSI_OUT_OF_SCOPE)
		return 0;

	struct cred *cred = krsi_cred(task);
	struct krsi_previewed process = { .pid = READ(task, tgid), .uid = READ(cred, uid.val) };

	bpf_probe_read_kernel_str(process.comm, sizeof(process.comm),
				  __builtin_preserve_access_index(&task->comm));
	bpf_seq_write(context->meta->seq, &process, sizeof(process));
	return 0;
}

#endif
