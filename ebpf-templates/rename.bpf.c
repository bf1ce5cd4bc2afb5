/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * rename: a name is about to be given to a file in place of the one it has.
 *
 * Hook: path_rename (fs/namei.c, do_renameat2: rename, renameat, renameat2, also by io_uring). Both names are found and
 * nothing has happened yet. A refusal makes the call fail with the errno. The kernel asks before it looks at permissions, so
 * an event may be about a rename that fails all the same.
 *
 * Whoever takes over a name replaces the file that had it, and needs no right to write that file: so the params about paths are
 * about both names, `path` also about both files. `name` narrows them to one. With RENAME_EXCHANGE each file gets the other's
 * name, and none is lost.
 *
 * The hook is asked once, with the mount that the task went through, on overlayfs too. The hook inode_rename would be asked
 * again there, about the files beneath, without a mount.
 *
 * Linux before 5.19 asks the LSM hook twice about an exchange, the second time the other way round, and does not say that
 * it is one: that is taken from the system call. One of both is decided, and old and new name may then stand for each other.
 * By io_uring, there from 5.11 on, it cannot be told, and the exchange is two events.
 *
 * Not seen: files that are copied and removed, as mv(1) does from one file system to another (create, unlink); a mount put
 * over a name; renames by the kernel's own servers (NFS, SMB). Of a directory everything below it gets another path, and
 * only the directory's own is told.
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_path_rename,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"
#include "include/krsi_file_types.bpf.h"

#define SIDES(X) X(OLD_NAME, "old", 1) X(NEW_NAME, "new", 2)

enum side { SIDES(KRSI_MEMBER) };

/* include/uapi/linux/fs.h */
#define RENAME_FLAGS(X)                                                                                    \
	X(RENAME_NOREPLACE, "NOREPLACE", 1) X(RENAME_EXCHANGE, "EXCHANGE", 2) X(RENAME_WHITEOUT, "WHITEOUT", 4)

enum rename_flag { RENAME_FLAGS(KRSI_MEMBER) };

