/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * chmod: permissions, owner, group or times of a file are about to be changed.
 *
 * Hooks: path_chmod (fs/open.c: chmod(2), fchmod(2), fchmodat(2)) for permissions, and inode_setattr (fs/attr.c, notify_change) for owner and
 * group (chown(2) and its kin) and for times that are given (utimensat(2) and its kin; `touch` without a time sets none). A
 * refusal makes the call fail with the errno. The kernel asks before it looks whose file it is, so an event may be about a
 * change that fails all the same.
 *
 * A change of owner takes set-uid and set-gid away: then `mode` is among the changes, too. What writing to a file takes
 * away is no event, nor are the permissions that an access control list implies (template xattr).
 *
 * path_chmod is asked with the mount that the task goes through, and once. (inode_setattr would be asked about permissions too; an
 * operation is one event.) inode_setattr is asked without a mount: then the path is that of a mount in the task's mount namespace that
 * has the file in it, which need not be the one it went through; `path` finds the file by its inode in any case. On overlayfs
 * inode_setattr is asked again about the file beneath, as the task's own deed.
 *
 * Not seen: the immutable flag and its like (chattr: template file_ioctl), permissions that a file is made with
 * (template create), and permissions changed by the kernel's own servers (NFS, SMB).
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_path_chmod,
	krsi_hook_inode_setattr,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"

#define CHANGES(X)                                                                                         \
	X(CHANGE_MODE, "mode", 1) X(CHANGE_OWNER, "owner", 2) X(CHANGE_GROUP, "group", 4)                  \
	X(CHANGE_TIMES, "times", 8)

enum change { CHANGES(KRSI_MEMBER) };

#define PERMISSION_BITS                                                                                    \
	"other_exec=1 other_write=2 other_read=4 group_exec=8 group_write=16 group_read=32 owner_exec=64 " \
	"owner_write=128 owner_read=256 sticky=512 setgid=1024 setuid=2048"

struct params {
	KRSI_PATH_PARAMS
	krsi_flags change KRSI_DOC("Changes of at least one of these.") KRSI_DEFAULT("every change")
		KRSI_BITS(CHANGES(KRSI_NAME));
	krsi_flags gained KRSI_DOC("Changes that give the file at least one permission of these that it does not have: setuid; "
				   "other_write for what anybody may write.")
		KRSI_DEFAULT("whatever is gained") KRSI_BITS(PERMISSION_BITS);
	krsi_flag backwards KRSI_DOC("true: only where the time of the last modification is set to an earlier one than it is.")
		KRSI_DEFAULT("false");
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file.");
	u64 old_modified_ns KRSI_DOC("When the file was modified last, as it is before the change; since 1970.") KRSI_UNIT("ns");
	u64 modified_ns KRSI_DOC("When it is to have been modified; since 1970, and 0 for what is before. The same if this "
				 "is not changed.")
		KRSI_UNIT("ns");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 change KRSI_DOC("What is changed.") KRSI_BITS(CHANGES(KRSI_NAME));
	u32 old_file_mode KRSI_DOC("Type and permissions of the file, as they are before the change (st_mode).");
	u32 file_mode KRSI_DOC("The same, as they are to be.");
	u32 gained KRSI_DOC("Permissions that it is given and does not have.") KRSI_BITS(PERMISSION_BITS);
	u32 old_owner KRSI_DOC("User id of its owner before the change, in the initial user namespace.");
	u32 owner KRSI_DOC("The same, as it is to be; through an idmapped mount, as that mount shows it.");
	u32 old_group KRSI_DOC("Group id before the change, in the initial user namespace.");
	u32 group KRSI_DOC("The same, as it is to be; through an idmapped mount, as that mount shows it.");
	KRSI_FILE_UPPER("")
	bool backwards KRSI_DOC("Whether the time of the last modification is set to an earlier one than it is.");
	struct krsi_path path KRSI_DOC("The file, from the task's root.") KRSI_SUBJECT;
} KRSI_TEMPLATE("chmod", "File permissions, ownership and timestamps changed: allow, deny or kill by path and by what changes",
		"T1070.006 T1222.002 T1548.001")
