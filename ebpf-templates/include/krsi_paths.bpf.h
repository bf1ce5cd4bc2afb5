/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* The paths of files, and tables of them. A part of krsi_engine.bpf.h, which includes it where it belongs. */
#ifndef KRSI_PATHS_BPF_H
#define KRSI_PATHS_BPF_H

/*
 * The walk: a path as d_path would give it, from the task's root (or the root of all mounts, for a file outside of it),
 * without its locks: a rename under way may be seen half done. For kernels whose LSM programs have no d_path (before
 * 5.11), and for paths that no BTF pointer leads to.
 *
 * Goes up, writing each name before the last one, into scratch.exe: so the text ends there at a fixed place, and as many
 * names fit as a path can have. Each step is a function of its own, and what it leaves for the next is in memory of which
 * the verifier knows nothing: so all steps are one to it.
 *
 * Neither gives " (deleted)" or the like as a part of a path: what else is known of its name is in the notes.
 */

/* Names and mounts of a path of 4095 bytes. */
#define KRSI_STEPS_A_ROUND 48
#define KRSI_ROUNDS 48
#define KRSI_NAME_MAX 255
/* Where the text's NUL stands. */
#define KRSI_WALK_END (KRSI_PATH_SIZE - 1)

enum krsi_top {
	KRSI_TOP_NONE,    /* not reached: too deep, too long, or out of every tree */
	KRSI_TOP_ROOT,    /* the task's root, or a file that is in no tree */
	KRSI_TOP_OUTSIDE, /* the root of all mounts, or of a detached one */
	KRSI_TOP_PSEUDO,  /* a file that is in no tree, and not named yet */
};

/* An index that the verifier, too, sees to be inside of a path. */
static __always_inline u32 krsi_path_index(u32 index)
{
	asm volatile("%[index] &= %[mask]" : [index] "+r"(index) : [mask] "i"(KRSI_PATH_SIZE - 1));
	return index;
}

static __always_inline const char *krsi_walked(struct scratch *scratch)
{
	return scratch->exe + krsi_path_index(scratch->walk.at);
}

/* Writes bytes before the text. False if there is no room, or they cannot be read. */
static __always_inline bool krsi_prepend(struct scratch *scratch, const void *from, u32 length)
{
	u32 at = scratch->walk.at;

	if (length > KRSI_NAME_MAX || length > at)
		return false;
	asm volatile("%[length] &= 255" : [length] "+r"(length));
	at = krsi_path_index(at - length);
	if (bpf_probe_read_kernel(scratch->exe + at, length, from))
		return false;
	scratch->walk.at = at;
	return true;
}

static __always_inline bool krsi_prepend_name(struct scratch *scratch, struct dentry *dentry)
{
	return krsi_prepend(scratch, READ(dentry, d_name.name), READ(dentry, d_name.len));
}

/* File systems whose files are in no tree (include/uapi/linux/magic.h). */
#define PIPEFS_MAGIC 0x50495045
#define SOCKFS_MAGIC 0x534F434B
#define NSFS_MAGIC 0x6e736673
#define ANON_INODE_FS_MAGIC 0x09041934

/* The longest is time_for_children. */
#define KRSI_PSEUDO_KIND 24

static const char krsi_closing[] = "]";
static const char krsi_opening[] = ":[";
static const char krsi_pipe[] = "pipe";
static const char krsi_socket_kind[] = "socket";
static const char krsi_anon_inode[] = "anon_inode:";
static const char krsi_slash[] = "/";

#define KRSI_PREPEND(scratch, text) krsi_prepend(scratch, text, sizeof(text) - 1)

static __always_inline bool krsi_prepend_namespace(struct scratch *scratch, struct inode *inode)
{
	struct ns_common *ns = READ(inode, i_private);
	struct proc_ns_operations *operations = READ(ns, ops);
	char kind[KRSI_PSEUDO_KIND] = {};
	long length = bpf_probe_read_kernel_str(kind, sizeof(kind), READ(operations, name));

	return length > 1 && length <= KRSI_PSEUDO_KIND && krsi_prepend(scratch, kind, length - 1);
}

