/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* The paths of files, and tables of them. A part of krsi_engine.bpf.h, which includes it where it belongs. */
#ifndef KRSI_PATHS_BPF_H
#define KRSI_PATHS_BPF_H

/*
 * A path as d_path would tell it, from the task's root (or the root of all mounts, for a
 * file outside of it), without its locks: a rename under way may be seen half done. For
 * kernels whose LSM programs have no d_path (before 5.11), and for paths that no BTF pointer leads to.
 *
 * First up, noting where the names are, then down, joining them. Each step is a function of its own, and
 * what it leaves for the next is in memory of which the verifier knows nothing: so all steps are one to it.
 */

/* One step up. Gives whether there is more above. */
__noinline u64 krsi_step_up(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct vfsmount *mount;
	struct dentry *dentry;

	if (!scratch)
		return 0;
	mount = (struct vfsmount *)scratch->walk.mount;
	dentry = (struct dentry *)scratch->walk.dentry;
	if ((u64)dentry == scratch->walk.root_dentry && (u64)mount == scratch->walk.root_mount)
		return 0;
	if (dentry == READ(mount, mnt_root)) {
		struct mount *inner = OWNER(mount, struct mount, mnt);
		struct mount *outer = READ(inner, mnt_parent);

		if (outer == inner)
			return 0;
		scratch->walk.dentry = (u64)READ(inner, mnt_mountpoint);
		scratch->walk.mount = (u64)__builtin_preserve_access_index(&outer->mnt);
		return 1;
	}

	struct dentry *parent = READ(dentry, d_parent);
	u32 depth = scratch->walk.depth;

	if (depth >= KRSI_DEPTH)
		return 0; /* there are not more steps than that */
	scratch->walk.names[depth] = (u64)READ(dentry, d_name.name);
	scratch->walk.depth = depth + 1;
	scratch->walk.dentry = (u64)parent;
	return dentry != parent; /* else in no tree: a memfd, a pipe */
}

/* Gives whether it came to the top; a deeper path has no text. */
__noinline u64 krsi_climb(u32 slot, u64 mount, u64 dentry)
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
	scratch->walk.depth = 0;
	scratch->walk.length = 0;
	for (u32 turn = 0; turn < KRSI_DEPTH; turn++)
		if (!krsi_step_up(slot))
			return 1;
	return 0;
}

/* One step down: a slash and a name more in `to`. Gives whether there are more. */
static __always_inline u64 krsi_step_down(struct scratch *scratch, char *to, const u32 size)
{
	u32 depth = scratch->walk.depth - 1;
	u32 length = scratch->walk.length;
	long read;

	if (depth >= KRSI_DEPTH)
		return 0;
	scratch->walk.depth = depth;
	scratch->walk.length = 0;
	/* A component has at most 255 bytes (NAME_MAX); then its NUL. */
	if (length > size - 258)
		return 0;
	to[length] = '/';
	read = bpf_probe_read_kernel_str(to + length + 1, 256, (void *)scratch->walk.names[depth]);
	if (read < 1 || read > 256)
		return 0;
	scratch->walk.length = length + read; /* the slash, and the text without its NUL */
	return depth;
}

__noinline u64 krsi_step_down_in_event(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	return scratch ? krsi_step_down(scratch, scratch->event.path.text, KRSI_PATH_SIZE) : 0;
}

__noinline u64 krsi_step_down_in_exe(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	return scratch ? krsi_step_down(scratch, scratch->exe, KRSI_WALK_SIZE) : 0;
}

/* Both give the length of the text, or 0 if the path is too deep or too long. */
__noinline u64 krsi_walk_to_event(u32 slot, u64 mount, u64 dentry)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	if (!scratch || !krsi_climb(slot, mount, dentry))
		return 0;
	if (!scratch->walk.depth) {
		scratch->event.path.text[0] = '/';
		scratch->event.path.text[1] = '\0';
		return 1;
	}
	for (u32 turn = 0; turn < KRSI_DEPTH; turn++)
		if (!krsi_step_down_in_event(slot))
			break;
	return scratch->walk.length;
}

