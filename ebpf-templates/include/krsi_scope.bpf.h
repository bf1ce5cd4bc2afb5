/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Which tasks a probe applies to. */
#ifndef KRSI_SCOPE_BPF_H
#define KRSI_SCOPE_BPF_H

#include "krsi_cgroups.bpf.h"
#include "krsi_scope_members.bpf.h"
#include "krsi_subtrees.bpf.h"
#include "krsi_task.bpf.h"

/* Whether a kind is in force, in either polarity. */
static __always_inline bool krsi_scope_asks(u64 kinds, enum krsi_scope_kind kind)
{
	return kinds & (1ULL << kind | 1ULL << (kind + KRSI_SCOPE_NOT));
}

/* Whether `kinds` in force let this member of `kind` pass. */
static __always_inline bool krsi_scope_admits(u64 kinds, enum krsi_scope_kind kind, struct krsi_scope_key *key)
{
	key->kind = kind;
	if (kinds & 1ULL << kind && !bpf_map_lookup_elem(&krsi_scope_members, key))
		return false;
	key->kind = kind + KRSI_SCOPE_NOT;
	return !(kinds & 1ULL << (kind + KRSI_SCOPE_NOT)) || !bpf_map_lookup_elem(&krsi_scope_members, key);
}

static __always_inline bool krsi_scope_admits_number(u64 kinds, enum krsi_scope_kind kind, u64 number)
{
	struct krsi_scope_key key = { .number = number };

	return krsi_scope_admits(kinds, kind, &key);
}

static __always_inline bool krsi_scope_admits_comm(u64 kinds, struct task_struct *task)
{
	struct krsi_scope_key key = {};

	/* Up to the NUL only: what a longer name has left behind it is no part of this one. */
	bpf_probe_read_kernel_str(key.comm, sizeof(key.comm), __builtin_preserve_access_index(&task->comm));
	return krsi_scope_admits(kinds, krsi_scope_kind_comm, &key);
}

/* What a scope says of a task. */
enum krsi_scope {
	KRSI_OUT_OF_SCOPE,
	KRSI_IN_SCOPE,
	KRSI_SCOPE_UNKNOWN,
};

static __always_inline enum krsi_scope krsi_scope_of_pid(u64 kinds, struct task_struct *task)
{
	u32 pid = READ(task, tgid);
	u8 *found = bpf_map_lookup_elem(&krsi_scope_pids, &pid);
	u8 trees = found ? *found : 0;

	if (!found && krsi_scope_may_be_lost(task))
		return KRSI_SCOPE_UNKNOWN;
	if (kinds & 1ULL << krsi_scope_kind_pid && !(trees & KRSI_SUBTREE))
		return KRSI_OUT_OF_SCOPE;
	if (kinds & 1ULL << (krsi_scope_kind_pid + KRSI_SCOPE_NOT) && trees & KRSI_NOT_SUBTREE)
		return KRSI_OUT_OF_SCOPE;
	return KRSI_IN_SCOPE;
}

/* A task without an executable (a kernel thread) is of none. */
static __always_inline bool krsi_scope_admits_exe(u64 kinds, enum krsi_scope_kind kind, struct task_struct *task)
{
	struct mm_struct *mm = READ(task, mm);
	struct file *file = READ(mm, exe_file);
	struct inode *inode = READ(file, f_inode);
	struct super_block *super = READ(inode, i_sb);
	struct krsi_scope_key key = { .device = READ(super, s_dev), .number = READ(inode, i_ino) };

	return krsi_scope_admits(kinds, kind, &key);
}

/* A subtree is all of it: further up than this nobody is (each level is a directory in memory, made one by one). */
#define KRSI_CGROUPS_A_ROUND 64
#define KRSI_CGROUP_ROUNDS 64

/* What one cgroup is to the scope; KRSI_SCOPE_UNKNOWN if that depends on those above. */
static __always_inline enum krsi_scope krsi_scope_of_cgroup(u64 kinds, struct cgroup *cgroup)
{
	struct kernfs_node *node = READ(cgroup, kn);
	struct krsi_scope_key key = { .number = READ(node, id) };
	bool negated = kinds & 1ULL << (krsi_scope_kind_cgroup + KRSI_SCOPE_NOT);

	if (negated) {
		key.kind = krsi_scope_kind_cgroup + KRSI_SCOPE_NOT;
		if (bpf_map_lookup_elem(&krsi_scope_members, &key))
			return KRSI_OUT_OF_SCOPE;
	}
	key.kind = krsi_scope_kind_cgroup;
	if (kinds & 1ULL << krsi_scope_kind_cgroup && bpf_map_lookup_elem(&krsi_scope_members, &key))
		return KRSI_IN_SCOPE;
	return KRSI_SCOPE_UNKNOWN;
}

#define KRSI_BELOW 1ULL /* of an address: that of a cgroup has no such bit */

/*
 * One step up from a cgroup, with KRSI_BELOW once one was named by `cgroup`. Gives the next one; 0 at the top, or if the
 * task is out of scope.
 */