/* kind:[inode], as the file systems of pipes, sockets and namespaces name their files. */
__noinline u64 krsi_name_by_inode(u32 slot, u64 address, u32 magic)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct inode *inode = (struct inode *)address;
	u64 number = READ(inode, i_ino);

	if (!scratch || !KRSI_PREPEND(scratch, krsi_closing))
		return 0;
	for (int digits = 0; digits < 20; digits++) {
		char digit = '0' + number % 10;

		if (!krsi_prepend(scratch, &digit, 1))
			return 0;
		number /= 10;
		if (!number)
			break;
	}
	if (!KRSI_PREPEND(scratch, krsi_opening))
		return 0;
	if (magic == NSFS_MAGIC)
		return krsi_prepend_namespace(scratch, inode);
	return magic == PIPEFS_MAGIC ? KRSI_PREPEND(scratch, krsi_pipe) : KRSI_PREPEND(scratch, krsi_socket_kind);
}

/* The name of a file that is in no tree. Gives whether it has one. */
__noinline u64 krsi_name_pseudo(u32 slot, u64 address)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct dentry *dentry = (struct dentry *)address;
	struct inode *inode = READ(dentry, d_inode);
	struct super_block *super = READ(inode, i_sb);
	u32 magic = READ(super, s_magic);

	if (!scratch)
		return 0;
	/* The root of a file system that its mount does not lead to: the folder was moved out of a bind mount. */
	if (READ(super, s_root) == dentry)
		return 0;
	if (magic == PIPEFS_MAGIC || magic == SOCKFS_MAGIC || magic == NSFS_MAGIC)
		return krsi_name_by_inode(slot, (u64)inode, magic);
	if (!krsi_prepend_name(scratch, dentry))
		return 0;
	if (magic == ANON_INODE_FS_MAGIC)
		return KRSI_PREPEND(scratch, krsi_anon_inode);
	return KRSI_PREPEND(scratch, krsi_slash);
}

/* One step up. Gives whether there is more above. */
__noinline u64 krsi_step_up(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct vfsmount *mount;
	struct dentry *dentry, *parent;

	if (!scratch)
		return 0;
	mount = (struct vfsmount *)scratch->walk.mount;
	dentry = (struct dentry *)scratch->walk.dentry;
	if ((u64)dentry == scratch->walk.root_dentry && (u64)mount == scratch->walk.root_mount) {
		scratch->walk.top = KRSI_TOP_ROOT;
		return 0;
	}
	if (dentry == READ(mount, mnt_root)) {
		struct mount *inner = OWNER(mount, struct mount, mnt);
		struct mount *outer = READ(inner, mnt_parent);

		if (outer == inner) {
			scratch->walk.top = KRSI_TOP_OUTSIDE;
			return 0;
		}
		scratch->walk.dentry = (u64)READ(inner, mnt_mountpoint);
		scratch->walk.mount = (u64)__builtin_preserve_access_index(&outer->mnt);
		return 1;
	}
	parent = READ(dentry, d_parent);
	if (parent == dentry) {
		/* Named by the caller: from here it would be one call too deep for the kernel. */
		scratch->walk.top = KRSI_TOP_PSEUDO;
		return 0;
	}
	scratch->walk.dentry = (u64)parent;
	return krsi_prepend_name(scratch, dentry) && KRSI_PREPEND(scratch, krsi_slash);
}

/* Steps up some way. A function of its own, so that both loops cost the verifier their sum and not their product. */
__noinline u64 krsi_walk_round(u32 slot)
{
	for (u32 turn = 0; turn < KRSI_STEPS_A_ROUND; turn++)
		if (!krsi_step_up(slot))
			return 0;
	return 1;
}

