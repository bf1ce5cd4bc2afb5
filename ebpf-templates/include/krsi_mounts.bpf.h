/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* A mount for a file that a hook was given without one. */
#ifndef KRSI_MOUNTS_BPF_H
#define KRSI_MOUNTS_BPF_H

#include "krsi_entries.bpf.h"
#include "krsi_kernel.bpf.h"

/* All mounts of a file system: a list, the oldest first; from Linux 6.18 on a chain, the newest first. */
struct super_block___list {
	struct list_head s_mounts;
} __relocated;

struct mount___list {
	struct list_head mnt_instance;
} __relocated;

struct super_block___chain {
	struct mount *s_mounts;
} __relocated;

struct mount___chain {
	struct mount *mnt_next_for_sb;
} __relocated;

struct mount___owned {
	struct mnt_namespace *mnt_ns;
} __relocated;

#define KRSI_ARE_CHAINED EXISTS((struct mount___chain *)0, mnt_next_for_sb)

/* Mounts looked at, and directories above a file. More are not looked at: then the file has no path. */
#define KRSI_MOUNTS_A_ROUND 32
#define KRSI_MOUNT_ROUNDS 32
#define KRSI_DIRECTORIES 256

/* The search; addresses as numbers. It lies in the key's memory, which is in use when the event is whole. */
struct krsi_mount_search {
	u64 entry;
	u64 top;       /* the file system's own root */
	u64 namespace; /* the task's */
	u64 next;
	u64 end;
	u64 whole; /* a mount of the whole file system in the task's namespace */
	u64 part;  /* one of a part that the file is in */
	u64 other; /* one in another namespace, or in none */
};

static __always_inline struct krsi_mount_search *krsi_mount_search(struct scratch *scratch)
{
	return (struct krsi_mount_search *)&scratch->key;
}

/* Whether the file is that directory, or below it. */
__noinline u64 krsi_is_below(u64 entry, u64 directory)
{
	for (u32 turn = 0; turn < KRSI_DIRECTORIES; turn++) {
		u64 parent;

		if (entry == directory)
			return 1;
		parent = READ_ADDRESS((struct dentry *)entry, d_parent);
		if (parent == entry)
			return 0;
		entry = parent;
	}
	return 0;
}

/* Looks at one mount. Of two that would do it is the older one. */
__noinline u64 krsi_look_at_mount(u32 slot, u64 address)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct mount *mount = (struct mount *)address;
	u64 root = READ_ADDRESS(mount, mnt.mnt_root);
	struct krsi_mount_search *search;
	u64 *found;

	if (!scratch)
		return 0;
	search = krsi_mount_search(scratch);
	if (READ_ADDRESS((struct mount___owned *)mount, mnt_ns) != search->namespace)
		found = &search->other;
	else
		found = root == search->top ? &search->whole : &search->part;
	if ((!*found || KRSI_ARE_CHAINED) && krsi_is_below(search->entry, root))
		*found = address;
	return 0;
}

/* Looks at some. Gives whether there are more. */
__noinline u64 krsi_look_at_mounts(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct krsi_mount_search *search;

	if (!scratch)
		return 0;
	search = krsi_mount_search(scratch);
	for (u32 turn = 0; turn < KRSI_MOUNTS_A_ROUND; turn++) {
		u64 at = search->next;

		if (!at || at == search->end)
			return 0;
		if (KRSI_ARE_CHAINED) {
			search->next = READ_ADDRESS((struct mount___chain *)at, mnt_next_for_sb);
			krsi_look_at_mount(slot, at);
		} else {
			search->next = READ_ADDRESS((struct list_head *)at, next);
			krsi_look_at_mount(slot, (u64)OWNER(at, struct mount___list, mnt_instance));
		}
	}
	return 1;
}

/*
 * The mount by which a task may reach the file: of its namespace, the whole file system's rather than a part's; the oldest of several.
 * Without one there, any that has the file in it, and the path is noted to be unreachable. 0: none.
 */
__noinline u64 krsi_find_mount(u32 slot, u64 entry)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct inode *inode = READ((struct dentry *)entry, d_inode);
	struct super_block *super = READ(inode, i_sb);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct nsproxy *proxy = READ(task, nsproxy);
	struct krsi_mount_search *search;
	u64 found;

	if (!scratch)
		return 0;
	search = krsi_mount_search(scratch);
	search->entry = entry;
	search->top = READ_ADDRESS(super, s_root);
	search->namespace = READ_ADDRESS(proxy, mnt_ns);
	search->whole = search->part = search->other = search->end = 0;
	if (KRSI_ARE_CHAINED) {
		search->next = READ_ADDRESS((struct super_block___chain *)super, s_mounts);
	} else {
		search->next = READ_ADDRESS((struct super_block___list *)super, s_mounts.next);
		search->end = (u64)__builtin_preserve_access_index(&((struct super_block___list *)super)->s_mounts);
	}
	for (u32 round = 0; round < KRSI_MOUNT_ROUNDS; round++)
		if (!krsi_look_at_mounts(slot))
			break;
	found = search->whole ? search->whole : search->part ? search->part : search->other;
	return found ? (u64)__builtin_preserve_access_index(&((struct mount *)found)->mnt) : 0;
}

/* The path of a file that the hook was given without a mount, if it is needed. */
static __always_inline void krsi_gather_lone(volatile struct settings *settings, struct scratch *scratch,
					     struct dentry *dentry)
{
	if (krsi_needs_path(settings))
		krsi_gather_name(scratch, (struct vfsmount *)krsi_find_mount(scratch->slot, ADDRESS(dentry)), dentry);
}

#endif
