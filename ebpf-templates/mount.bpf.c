/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * mount: the tree of files is about to change for a namespace, or a task is about to see another part of it.
 *
 *   sb_mount      mount(2), whatever it is asked for (fs/namespace.c, path_mount): a file system, a bind, a move, other flags, other
 *                 propagation. Target and flags are settled, the file system has not been asked for yet.
 *   sb_remount    a file system is about to get other options (fs/super.c, reconfigure_super). mount(2) comes here after
 *                 sb_mount, and umount2(2) of the root after sb_umount: both are left to these. What remains is fsconfig(2), and
 *                 there only the file system is told, neither a mount of it nor the options.
 *   move_mount    move_mount(2): a mount changes its place, or one that has none yet (of fsmount or open_tree) gets one.
 *   sb_umount     umount2(2): a mount is about to go.
 *   sb_pivotroot  pivot_root(2): another mount becomes the root. Whether it can is not known yet.
 *   path_chroot   chroot(2): the task's root is about to become this directory. The task may.
 *
 * A refusal makes the call fail with the errno, and nothing has changed.
 *
 * The mount API of 5.2 (fsopen, fsconfig, fsmount, move_mount) is seen when it gives a mount its place. Until then the mount is a
 * descriptor, from which files can be opened all the same: nothing is asked about that. Nor is about open_tree(2), whose copy
 * is what `mount --bind` makes by this API, or about mount_setattr(2), which changes the flags of a mount.
 *
 * What mount(2) mounts, and binds, is told as the task wrote it: `source` may be relative or a link, and is a word of no meaning for
 * file systems without a device. Target and the rest are the files themselves.
 *
 * Not seen besides: mounts that an automounter or a walk into a submount makes, a namespace that copies all mounts (unshare), and
 * mounts that go with their namespace.
 */
enum krsi_hook {
	krsi_hook_sb_mount,
	krsi_hook_sb_remount,
	krsi_hook_move_mount,
	krsi_hook_sb_umount,
	krsi_hook_sb_pivotroot,
	krsi_hook_path_chroot,
};

#include "include/krsi.bpf.h"

#define ACTIONS(X)                                                                                         \
	X(ACTION_MOUNT, "mount", 1)                                                                        \
	X(ACTION_BIND, "bind", 2)                                                                          \
	X(ACTION_REMOUNT, "remount", 4)                                                                    \
	X(ACTION_MOVE, "move", 8)                                                                          \
	X(ACTION_PROPAGATION, "propagation", 16)                                                           \
	X(ACTION_ATTACH, "attach", 32)                                                                     \
	X(ACTION_UMOUNT, "umount", 64)                                                                     \
	X(ACTION_PIVOT_ROOT, "pivot_root", 128)                                                            \
	X(ACTION_CHROOT, "chroot", 256)

enum mount_action { ACTIONS(KRSI_MEMBER) };

struct params {
	krsi_flags action KRSI_DOC("Only these. mount: a file system by mount(2); bind: a directory or file once more; remount: other "
				   "flags or options; move: another place; propagation: shared, private and the like; attach: "
				   "what fsmount or open_tree has made, a new mount or a bind, gets its place; umount, "
				   "pivot_root, chroot.")
		KRSI_DEFAULT("every action") KRSI_BITS(ACTIONS(KRSI_NAME));
	krsi_names fs_type KRSI_DOC("Types of file systems, byte by byte: `tmpfs`, `overlay`, `fuse`.")
		KRSI_DEFAULT("every type");
	krsi_names source KRSI_DOC("Sources, byte by byte as the task gives them: `/dev/sdb1`.")
		KRSI_DEFAULT("every source");
	krsi_name_prefixes source_prefix KRSI_DOC("Sources that start with one of these: `/dev/loop`. Of source and "
						  "source_prefix one match is enough; action, fs_type, source and path must all hold.")
		KRSI_DEFAULT("every source");
	KRSI_PATH_PARAMS
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the directory or file that `path` is.");
	krsi_device device KRSI_DOC("Device of the file system that is on, as the kernel has it.") KRSI_UNIT("major:minor");
	u32 action KRSI_DOC("What is done.") KRSI_NAMES(ACTIONS(KRSI_NAME));
	u32 flags KRSI_DOC("Flags, by the names that mount(8) has for them: of mount(2) those it is given, of `attach` those that the "
			   "mount has by now.")
		KRSI_BITS("ro=1 nosuid=2 nodev=4 noexec=8 sync=16 remount=32 mand=64 dirsync=128 nosymfollow=256 "
			  "noatime=1024 nodiratime=2048 bind=4096 move=8192 rec=16384 silent=32768 posixacl=65536 "
			  "unbindable=131072 private=262144 slave=524288 shared=1048576 relatime=2097152 "
			  "iversion=8388608 strictatime=16777216 lazytime=33554432");
	u32 umount_flags KRSI_DOC("Flags of umount2(2).") KRSI_BITS("force=1 detach=2 expire=4 nofollow=8");
	char fs_type[32] KRSI_DOC("Type of the file system that is mounted, moved, changed or unmounted; empty for pivot_root and "
				  "chroot, and for bind and move by mount(2), to which a path says what it is about.");
	char source[256] KRSI_DOC("mount, bind: what the task names; attach: what the mount is of; move: where it was (to mount(2): as the task says); pivot_root: where "
				  "the old root goes; cut after 255 bytes.")
		KRSI_UNREADABLE("no-source") KRSI_CUT("255");
	struct krsi_path path KRSI_DOC("The place: where it is mounted, what is unmounted, what becomes the root; empty for a remount "
				       "by fsconfig, which is about no mount.")
		KRSI_SUBJECT;
} KRSI_TEMPLATE("mount", "Mounts, bind mounts, remounts, unmounts, pivot_root and chroot: by action, type, source and target",
		"T1611 T1006 T1564.013")
