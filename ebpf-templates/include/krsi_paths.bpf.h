/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* The event's path, and the directory behind it. */
#ifndef KRSI_PATHS_BPF_H
#define KRSI_PATHS_BPF_H

#include "krsi_settings.bpf.h"
#include "krsi_walk.bpf.h"

/* Into the event's path. Gives its length. */
static __always_inline u32 krsi_walk_event(struct scratch *scratch, struct vfsmount *mount, struct dentry *dentry)
{
	long length;

	if (!krsi_walk(scratch, mount, dentry))
		return 0;
	length = bpf_probe_read_kernel_str(scratch->event.path.text, KRSI_PATH_SIZE, krsi_walked(scratch));
	return length < 1 || length > KRSI_PATH_SIZE ? 0 : length - 1;
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

static __always_inline bool krsi_tells_path(volatile struct settings *settings)
{
	return krsi_path_for == KRSI_PATH_ALWAYS ||
	       (krsi_path_for == KRSI_PATH_FOR_EVENTS && !settings->control.quiet);
}

/* The path of a file the hook was given. The pointer must be one the verifier has types for. */
static __always_inline void krsi_gather_path(struct scratch *scratch, struct file *file)
{
	struct krsi_path *path = &scratch->event.path;
	struct vfsmount *mount = READ(file, f_path.mnt);
	struct dentry *dentry = READ(file, f_path.dentry);
	long length = 0;

	/* d_path is for LSM programs, and few others. */
	if (krsi_kernel >= KERNEL_VERSION(5, 11, 0) && krsi_door == KRSI_DOOR_LSM) {
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

/* The directory the task is in, of which as much as fits; or an empty text. */
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
		if (krsi_walk(scratch, cwd.mnt, cwd.dentry))
			length = bpf_probe_read_kernel_str(to, size, krsi_walked(scratch));
		else
			scratch->event.header.notes |= KRSI_NOTE_NO_CWD;
	}
	scratch->used += length > 0 && length <= size ? length : 1;
}

#endif
