/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What a scope names, as the shell resolves it, but for processes. */
#ifndef KRSI_SCOPE_MEMBERS_BPF_H
#define KRSI_SCOPE_MEMBERS_BPF_H

#include "krsi.bpf.h"

/*
 * What a scope can ask of a task. The kinds in force are joined by and, the members of
 * one kind by or; a negated kind asks that the task be none of its members.
 * Cheapest first: so they are asked.
 */
enum krsi_scope_kind {
	krsi_scope_kind_uid,
	krsi_scope_kind_gid,
	krsi_scope_kind_loginuid,
	krsi_scope_kind_comm,
	krsi_scope_kind_pid,
	krsi_scope_kind_user_ns,
	krsi_scope_kind_pid_ns,
	krsi_scope_kind_mnt_ns,
	krsi_scope_kind_exe,
	krsi_scope_kind_parent_exe,
	krsi_scope_kind_exe_prefix,
	krsi_scope_kind_exe_suffix,
	krsi_scope_kind_parent_exe_prefix,
	krsi_scope_kind_parent_exe_suffix,
	krsi_scope_kind_cgroup,
	KRSI_SCOPE_KINDS, /* how many */
	KRSI_SCOPE_NOT = 32,
};

KRSI_KEPT(enum krsi_scope_kind, scope_kind);

/* Which kinds of scope are in force: a bit for each, and KRSI_SCOPE_NOT bits further up one for its negation. */
const volatile u64 krsi_scope_kinds = 0;

/* Whether a kind is in force, in either polarity. */
static __always_inline bool krsi_scope_asks(enum krsi_scope_kind kind)
{
	return krsi_scope_kinds & (1ULL << kind | 1ULL << (kind + KRSI_SCOPE_NOT));
}

/* What a scope says of a task. */
enum krsi_scope {
	KRSI_OUT_OF_SCOPE,
	KRSI_IN_SCOPE,
	KRSI_SCOPE_UNKNOWN,
};

/* Of two answers the one that counts: who is out by one of them is out. */
static __always_inline enum krsi_scope krsi_scope_and(enum krsi_scope one, enum krsi_scope other)
{
	if (one == KRSI_OUT_OF_SCOPE || other == KRSI_OUT_OF_SCOPE)
		return KRSI_OUT_OF_SCOPE;
	return one == KRSI_SCOPE_UNKNOWN ? one : other;
}

struct krsi_scope_key {
	u32 kind;   /* KRSI_SCOPE_NOT more for a member of the negation */
	u32 device; /* of an executable */
	union {
		struct {
			u64 number;
			u64 zero;
		};
		char comm[16];
	};
};

/* The members of every kind but the pids; made as large as the scope at hand. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct krsi_scope_key);
	__type(value, u8);
} krsi_scope_members SEC(".maps");

#endif
