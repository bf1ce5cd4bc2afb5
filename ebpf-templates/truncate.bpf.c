/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * truncate: a file is about to lose its content from some place on, or to be made longer.
 *
 * Hooks: path_truncate (truncate(2)), and file_truncate (ftruncate(2), and open(2) with O_TRUNC of a file that was there). Before
 * Linux 6.2 there is no file_truncate, and path_truncate is asked about all three. Permissions are settled for an open file,
 * and not yet for truncate(2). A refusal makes the call fail with the errno.
 *
 * The kernel does not tell the hooks which size the file is to have: `size` is the one it has. An open always makes it 0.
 *
 * Not seen: content that is overwritten or punched out (write, fallocate), a shared mapping that is written, a file that replaces this
 * one (template rename), and what the kernel's own servers (NFS, SMB) cut.
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_path_truncate,
	krsi_hook_file_truncate,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"

struct params {
	KRSI_PATH_PARAMS
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file.");
	u64 size KRSI_DOC("Size of the file, as it is before.") KRSI_UNIT("bytes");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	KRSI_FILE_MEMBERS("")
	struct krsi_path path KRSI_DOC("The file, from the task's root.") KRSI_SUBJECT;
} KRSI_TEMPLATE("truncate", "Files truncated: allow, deny or kill by path and size",
		"T1070.002 T1070.003 T1485 T1565.001")
KRSI_EXAMPLE("probe(\"truncate\", #{path_prefix: \"/var/log/\"}).scope(#{not_comm: \"logrotate\"}).when(|e| e.size > 0)"
	     ".deny(\"EPERM\").everywhere().lease(\"8h\").attach();")
KRSI_NOT_SEEN("The size that a file is to have: the kernel does not tell. Content that is overwritten or punched out, and files that "
	      "another one replaces (template rename). What the kernel's own file servers (NFS, SMB) cut.");

KRSI_PACKED_FROM(path);

/* That it grows makes it no other file. */
#define KRSI_PASSING size
#include "include/krsi_engine.bpf.h"
#include "include/krsi_entries.bpf.h"

static __always_inline int decide(u64 *context, enum krsi_hook hook, struct path *place)
{
	volatile struct settings *settings = krsi_enter();
	struct dentry *dentry;
	struct scratch *scratch;
	struct inode *inode;
	int result;

	if (!settings)
		return 0;
	if (krsi_rules_out_place(settings, place))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	krsi_gather_place(settings, scratch, place);
	dentry = READ(place, dentry);
	inode = READ(dentry, d_inode);

	struct event *event = &scratch->event;
	struct super_block *super = READ(inode, i_sb);

	event->inode = READ(inode, i_ino);
	event->size = READ(inode, i_size);
	event->device = READ(super, s_dev);
	KRSI_GATHER_FILE(event, inode);
	return krsi_decide(context, scratch, hook, krsi_match_path(settings, scratch, inode));
}

SEC("lsm/path_truncate")
int truncate_path(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_path_truncate, ARG(context, 0, struct path *));
}

SEC("lsm/file_truncate")
int truncate_file(u64 *context)
{
	struct file *file = ARG(context, 0, struct file *);
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, krsi_hook_file_truncate, (struct path *)__builtin_preserve_access_index(&file->f_path));
}