KRSI_EXAMPLE("probe(\"mount\", #{action: [\"mount\", \"bind\", \"attach\"]}).scope(#{not_pid_ns: \"host\"}).everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_NOT_SEEN("Mounts that stay descriptors (fsmount, open_tree) and are given no place, and flags changed by mount_setattr: the kernel "
	      "has no hooks there. Whether `attach` gives a new mount its place or a bind. Automounts, and mounts that go "
	      "with their namespace. What a source that the task wrote leads to.");

KRSI_PACKED_FROM(path);

/* What is cut may go on in any way. */
#define KRSI_CANNOT_HOLD(event) ((event)->source[sizeof((event)->source) - 2] != 0)
#include "include/krsi_engine.bpf.h"
#include "include/krsi_names.bpf.h"
#include "include/krsi_path_params.bpf.h"

struct file_system_type {
	const char *name;
} __relocated;

struct super_block___mount {
	struct file_system_type *s_type;
} __relocated;

struct vfsmount___mount {
	struct super_block *mnt_sb;
} __relocated;

struct mount___mount {
	const char *mnt_devname;
} __relocated;

/* include/uapi/linux/mount.h */
#define MS_RDONLY 1
#define MS_NOSUID 2
#define MS_NODEV 4
#define MS_NOEXEC 8
#define MS_REMOUNT 32
#define MS_NOSYMFOLLOW 256
#define MS_NOATIME 1024
#define MS_NODIRATIME 2048
#define MS_BIND 4096
#define MS_MOVE 8192
#define MS_UNBINDABLE 131072
#define MS_PRIVATE 262144
#define MS_SLAVE 524288
#define MS_SHARED 1048576
#define MS_RELATIME 2097152

/* A mount's own flags as those of mount(2): include/linux/mount.h, unchanged since 5.10 (nosymfollow: 5.10). */
#define MOUNT_FLAGS(X)                                                                                     \
	X(0x01, MS_NOSUID) X(0x02, MS_NODEV) X(0x04, MS_NOEXEC) X(0x08, MS_NOATIME) X(0x10, MS_NODIRATIME)  \
	X(0x20, MS_RELATIME) X(0x40, MS_RDONLY) X(0x80, MS_NOSYMFOLLOW)

static __always_inline u32 flags_of(struct vfsmount *mount)
{
	u32 own = READ(mount, mnt_flags), flags = 0;

#define MOUNT_FLAG(bit, flag) flags |= own & bit ? flag : 0;
	MOUNT_FLAGS(MOUNT_FLAG)
	return flags;
}

/* In the order in which path_mount looks at them. */
static __always_inline enum mount_action action_of(u32 flags)
{
	if (flags & MS_REMOUNT)
		return ACTION_REMOUNT;
	if (flags & MS_BIND)
		return ACTION_BIND;
	if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))
		return ACTION_PROPAGATION;
	return flags & MS_MOVE ? ACTION_MOVE : ACTION_MOUNT;
}

/* ---- which system call --------------------------------------------------- */

#define TS_COMPAT 2 /* arch/x86/include/asm/thread_info.h */
#define THREAD_SIZE 16384

