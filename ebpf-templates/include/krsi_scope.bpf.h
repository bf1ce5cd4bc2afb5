/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Which tasks a probe applies to. */
#ifndef KRSI_SCOPE_BPF_H
#define KRSI_SCOPE_BPF_H

#include "krsi_cgroups.bpf.h"
#include "krsi_executables.bpf.h"
#include "krsi_scope_members.bpf.h"
#include "krsi_subtrees.bpf.h"
#include "krsi_task.bpf.h"

/* Members of a kind that are a number and so few that they stand in the program. */
#define KRSI_FEW 4

struct krsi_few {
	u32 count; /* 0: they are in krsi_scope_members, however many */
	u32 zero;
	u64 numbers[KRSI_FEW];
};

/* Of each kind, as it is and negated. */
const volatile struct krsi_few krsi_scope_few[2 * KRSI_SCOPE_KINDS] = {};

static __always_inline bool krsi_scope_has(enum krsi_scope_kind kind, struct krsi_scope_key *key)
{
	key->kind = kind;
	return bpf_map_lookup_elem(&krsi_scope_members, key);
}

/* Whether the kinds in force let this member of `kind` pass. */
static __always_inline bool krsi_scope_admits(enum krsi_scope_kind kind, struct krsi_scope_key *key)
{
	if (krsi_scope_kinds & 1ULL << kind && !krsi_scope_has(kind, key))
		return false;
	return !(krsi_scope_kinds & 1ULL << (kind + KRSI_SCOPE_NOT)) || !krsi_scope_has(kind + KRSI_SCOPE_NOT, key);
}

static __always_inline bool krsi_scope_has_number(enum krsi_scope_kind kind, bool negated, u64 number)
{
	const volatile struct krsi_few *few = &krsi_scope_few[2 * kind + negated];

	if (!few->count) {
		struct krsi_scope_key key = { .number = number };

		return krsi_scope_has(negated ? kind + KRSI_SCOPE_NOT : kind, &key);
	}
#pragma clang loop unroll(full)
	for (u32 i = 0; i < KRSI_FEW; i++)
		if (i < few->count && number == few->numbers[i])
			return true;
	return false;
}

static __always_inline bool krsi_scope_admits_number(enum krsi_scope_kind kind, u64 number)
{
	if (krsi_scope_kinds & 1ULL << kind && !krsi_scope_has_number(kind, false, number))
		return false;
	return !(krsi_scope_kinds & 1ULL << (kind + KRSI_SCOPE_NOT)) || !krsi_scope_has_number(kind, true, number);
}

static __always_inline bool krsi_scope_admits_comm(struct task_struct *task)
{
	struct krsi_scope_key key = {};

	/* Up to the NUL only: what a longer name has left behind it is no part of this one. */
	bpf_probe_read_kernel_str(key.comm, sizeof(key.comm), __builtin_preserve_access_index(&task->comm));
	return krsi_scope_admits(krsi_scope_kind_comm, &key);
}

static __always_inline enum krsi_scope krsi_scope_of_pid(struct task_struct *task)
{
	u32 pid = READ_TASK(task, tgid);
	u8 *found = bpf_map_lookup_elem(&krsi_scope_pids, &pid);
	u8 trees = found ? *found : 0;

	if (!found && krsi_scope_may_be_lost(task))
		return KRSI_SCOPE_UNKNOWN;
	if (krsi_scope_kinds & 1ULL << krsi_scope_kind_pid && !(trees & KRSI_SUBTREE))
		return KRSI_OUT_OF_SCOPE;
	if (krsi_scope_kinds & 1ULL << (krsi_scope_kind_pid + KRSI_SCOPE_NOT) && trees & KRSI_NOT_SUBTREE)
		return KRSI_OUT_OF_SCOPE;
	return KRSI_IN_SCOPE;
}

