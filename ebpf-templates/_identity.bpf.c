/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * Not a template: how the shell learns which inode a path is, as an LSM hook
 * will see it. On overlayfs and btrfs stat(2) tells another device than the
 * inode's own, and a denial keyed on it would miss in silence. So the shell opens the
 * file (O_PATH), and this iterator over open files tells what the kernel has
 * behind each of the shell's descriptors.
 */
#include "include/krsi_kernel.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

const volatile s32 krsi_self = 0; /* process id of the shell */

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

	if (!task || !file || task->tgid != krsi_self || task->pid != krsi_self)
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