__noinline u64 krsi_walk_to_exe(u32 slot, u64 mount, u64 dentry)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	if (!scratch || !krsi_climb(slot, mount, dentry))
		return 0;
	if (!scratch->walk.depth) {
		scratch->exe[0] = '/';
		scratch->exe[1] = '\0';
		return 1;
	}
	for (u32 turn = 0; turn < KRSI_DEPTH; turn++)
		if (!krsi_step_down_in_exe(slot))
			break;
	return scratch->walk.length;
}

/* Into the event's path. */
static __always_inline u32 krsi_walk_event(struct scratch *scratch, struct vfsmount *mount, struct dentry *dentry)
{
	return krsi_walk_to_event(scratch->slot, (u64)mount, (u64)dentry);
}

/* Into scratch.exe. */
static __always_inline u32 krsi_walk_exe(struct scratch *scratch, struct vfsmount *mount, struct dentry *dentry)
{
	return krsi_walk_to_exe(scratch->slot, (u64)mount, (u64)dentry);
}

/* An index that the verifier, too, sees to be inside of a path. */
static __always_inline u32 krsi_path_index(u32 index)
{
	asm volatile("%[index] &= %[mask]" : [index] "+r"(index) : [mask] "i"(KRSI_PATH_SIZE - 1));
	return index;
}

/* d_path writes " (deleted)" behind the path of a file without a name. */
#define KRSI_DELETED " (deleted)"
#define KRSI_DELETED_LENGTH 10

static __always_inline u32 krsi_without_deleted(struct krsi_path *path, u32 length)
{
	static const char mark[] = KRSI_DELETED;
	u32 at = length - KRSI_DELETED_LENGTH;

	if (length <= KRSI_DELETED_LENGTH)
		return length;
	at = krsi_path_index(at);
	for (int i = 0; i < KRSI_DELETED_LENGTH; i++)
		if (path->text[at + i] != mark[i])
			return length;
	path->text[at] = '\0';
	return at;
}

static __always_inline void krsi_set_path_length(struct scratch *scratch, u32 length)
{
	scratch->event.path.length = length;
	scratch->used = length + 1;
}

/*
 * The path of a file the hook was given, without " (deleted)". The pointer must
 * be one the verifier has types for.
 */
static __always_inline void krsi_gather_path(struct scratch *scratch, struct file *file)
{
	struct krsi_path *path = &scratch->event.path;
	long length;

	/* Observers are no LSM programs, and d_path is not for them. */
	if (krsi_kernel >= KERNEL_VERSION(5, 11, 0) && !krsi_audit_only) {
		length = bpf_d_path(&file->f_path, path->text, KRSI_PATH_SIZE);
		/* The length of d_path counts the NUL. */
		length = length < 1 || length > KRSI_PATH_SIZE ? 0 : length - 1;
	} else {
		length = krsi_walk_event(scratch, READ(file, f_path.mnt), READ(file, f_path.dentry));
	}
	struct inode *inode = READ(file, f_inode);

	if (length && READ(inode, i_nlink) == 0)
		length = krsi_without_deleted(path, length);
	if (!length) {
		path->text[0] = '\0';
		scratch->event.header.notes |= KRSI_NOTE_NO_PATH;
	}
	krsi_set_path_length(scratch, length);
}

/* The path of a name that the hook was given without a mount: `mount` is one of its file system. */
static __always_inline void krsi_gather_name(struct scratch *scratch, struct vfsmount *mount, struct dentry *dentry)
{
	struct krsi_path *path = &scratch->event.path;
	u32 length = krsi_walk_event(scratch, mount, (struct dentry *)ADDRESS(dentry));

	if (!length) {
		path->text[0] = '\0';
		scratch->event.header.notes |= KRSI_NOTE_NO_PATH;
	}
	krsi_set_path_length(scratch, length);
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

/* The folder the task is in, or an empty text. */
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
	bpf_probe_read_kernel(&cwd, sizeof(cwd), __builtin_preserve_access_index(&fs->pwd));
	if (krsi_cwd && krsi_walk_exe(scratch, cwd.mnt, cwd.dentry))
		length = bpf_probe_read_kernel_str(to, size, scratch->exe);
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