/* A task without an executable (a kernel thread) is of none. */
static __always_inline bool krsi_scope_admits_exe(enum krsi_scope_kind kind, struct task_struct *task)
{
	struct mm_struct *mm = READ(task, mm);
	struct file *file = READ(mm, exe_file);
	struct inode *inode = READ(file, f_inode);
	struct super_block *super = READ(inode, i_sb);
	struct krsi_scope_key key = { .device = READ(super, s_dev), .number = READ(inode, i_ino) };

	return krsi_scope_admits(kind, &key);
}

/* A subtree is all of it: further up than this nobody is (each level is a directory in memory, made one by one). */
#define KRSI_CGROUPS_A_ROUND 64
#define KRSI_CGROUP_ROUNDS 64

/* What one cgroup is to the scope; KRSI_SCOPE_UNKNOWN if that depends on those above. */
static __always_inline enum krsi_scope krsi_scope_of_cgroup(struct cgroup *cgroup)
{
	struct kernfs_node *node = READ(cgroup, kn);
	struct krsi_scope_key key = { .number = READ(node, id) };
	bool negated = krsi_scope_kinds & 1ULL << (krsi_scope_kind_cgroup + KRSI_SCOPE_NOT);

	if (negated) {
		key.kind = krsi_scope_kind_cgroup + KRSI_SCOPE_NOT;
		if (bpf_map_lookup_elem(&krsi_scope_members, &key))
			return KRSI_OUT_OF_SCOPE;
	}
	key.kind = krsi_scope_kind_cgroup;
	if (krsi_scope_kinds & 1ULL << krsi_scope_kind_cgroup && bpf_map_lookup_elem(&krsi_scope_members, &key))
		return KRSI_IN_SCOPE;
	return KRSI_SCOPE_UNKNOWN;
}

#define KRSI_BELOW 1ULL /* of an address: that of a cgroup has no such bit */

/*
 * One step up from a cgroup, with KRSI_BELOW once one was named by `cgroup`. Gives the next one; 0 at the top, or if the
 * task is out of scope.
 */
__noinline u64 krsi_scope_step(u64 at)
{
	struct cgroup *cgroup = (struct cgroup *)(at & ~KRSI_BELOW);

	switch (krsi_scope_of_cgroup(cgroup)) {
	case KRSI_OUT_OF_SCOPE:
		return 0;
	case KRSI_IN_SCOPE:
		at |= KRSI_BELOW;
		break;
	default:
		break;
	}
	/* A cgroup begins with its own css (`self`), so the parent's css is the parent. */
	return READ_ADDRESS(cgroup, self.parent) | (at & KRSI_BELOW);
}

/* Several steps, so that the verifier looks at both loops once each. */
__noinline u64 krsi_scope_round(u64 at)
{
	for (int step = 0; step < KRSI_CGROUPS_A_ROUND && at & ~KRSI_BELOW; step++)
		at = krsi_scope_step(at);
	return at;
}

static __always_inline enum krsi_scope krsi_scope_of_cgroups(struct task_struct *task)
{
	struct css_set *set = READ_TASK(task, cgroups);
	u64 at = READ_ADDRESS(set, dfl_cgrp);

	if (!(krsi_scope_kinds & 1ULL << krsi_scope_kind_cgroup))
		at |= KRSI_BELOW;
	for (int round = 0; round < KRSI_CGROUP_ROUNDS; round++) {
		at = krsi_scope_round(at);
		if (!(at & ~KRSI_BELOW))
			return at ? KRSI_IN_SCOPE : KRSI_OUT_OF_SCOPE;
	}
	return KRSI_SCOPE_UNKNOWN;
}

/*
 * The cgroups of `cgroup`, where there are few and each is at a known depth: the shell says which depth, and what is at
 * that place now is in krsi_scope_places. Then the task's ancestor at that depth is asked for, and nobody climbs.
 */
const volatile u32 krsi_scope_depths[KRSI_PLACES] = {}; /* 0: no more */

static __always_inline bool krsi_scope_is_at(u32 place, u32 depth)
{
	u64 *id = bpf_map_lookup_elem(&krsi_scope_places, &place);

	/* No cgroup has the number 0, which is what a place has where none is. */
	return id && *id && *id == bpf_get_current_ancestor_cgroup_id(depth);
}

