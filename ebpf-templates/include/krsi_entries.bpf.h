/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Entries of directories: what hooks about names are given, which need not have a file yet. */
#ifndef KRSI_ENTRIES_BPF_H
#define KRSI_ENTRIES_BPF_H

#include "krsi_path_params.bpf.h"
#include "krsi_paths.bpf.h"

/*
 * An argument of which the place differs between kernels. The compiler would make one load of two, with a choice between the
 * addresses; the verifier wants each at a fixed place.
 */
#define KRSI_ARG_AT(context, index, type)                                                                  \
	({                                                                                                 \
		u64 word_;                                                                                 \
		asm volatile("%[word] = *(u64 *)(%[from] + %[at])"                                         \
			     : [word] "=r"(word_)                                                          \
			     : [from] "r"(context), [at] "i"((index) * 8));                                \
		(type) word_;                                                                              \
	})

/* Apart: what is read of a member of a template's own struct would be looked for in the kernel's types. */
static __always_inline struct inode *krsi_inode_of(struct dentry *dentry)
{
	return READ(dentry, d_inode);
}

static __always_inline struct vfsmount *krsi_mount_of(struct path *path)
{
	return READ(path, mnt);
}

/* Whether the entry is none of those that the params name, as far as can be told before its path is found. */
static __always_inline bool krsi_rules_out_entry(volatile struct settings *settings, struct path *directory,
						 struct dentry *dentry)
{
	if (!settings->params.path || settings->params.path_prefix || settings->params.path_suffix)
		return false;
	return !krsi_match_inode(READ(dentry, d_inode)) && krsi_has_other_name(READ(directory, mnt), dentry);
}

static __always_inline bool krsi_needs_path(volatile struct settings *settings)
{
	return krsi_tells_path(settings) || krsi_names_files(settings);
}

/* The path of an entry that is there, if it is needed. */
static __always_inline void krsi_gather_entry(volatile struct settings *settings, struct scratch *scratch,
					      struct path *directory, struct dentry *dentry)
{
	if (krsi_needs_path(settings))
		krsi_gather_name(scratch, READ(directory, mnt), dentry);
}

/*
 * The same of one that is about to be there. The kernel holds it to be gone as long as it is not: so what is noted of the
 * name is that of its directory.
 */
static __always_inline void krsi_gather_new_entry(volatile struct settings *settings, struct scratch *scratch,
						  struct path *directory, struct dentry *dentry)
{
	if (!krsi_needs_path(settings))
		return;
	krsi_gather_name(scratch, READ(directory, mnt), dentry);
	scratch->path_dentry = (u64)READ(directory, dentry);
}

/* The path of what a hook was given as a path. */
static __always_inline void krsi_gather_place(volatile struct settings *settings, struct scratch *scratch,
					      struct path *place)
{
	if (krsi_needs_path(settings))
		krsi_gather_name(scratch, READ(place, mnt), READ(place, dentry));
}

/* The same, for krsi_rules_out_entry. */
static __always_inline bool krsi_rules_out_place(volatile struct settings *settings, struct path *place)
{
	return krsi_rules_out_entry(settings, place, READ(place, dentry));
}

/* ---- operations with two names --------------------------------------------- */

/*
 * Whether what stands in the event's path is among what the params name. The path is empty afterwards, for the name that the
 * event is about.
 */
static __always_inline enum krsi_match krsi_match_other(volatile struct settings *settings, struct scratch *scratch,
							struct inode *inode)
{
	enum krsi_match match = krsi_match_path(settings, scratch, inode);

	scratch->event.header.notes &= ~KRSI_NOTE_NO_PATH;
	scratch->event.path.text[0] = '\0';
	krsi_set_path_length(scratch, 0);
	scratch->path_dentry = 0;
	return match;
}

/* Either match is enough; without one, what cannot be told is not told. */
static __always_inline enum krsi_match krsi_either(enum krsi_match one, enum krsi_match other)
{
	if (one == KRSI_MATCH || other == KRSI_MATCH)
		return KRSI_MATCH;
	return one == KRSI_UNKNOWN || other == KRSI_UNKNOWN ? KRSI_UNKNOWN : KRSI_NO_MATCH;
}

/* Behind the event's path, as a text of KRSI_PATH_SIZE: the path of another entry. */
static __always_inline void krsi_gather_other(struct scratch *scratch, struct vfsmount *mount, struct dentry *dentry)
{
	char *to = krsi_tail(scratch, KRSI_PATH_SIZE);
	long length = 0;

	if (!to)
		return; /* the path's length is never more */
	to[0] = '\0';
	if (krsi_walk(scratch, mount, (struct dentry *)ADDRESS(dentry)))
		length = bpf_probe_read_kernel_str(to, KRSI_PATH_SIZE, krsi_walked(scratch));
	if (length <= 1)
		scratch->event.header.notes |= KRSI_NOTE_NO_TARGET;
	scratch->used += length > 0 && length <= KRSI_PATH_SIZE ? length : 1;
}

#endif
