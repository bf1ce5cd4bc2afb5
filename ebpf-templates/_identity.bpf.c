/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * Not a template: how the shell learns which inode a path is, as an LSM hook
 * will see it. On overlayfs and btrfs stat(2) tells another device than the
 * inode's own, and a denial keyed on it would miss in silence. So the shell opens the
 * file (O_PATH), and this iterator over open files tells what the kernel has
 * behind each of the shell's descriptors.
 *
 * And how it learns who it is to the kernel: process ids and clocks of user space are those of
 * its namespaces, and what a hook compares are the kernel's own.
 */
#include "include/krsi_kernel.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
} __relocated;

struct identity {
	u32 fd;
	u32 device;
	u64 inode;
};

SEC("iter/task_file")
int krsi_identity(struct bpf_iter__task_file *context)
{
	struct task_struct *task = context->task;
	struct file *file = context->file;

	/* Who reads an iterator runs its program, so the current task is the shell's. */
	s32 own = bpf_get_current_pid_tgid() >> 32;

	if (!task || !file || task->tgid != own || task->pid != own)
		return 0;

	struct inode *inode = READ(file, f_inode);
	struct super_block *super = READ(inode, i_sb);
	struct identity identity = {
		.fd = context->fd,
		.device = READ(super, s_dev),
		.inode = READ(inode, i_ino),
	};

	bpf_seq_write(context->meta->seq, &identity, sizeof(identity));
	return 0;
}

/* Far more than any chain of parents is long. */
#define DEEPEST 128

/* One is written with the kernel's clocks; then one for the shell and each of its ancestors. */
struct lineage {
	u64 first;  /* CLOCK_MONOTONIC of the kernel, or a process id */
	u64 second; /* CLOCK_BOOTTIME of the kernel, or when the process was started, on it */
};

SEC("iter/task")
int krsi_lineage(struct bpf_iter__task *context)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct lineage lineage = { bpf_ktime_get_ns(), bpf_ktime_get_boot_ns() };
	void *out = context->meta->seq;

	/* Once, at the end. */
	if (context->task)
		return 0;
	bpf_seq_write(out, &lineage, sizeof(lineage));
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < DEEPEST; i++) {
		task = READ(task, group_leader);
		lineage.first = (u32)READ(task, tgid);
		lineage.second = READ(task, start_boottime);
		if (!lineage.first)
			break;
		bpf_seq_write(out, &lineage, sizeof(lineage));
		task = READ(task, real_parent);
	}
	return 0;
}
