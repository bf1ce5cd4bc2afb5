/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* A table of beginnings of paths. */
#ifndef KRSI_PREFIXES_BPF_H
#define KRSI_PREFIXES_BPF_H

#include "krsi_scratch.bpf.h"

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

#endif
