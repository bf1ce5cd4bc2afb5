/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Which container a task is in, told by the names of its cgroups. */
#ifndef KRSI_CONTAINER_BPF_H
#define KRSI_CONTAINER_BPF_H

#include "krsi_scratch.bpf.h"

/*
 * Runtimes put each container into a cgroup of its own and name it after its id, of 64 hexadecimal digits:
 *
 *   docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope   by way of systemd
 *   …/ID, libpod-ID                                                            by themselves
 *   machine-NAME.scope, systemd-nspawn@NAME.service                            systemd-nspawn
 *   lxc.payload.NAME                                                           LXC
 *
 * Inside there may be further cgroups, so the names above are looked at too. The monitors that podman and cri-o put beside
 * a container (conmon) are outside of it.
 */
#define KRSI_CONTAINER_ID 64
#define KRSI_CGROUP_LEVELS 8
/* As much of a name as is looked at. */
#define KRSI_CONTAINER_NAME 128

static const char krsi_conmon[] = "conmon-";
static const char krsi_scope_suffix[] = ".scope";
static const char krsi_service_suffix[] = ".service";
static const char krsi_machine[] = "machine-";
static const char krsi_nspawn[] = "systemd-nspawn@";
static const char krsi_lxc[] = "lxc.payload.";

/* An index that the verifier, too, sees to be inside of a name. */
static __always_inline u32 krsi_name_index(u32 index)
{
	asm volatile("%[index] &= %[mask]" : [index] "+r"(index) : [mask] "i"(KRSI_CONTAINER_NAME - 1));
	return index;
}

/* Whether the name, which stands in scratch.exe, has this text at that place. */
#define KRSI_NAME_HAS(scratch, at, text)                                                                   \
	({                                                                                                 \
		const char *at_ = (scratch)->exe + krsi_name_index(at);                                    \
		bool has_ = true;                                                                          \
		for (u32 i_ = 0; i_ < sizeof(text) - 1; i_++)                                              \
			has_ = has_ && at_[i_] == (text)[i_];                                              \
		has_;                                                                                      \
	})

static __always_inline bool krsi_is_hexadecimal(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Takes what stands in the name from `begin` to `end`. */
static __always_inline u64 krsi_take_container(struct scratch *scratch, u32 begin, u32 end)
{
	u32 length = end - begin;

	if (begin >= KRSI_CONTAINER_NAME || end <= begin)
		return 0;
	if (length > KRSI_CONTAINER_SIZE - 1)
		length = KRSI_CONTAINER_SIZE - 1;
	asm volatile("" : "+r"(length));
	if (length > KRSI_CONTAINER_SIZE - 1)
		return 0;
	bpf_probe_read_kernel(scratch->origin.container, length, scratch->exe + krsi_name_index(begin));
	return 1;
}

/* Looks at one name, of which so many bytes stand in scratch.exe. Gives whether it is that of a container. */
__noinline u64 krsi_name_of_container(u32 slot, u32 length)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	u32 end = length, begin;
	const char *id;

	if (!scratch || length < 8 || length >= KRSI_CONTAINER_NAME)
		return 0;
	if (KRSI_NAME_HAS(scratch, length - 6, krsi_scope_suffix))
		end -= 6;
	else if (length > 8 && KRSI_NAME_HAS(scratch, length - 8, krsi_service_suffix))
		end -= 8;
	if (KRSI_NAME_HAS(scratch, 0, krsi_machine))
		return krsi_take_container(scratch, sizeof(krsi_machine) - 1, end);
	if (KRSI_NAME_HAS(scratch, 0, krsi_nspawn))
		return krsi_take_container(scratch, sizeof(krsi_nspawn) - 1, end);
	if (KRSI_NAME_HAS(scratch, 0, krsi_lxc))
		return krsi_take_container(scratch, sizeof(krsi_lxc) - 1, length);
	if (end < KRSI_CONTAINER_ID)
		return 0;
	begin = end - KRSI_CONTAINER_ID;
	id = scratch->exe + krsi_name_index(begin);
	for (u32 i = 0; i < KRSI_CONTAINER_ID; i++)
		if (!krsi_is_hexadecimal(id[i]))
			return 0;
	/* Whole, or behind a dash: else it is a part of something longer. */
	if (begin && scratch->exe[krsi_name_index(begin - 1)] != '-')
		return 0;
	if (begin >= 7 && KRSI_NAME_HAS(scratch, begin - 7, krsi_conmon))
		return 0;
	return krsi_take_container(scratch, begin, end);
}

/* From the task's cgroup up. */
__noinline u64 krsi_gather_container(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct css_set *set = READ(task, cgroups);
	struct cgroup *cgroup = READ(set, dfl_cgrp);
	u64 *words;

	if (!scratch)
		return 0;
	words = (u64 *)scratch->origin.container;
	for (u32 i = 0; i < KRSI_CONTAINER_SIZE / sizeof(u64); i++)
		words[i] = 0;
	for (u32 level = 0; level < KRSI_CGROUP_LEVELS; level++) {
		struct kernfs_node *node = READ(cgroup, kn);
		long length = bpf_probe_read_kernel_str(scratch->exe, KRSI_CONTAINER_NAME, READ(node, name));

		if (length > 1 && krsi_name_of_container(slot, length - 1))
			return 1;
		/* A cgroup begins with its own css (`self`), so the parent's css is the parent. */
		cgroup = (struct cgroup *)READ(cgroup, self.parent);
		if (!cgroup)
			break;
	}
	return 0;
}

#endif