/* Gives the length of the text (krsi_walked), or 0 if there is none. */
__noinline u64 krsi_walk(u32 slot, u64 mount, u64 dentry)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fs_struct *fs = READ(task, fs);

	if (!scratch)
		return 0;
	scratch->walk.mount = mount;
	scratch->walk.dentry = dentry;
	scratch->walk.root_mount = (u64)READ(fs, root.mnt);
	scratch->walk.root_dentry = (u64)READ(fs, root.dentry);
	scratch->walk.at = KRSI_WALK_END;
	scratch->walk.top = KRSI_TOP_NONE;
	scratch->exe[KRSI_WALK_END] = '\0';
	for (u32 round = 0; round < KRSI_ROUNDS; round++)
		if (!krsi_walk_round(slot))
			break;
	if (scratch->walk.top == KRSI_TOP_PSEUDO)
		scratch->walk.top = krsi_name_pseudo(slot, scratch->walk.dentry) ? KRSI_TOP_ROOT : KRSI_TOP_NONE;
	if (scratch->walk.top == KRSI_TOP_NONE)
		return 0;
	if (scratch->walk.at == KRSI_WALK_END && !KRSI_PREPEND(scratch, krsi_slash))
		return 0;
	return KRSI_WALK_END - scratch->walk.at;
}

/* The walk into a text of at most `size` bytes, which is empty before. False if there is none. */
static __always_inline bool krsi_walk_to(struct scratch *scratch, char *to, const u32 size, struct vfsmount *mount,
					 struct dentry *dentry)
{
	if (!krsi_walk(scratch->slot, (u64)mount, (u64)dentry))
		return false;
	return bpf_probe_read_kernel_str(to, size, krsi_walked(scratch)) > 0;
}

/* Into the event's path. Gives its length. */
static __always_inline u32 krsi_walk_event(struct scratch *scratch, struct vfsmount *mount, struct dentry *dentry)
{
	long length;

	if (!krsi_walk(scratch->slot, (u64)mount, (u64)dentry))
		return 0;
	length = bpf_probe_read_kernel_str(scratch->event.path.text, KRSI_PATH_SIZE, krsi_walked(scratch));
	return length < 1 || length > KRSI_PATH_SIZE ? 0 : length - 1;
}

/* ---- what else is known of a name ---------------------------------------- */

/* Whether the name is gone. A file that is in no tree never had one. (d_unlinked of the kernel.) */
static __always_inline bool krsi_is_unlinked(struct dentry *dentry)
{
	return !READ(dentry, d_hash.pprev) && READ(dentry, d_parent) != dentry;
}

#define KRSI_DELETED " (deleted)"
#define KRSI_DELETED_LENGTH 10

/*
 * Whether d_path has added " (deleted)" to a text that ends so. Names may end so too, and one may be unlinked under our
 * eyes: so the length of the last name tells. A mount's root is not the last name of its path.
 */
static __always_inline bool krsi_added_deleted(struct krsi_path *path, u32 length, struct vfsmount *mount,
					       struct dentry *dentry)
{
	u32 name = READ(dentry, d_name.len);

	if (dentry == READ(mount, mnt_root))
		return krsi_is_unlinked(dentry);
	return name >= length || path->text[krsi_path_index(length - name - 1)] != '/';
}

/* The length of the path without what d_path has added. */
static __always_inline u32 krsi_without_deleted(struct scratch *scratch, u32 length, struct vfsmount *mount,
						struct dentry *dentry)
{
	static const char mark[] = KRSI_DELETED;
	struct krsi_path *path = &scratch->event.path;
	u32 at = length - KRSI_DELETED_LENGTH;

	if (length <= KRSI_DELETED_LENGTH)
		return length;
	at = krsi_path_index(at);
	for (int i = KRSI_DELETED_LENGTH - 1; i >= 0; i--)
		if (path->text[at + i] != mark[i])
			return length;
	if (!krsi_added_deleted(path, length, mount, dentry))
		return length;
	path->text[at] = '\0';
	return at;
}

/* Whether the mount leads to no place below the task's root. */
static __always_inline bool krsi_is_outside(struct vfsmount *mount, struct vfsmount *root)
{
	for (u32 turn = 0; turn < 64; turn++) {
		struct mount *inner = OWNER(mount, struct mount, mnt);
		struct mount *outer = READ(inner, mnt_parent);

		if (mount == root)
			return false;
		if (outer == inner)
			return true;
		mount = __builtin_preserve_access_index(&outer->mnt);
	}
	return false;
}

