/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What is told of the task: gathered once it is needed, and only if it is. */
#ifndef KRSI_FIELDS_BPF_H
#define KRSI_FIELDS_BPF_H

#include "krsi.bpf.h"
#include "krsi_task.bpf.h"

/*
 * The fields of the header that are gathered one by one, under their names there. All of them can be had before memory is
 * taken and anything else is gathered.
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

/* The plan: which fields are needed for what, a bit for each. Set before the load. */
const volatile u32 krsi_early_fields = 0;   /* for the pre-filter; 0: there is none */
const volatile u32 krsi_filter_fields = ~0; /* for the filter */
const volatile u32 krsi_summary_fields = ~0; /* for what is counted */
const volatile u32 krsi_event_fields = ~0;  /* for the events */

#define KRSI_FIELD(field) (1U << krsi_early_field_##field)
/* Not a field of the task, and gathered as if it were one. */
#define KRSI_FIELD_TIME (1U << 31)

#define KRSI_FIELDS_OF_CRED (KRSI_FIELD(uid) | KRSI_FIELD(euid) | KRSI_FIELD(gid) | KRSI_FIELD(user_ns))
#define KRSI_FIELDS_OF_PARENT (KRSI_FIELD(ppid) | KRSI_FIELD(parent_comm))
#define KRSI_FIELDS_OF_LEADER (KRSI_FIELD(start_ns) | KRSI_FIELDS_OF_PARENT)

#define KRSI_GATHER(to, wanted, field, value)                                                              \
	do {                                                                                               \
		if ((wanted) & KRSI_FIELD(field))                                                          \
			(to)->field = (value);                                                             \
	} while (0)

/* Gathers the fields of these bits into `to`, which has members of these names: the header, or a struct krsi_early. */
#define KRSI_GATHER_FIELDS(to, wanted)                                                                     \
	do {                                                                                               \
		struct task_struct *task_ = krsi_current();                                                \
                                                                                                           \
		KRSI_GATHER(to, wanted, cgroup, bpf_get_current_cgroup_id());                              \
		KRSI_GATHER(to, wanted, pid, bpf_get_current_pid_tgid() >> 32);                            \
		KRSI_GATHER(to, wanted, tid, bpf_get_current_pid_tgid());                                  \
		KRSI_GATHER(to, wanted, loginuid, READ_TASK(task_, loginuid.val));                              \
		KRSI_GATHER(to, wanted, session, READ_TASK(task_, sessionid));                                  \
		KRSI_GATHER(to, wanted, pid_ns, krsi_pid_ns(task_));                                       \
		KRSI_GATHER(to, wanted, mnt_ns, krsi_mnt_ns(task_));                                       \
		if ((wanted) & KRSI_FIELDS_OF_CRED) {                                                      \
			struct cred *cred_ = krsi_cred(task_);                                             \
                                                                                                           \
			KRSI_GATHER(to, wanted, uid, READ(cred_, uid.val));                                \
			KRSI_GATHER(to, wanted, euid, READ(cred_, euid.val));                              \
			KRSI_GATHER(to, wanted, gid, READ(cred_, gid.val));                                \
			KRSI_GATHER(to, wanted, user_ns, krsi_user_ns(cred_));                             \
		}                                                                                          \
		if ((wanted) & KRSI_FIELD(comm) && krsi_casts)                                             \
			KRSI_COPY_COMM((to)->comm, task_);                                                 \
		if ((wanted) & KRSI_FIELD(comm) && !krsi_casts)                                            \
			bpf_get_current_comm((to)->comm, sizeof((to)->comm));                              \
		if ((wanted) & KRSI_FIELDS_OF_LEADER) {                                                    \
			struct task_struct *leader_ = READ_TASK(task_, group_leader);                      \
                                                                                                           \
			KRSI_GATHER(to, wanted, start_ns, READ(leader_, start_boottime));                  \
			if ((wanted) & KRSI_FIELDS_OF_PARENT) {                                            \
				struct task_struct *parent_ = READ(leader_, real_parent);                  \
                                                                                                           \
				KRSI_GATHER(to, wanted, ppid, READ(parent_, tgid));                        \
				if ((wanted) & KRSI_FIELD(parent_comm)) {                                  \
					struct task_struct *first_ = READ(parent_, group_leader);          \
                                                                                                           \
					bpf_probe_read_kernel_str(                                         \
						(to)->parent_comm, sizeof((to)->parent_comm),              \
						__builtin_preserve_access_index(&first_->comm));           \
				}                                                                          \
			}                                                                                  \
		}                                                                                          \
	} while (0)

#endif
