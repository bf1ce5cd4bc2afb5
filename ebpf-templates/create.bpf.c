/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * create: a file, directory, device, fifo or socket is about to be made.
 *
 * Hooks: path_mknod (fs/namei.c: open(2) with O_CREAT, mknod(2); net/unix/af_unix.c: bind(2) of a unix socket; what is pinned
 * below /sys/fs/bpf) and path_mkdir (mkdir(2)), also by io_uring. The name is settled, and nothing has been made. A refusal
 * makes the call fail with the errno. The kernel asks before it looks at permissions, so an event may be about a file that is
 * not made all the same.
 *
 * An open with O_CREAT is asked about as soon as the kernel cannot tell from memory that the file is there: it looks on the disk
 * later. So `certain` is false for an open of a name that was not looked for lately. Mostly nothing is there, and the file is
 * made; if one is there, nothing is made, and a denial stops nothing. (Where nothing at all can be made, as
 * below /proc and /sys, no event is sent.) Whether an open has made its file is told by file_open, with `create` among the access
 * bits, when the file is there.
 *
 * These hooks are asked with the mount that the task goes through, and once, on overlayfs too. The hooks inode_create,
 * inode_mkdir and inode_mknod would be asked again there, about the files beneath, without a mount.
 *
 * Not seen: symbolic and hard links (template link), names that come by a rename, files without a name (O_TMPFILE, memfd),
 * message queues (mq_open), and what the kernel's own servers (NFS, SMB) make.
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_path_mknod,
	krsi_hook_path_mkdir,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file_types.bpf.h"

#define SPECIAL_BITS "sticky=512 setgid=1024 setuid=2048"

struct params {
	KRSI_PATH_PARAMS
	krsi_flags file_type KRSI_DOC("Kinds of files that are made; symbolic links are in the template link.")
		KRSI_DEFAULT("every kind") KRSI_FILE_TYPE_BITS;
};

struct event {
	struct krsi_header header;
	u64 directory_inode KRSI_DOC("Inode of the directory that it is made in.");
	krsi_device device KRSI_DOC("Device of the file system it is made on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	krsi_device node KRSI_DOC("The device that a char or block file stands for; 0:0 for all else.")
		KRSI_UNIT("major:minor");
	u32 file_type KRSI_DOC("What is made.") KRSI_FILE_TYPE_NAMES;
	u32 permissions KRSI_DOC("Permissions asked for: on file systems with access control lists without the umask, which "
				 "takes bits away later; else what is left by it.");
	u32 special KRSI_DOC("Which of these are among the permissions.") KRSI_BITS(SPECIAL_BITS);
	bool certain KRSI_DOC("false: an open with O_CREAT, asked about before the kernel looks whether the file is there. If it is, "
			      "nothing is made, and a denial stops nothing.");
	struct krsi_path path KRSI_DOC("The name that is made, from the task's root.") KRSI_SUBJECT;
} KRSI_TEMPLATE("create", "Creation of files, directories, devices, FIFOs and sockets: allow, deny or kill by path and kind",
		"T1053.003 T1098.004 T1105 T1543.002 T1564.001")
KRSI_EXAMPLE("probe(\"create\", #{path_prefix: [\"/etc/cron.d/\", \"/etc/systemd/system/\", \"/root/.ssh/\"]})"
	     ".scope(#{not_comm: [\"dpkg\", \"rpm\", \"systemctl\"]})"
	     ".deny(\"EPERM\").everywhere().lease(\"8h\").attach();")
KRSI_NOT_SEEN("Links (template link) and names that come by a rename (template rename). Files without a name (O_TMPFILE, memfd), message "
	      "queues, and what the kernel's own file servers (NFS, SMB) make. An event may be about a file that is not made for "
	      "want of permission.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_entries.bpf.h"

#define TYPE_DIRECTORY 4
#define TYPE_CHAR 2
#define TYPE_BLOCK 6
#define TYPE_REGULAR 8

struct inode_operations {
	void *create;
	void *mkdir;
	void *mknod;
	void *atomic_open;
} __relocated;

struct inode___operations {
	struct inode_operations *i_op;
} __relocated;

/* Whether the directory's file system can make such a file at all. */
static __always_inline bool can_make(struct inode *directory, u32 type)
{
	struct inode_operations *operations = READ((struct inode___operations *)directory, i_op);

	if (type == TYPE_DIRECTORY)
		return READ(operations, mkdir);
	if (type != TYPE_REGULAR)
		return READ(operations, mknod);
	return READ(operations, create) || READ(operations, atomic_open);
}

/* As mknod(2) is given it (include/linux/kdev_t.h, new_decode_dev), in the kernel's form. */
static __always_inline u32 device_of(u32 given)
{
	u32 major = (given & 0xfff00) >> 8;
	u32 minor = (given & 0xff) | ((given >> 12) & 0xfff00);

	return major << 20 | minor;
}

static __always_inline int decide(u64 *context, enum krsi_hook hook, u32 type, u32 given)
{
	struct path *directory = ARG(context, 0, struct path *);
	struct dentry *dentry = ARG(context, 1, struct dentry *);
	u32 permissions = context[2] & 07777;
	volatile struct settings *settings = krsi_enter();
	struct dentry *parent;
	struct inode *inode;
	struct super_block *super;
	struct scratch *scratch;
	struct event *event;
	int result;

	if (!settings)
		return 0;
	parent = READ(directory, dentry);
	inode = READ(parent, d_inode);
	if (!krsi_has_file_type(settings->params.file_type, type) || !can_make(inode, type) ||
	    krsi_rules_out_entry(settings, directory, dentry))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	krsi_gather_new_entry(settings, scratch, directory, dentry);
	event = &scratch->event;
	super = READ(inode, i_sb);
	event->directory_inode = READ(inode, i_ino);
	event->device = READ(super, s_dev);
	if (type == TYPE_CHAR || type == TYPE_BLOCK)
		event->node = device_of(given);
	event->file_type = type;
	event->permissions = permissions;
	event->special = permissions & 07000;
	/* A name that was looked for in vain is kept in memory; others can be no file's, unless it is an open that asks. */
	event->certain = type != TYPE_REGULAR || !krsi_is_unlinked(dentry);
	return krsi_decide(context, scratch, hook, krsi_match_path(settings, scratch, READ(dentry, d_inode)));
}

SEC("lsm/path_mknod")
int create_mknod(u64 *context)
{
	int refused = KRSI_REFUSED(context);
	u32 type = krsi_file_type(context[2]);

	/* mknod(2) makes a regular file if no type is given. */
	return refused ? refused : decide(context, krsi_hook_path_mknod, type ? type : TYPE_REGULAR, context[3]);
}

SEC("lsm/path_mkdir")
int create_mkdir(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_path_mkdir, TYPE_DIRECTORY, 0);
}
