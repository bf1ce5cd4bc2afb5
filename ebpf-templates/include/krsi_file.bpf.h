/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What is told of a file beside its name: whose it is, what may be done with it, and whether a container has made it. */
#ifndef KRSI_FILE_BPF_H
#define KRSI_FILE_BPF_H

#include "krsi.bpf.h"

/* Members of `struct event`. `which` follows the words "the file" in their docs. */
#define KRSI_FILE_MEMBERS(which)                                                                           \
	u32 file_mode KRSI_DOC("Type and permissions of the file" which " (st_mode).") KRSI_COSTS("file"); \
	u32 file_uid KRSI_DOC("Owner of the file" which ", in the initial user namespace: `e.file_uid == e.euid` where it is the " \
			      "caller's own.")                                                             \
		KRSI_COSTS("file");                                                                        \
	u32 file_gid KRSI_DOC("Group of the file" which ", in the initial user namespace.") KRSI_COSTS("file"); \
	KRSI_FILE_UPPER(which)

/* That one alone. */
#define KRSI_FILE_UPPER(which)                                                                             \
	bool file_upper KRSI_DOC("Whether the file" which " is on the upper layer of an overlay: in a container, what has come or " \
				 "changed since it was made from its image.")                              \
		KRSI_COSTS("file");

/* Whether one of these is needed for anything. Set before the load. */
const volatile u32 krsi_file_told = 1;

#define OVERLAYFS_SUPER_MAGIC 0x794c7630

/* The size of a type of the running kernel. */
#define KRSI_SIZE_OF(type) __builtin_preserve_type_info(*(type *)0, 1 /* size */)

/*
 * Whether an overlay has the file on its upper layer. What of it is there, the overlay keeps directly behind its inode
 * (fs/overlayfs/ovl_entry.h, struct ovl_inode: seen from 5.10 to 7.3), a type of a module, which cannot be named here.
 */
static __always_inline bool krsi_is_upper(struct inode *inode)
{
	struct super_block *super = READ(inode, i_sb);
	u64 upper = 0;

	if (READ(super, s_magic) != OVERLAYFS_SUPER_MAGIC)
		return false;
	bpf_probe_read_kernel(&upper, sizeof(upper), (char *)ADDRESS(inode) + KRSI_SIZE_OF(struct inode));
	return upper;
}

/* An inode that is NULL has none of it. */
#define KRSI_GATHER_FILE(event, inode)                                                                     \
	do {                                                                                               \
		if (krsi_file_told) {                                                                      \
			(event)->file_mode = READ(inode, i_mode);                                          \
			(event)->file_uid = READ(inode, i_uid.val);                                        \
			(event)->file_gid = READ(inode, i_gid.val);                                        \
			(event)->file_upper = krsi_is_upper(inode);                                        \
		}                                                                                          \
	} while (0)

#endif
