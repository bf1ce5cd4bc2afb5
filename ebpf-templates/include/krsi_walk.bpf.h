/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* The paths of files. */
#ifndef KRSI_WALK_BPF_H
#define KRSI_WALK_BPF_H

#include "krsi_scratch.bpf.h"

/*
 * The walk: a path as d_path would give it, from the task's root (or the root of all mounts, for a file outside of it),
 * without its locks, but never with a name and a directory that did not belong together. For kernels whose LSM programs have
 * no d_path (before 5.11), and for paths that no BTF pointer leads to.
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
	struct dentry *dentry = (struct dentry *)address;
	struct inode *inode = READ(dentry, d_inode);
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
	/* The root of a file system that its mount does not lead to: the directory was moved out of a bind mount. */
	if (READ(super, s_root) == dentry)
		return 0;
	if (magic == PIPEFS_MAGIC || magic == SOCKFS_MAGIC || magic == NSFS_MAGIC)
		return krsi_name_by_inode(slot, address, magic);
	if (!krsi_prepend_name(scratch, dentry))
		return 0;
	if (magic == ANON_INODE_FS_MAGIC)
		return KRSI_PREPEND(scratch, krsi_anon_inode);
	return KRSI_PREPEND(scratch, krsi_slash);
}

/* Changes with each rename of the dentry, and is odd during one (fs/dcache.c, __d_move). */
static __always_inline u32 krsi_renames(struct dentry *dentry)
{
	return READ(dentry, d_seq.seqcount.sequence);
}

/* One step up. Gives whether there is more above. */
__noinline u64 krsi_step_up(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct vfsmount *mount;
	struct dentry *dentry, *parent;
	u32 at, renames;

	if (!scratch)
		return 0;
	at = scratch->walk.at;
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
	renames = krsi_renames(dentry);
	parent = READ(dentry, d_parent);
	if (parent == dentry) {
		/* Named by the caller: from here it would be one call too deep for the kernel. */
		scratch->walk.top = KRSI_TOP_PSEUDO;
		return 0;
	}
	if (krsi_prepend_name(scratch, dentry) && KRSI_PREPEND(scratch, krsi_slash)) {
		/* The helpers in between keep the compiler from reading it once. */
		if (renames == krsi_renames(dentry) && !(renames & 1)) {
			scratch->walk.dentry = (u64)parent;
			return 1;
		}
	} else if (renames == krsi_renames(dentry)) {
		return 0;
	}
	/* The same step again. */
	scratch->walk.at = at;
	return 1;
}

/* Steps up some way. A function of its own, so that both loops cost the verifier their sum and not their product. */
__noinline u64 krsi_walk_round(u32 slot)
{
	for (u32 turn = 0; turn < KRSI_STEPS_A_ROUND; turn++)
		if (!krsi_step_up(slot))
			return 0;
	return 1;
}

/* From where scratch.walk says. Gives the length of the text (krsi_walked), or 0 if there is none. */
__noinline u64 krsi_walk_up(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fs_struct *fs = READ(task, fs);

	if (!scratch)
		return 0;
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

/* The walk from a mount and a dentry: the length of the text (krsi_walked), or 0 if there is none. */
static __always_inline u64 krsi_walk(struct scratch *scratch, struct vfsmount *mount, struct dentry *dentry)
{
	scratch->walk.mount = (u64)mount;
	scratch->walk.dentry = (u64)dentry;
	return krsi_walk_up(scratch->slot);
}

/* The walk into a text of at most `size` bytes, which is empty before. False if there is none. */
static __always_inline bool krsi_walk_to(struct scratch *scratch, char *to, const u32 size, struct vfsmount *mount,
					 struct dentry *dentry)
{
	if (!krsi_walk(scratch, mount, dentry))
		return false;
	return bpf_probe_read_kernel_str(to, size, krsi_walked(scratch)) > 0;
}

/* ---- what else is known of a name ---------------------------------------- */

/* Whether the name is gone. A file that is in no tree never had one. (d_unlinked of the kernel.) */
static __always_inline bool krsi_is_unlinked(struct dentry *dentry)
{
	return !READ(dentry, d_hash.pprev) && READ(dentry, d_parent) != dentry;
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
	} else if (krsi_walk(scratch, mount, dentry) && scratch->walk.top == KRSI_TOP_OUTSIDE) {
		notes |= KRSI_NOTE_UNREACHABLE;
	}
	return notes;
}

#endif
