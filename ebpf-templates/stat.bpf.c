/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * stat: somebody is about to be told what is known of a file: its kind, size, owner, permissions, times.
 *
 * Hook: inode_getattr (fs/stat.c: stat(2), lstat(2), fstat(2), statx(2), also by io_uring; the kernel's own servers). A refusal
 * makes the call fail with the errno. That somebody looks whether a file is there is seen if it is: for a name that leads
 * nowhere no hook is asked.
 *
 * It is asked thousands of times a second on a busy system (ls, find, every shell that looks for a program), so a probe needs a scope
 * that says whose looks are meant. On overlayfs one stat is asked about as the overlay's file, and in some cases as the one
 * beneath too, without a path that the task could write.
 *
 * Not seen: access(2) and faccessat(2), directories that are listed (file_open tells that they are opened), and names that do not
 * exist.
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_inode_getattr,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"
#include "include/krsi_file_types.bpf.h"

struct params {
	KRSI_PATH_PARAMS
	krsi_flags file_type KRSI_DOC("Kinds of files.") KRSI_DEFAULT("every kind") KRSI_FILE_TYPE_BITS;
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file.");
	u64 size KRSI_DOC("Size of the file.") KRSI_UNIT("bytes");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 file_type KRSI_DOC("What kind of file it is.") KRSI_FILE_TYPE_NAMES;
	KRSI_FILE_MEMBERS("")
	struct krsi_path path KRSI_DOC("The file, from the task's root.") KRSI_SUBJECT;
} KRSI_TEMPLATE("stat", "File metadata queries (stat): allow, deny or kill by path, file and kind",
		"T1083 T1518")
KRSI_EXAMPLE("probe(\"stat\", #{path_prefix: [\"/root/\", \"/etc/ssl/private/\"]}).scope(#{uid: 65534})"
	     ".deny(\"ENOENT\").attach();")
KRSI_NOT_SEEN("Names that lead to no file: no hook is asked. access(2), which tells whether a file may be used, and directories being "
	      "listed.")
KRSI_SCOPE_REQUIRED;

KRSI_PACKED_FROM(path);

/* That it grows makes it no other file. */
#define KRSI_PASSING size
#include "include/krsi_engine.bpf.h"
#include "include/krsi_entries.bpf.h"

SEC("lsm/inode_getattr")
int stat_getattr(u64 *context)
{
	struct path *place = ARG(context, 0, struct path *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	struct dentry *dentry;
	struct inode *inode;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	dentry = READ(place, dentry);
	inode = READ(dentry, d_inode);
	if (!krsi_has_file_type(settings->params.file_type, krsi_file_type(READ(inode, i_mode))) ||
	    krsi_rules_out_place(settings, place))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	krsi_gather_place(settings, scratch, place);

	struct event *event = &scratch->event;
	struct super_block *super = READ(inode, i_sb);

	event->inode = READ(inode, i_ino);
	event->size = READ(inode, i_size);
	event->device = READ(super, s_dev);
	event->file_type = krsi_file_type(READ(inode, i_mode));
	KRSI_GATHER_FILE(event, inode);
	return krsi_decide(context, scratch, krsi_hook_inode_getattr, krsi_match_path(settings, scratch, inode));
}