__noinline u64 krsi_scope_step(u64 kinds, u64 at)
{
	struct cgroup *cgroup = (struct cgroup *)(at & ~KRSI_BELOW);

	switch (krsi_scope_of_cgroup(kinds, cgroup)) {
	case KRSI_OUT_OF_SCOPE:
		return 0;
	case KRSI_IN_SCOPE:
		at |= KRSI_BELOW;
		break;
	default:
		break;
	}
	/* A cgroup begins with its own css (`self`), so the parent's css is the parent. */
	cgroup = (struct cgroup *)READ(cgroup, self.parent);
	return (u64)cgroup | (at & KRSI_BELOW);
}

/* Several steps, so that the verifier looks at both loops once each. */
__noinline u64 krsi_scope_round(u64 kinds, u64 at)
{
	for (int step = 0; step < KRSI_CGROUPS_A_ROUND && at & ~KRSI_BELOW; step++)
		at = krsi_scope_step(kinds, at);
	return at;
}

static __always_inline enum krsi_scope krsi_scope_of_cgroups(u64 kinds, struct task_struct *task)
{
	struct css_set *set = READ(task, cgroups);
	u64 at = (u64)READ(set, dfl_cgrp);

	if (!(kinds & 1ULL << krsi_scope_kind_cgroup))
		at |= KRSI_BELOW;
	for (int round = 0; round < KRSI_CGROUP_ROUNDS; round++) {
		at = krsi_scope_round(kinds, at);
		if (!(at & ~KRSI_BELOW))
			return at ? KRSI_IN_SCOPE : KRSI_OUT_OF_SCOPE;
	}
	return KRSI_SCOPE_UNKNOWN;
}

static __always_inline bool krsi_scope_admits_ids(u64 kinds, struct task_struct *task)
{
	struct cred *cred = krsi_cred(task);

	return (!krsi_scope_asks(kinds, krsi_scope_kind_uid) ||
		krsi_scope_admits_number(kinds, krsi_scope_kind_uid, READ(cred, uid.val))) &&
	       (!krsi_scope_asks(kinds, krsi_scope_kind_gid) ||
		krsi_scope_admits_number(kinds, krsi_scope_kind_gid, READ(cred, gid.val))) &&
	       (!krsi_scope_asks(kinds, krsi_scope_kind_loginuid) ||
		krsi_scope_admits_number(kinds, krsi_scope_kind_loginuid, READ(task, loginuid.val))) &&
	       (!krsi_scope_asks(kinds, krsi_scope_kind_user_ns) ||
		krsi_scope_admits_number(kinds, krsi_scope_kind_user_ns, krsi_user_ns(cred)));
}

static __always_inline bool krsi_scope_admits_executables(u64 kinds, struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);

	return (!krsi_scope_asks(kinds, krsi_scope_kind_exe) ||
		krsi_scope_admits_exe(kinds, krsi_scope_kind_exe, task)) &&
	       (!krsi_scope_asks(kinds, krsi_scope_kind_parent_exe) ||
		krsi_scope_admits_exe(kinds, krsi_scope_kind_parent_exe, READ(leader, real_parent)));
}

/* Of two answers the one that counts: who is out by one of them is out. */
static __always_inline enum krsi_scope krsi_scope_and(enum krsi_scope one, enum krsi_scope other)
{
	if (one == KRSI_OUT_OF_SCOPE || other == KRSI_OUT_OF_SCOPE)
		return KRSI_OUT_OF_SCOPE;
	return one == KRSI_SCOPE_UNKNOWN ? one : other;
}

static __always_inline bool krsi_scope_admits_others(u64 kinds, struct task_struct *task)
{
	return (!krsi_scope_asks(kinds, krsi_scope_kind_pid_ns) ||
		krsi_scope_admits_number(kinds, krsi_scope_kind_pid_ns, krsi_pid_ns(task))) &&
	       (!krsi_scope_asks(kinds, krsi_scope_kind_mnt_ns) ||
		krsi_scope_admits_number(kinds, krsi_scope_kind_mnt_ns, krsi_mnt_ns(task))) &&
	       krsi_scope_admits_executables(kinds, task);
}

/* What the kinds of scope in force say of this task: an enum krsi_scope. */
__noinline u64 krsi_in_scope(u64 kinds, u64 task_address)
{
	struct task_struct *task = (struct task_struct *)task_address;
	enum krsi_scope scope = KRSI_IN_SCOPE;

	if (!kinds)
		return KRSI_IN_SCOPE;
	if (!krsi_scope_admits_ids(kinds, task) ||
	    (krsi_scope_asks(kinds, krsi_scope_kind_comm) && !krsi_scope_admits_comm(kinds, task)))
		return KRSI_OUT_OF_SCOPE;
	if (krsi_scope_asks(kinds, krsi_scope_kind_pid))
		scope = krsi_scope_of_pid(kinds, task);
	if (scope == KRSI_OUT_OF_SCOPE || !krsi_scope_admits_others(kinds, task))
		return KRSI_OUT_OF_SCOPE;
	if (krsi_scope_asks(kinds, krsi_scope_kind_cgroup))
		scope = krsi_scope_and(scope, krsi_scope_of_cgroups(kinds, task));
	return scope;
}

#endif
