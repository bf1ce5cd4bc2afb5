/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * exec: a program is about to be executed.
 *
 * Hook: bprm_check_security (fs/exec.c, search_binary_handler). The kernel has
 * opened the file and read its first bytes; the old image still runs, and its
 * credentials are still the task's. A refusal makes execve(2) fail with the
 * errno, and nothing has been lost.
 *
 * The hook runs again for every interpreter: a script is asked about twice,
 * first as itself, then as the program its `#!` line names, with the flag
 * `interpreter`. The loader of a dynamic ELF file (ld.so) is opened, but not
 * asked about here: template file_open sees it.
 *
 * Set-uid bits are reported as the kernel will honour them: not on a nosuid
 * mount, not under no_new_privs. File capabilities are not looked at.
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_bprm_check_security,
};

#include "include/krsi.bpf.h"

struct params {
	KRSI_PATH_PARAMS
};

enum exec_flag {
	EXEC_MEMFD = 1,
	EXEC_DELETED = 2,
	EXEC_SETUID = 4,
	EXEC_SETGID = 8,
	EXEC_INTERPRETER = 16,
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file.");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 flags KRSI_DOC("memfd: lives in memory only; deleted: has no name any more; setuid, setgid: will "
			   "change the credentials; interpreter: asked for a script's sake.")
		KRSI_BITS("memfd=1 deleted=2 setuid=4 setgid=8 interpreter=16");
	char filename[256] KRSI_DOC("The file as execve was given it; the script, if this is its interpreter.");
	char interpreter[256] KRSI_DOC("The program on the script's `#!` line; empty for a script itself and for "
				       "any other program.");
	struct krsi_path path KRSI_DOC("The file, from the task's root.");
} KRSI_TEMPLATE("exec", "Programs about to be executed: allow, deny or kill by path, file and credentials",
		"T1059 T1204.002 T1620");

#include "include/krsi_engine.bpf.h"

#define S_ISUID 04000
#define S_ISGID 02000
#define S_IXGRP 00010
#define MNT_NOSUID 1
#define PFA_NO_NEW_PRIVS 1 /* bit 0 of task_struct.atomic_flags */

static const char memfd_prefix[] = "memfd:";

static __always_inline bool is_memfd(struct dentry *dentry)
{
	char name[sizeof(memfd_prefix)] = {};

	/* A memfd is its own parent: no folder can hold that name for it. */
	if (READ(dentry, d_parent) != dentry)
		return false;
	bpf_probe_read_kernel_str(name, sizeof(name), READ(dentry, d_name.name));
	for (u32 i = 0; i < sizeof(memfd_prefix) - 1; i++)
		if (name[i] != memfd_prefix[i])
			return false;
	return true;
}

static __always_inline u32 set_id_flags(struct file *file, u16 mode)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct vfsmount *mount = READ(file, f_path.mnt);
	u32 flags = 0;

	if (READ(mount, mnt_flags) & MNT_NOSUID || READ(task, atomic_flags) & PFA_NO_NEW_PRIVS)
		return 0;
	if (mode & S_ISUID)
		flags |= EXEC_SETUID;
	/* Without group execution the bit means mandatory locking, not set-gid. */
	if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		flags |= EXEC_SETGID;
	return flags;
}

/* Everything behind the scope; gives the verdict. */
static __always_inline int decide(struct linux_binprm *bprm, struct file *file)
{
	volatile struct settings *settings = krsi_enter();
	struct scratch *scratch;

	if (!settings)
		return 0;
	scratch = krsi_take();
	if (!scratch)
		return krsi_failed(settings);

	struct event *event = &scratch->event;
	struct inode *inode = READ(file, f_inode);
	struct super_block *super = READ(inode, i_sb);
	const char *filename = READ(bprm, filename);
	const char *interp = READ(bprm, interp);

	krsi_gather_path(scratch, file);
	event->inode = READ(inode, i_ino);
	event->device = READ(super, s_dev);
	event->flags = set_id_flags(file, READ(inode, i_mode));
	if (is_memfd(READ(file, f_path.dentry)))
		event->flags |= EXEC_MEMFD;
	if (READ(inode, i_nlink) == 0)
		event->flags |= EXEC_DELETED;
	bpf_probe_read_kernel_str(event->filename, sizeof(event->filename), filename);
	/* The kernel changes `interp` to another string only for an interpreter. */
	if (interp != filename) {
		event->flags |= EXEC_INTERPRETER;
		bpf_probe_read_kernel_str(event->interpreter, sizeof(event->interpreter), interp);
	}
	return krsi_decide(settings, scratch, krsi_hook_bprm_check_security,
			   krsi_match_path(settings, scratch, inode));
}

SEC("lsm/bprm_check_security")
int krsi_exec(u64 *context)
{
	struct linux_binprm *bprm = ARG(context, 0, struct linux_binprm *);
	int refused = ARG(context, 1, int);

	return refused ? refused : decide(bprm, bprm->file);
}

/*
 * Where LSM programs cannot be had: the execution is seen once it has succeeded,
 * with the new image's comm and executable in the header, and a script only as
 * its interpreter.
 */
SEC("tp_btf/sched_process_exec")
int krsi_exec_observed(u64 *context)
{
	struct linux_binprm *bprm = ARG(context, 2, struct linux_binprm *);

	decide(bprm, bprm->file);
	return 0;
}