static __always_inline bool krsi_scope_is_at_one(void)
{
#pragma clang loop unroll(full)
	for (u32 place = 0; place < KRSI_PLACES; place++)
		if (krsi_scope_depths[place] && krsi_scope_is_at(place, krsi_scope_depths[place]))
			return true;
	return false;
}

static __always_inline bool krsi_scope_admits_ids(struct task_struct *task)
{
	struct cred *cred;

	if (!krsi_scope_asks(krsi_scope_kind_uid) && !krsi_scope_asks(krsi_scope_kind_gid) &&
	    !krsi_scope_asks(krsi_scope_kind_user_ns))
		return true;
	cred = krsi_cred(task);
	return (!krsi_scope_asks(krsi_scope_kind_uid) ||
		krsi_scope_admits_number(krsi_scope_kind_uid, READ(cred, uid.val))) &&
	       (!krsi_scope_asks(krsi_scope_kind_gid) ||
		krsi_scope_admits_number(krsi_scope_kind_gid, READ(cred, gid.val))) &&
	       (!krsi_scope_asks(krsi_scope_kind_user_ns) ||
		krsi_scope_admits_number(krsi_scope_kind_user_ns, krsi_user_ns(cred)));
}

static __always_inline bool krsi_scope_admits_executables(struct task_struct *task)
{
	if (krsi_scope_asks(krsi_scope_kind_exe) && !krsi_scope_admits_exe(krsi_scope_kind_exe, task))
		return false;
	if (krsi_scope_asks(krsi_scope_kind_parent_exe)) {
		struct task_struct *leader = READ_TASK(task, group_leader);

		return krsi_scope_admits_exe(krsi_scope_kind_parent_exe, READ(leader, real_parent));
	}
	return true;
}

static __always_inline bool krsi_scope_admits_others(struct task_struct *task)
{
	return (!krsi_scope_asks(krsi_scope_kind_loginuid) ||
		krsi_scope_admits_number(krsi_scope_kind_loginuid, READ_TASK(task, loginuid.val))) &&
	       (!krsi_scope_asks(krsi_scope_kind_pid_ns) ||
		krsi_scope_admits_number(krsi_scope_kind_pid_ns, krsi_pid_ns(task))) &&
	       (!krsi_scope_asks(krsi_scope_kind_mnt_ns) ||
		krsi_scope_admits_number(krsi_scope_kind_mnt_ns, krsi_mnt_ns(task))) &&
	       (!krsi_scope_asks(krsi_scope_kind_comm) || krsi_scope_admits_comm(task)) &&
	       krsi_scope_admits_executables(task);
}

/* What the kinds of scope in force, but for cgroups, say of a task. */
static __always_inline enum krsi_scope krsi_scope_of_task(struct task_struct *task)
{
	enum krsi_scope scope = KRSI_IN_SCOPE;

	if (!krsi_scope_admits_ids(task))
		return KRSI_OUT_OF_SCOPE;
	if (krsi_scope_asks(krsi_scope_kind_pid))
		scope = krsi_scope_of_pid(task);
	if (scope == KRSI_OUT_OF_SCOPE || !krsi_scope_admits_others(task))
		return KRSI_OUT_OF_SCOPE;
	if (KRSI_SCOPE_ASKS_NAMES)
		scope = krsi_scope_and(scope, krsi_scope_of_names(task));
	return scope;
}

/* What the kinds of scope in force say of this task. */
static __always_inline enum krsi_scope krsi_in_scope(struct task_struct *task)
{
	enum krsi_scope scope = krsi_scope_of_task(task);

	if (krsi_scope_asks(krsi_scope_kind_cgroup))
		scope = krsi_scope_and(scope, krsi_scope_of_cgroups(task));
	return scope;
}

/* The same of the task that is running, sooner. */
static __always_inline enum krsi_scope krsi_current_in_scope(void)
{
	if (!krsi_scope_depths[0])
		return krsi_in_scope(krsi_current());
	return krsi_scope_is_at_one() ? krsi_scope_of_task(krsi_current()) : KRSI_OUT_OF_SCOPE;
}

#endif
