/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Scope by how the path of an executable begins or ends: exe_prefix, exe_suffix, and those of the parent. */
#ifndef KRSI_EXECUTABLES_BPF_H
#define KRSI_EXECUTABLES_BPF_H

#include "krsi_process.bpf.h"
#include "krsi_scope_members.bpf.h"

/* A path, or one last byte first. In front of struct krsi_process's texts stands what makes them one. */
struct krsi_exe_key {
	u32 bits;
	char text[KRSI_PROCESS_EXE];
};

/*
 * Whose executable it is to be, and whether it is to or not: bits of the tables' values. The shell gives each entry also the bits of
 * those that it begins with: the longest entry is the only one that a lookup finds.
 */
enum krsi_exe_of {
	KRSI_EXE_OWN = 1,
	KRSI_EXE_NOT_OWN = 2,
	KRSI_EXE_PARENT = 4,
	KRSI_EXE_NOT_PARENT = 8,
};

KRSI_KEPT(enum krsi_exe_of, exe_of);

/* They may be filled anew while the probe runs. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct krsi_exe_key);
	__type(value, u8);
} krsi_exe_prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct krsi_exe_key);
	__type(value, u8);
} krsi_exe_suffixes SEC(".maps");

#define KRSI_SCOPE_BITS(kind) (1ULL << krsi_scope_kind_##kind | 1ULL << (krsi_scope_kind_##kind + KRSI_SCOPE_NOT))
#define KRSI_SCOPE_PREFIX_BITS (KRSI_SCOPE_BITS(exe_prefix) | KRSI_SCOPE_BITS(parent_exe_prefix))
#define KRSI_SCOPE_SUFFIX_BITS (KRSI_SCOPE_BITS(exe_suffix) | KRSI_SCOPE_BITS(parent_exe_suffix))
#define KRSI_SCOPE_ASKS_NAMES (krsi_scope_kinds & (KRSI_SCOPE_PREFIX_BITS | KRSI_SCOPE_SUFFIX_BITS))

/* What the bits that were found mean to a kind, of which `own` and its double are the bits. */
static __always_inline enum krsi_scope krsi_scope_by(enum krsi_scope_kind kind, u64 found, u32 own)
{
	if (krsi_scope_kinds & 1ULL << kind && !(found & own))
		return KRSI_OUT_OF_SCOPE;
	return krsi_scope_kinds & 1ULL << (kind + KRSI_SCOPE_NOT) && found & 2 * own ? KRSI_OUT_OF_SCOPE : KRSI_IN_SCOPE;
}

/* What krsi_executable_of gives: the bits that the path's beginning has in the tables; its end's; and these. */
#define KRSI_EXE_BY_SUFFIX 8 /* bits further up */
#define KRSI_EXE_CUT (1ULL << 16)
#define KRSI_EXE_UNKNOWN (1ULL << 17)

/*
 * Looks up the executable of a process, by the address of one of its tasks. A thread of the kernel has none, and so no path that begins
 * or ends with anything; nor has the parent of what has none.
 */
__noinline u64 krsi_executable_of(u64 address)
{
	struct task_struct *task = (struct task_struct *)address;
	struct task_struct *leader = READ(task, group_leader);
	u64 execution = READ(leader, self_exec_id);
	u32 pid = READ(task, tgid);
	struct krsi_process *record;
	u64 number, found = 0;
	u8 *bits;

	if (!pid || READ(task, flags) & PF_KTHREAD)
		return 0;
	record = bpf_map_lookup_elem(&krsi_processes, &pid);
	if (!record || record->execution != execution || !record->exe_bits)
		return KRSI_EXE_UNKNOWN;
	number = record->number;
	if (krsi_scope_kinds & KRSI_SCOPE_PREFIX_BITS) {
		bits = bpf_map_lookup_elem(&krsi_exe_prefixes, &record->exe_bits);
		found |= bits ? *bits : 0;
	}
	if (krsi_scope_kinds & KRSI_SCOPE_SUFFIX_BITS) {
		bits = bpf_map_lookup_elem(&krsi_exe_suffixes, &record->reversed_bits);
		found |= (bits ? (u64)*bits : 0) << KRSI_EXE_BY_SUFFIX;
		if (record->exe_bits >= 8 * (KRSI_PROCESS_EXE - 1))
			found |= KRSI_EXE_CUT;
	}
	/* Meanwhile it may have made room for another. */
	record = bpf_map_lookup_elem(&krsi_processes, &pid);
	return record && record->number == number && record->execution == execution ? found : KRSI_EXE_UNKNOWN;
}

/* What prefixes and suffixes of one executable say, whose kinds and bits these are. */
static __always_inline enum krsi_scope krsi_scope_by_executable(u64 address, enum krsi_scope_kind prefix,
								enum krsi_scope_kind suffix, u32 own)
{
	u64 found = krsi_executable_of(address);

	if (found & KRSI_EXE_UNKNOWN)
		return KRSI_SCOPE_UNKNOWN;
	if (krsi_scope_by(prefix, found, own) == KRSI_OUT_OF_SCOPE)
		return KRSI_OUT_OF_SCOPE;
	/* Of a path that is cut nobody knows the end. */
	if (krsi_scope_asks(suffix) && found & KRSI_EXE_CUT)
		return KRSI_SCOPE_UNKNOWN;
	return krsi_scope_by(suffix, found >> KRSI_EXE_BY_SUFFIX, own);
}

static __always_inline enum krsi_scope krsi_scope_of_names(struct task_struct *task)
{
	enum krsi_scope scope = KRSI_IN_SCOPE;

	if (krsi_scope_asks(krsi_scope_kind_exe_prefix) || krsi_scope_asks(krsi_scope_kind_exe_suffix))
		scope = krsi_scope_by_executable(READ_ADDRESS(task, group_leader), krsi_scope_kind_exe_prefix,
						 krsi_scope_kind_exe_suffix, KRSI_EXE_OWN);
	if (scope != KRSI_OUT_OF_SCOPE && (krsi_scope_asks(krsi_scope_kind_parent_exe_prefix) ||
					   krsi_scope_asks(krsi_scope_kind_parent_exe_suffix))) {
		struct task_struct *leader = READ_TASK(task, group_leader);

		scope = krsi_scope_and(scope, krsi_scope_by_executable(READ_ADDRESS(leader, real_parent),
								       krsi_scope_kind_parent_exe_prefix,
								       krsi_scope_kind_parent_exe_suffix, KRSI_EXE_PARENT));
	}
	return scope;
}

#endif
