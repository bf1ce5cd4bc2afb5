/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * xattr: an extended attribute of a file is about to be set or removed. Capabilities of programs, labels of SELinux and
 * others, access control lists and attributes of users' own are kept so.
 *
 * Hooks: inode_setxattr and inode_removexattr (fs/xattr.c, setxattr(2), removexattr(2) and their kin, also by io_uring); inode_set_acl
 * and inode_remove_acl (fs/posix_acl.c) for access control lists, from Linux 6.2 on, before which the first two are asked about these, too.
 * Nothing has been changed. A refusal makes the call fail with the errno. Some file systems refuse afterwards, as they do
 * not keep such attributes.
 *
 * The value is the kernel's own copy. Of `security.capability` it tells which capabilities a program gives to whoever executes
 * it; set by somebody in a user namespace it counts there only, which is not told.
 *
 * The hooks are asked without a mount. The path is that of a mount in the task's mount namespace that has the file in it, the whole
 * file system's if there is one: it need not be the one the task went through; `path` finds the file by its inode in any
 * case. On overlayfs they are asked again about the file beneath, as the task's own deed.
 *
 * Not seen: attributes that the kernel sets itself (labels of new files, capabilities lost by writing), flags of chattr
 * (template file_ioctl), the values of access control lists and labels.
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_inode_setxattr,
	krsi_hook_inode_removexattr,
	krsi_hook_inode_set_acl,
	krsi_hook_inode_remove_acl,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"

#define ACTIONS(X) X(ACTION_SET, "set", 1) X(ACTION_REMOVE, "remove", 2)
#define NAMESPACES(X)                                                                                      \
	X(NAMESPACE_USER, "user", 1) X(NAMESPACE_TRUSTED, "trusted", 2) X(NAMESPACE_SECURITY, "security", 4) \
	X(NAMESPACE_SYSTEM, "system", 8)

enum action { ACTIONS(KRSI_MEMBER) };
enum namespace { NAMESPACES(KRSI_MEMBER) };

/* include/uapi/linux/capability.h */
#define CAPABILITIES                                                                                       \
	"chown=1 dac_override=2 dac_read_search=4 fowner=8 fsetid=16 kill=32 setgid=64 setuid=128 setpcap=256 " \
	"linux_immutable=512 net_bind_service=1024 net_broadcast=2048 net_admin=4096 net_raw=8192 "        \
	"ipc_lock=16384 ipc_owner=32768 sys_module=65536 sys_rawio=131072 sys_chroot=262144 "              \
	"sys_ptrace=524288 sys_pacct=1048576 sys_admin=2097152 sys_boot=4194304 sys_nice=8388608 "         \
	"sys_resource=16777216 sys_time=33554432 sys_tty_config=67108864 mknod=134217728 lease=268435456 " \
	"audit_write=536870912 audit_control=1073741824 setfcap=2147483648 mac_override=4294967296 "       \
	"mac_admin=8589934592 syslog=17179869184 wake_alarm=34359738368 block_suspend=68719476736 "        \
	"audit_read=137438953472 perfmon=274877906944 bpf=549755813888 checkpoint_restore=1099511627776"

struct params {
	KRSI_PATH_PARAMS
	krsi_flags action KRSI_DOC("Setting, removing.") KRSI_DEFAULT("both") KRSI_BITS(ACTIONS(KRSI_NAME));
	krsi_flags namespace KRSI_DOC("What the attribute's name begins with. security: capabilities and labels; system: access "
				      "control lists.")
		KRSI_DEFAULT("every attribute") KRSI_BITS(NAMESPACES(KRSI_NAME));
	krsi_flags capabilities KRSI_DOC("Only where a program is given at least one of these capabilities (security.capability).")
		KRSI_DEFAULT("every attribute") KRSI_BITS(CAPABILITIES);
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file.");
	u64 capabilities KRSI_DOC("Capabilities that the program gives to the user who executes it: what security.capability has as "
				  "permitted. None for all else.")
		KRSI_BITS(CAPABILITIES);
	u64 size KRSI_DOC("Size of the value; 0 if it is removed.") KRSI_UNIT("bytes");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 action KRSI_DOC("Whether it is set or removed.") KRSI_NAMES(ACTIONS(KRSI_NAME));
	u32 flags KRSI_DOC("Flags of setxattr(2): only if it is not there yet, only if it is. Not told of access control lists from "
			   "Linux 6.2 on.")
		KRSI_BITS("CREATE=1 REPLACE=2");
	KRSI_FILE_MEMBERS("")
	char name[256] KRSI_DOC("The attribute's name: security.capability, system.posix_acl_access, user.… and others.");
	struct krsi_path path KRSI_DOC("The file, from the task's root.") KRSI_SUBJECT;
} KRSI_TEMPLATE("xattr", "Extended attributes set and removed: file capabilities, access control lists, labels",
		"T1222.002 T1548 T1564")