KRSI_EXAMPLE("probe(\"chmod\", #{gained: [\"setuid\", \"setgid\"]}).scope(#{not_comm: [\"dpkg\", \"rpm\"]})"
	     ".deny(\"EPERM\").everywhere().lease(\"8h\").attach();")
KRSI_NOT_SEEN("The immutable flag (chattr: template file_ioctl), permissions by access control lists (template xattr) and those a file is "
	      "made with (template create). Permissions that the kernel's own file servers (NFS, SMB) change. For owner and times the "
	      "path is that of one of the mounts by which the task may reach the file.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_entries.bpf.h"
#include "include/krsi_mounts.bpf.h"

/* include/linux/fs.h */
#define ATTR_MODE 1
#define ATTR_UID 2
#define ATTR_GID 4
#define ATTR_ATIME_SET 128
#define ATTR_MTIME_SET 256

#define PERMISSIONS 07777
#define SECOND_NS 1000000000LL

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
} __relocated;

struct iattr {
	u32 ia_valid;
	u16 ia_mode;
	kuid_t ia_uid;
	kgid_t ia_gid;
	struct timespec64 ia_mtime;
} __relocated;

/* When a file was modified: up to 6.6, up to 6.10, since then. */
struct inode___time {
	struct timespec64 i_mtime;
} __relocated;

struct inode___hidden_time {
	struct timespec64 __i_mtime;
} __relocated;

struct inode___split_time {
	s64 i_mtime_sec;
	u32 i_mtime_nsec;
} __relocated;

static __always_inline u64 nanoseconds(s64 seconds, u64 rest)
{
	return seconds < 0 ? 0 : seconds * SECOND_NS + rest;
}

static __always_inline u64 modified_of(struct inode *inode)
{
	struct inode___split_time *split = (struct inode___split_time *)inode;
	struct inode___hidden_time *hidden = (struct inode___hidden_time *)inode;
	struct inode___time *plain = (struct inode___time *)inode;

	if (EXISTS(split, i_mtime_sec))
		return nanoseconds(READ(split, i_mtime_sec), READ(split, i_mtime_nsec));
	if (EXISTS(hidden, __i_mtime))
		return nanoseconds(READ(hidden, __i_mtime.tv_sec), READ(hidden, __i_mtime.tv_nsec));
	return nanoseconds(READ(plain, i_mtime.tv_sec), READ(plain, i_mtime.tv_nsec));
}

/* What a hook is asked about. */
struct changing {
	u64 modified_ns;
	u64 old_modified_ns;
	u32 change;
	u32 mode;
	u32 old_mode;
	u32 owner;
	u32 old_owner;
	u32 group;
	u32 old_group;
};

/* As it is. */
static __always_inline void read_inode(struct changing *changing, struct inode *inode)
{
	changing->modified_ns = changing->old_modified_ns = modified_of(inode);
	changing->mode = changing->old_mode = READ(inode, i_mode);
	changing->owner = changing->old_owner = READ(inode, i_uid.val);
	changing->group = changing->old_group = READ(inode, i_gid.val);
}

/* As it is to be. Gives whether that is for inode_setattr to ask. */
static __always_inline bool read_attributes(struct changing *changing, struct iattr *attributes)
{
	u32 valid = READ(attributes, ia_valid);

	if (!(valid & (ATTR_UID | ATTR_GID | ATTR_ATIME_SET | ATTR_MTIME_SET)))
		return false;
	if (valid & ATTR_UID) {
		changing->owner = READ(attributes, ia_uid.val);
		changing->change |= CHANGE_OWNER;
	}
	if (valid & ATTR_GID) {
		changing->group = READ(attributes, ia_gid.val);
		changing->change |= CHANGE_GROUP;
	}
	if (valid & ATTR_MODE) {
		changing->mode = READ(attributes, ia_mode);
		if (changing->mode != changing->old_mode)
			changing->change |= CHANGE_MODE;
	}
	if (valid & (ATTR_ATIME_SET | ATTR_MTIME_SET))
		changing->change |= CHANGE_TIMES;
	if (valid & ATTR_MTIME_SET)
		changing->modified_ns = nanoseconds(READ(attributes, ia_mtime.tv_sec), READ(attributes, ia_mtime.tv_nsec));
	return true;
}

