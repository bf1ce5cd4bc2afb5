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
	krsi_scope_kind_cgroup,
	KRSI_SCOPE_KINDS, /* how many */
	KRSI_SCOPE_NOT = 32,
};

KRSI_KEPT(enum krsi_scope_kind, scope_kind);

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