static __always_inline struct pt_regs *entry_registers(void)
{
	if (krsi_kernel >= KERNEL_VERSION(5, 15, 0))
		return bpf_task_pt_regs(bpf_get_current_task_btf());

	/* Before that helper they lie where task_pt_regs has them: at the top of the stack. */
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pt_regs *top = (struct pt_regs *)((char *)READ(task, stack) + THREAD_SIZE);

	return (struct pt_regs *)((char *)top -
				  __builtin_preserve_type_info(*(struct pt_regs *)0, 1 /* its size */));
}

/* Whether the task is in mount(2) or umount2(2), which other hooks have asked about. What cannot be told is not. */
static __always_inline bool is_asked_already(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pt_regs *registers = entry_registers();
	u32 number;

	if (!EXISTS(registers, orig_ax) || !EXISTS(task, thread_info.status) || READ(task, flags) & PF_KTHREAD)
		return false;
	number = READ(registers, orig_ax);
	if (READ(task, thread_info.status) & TS_COMPAT)
		return number == 21 || number == 22 || number == 52;
	number &= ~0x40000000U; /* the mark of x32 */
	return number == 165 || number == 166;
}

/* ---- what ------------------------------------------------------------------ */

static __always_inline void gather_type(struct scratch *scratch, struct super_block *super)
{
	struct file_system_type *type = READ((struct super_block___mount *)super, s_type);

	bpf_probe_read_kernel_str(scratch->event.fs_type, sizeof(scratch->event.fs_type), READ(type, name));
}

static __always_inline struct super_block *super_of(struct vfsmount *mount)
{
	return READ((struct vfsmount___mount *)mount, mnt_sb);
}

/* The place, and its path if that is needed. */
static __always_inline void gather_place(volatile struct settings *settings, struct scratch *scratch,
					 struct vfsmount *mount, struct dentry *dentry)
{
	struct inode *inode = READ(dentry, d_inode);
	struct super_block *super = READ(inode, i_sb);

	scratch->event.inode = READ(inode, i_ino);
	scratch->event.device = READ(super, s_dev);
	if (krsi_tells_path(settings) || krsi_names_files(settings))
		krsi_gather_name(scratch, mount, dentry);
}

static __always_inline void gather_source(struct scratch *scratch, const char *source)
{
	if (source && bpf_probe_read_kernel_str(scratch->event.source, sizeof(scratch->event.source), source) < 0)
		scratch->event.header.notes |= KRSI_NOTE_NO_SOURCE;
}

static __always_inline void walk_source(struct scratch *scratch, struct vfsmount *mount, struct dentry *dentry)
{
	if (!krsi_walk_to(scratch, scratch->event.source, sizeof(scratch->event.source), mount, dentry))
		scratch->event.header.notes |= KRSI_NOTE_NO_SOURCE;
}

/* Whether type, source and place are what the params name. `source` may be longer than the event's. */
static __always_inline enum krsi_match match(volatile struct settings *settings, struct scratch *scratch,
					     const char *source, struct inode *inode)
{
	bool sources = settings->params.source || settings->params.source_prefix;

	if (settings->params.fs_type && !KRSI_IS_NAMED(settings, scratch, fs_type, scratch->event.fs_type))
		return KRSI_NO_MATCH;
	if (sources && !KRSI_IS_NAMED(settings, scratch, source, source) &&
	    !KRSI_IS_NAMED(settings, scratch, source_prefix, source))
		return scratch->event.header.notes & KRSI_NOTE_NO_SOURCE ? KRSI_UNKNOWN : KRSI_NO_MATCH;
	return krsi_match_path(settings, scratch, inode);
}

/* Memory, if the action is one of those in view. NULL: then `result` is what the hook returns. */
static __always_inline struct scratch *take(volatile struct settings *settings, enum mount_action action,
					    int *result)
{
	struct scratch *scratch;
	u64 actions = settings->params.action;

	if (actions && !(actions & action)) {
		*result = krsi_filtered();
		return NULL;
	}
	scratch = krsi_take(settings, result);
	if (scratch)
		scratch->event.action = action;
	return scratch;
}

/* ---- hooks --------------------------------------------------------------- */

