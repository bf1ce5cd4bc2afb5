/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Cgroups of a scope, by name. */
#ifndef KRSI_CGROUPS_BPF_H
#define KRSI_CGROUPS_BPF_H

#include "krsi.bpf.h"
#include "krsi_counters.bpf.h"
#include "krsi_scope_members.bpf.h"

/*
 * A scope names a cgroup by its path, and membership is decided by the cgroup's id. A service that is
 * restarted has a new cgroup under the old path. The kernel calls the tracepoint below before mkdir(2) returns
 * (kernel/cgroup/cgroup.c, cgroup_mkdir: before kernfs_activate makes the directory visible), so no task can be in
 * the new cgroup before it is in scope, whether the shell is running or not.
 *
 * Each path of the scope is a chain of steps down from the top of the mounted hierarchy. A step leads from one
 * node to the next by a name; nodes are numbers that the shell gives, and cgroups come and go at them.
 */
#define KRSI_CGROUP_NAME 128

struct krsi_cgroup_step {
	u32 from;
	char name[KRSI_CGROUP_NAME];
};

struct krsi_cgroup_node {
	u32 node;
	u16 member; /* enum krsi_cgroup_member */
	u16 place;  /* one more than its number in krsi_scope_places; 0: it has none */
};

enum krsi_cgroup_member {
	KRSI_CGROUP_MEMBER = 1,     /* of `cgroup` */
	KRSI_CGROUP_NOT_MEMBER = 2, /* of `not_cgroup` */
};

KRSI_KEPT(enum krsi_cgroup_member, cgroup_member);

/* Made as large as the scope at hand. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct krsi_cgroup_step);
	__type(value, struct krsi_cgroup_node);
} krsi_scope_steps SEC(".maps");

/* The node at which each cgroup is now. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, u64);
	__type(value, u32);
} krsi_scope_nodes SEC(".maps");

#define KRSI_PLACES 4

/* Which cgroup is now at each place that `cgroup` names, where these are few; 0: none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KRSI_PLACES);
	__type(key, u32);
	__type(value, u64);
} krsi_scope_places SEC(".maps");

static __always_inline void krsi_cgroup_take_place(u32 place, u64 id)
{
	bpf_map_update_elem(&krsi_scope_places, &place, &id, BPF_ANY);
}

static __always_inline u64 krsi_cgroup_id(struct cgroup *cgroup)
{
	struct kernfs_node *node = READ(cgroup, kn);

	return READ(node, id);
}

/* Ids are unique within one hierarchy; that of cgroup v2 is number 0. */
static __always_inline bool krsi_cgroup_is_v2(struct cgroup *cgroup)
{
	struct cgroup_root *root = READ(cgroup, root);

	return READ(root, hierarchy_id) == 0;
}

static __always_inline void krsi_cgroup_admit(u64 id, enum krsi_scope_kind kind)
{
	struct krsi_scope_key key = { .kind = kind, .number = id };
	u8 one = 1;

	if (bpf_map_update_elem(&krsi_scope_members, &key, &one, BPF_ANY))
		krsi_count(krsi_counter_errors);
}

SEC("tp_btf/cgroup_mkdir")
int krsi_scope_mkdir(u64 *context)
{
	struct cgroup *cgroup = ARG(context, 0, struct cgroup *);
	struct krsi_cgroup_step step = {};
	struct krsi_cgroup_node *found;
	struct kernfs_node *node;
	u64 id;
	u32 *from;

	if (!krsi_cgroup_is_v2(cgroup))
		return 0;
	/* A cgroup begins with its own css (`self`), so the parent's css is the parent. */
	id = krsi_cgroup_id((struct cgroup *)READ(cgroup, self.parent));
	from = bpf_map_lookup_elem(&krsi_scope_nodes, &id);
	if (!from)
		return 0;
	step.from = *from;
	node = READ(cgroup, kn);
	/* What fills it is cut, and no name of the scope's is so long. */
	if (bpf_probe_read_kernel_str(step.name, sizeof(step.name), READ(node, name)) >= (long)sizeof(step.name))
		return 0;
	found = bpf_map_lookup_elem(&krsi_scope_steps, &step);
	if (!found)
		return 0;

	u32 at = found->node;
	u32 member = found->member;
	u32 place = found->place;

	id = krsi_cgroup_id(cgroup);
	if (bpf_map_update_elem(&krsi_scope_nodes, &id, &at, BPF_ANY))
		krsi_count(krsi_counter_errors);
	if (place)
		krsi_cgroup_take_place(place - 1, id);
	if (member & KRSI_CGROUP_MEMBER)
		krsi_cgroup_admit(id, krsi_scope_kind_cgroup);
	if (member & KRSI_CGROUP_NOT_MEMBER)
		krsi_cgroup_admit(id, krsi_scope_kind_cgroup + KRSI_SCOPE_NOT);
	return 0;
}

/* No task is in it any more, and its id is not used again: this makes room. */
SEC("tp_btf/cgroup_rmdir")
int krsi_scope_rmdir(u64 *context)
{
	struct cgroup *cgroup = ARG(context, 0, struct cgroup *);
	struct krsi_scope_key key = { .kind = krsi_scope_kind_cgroup };
	u64 id;

	if (!krsi_cgroup_is_v2(cgroup))
		return 0;
	id = krsi_cgroup_id(cgroup);
	if (bpf_map_delete_elem(&krsi_scope_nodes, &id))
		return 0;
	key.number = id;
	bpf_map_delete_elem(&krsi_scope_members, &key);
	key.kind = krsi_scope_kind_cgroup + KRSI_SCOPE_NOT;
	bpf_map_delete_elem(&krsi_scope_members, &key);
	return 0;
}

#endif