KRSI_EXAMPLE("probe(\"xattr\", #{capabilities: [\"setuid\", \"sys_admin\", \"dac_override\", \"sys_ptrace\"]})"
	     ".scope(#{not_comm: [\"dpkg\", \"rpm\"]})"
	     ".deny(\"EPERM\").everywhere().lease(\"8h\").attach();")
KRSI_NOT_SEEN("Attributes that the kernel sets itself, as labels of new files. The values, but for capabilities. The path is that of "
	      "one of the mounts by which the task may reach the file, and on overlayfs the file beneath is asked about, too.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_mounts.bpf.h"

/* What a hook is asked about. */
struct attribute {
	struct dentry *dentry;
	const char *name;
	const void *value; /* NULL: none that is told */
	u64 size;
	u32 action;
	u32 flags;
};

/* The first eight bytes of the name tell the namespace. */
static __always_inline u32 namespace_of(const char *name)
{
	union {
		char text[16];
		u64 words[2];
	} start = {};

	bpf_probe_read_kernel_str(start.text, 10, name);
	if (start.words[0] == 0x7974697275636573ULL /* security */ && start.text[8] == '.')
		return NAMESPACE_SECURITY;
	if (start.words[0] == 0x2e64657473757274ULL /* trusted. */)
		return NAMESPACE_TRUSTED;
	if ((start.words[0] & 0xffffffffffffffULL) == 0x2e6d6574737973ULL /* system. */)
		return NAMESPACE_SYSTEM;
	if ((start.words[0] & 0xffffffffffULL) == 0x2e72657375ULL /* user. */)
		return NAMESPACE_USER;
	return 0;
}

/* Whether the name is security.capability, of which namespace_of is known. */
static __always_inline bool is_capability(const char *name)
{
	char rest[16] = {};
	static const char expected[12] = "capability";

	if (bpf_probe_read_kernel_str(rest, sizeof(rest), name + 9) != 11)
		return false;
	for (int i = 0; i < 10; i++)
		if (rest[i] != expected[i])
			return false;
	return true;
}

/* struct vfs_cap_data of include/uapi/linux/capability.h: a word, then permitted and inheritable, the lower half first. */
static __always_inline u64 capabilities_of(const struct attribute *attribute)
{
	u32 data[5] = {};

	if (!attribute->value || attribute->size < sizeof(data) ||
	    bpf_probe_read_kernel(data, sizeof(data), attribute->value))
		return 0;
	return data[1] | (u64)data[3] << 32;
}

static __always_inline void gather(struct scratch *scratch, const struct attribute *attribute, struct inode *inode,
				   u64 capabilities)
{
	struct event *event = &scratch->event;
	struct super_block *super = READ(inode, i_sb);

	event->inode = READ(inode, i_ino);
	event->capabilities = capabilities;
	event->size = attribute->size;
	event->device = READ(super, s_dev);
	event->action = attribute->action;
	event->flags = attribute->flags;
	KRSI_GATHER_FILE(event, inode);
	bpf_probe_read_kernel_str(event->name, sizeof(event->name), attribute->name);
}

static __always_inline int decide(u64 *context, enum krsi_hook hook, const struct attribute *attribute)
{
	volatile struct settings *settings = krsi_enter();
	u64 actions, namespaces, wanted, capabilities = 0;
	struct dentry *dentry = attribute->dentry;
	struct scratch *scratch;
	struct inode *inode;
	u32 namespace;
	int result;

	if (!settings)
		return 0;
	actions = settings->params.action;
	namespaces = settings->params.namespace;
	wanted = settings->params.capabilities;
	namespace = namespace_of(attribute->name);
	if (namespace == NAMESPACE_SECURITY && is_capability(attribute->name))
		capabilities = capabilities_of(attribute);
	if ((actions && !(actions & attribute->action)) || (namespaces && !(namespaces & namespace)) ||
	    (wanted && !(wanted & capabilities)))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	inode = READ(dentry, d_inode);
	krsi_gather_lone(settings, scratch, dentry);
	gather(scratch, attribute, inode, capabilities);
	return krsi_decide(context, scratch, hook, krsi_match_path(settings, scratch, inode));
}

/* An argument that is a `const void *`: the verifier of 5.10 gives such a one to no program, but the words lie in memory. */
static __always_inline const void *untyped(const u64 *context, u32 index)
{
	u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), context + index);
	return (const void *)word;
}

