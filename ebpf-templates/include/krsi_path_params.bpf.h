/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What fills KRSI_PATH_PARAMS, and whether a file is among it. */
#ifndef KRSI_PATH_PARAMS_BPF_H
#define KRSI_PATH_PARAMS_BPF_H

#include "krsi_paths.bpf.h"
#include "krsi_prefixes.bpf.h"

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

/* Suffixes, last byte first. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct krsi_key);
	__type(value, u8);
} krsi_suffixes_table SEC(".maps");

/*
 * Last names of the paths of `path`, a bit for a hash of each: what has another name is none of them, and its path need
 * not be found.
 */
#define KRSI_NAME_WORDS 512

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KRSI_NAME_WORDS);
	__type(key, u32);
	__type(value, u64);
} krsi_path_names SEC(".maps");

/* Of the length and the first 8 bytes of a name: the finalizer of SplitMix64. */
static __always_inline u32 krsi_name_hash(u64 length, u64 first)
{
	u64 hash = first ^ length << 56;

	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9ULL;
	hash = (hash ^ hash >> 27) * 0x94d049bb133111ebULL;
	return hash ^ hash >> 31;
}

/* Whether a file of this name cannot be one that `path` names by its name. */
static __always_inline bool krsi_has_other_name(struct vfsmount *mount, struct dentry *dentry)
{
	u32 length = READ(dentry, d_name.len);
	u64 first = 0;
	u32 hash, index;
	u64 *word;

	/* The root of a mount is reached by the name that it is mounted on; what is in no tree has a made-up one. */
	if (READ(mount, mnt_root) == dentry || READ(dentry, d_parent) == dentry)
		return false;
	if (bpf_probe_read_kernel(&first, sizeof(first), READ(dentry, d_name.name)))
		return false;
	if (length < sizeof(first))
		first &= (1ULL << 8 * length) - 1;
	hash = krsi_name_hash(length, first);
	index = hash >> 6 & (KRSI_NAME_WORDS - 1);
	word = bpf_map_lookup_elem(&krsi_path_names, &index);
	return word && !(*word >> (hash & 63) & 1);
}

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

/* Whether the file is none of those that the params name, as far as can be told before its path is found. */
static __always_inline bool krsi_rules_out_file(volatile struct settings *settings, struct file *file)
{
	if (!settings->params.path || settings->params.path_prefix || settings->params.path_suffix)
		return false;
	return !krsi_match_inode(READ(file, f_inode)) &&
	       krsi_has_other_name(READ(file, f_path.mnt), READ(file, f_path.dentry));
}

/* Whether one of path, path_prefix and path_suffix is set. */
static __always_inline bool krsi_names_files(volatile struct settings *settings)
{
	return settings->params.path || settings->params.path_prefix || settings->params.path_suffix;
}

/* The path of the file, if it is needed. */
static __always_inline void krsi_gather_file(volatile struct settings *settings, struct scratch *scratch,
					     struct file *file)
{
	if (krsi_tells_path(settings) || krsi_names_files(settings))
		krsi_gather_path(scratch, file);
}

/* Whether the file is one of those that path, path_prefix and path_suffix name. */
static __always_inline enum krsi_match krsi_match_path(volatile struct settings *settings,
						       struct scratch *scratch, struct inode *inode)
{
	bool paths = settings->params.path;
	bool prefixes = settings->params.path_prefix;
	bool suffixes = settings->params.path_suffix;

	if (!krsi_names_files(settings))
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

#endif