/* What is to be noted about the name of the event's path. */
__noinline u64 krsi_notes_of_path(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fs_struct *fs = READ(task, fs);
	struct vfsmount *mount, *root = READ(fs, root.mnt);
	struct dentry *dentry;
	u64 notes = 0;

	if (!scratch || !scratch->path_dentry || scratch->event.header.notes & KRSI_NOTE_NO_PATH)
		return 0;
	mount = (struct vfsmount *)scratch->path_mount;
	dentry = (struct dentry *)scratch->path_dentry;
	if (krsi_is_unlinked(dentry))
		notes |= KRSI_NOTE_UNLINKED;
	/* In no tree, and so in no other one. */
	if (READ(dentry, d_parent) == dentry && READ(mount, mnt_root) != dentry)
		return notes;
	if (READ(fs, root.dentry) == READ(root, mnt_root)) {
		if (krsi_is_outside(mount, root))
			notes |= KRSI_NOTE_UNREACHABLE;
	} else if (krsi_walk(slot, (u64)mount, (u64)dentry) && scratch->walk.top == KRSI_TOP_OUTSIDE) {
		notes |= KRSI_NOTE_UNREACHABLE;
	}
	return notes;
}

/* ---- the event's path ---------------------------------------------------- */

static __always_inline void krsi_set_path_length(struct scratch *scratch, u32 length)
{
	scratch->event.path.length = length;
	scratch->used = length + 1;
}

static __always_inline void krsi_set_path(struct scratch *scratch, u32 length, struct vfsmount *mount,
					  struct dentry *dentry)
{
	if (!length) {
		scratch->event.path.text[0] = '\0';
		scratch->event.header.notes |= KRSI_NOTE_NO_PATH;
	}
	scratch->path_mount = (u64)mount;
	scratch->path_dentry = (u64)dentry;
	krsi_set_path_length(scratch, length);
}

/* The path of a file the hook was given. The pointer must be one the verifier has types for. */
static __always_inline void krsi_gather_path(struct scratch *scratch, struct file *file)
{
	struct krsi_path *path = &scratch->event.path;
	struct vfsmount *mount = READ(file, f_path.mnt);
	struct dentry *dentry = READ(file, f_path.dentry);
	long length = 0;

	/* Observers are no LSM programs, and d_path is not for them. */
	if (krsi_kernel >= KERNEL_VERSION(5, 11, 0) && !krsi_audit_only) {
		length = bpf_d_path(&file->f_path, path->text, KRSI_PATH_SIZE);
		/* The length of d_path counts the NUL. */
		length = length < 1 || length > KRSI_PATH_SIZE ? 0 : length - 1;
		if (length)
			length = krsi_without_deleted(scratch, length, mount, dentry);
	}
	/* Of a file out of every tree d_path, too, gives "/"; and no room may be left but for what it adds. */
	if (length <= 1)
		length = krsi_walk_event(scratch, mount, dentry);
	krsi_set_path(scratch, length, mount, dentry);
}

/* The path of a name that the hook was given without a mount: `mount` is one of its file system. */
static __always_inline void krsi_gather_name(struct scratch *scratch, struct vfsmount *mount, struct dentry *lost)
{
	struct dentry *dentry = (struct dentry *)ADDRESS(lost);

	krsi_set_path(scratch, krsi_walk_event(scratch, mount, dentry), mount, dentry);
}

enum krsi_match {
	KRSI_NO_MATCH,
	KRSI_MATCH,
	KRSI_UNKNOWN,
};

/* ---- behind the path ----------------------------------------------------- */

/*
 * Where the next text behind the path goes, or NULL if more than `limit` bytes are in use, which is the
 * sum of what may stand before it: the verifier wants to be told.
 */
static __always_inline char *krsi_tail(struct scratch *scratch, const u32 limit)
{
	u32 used = scratch->used;

	asm volatile("" : "+r"(used));
	if (used > limit)
		return NULL;
	return (char *)&scratch->event + KRSI_FIXED_SIZE + used;
}

