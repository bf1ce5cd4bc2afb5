/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * unlink: a name is about to be removed.
 *
 * Hooks: path_unlink (fs/namei.c, unlink(2) and unlinkat(2)) and path_rmdir (rmdir(2), and unlinkat(2) with AT_REMOVEDIR),
 * also by io_uring. The name is found and nothing has happened yet. A refusal makes the call fail with the errno.
 *
 * The kernel asks before it looks at permissions, at whether a directory is empty, and at whether it is the right call for
 * this kind of file: so an event may be about a removal that fails all the same, by EACCES, ENOTEMPTY or EISDIR.
 *
 * What is removed is one name. The file goes with the last of them (`links` is 1), and once nobody has it open.
 *
 * These hooks are asked with the mount that the task went through, and once, on overlayfs too. The hooks inode_unlink and
 * inode_rmdir would be asked a second time there, about the file beneath, without a mount; what they see besides
 * are removals that no system call with a path asks for.
 *
 * Not seen: a name that another file takes over (template rename), names of message queues (mq_unlink), removals by the
 * kernel's own servers (NFS, SMB), and files emptied instead of removed (truncate, file_open with `truncate`).
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_path_unlink,
	krsi_hook_path_rmdir,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"
#include "include/krsi_file_types.bpf.h"

struct params {
	KRSI_PATH_PARAMS
	krsi_flags file_type KRSI_DOC("Kinds of files that lose a name.") KRSI_DEFAULT("every kind") KRSI_FILE_TYPE_BITS;
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file.");
	u64 size KRSI_DOC("Size of the file.") KRSI_UNIT("bytes");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 file_type KRSI_DOC("What kind of file it is.") KRSI_FILE_TYPE_NAMES;
	KRSI_FILE_MEMBERS("")
	u32 links KRSI_DOC("Names the file has, this one included: with 1 it is the last. Of a directory what its file "
			   "system counts.");
	struct krsi_path path KRSI_DOC("The name that is removed, from the task's root.") KRSI_SUBJECT;
} KRSI_TEMPLATE("unlink", "Removal of files and directories: allow, deny or kill by path, file and kind",
		"T1070.004 T1485 T1562.012")
KRSI_EXAMPLE("probe(\"unlink\", #{path_prefix: \"/var/log/\"}).scope(#{not_comm: \"logrotate\"}).when(|e| e.links == 1)"
	     ".deny(\"EPERM\").everywhere().lease(\"8h\").attach();")
KRSI_NOT_SEEN("A name that another file takes over is a rename. A file that is emptied keeps its name. Message queues, and "
	      "what the kernel's own file servers (NFS, SMB) remove, are not asked about. An event may be about a "
	      "removal that fails for want of permission: the kernel asks before it looks at that.");

KRSI_PACKED_FROM(path);

/* That it grows makes it no other file. */
#define KRSI_PASSING size
#include "include/krsi_engine.bpf.h"
#include "include/krsi_entries.bpf.h"

static __always_inline void gather(struct event *event, struct inode *inode)
{
	struct super_block *super = READ(inode, i_sb);

	event->inode = READ(inode, i_ino);
	event->size = READ(inode, i_size);
	event->device = READ(super, s_dev);
	event->file_type = krsi_file_type(READ(inode, i_mode));
	KRSI_GATHER_FILE(event, inode);
	event->links = READ(inode, i_nlink);
}

static __always_inline int decide(u64 *context, enum krsi_hook hook)
{
	struct path *directory = ARG(context, 0, struct path *);
	struct dentry *dentry = ARG(context, 1, struct dentry *);
	struct inode *inode = READ(dentry, d_inode);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (!krsi_has_file_type(settings->params.file_type, krsi_file_type(READ(inode, i_mode))) ||
	    krsi_rules_out_entry(settings, directory, dentry))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	krsi_gather_entry(settings, scratch, directory, dentry);
	gather(&scratch->event, inode);
	return krsi_decide(context, scratch, hook, krsi_match_path(settings, scratch, inode));
}

SEC("lsm/path_unlink")
int unlink_unlink(u64 *context)
{
	return decide(context, krsi_hook_path_unlink);
}

SEC("lsm/path_rmdir")
int unlink_rmdir(u64 *context)
{
	return decide(context, krsi_hook_path_rmdir);
}