static __always_inline u32 gained_of(const struct changing *changing)
{
	return changing->mode & ~changing->old_mode & PERMISSIONS;
}

static __always_inline bool goes_backwards(const struct changing *changing)
{
	return changing->modified_ns < changing->old_modified_ns;
}

/* Whether the params have it in view. */
static __always_inline bool wanted(volatile struct settings *settings, const struct changing *changing)
{
	u64 changes = settings->params.change;
	u64 gained = settings->params.gained;

	return (!changes || changes & changing->change) && (!gained || gained & gained_of(changing)) &&
	       (!settings->params.backwards || goes_backwards(changing));
}

static __always_inline void gather(struct event *event, struct inode *inode, const struct changing *changing)
{
	struct super_block *super = READ(inode, i_sb);

	event->inode = READ(inode, i_ino);
	event->device = READ(super, s_dev);
	event->old_modified_ns = changing->old_modified_ns;
	event->modified_ns = changing->modified_ns;
	event->change = changing->change;
	event->old_file_mode = changing->old_mode;
	event->file_mode = changing->mode;
	event->gained = gained_of(changing);
	event->old_owner = changing->old_owner;
	event->owner = changing->owner;
	event->old_group = changing->old_group;
	event->group = changing->group;
	event->backwards = goes_backwards(changing);
	if (krsi_file_told)
		event->file_upper = krsi_is_upper(inode);
}

SEC("lsm/path_chmod")
int chmod_mode(u64 *context)
{
	struct path *place = ARG(context, 0, struct path *);
	u32 mode = context[1];
	int refused = KRSI_REFUSED(context);
	struct changing changing = {.change = CHANGE_MODE};
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
	read_inode(&changing, inode);
	changing.mode = (changing.old_mode & ~PERMISSIONS) | (mode & PERMISSIONS);
	if (!wanted(settings, &changing) || krsi_rules_out_place(settings, place))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	krsi_gather_place(settings, scratch, place);
	gather(&scratch->event, inode, &changing);
	return krsi_decide(context, scratch, krsi_hook_path_chmod, krsi_match_path(settings, scratch, inode));
}

static __always_inline int decide(u64 *context, struct dentry *dentry, struct iattr *attributes)
{
	struct changing changing = {};
	volatile struct settings *settings;
	struct scratch *scratch;
	struct inode *inode = READ(dentry, d_inode);
	int result;

	/* Permissions and sizes are asked about elsewhere, and are in no books of this hook. */
	read_inode(&changing, inode);
	if (!read_attributes(&changing, attributes))
		return 0;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (!wanted(settings, &changing))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	krsi_gather_lone(settings, scratch, dentry);
	gather(&scratch->event, inode, &changing);
	return krsi_decide(context, scratch, krsi_hook_inode_setattr, krsi_match_path(settings, scratch, inode));
}

/* From 6.9 on the hook has the mount's mapping of ids before all else. */
SEC("lsm/inode_setattr")
int chmod_attributes(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	if (krsi_kernel >= KERNEL_VERSION(6, 9, 0))
		return decide(context, KRSI_ARG_AT(context, 1, struct dentry *), KRSI_ARG_AT(context, 2, struct iattr *));
	return decide(context, KRSI_ARG_AT(context, 0, struct dentry *), KRSI_ARG_AT(context, 1, struct iattr *));
}

/* The function that asks it has that from 5.12 on. */
SEC("fmod_ret/security_inode_setattr")
int chmod_door(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	if (krsi_kernel >= KERNEL_VERSION(5, 12, 0))
		return decide(context, KRSI_ARG_AT(context, 1, struct dentry *), KRSI_ARG_AT(context, 2, struct iattr *));
	return decide(context, KRSI_ARG_AT(context, 0, struct dentry *), KRSI_ARG_AT(context, 1, struct iattr *));
}
