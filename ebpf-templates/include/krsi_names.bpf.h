/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * Texts that params name, whole (krsi_names) or by their beginnings (krsi_name_prefixes): names of sockets, of modules, of
 * file systems. One table has those of all such params of a probe; each stands behind the number of its param,
 * so that what one of them names is named by no other.
 *
 * They are compared byte by byte. A whole name ends with its NUL, which no beginning has. Of a longer text the first 254
 * bytes are compared, and no name has as many: so it begins as it does, and is no shorter one.
 */
#ifndef KRSI_NAMES_BPF_H
#define KRSI_NAMES_BPF_H

#include "krsi_scratch.bpf.h"

struct krsi_name {
	u32 bits; /* of all that follows */
	u8 param;
	u8 text[KRSI_KEY_SIZE - 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct krsi_name);
	__type(value, u8);
} krsi_names_table SEC(".maps");

/* Whether the param of this number names the text, which is the kernel's. False if it cannot be read. */
static __always_inline bool krsi_is_named(struct scratch *scratch, u8 param, const char *text)
{
	/* In the place of another key, which is made anew whenever it is used. */
	struct krsi_name *key = (struct krsi_name *)&scratch->reversed;
	long size = bpf_probe_read_kernel_str(key->text, sizeof(key->text), text);

	if (size < 1 || size > (long)sizeof(key->text))
		return false;
	key->param = param;
	key->bits = 8 * (1 + size);
	return bpf_map_lookup_elem(&krsi_names_table, key);
}

/* Whether `param`, of either kind, is set and names the text. */
#define KRSI_IS_NAMED(settings, scratch, param, text)                                                      \
	((settings)->params.param &&                                                                       \
	 krsi_is_named(scratch, __builtin_offsetof(struct params, param) / sizeof(u64), text))

#endif
