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

#endif