/* Whether anybody wants to know the folder. Set before the load. */
const volatile u32 krsi_cwd = 1;

/* The folder the task is in, of which as much as fits; or an empty text. */
static __always_inline void krsi_gather_cwd(struct scratch *scratch, const u32 size)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fs_struct *fs = READ(task, fs);
	char *to = krsi_tail(scratch, KRSI_PATH_SIZE);
	struct path cwd = {};
	long length = 1;

	if (!to)
		return; /* the path's length is never more */
	to[0] = '\0';
	if (krsi_cwd) {
		bpf_probe_read_kernel(&cwd, sizeof(cwd), __builtin_preserve_access_index(&fs->pwd));
		if (krsi_walk(scratch->slot, (u64)cwd.mnt, (u64)cwd.dentry))
			length = bpf_probe_read_kernel_str(to, size, krsi_walked(scratch));
		else
			scratch->event.header.notes |= KRSI_NOTE_NO_CWD;
	}
	scratch->used += length > 0 && length <= size ? length : 1;
}

/* ---- path tables --------------------------------------------------------- */

/* A template without KRSI_PATH_PARAMS says KRSI_NO_PATH_PARAMS, and has no such tables. */
#ifndef KRSI_NO_PATH_PARAMS

struct krsi_inode {
	u64 inode;
	u32 device;
	u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct krsi_inode);
	__type(value, u8);
} krsi_inodes SEC(".maps");

struct krsi_key {
	u32 bits;
	u8 text[KRSI_KEY_SIZE];
};

/* Prefixes as they are, and whole paths with the NUL that ends them. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct krsi_key);
	__type(value, u8);
} krsi_prefixes_table SEC(".maps");

/* Suffixes, last byte first. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct krsi_key);
	__type(value, u8);
} krsi_suffixes_table SEC(".maps");

static __always_inline bool krsi_match_inode(struct inode *inode)
{
	struct super_block *super = READ(inode, i_sb);
	struct krsi_inode key = { .inode = READ(inode, i_ino), .device = READ(super, s_dev) };

	return bpf_map_lookup_elem(&krsi_inodes, &key);
}

static __always_inline bool krsi_match_prefix(struct krsi_path *path)
{
	u32 length = path->length;
	bool match;

	/* The NUL belongs to the key: it is what ends a whole path in the table. */
	path->length = (length + 1 > KRSI_KEY_SIZE ? KRSI_KEY_SIZE : length + 1) * 8;
	match = bpf_map_lookup_elem(&krsi_prefixes_table, path);
	path->length = length;
	return match;
}

__noinline u64 krsi_match_suffix(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	u32 length;
	u32 bytes = 0;

	if (!scratch)
		return 0;
	length = scratch->event.path.length;
	for (u32 i = 0; i < KRSI_KEY_SIZE - 1; i++) {
		if (i >= length)
			break;
		scratch->reversed.text[i] = scratch->event.path.text[krsi_path_index(length - 1 - i)];
		bytes = i + 1;
	}
	scratch->reversed.bits = bytes * 8;
	return bpf_map_lookup_elem(&krsi_suffixes_table, &scratch->reversed) != NULL;
}

/* Whether the file is one of those that path, path_prefix and path_suffix name. */
static __always_inline enum krsi_match krsi_match_path(volatile struct settings *settings,
						       struct scratch *scratch, struct inode *inode)
{
	bool paths = settings->params.path;
	bool prefixes = settings->params.path_prefix;
	bool suffixes = settings->params.path_suffix;

	if (!paths && !prefixes && !suffixes)
		return KRSI_MATCH;
	if (paths && krsi_match_inode(inode))
		return KRSI_MATCH;
	if (scratch->event.path.length == 0)
		return KRSI_UNKNOWN;
	if ((paths || prefixes) && krsi_match_prefix(&scratch->event.path))
		return KRSI_MATCH;
	if (suffixes && krsi_match_suffix(scratch->slot))
		return KRSI_MATCH;
	return KRSI_NO_MATCH;
}

#endif /* KRSI_NO_PATH_PARAMS */

#endif