SEC("lsm/sb_mount")
int mount_mount(u64 *context)
{
	const char *source = ARG(context, 0, const char *);
	struct path *path = ARG(context, 1, struct path *);
	const char *type = ARG(context, 2, const char *);
	u32 flags = context[3];
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	scratch = take(settings, action_of(flags), &result);
	if (!scratch)
		return result;

	struct event *event = &scratch->event;
	struct vfsmount *mount = READ(path, mnt);
	struct dentry *dentry = READ(path, dentry);

	event->flags = flags;
	if (event->action == ACTION_MOUNT)
		bpf_probe_read_kernel_str(event->fs_type, sizeof(event->fs_type), type);
	else if (event->action == ACTION_REMOUNT || event->action == ACTION_PROPAGATION)
		gather_type(scratch, super_of(mount));
	if (event->action == ACTION_REMOUNT || event->action == ACTION_PROPAGATION)
		source = NULL; /* nobody looks at it */
	gather_source(scratch, source);
	gather_place(settings, scratch, mount, dentry);
	return krsi_decide(context, scratch, krsi_hook_sb_mount, match(settings, scratch, source, READ(dentry, d_inode)));
}

SEC("lsm/sb_remount")
int mount_remount(u64 *context)
{
	struct super_block *super = ARG(context, 0, struct super_block *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	if (is_asked_already())
		return 0;
	settings = krsi_enter();
	if (!settings)
		return 0;
	scratch = take(settings, ACTION_REMOUNT, &result);
	if (!scratch)
		return result;

	struct dentry *root = READ(super, s_root);
	struct inode *inode = READ(root, d_inode);

	gather_type(scratch, super);
	scratch->event.inode = READ(inode, i_ino);
	scratch->event.device = READ(super, s_dev);
	return krsi_decide(context, scratch, krsi_hook_sb_remount, match(settings, scratch, NULL, inode));
}

SEC("lsm/move_mount")
int mount_move(u64 *context)
{
	struct path *from = ARG(context, 0, struct path *);
	struct path *to = ARG(context, 1, struct path *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;

	struct vfsmount *moved = READ(from, mnt);
	struct mount *inner = OWNER(moved, struct mount, mnt);
	/* One without a place is its own parent. */
	bool is_new = READ(inner, mnt_parent) == inner;

	scratch = take(settings, is_new ? ACTION_ATTACH : ACTION_MOVE, &result);
	if (!scratch)
		return result;

	struct dentry *place = READ(to, dentry);
	const char *source = scratch->event.source;

	if (is_new) {
		scratch->event.flags = flags_of(moved);
		source = READ((struct mount___mount *)inner, mnt_devname);
		gather_source(scratch, source);
	} else {
		walk_source(scratch, moved, READ(from, dentry));
	}
	gather_type(scratch, super_of(moved));
	gather_place(settings, scratch, READ(to, mnt), place);
	return krsi_decide(context, scratch, krsi_hook_move_mount, match(settings, scratch, source, READ(place, d_inode)));
}

SEC("lsm/sb_umount")
int mount_umount(u64 *context)
{
	struct vfsmount *mount = ARG(context, 0, struct vfsmount *);
	u32 flags = context[1];
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	scratch = take(settings, ACTION_UMOUNT, &result);
	if (!scratch)
		return result;

	struct dentry *root = READ(mount, mnt_root);

	scratch->event.umount_flags = flags;
	gather_type(scratch, super_of(mount));
	gather_place(settings, scratch, (struct vfsmount *)ADDRESS(mount), root);
	return krsi_decide(context, scratch, krsi_hook_sb_umount, match(settings, scratch, NULL, READ(root, d_inode)));
}

SEC("lsm/sb_pivotroot")
int mount_pivotroot(u64 *context)
{
	struct path *old = ARG(context, 0, struct path *);
	struct path *root = ARG(context, 1, struct path *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	scratch = take(settings, ACTION_PIVOT_ROOT, &result);
	if (!scratch)
		return result;

	struct dentry *dentry = READ(root, dentry);

	walk_source(scratch, READ(old, mnt), READ(old, dentry));
	gather_place(settings, scratch, READ(root, mnt), dentry);
	return krsi_decide(context, scratch, krsi_hook_sb_pivotroot,
			   match(settings, scratch, scratch->event.source, READ(dentry, d_inode)));
}

SEC("lsm/path_chroot")
int mount_chroot(u64 *context)
{
	struct path *path = ARG(context, 0, struct path *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	scratch = take(settings, ACTION_CHROOT, &result);
	if (!scratch)
		return result;

	struct dentry *dentry = READ(path, dentry);

	gather_place(settings, scratch, READ(path, mnt), dentry);
	return krsi_decide(context, scratch, krsi_hook_path_chroot, match(settings, scratch, NULL, READ(dentry, d_inode)));
}