struct params {
	KRSI_PATH_PARAMS
	krsi_flags name KRSI_DOC("Which of the two names path, path_prefix and path_suffix are about. `new`: what comes to "
				 "be there, or is replaced there; `old`: what goes away from there.")
		KRSI_DEFAULT("either") KRSI_BITS(SIDES(KRSI_NAME));
	krsi_flag replaces KRSI_DOC("true: only if the new name is another file's, which loses it or is exchanged.")
		KRSI_DEFAULT("false");
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file that is renamed.");
	u64 replaced_inode KRSI_DOC("Inode of the file that has the new name so far: it loses it, or gets the old one "
				    "(EXCHANGE). 0: none has.");
	krsi_device device KRSI_DOC("Device of the file system both names are on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 flags KRSI_DOC("Flags of renameat2(2).") KRSI_BITS(RENAME_FLAGS(KRSI_NAME));
	u32 file_type KRSI_DOC("What kind of file is renamed.") KRSI_FILE_TYPE_NAMES;
	KRSI_FILE_MEMBERS(" that is renamed")
	u32 replaced_mode KRSI_DOC("Type and permissions of the file that has the new name so far; 0: none has.");
	u32 replaced_links KRSI_DOC("Names that file has: with 1 it goes with this one. 0: none has the name.");
	struct krsi_path path KRSI_DOC("The old name, from the task's root.") KRSI_SUBJECT;
	char new_path[KRSI_PATH_SIZE] KRSI_DOC("The new name, from the task's root.") KRSI_UNREADABLE("no-target")
		KRSI_CUT("4095");
} KRSI_TEMPLATE("rename", "File renames, and the files they replace: allow, deny or kill by either name",
		"T1036.003 T1036.005 T1565.001 T1574")
KRSI_EXAMPLE("probe(\"rename\", #{path: [\"/etc/passwd\", \"/etc/shadow\", \"/etc/sudoers\"], name: \"new\"})"
	     ".scope(#{not_comm: [\"passwd\", \"chpasswd\", \"useradd\", \"usermod\", \"visudo\"]})"
	     ".deny(\"EPERM\").everywhere().lease(\"8h\").attach();")
KRSI_NOT_SEEN("A file that is copied elsewhere and removed, as mv does between file systems, is no rename. Of a directory that is renamed "
	      "only its own name is told, and not what lies below. What the kernel's own file servers (NFS, SMB) rename is "
	      "not asked about. An event may be about a rename that fails for want of permission.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_entries.bpf.h"

/* ---- flags of the system call, before Linux 5.19 -------------------------- */

#define TS_COMPAT 2 /* arch/x86/include/asm/thread_info.h */
#define THREAD_SIZE 16384

struct pt_regs___rename {
	unsigned long r8;
	unsigned long di;
	unsigned long orig_ax;
} __relocated;

/* The registers the task entered the kernel with. */
static __always_inline struct pt_regs___rename *entry_registers(void)
{
	if (krsi_kernel >= KERNEL_VERSION(5, 15, 0))
		return (struct pt_regs___rename *)bpf_task_pt_regs(bpf_get_current_task_btf());

	/* Before that helper they lie where task_pt_regs has them: at the top of the stack. */
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pt_regs *top = (struct pt_regs *)((char *)READ(task, stack) + THREAD_SIZE);

	return (struct pt_regs___rename *)((char *)top -
					   __builtin_preserve_type_info(*(struct pt_regs *)0, 1 /* its size */));
}

static __always_inline u32 flags_of_system_call(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pt_regs___rename *registers = entry_registers();
	u32 number;

	if (!EXISTS(registers, orig_ax) || !EXISTS(task, thread_info.status))
		return 0;
	number = READ(registers, orig_ax);
	if (READ(task, thread_info.status) & TS_COMPAT)
		return number == 353 /* renameat2 */ ? READ(registers, di) : 0;
	return (number & ~0x40000000U /* the mark of x32 */) == 316 /* renameat2 */ ? READ(registers, r8) : 0;
}

/* ---- the hook ------------------------------------------------------------- */

/* What the hook is asked about. */
struct renaming {
	struct path *old_directory;
	struct dentry *old_entry;
	struct path *new_directory;
	struct dentry *new_entry;
	u32 flags;
};

static __always_inline void gather(struct scratch *scratch, const struct renaming *renaming)
{
	struct event *event = &scratch->event;
	struct inode *inode = krsi_inode_of(renaming->old_entry);
	struct inode *replaced = krsi_inode_of(renaming->new_entry);
	struct super_block *super = READ(inode, i_sb);

	event->inode = READ(inode, i_ino);
	event->device = READ(super, s_dev);
	event->file_type = krsi_file_type(READ(inode, i_mode));
	KRSI_GATHER_FILE(event, inode);
	event->flags = renaming->flags;
	if (replaced) {
		event->replaced_inode = READ(replaced, i_ino);
		event->replaced_mode = READ(replaced, i_mode);
		event->replaced_links = READ(replaced, i_nlink);
	}
}

static __always_inline bool rules_out(volatile struct settings *settings, const struct renaming *renaming)
{
	u64 name = settings->params.name;

	if (settings->params.replaces && !krsi_inode_of(renaming->new_entry))
		return true;
	return (name == NEW_NAME || krsi_rules_out_entry(settings, renaming->old_directory, renaming->old_entry)) &&
	       (name == OLD_NAME || krsi_rules_out_entry(settings, renaming->new_directory, renaming->new_entry));
}

static __always_inline int decide(u64 *context, const struct renaming *renaming)
{
	volatile struct settings *settings = krsi_enter();
	enum krsi_match match = KRSI_NO_MATCH;
	struct scratch *scratch;
	bool named;
	u64 name;
	int result;

	if (!settings)
		return 0;
	if (rules_out(settings, renaming))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	name = settings->params.name;
	named = krsi_names_files(settings);
	if (named && name != OLD_NAME) {
		krsi_gather_name(scratch, krsi_mount_of(renaming->new_directory), renaming->new_entry);
		match = krsi_match_other(settings, scratch, krsi_inode_of(renaming->new_entry));
	}
	krsi_gather_entry(settings, scratch, renaming->old_directory, renaming->old_entry);
	if (!named || name != NEW_NAME)
		match = krsi_either(match, krsi_match_path(settings, scratch, krsi_inode_of(renaming->old_entry)));
	gather(scratch, renaming);
	krsi_gather_other(scratch, krsi_mount_of(renaming->new_directory), renaming->new_entry);
	return krsi_decide(context, scratch, krsi_hook_path_rename, match);
}

SEC("lsm/path_rename")
int rename_rename(u64 *context)
{
	struct renaming renaming = {
		.old_directory = ARG(context, 0, struct path *),
		.old_entry = ARG(context, 1, struct dentry *),
		.new_directory = ARG(context, 2, struct path *),
		.new_entry = ARG(context, 3, struct dentry *),
	};
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	if (krsi_kernel >= KERNEL_VERSION(5, 19, 0)) {
		renaming.flags = context[4];
	} else {
		renaming.flags = flags_of_system_call();
		/* Asked twice: once for each order in which both lie on the kernel's stack. */
		if (renaming.flags & RENAME_EXCHANGE &&
		    ADDRESS(renaming.old_directory) > ADDRESS(renaming.new_directory))
			return 0;
	}
	return decide(context, &renaming);
}

/* The function that asks the hook has the flags on every kernel, and asks once. */
SEC("fmod_ret/security_path_rename")
int rename_door(u64 *context)
{
	struct renaming renaming = {
		.old_directory = ARG(context, 0, struct path *),
		.old_entry = ARG(context, 1, struct dentry *),
		.new_directory = ARG(context, 2, struct path *),
		.new_entry = ARG(context, 3, struct dentry *),
		.flags = context[4],
	};
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, &renaming);
}