/* From 5.12 on the mount's mapping of ids stands before all else. */
SEC("lsm/inode_setxattr")
int xattr_set(u64 *context)
{
	int refused = KRSI_REFUSED(context);
	struct attribute attribute = {.action = ACTION_SET};

	if (refused)
		return refused;
	if (krsi_kernel >= KERNEL_VERSION(5, 12, 0)) {
		attribute.dentry = KRSI_ARG_AT(context, 1, struct dentry *);
		attribute.name = KRSI_ARG_AT(context, 2, const char *);
		attribute.value = untyped(context, 3);
		attribute.size = KRSI_ARG_AT(context, 4, u64);
		attribute.flags = KRSI_ARG_AT(context, 5, u64);
	} else {
		attribute.dentry = KRSI_ARG_AT(context, 0, struct dentry *);
		attribute.name = KRSI_ARG_AT(context, 1, const char *);
		attribute.value = untyped(context, 2);
		attribute.size = KRSI_ARG_AT(context, 3, u64);
		attribute.flags = KRSI_ARG_AT(context, 4, u64);
	}
	return decide(context, krsi_hook_inode_setxattr, &attribute);
}

SEC("lsm/inode_removexattr")
int xattr_remove(u64 *context)
{
	int refused = KRSI_REFUSED(context);
	struct attribute attribute = {.action = ACTION_REMOVE};

	if (refused)
		return refused;
	if (krsi_kernel >= KERNEL_VERSION(5, 12, 0)) {
		attribute.dentry = KRSI_ARG_AT(context, 1, struct dentry *);
		attribute.name = KRSI_ARG_AT(context, 2, const char *);
	} else {
		attribute.dentry = KRSI_ARG_AT(context, 0, struct dentry *);
		attribute.name = KRSI_ARG_AT(context, 1, const char *);
	}
	return decide(context, krsi_hook_inode_removexattr, &attribute);
}

struct posix_acl {
	u32 a_count;
} __relocated;

/* Its size as an attribute: a word, and eight bytes an entry (include/linux/posix_acl_xattr.h). */
static __always_inline u64 size_of(struct posix_acl *list)
{
	return list ? 4 + 8 * (u64)READ(list, a_count) : 0;
}

SEC("lsm/inode_set_acl")
int xattr_list_set(u64 *context)
{
	int refused = KRSI_REFUSED(context);
	struct attribute attribute = {
		.dentry = ARG(context, 1, struct dentry *),
		.name = ARG(context, 2, const char *),
		.size = size_of(ARG(context, 3, struct posix_acl *)),
		.action = ACTION_SET,
	};

	return refused ? refused : decide(context, krsi_hook_inode_set_acl, &attribute);
}

SEC("lsm/inode_remove_acl")
int xattr_list_remove(u64 *context)
{
	int refused = KRSI_REFUSED(context);
	struct attribute attribute = {
		.dentry = ARG(context, 1, struct dentry *),
		.name = ARG(context, 2, const char *),
		.action = ACTION_REMOVE,
	};

	return refused ? refused : decide(context, krsi_hook_inode_remove_acl, &attribute);
}
