/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* The pre-filter: what a filter decides by the task alone. */
#ifndef KRSI_PREFILTER_BPF_H
#define KRSI_PREFILTER_BPF_H

#include "krsi.bpf.h"
#include "krsi_slot.bpf.h"
#include "krsi_task.bpf.h"

/*
 * The pre-filter runs before memory is taken and anything else is gathered. These are the fields of the header that it
 * can read, under their names there.
 */
enum krsi_early_field {
	krsi_early_field_cgroup,
	krsi_early_field_start_ns,
	krsi_early_field_pid,
	krsi_early_field_tid,
	krsi_early_field_ppid,
	krsi_early_field_uid,
	krsi_early_field_euid,
	krsi_early_field_gid,
	krsi_early_field_loginuid,
	krsi_early_field_session,
	krsi_early_field_pid_ns,
	krsi_early_field_mnt_ns,
	krsi_early_field_user_ns,
	krsi_early_field_comm,
	krsi_early_field_parent_comm,
	KRSI_EARLY_FIELDS, /* how many */
};

KRSI_KEPT(enum krsi_early_field, early_field);

struct krsi_early {
	u64 cgroup;
	u64 start_ns;
	u32 pid;
	u32 tid;
	u32 ppid;
	u32 uid;
	u32 euid;
	u32 gid;
	u32 loginuid;
	u32 session;
	u32 pid_ns;
	u32 mnt_ns;
	u32 user_ns;
	u32 zero;
	char comm[16];
	char parent_comm[16];
};

/* Those that the pre-filter reads, a bit for each; 0: there is no pre-filter. Set before the load. */
const volatile u32 krsi_early_fields = 0;

/* With a struct krsi_early in r1. */
KRSI_SLOT(krsi_early_filter, struct krsi_early, 256)

#define KRSI_EARLY(field, value)                                             \
	do {                                                                 \
		if (krsi_early_fields & 1U << krsi_early_field_##field)       \
			early.field = (value);                               \
	} while (0)

/* Whether the filter cannot match, whatever else the event is. */
__noinline u64 krsi_rules_out(u64 task_address)
{
	struct task_struct *task = (struct task_struct *)task_address;
	struct task_struct *leader = READ(task, group_leader);
	struct task_struct *parent = READ(leader, real_parent);
	struct cred *cred = krsi_cred(task);
	struct krsi_early early = {};

	KRSI_EARLY(cgroup, bpf_get_current_cgroup_id());
	KRSI_EARLY(start_ns, READ(leader, start_boottime));
	KRSI_EARLY(pid, READ(task, tgid));
	KRSI_EARLY(tid, READ(task, pid));
	KRSI_EARLY(ppid, READ(parent, tgid));
	KRSI_EARLY(uid, READ(cred, uid.val));
	KRSI_EARLY(euid, READ(cred, euid.val));
	KRSI_EARLY(gid, READ(cred, gid.val));
	KRSI_EARLY(loginuid, READ(task, loginuid.val));
	KRSI_EARLY(session, READ(task, sessionid));
	KRSI_EARLY(pid_ns, krsi_pid_ns(task));
	KRSI_EARLY(mnt_ns, krsi_mnt_ns(task));
	KRSI_EARLY(user_ns, krsi_user_ns(cred));
	if (krsi_early_fields & 1U << krsi_early_field_comm)
		bpf_probe_read_kernel_str(early.comm, sizeof(early.comm),
					  __builtin_preserve_access_index(&task->comm));
	if (krsi_early_fields & 1U << krsi_early_field_parent_comm) {
		struct task_struct *parent_leader = READ(parent, group_leader);

		bpf_probe_read_kernel_str(early.parent_comm, sizeof(early.parent_comm),
					  __builtin_preserve_access_index(&parent_leader->comm));
	}
	return krsi_early_filter(&early) == 0; /* KRSI_NO_MATCH */
}

#endif
