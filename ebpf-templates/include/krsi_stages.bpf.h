/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* A filter's slots, and its first stage: what it says about the task alone. A part of krsi_engine.bpf.h, which includes it where it belongs. */
#ifndef KRSI_STAGES_BPF_H
#define KRSI_STAGES_BPF_H

#define KRSI_TEXT_(x) #x
#define KRSI_TEXT(x) KRSI_TEXT_(x)

/*
 * Where a compiled `when(…)` goes: its instructions are written over the last of
 * the no-ops, with what it asks about in r1, and leave what they say in r0 (enum krsi_match and enum krsi_said). No
 * relocation stands inside.
 *
 * The jump goes over the run, and to the filter if there is one. It is always taken, but could be not taken as
 * far as the form goes: so no instruction is out of reach, which would be refused, and the verifier removes the
 * run as a whole. One by one it would take no-ops out too, moving all the rest of the program each time.
 */
#define KRSI_SLOT(name, type, slots)                                  \
	__attribute__((naked)) static __noinline u64 name(type *asked) \
	{                                                              \
		asm volatile("r0 = 1;"                                 \
			     "if r0 != 0 goto +" KRSI_TEXT(slots) ";"  \
			     ".rept " KRSI_TEXT(slots) ";"             \
			     "goto +0;"                                \
			     ".endr;"                                  \
			     "exit;");                                 \
	}

/*
 * What a filter says about the task alone is asked first: before memory is taken, and anything else gathered. These
 * are the fields of the header that can be asked then, under its names.
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

/* Keeps the enum in the object's BTF, where the shell reads which field is which. */
const volatile enum krsi_early_field krsi_early_field_count = KRSI_EARLY_FIELDS;

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

/* Those that the first stage asks about, a bit for each; 0: there is none. Set before the load. */
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

/* What cannot be known of a task's scope is counted, and in scope only where errors are denied. */
static __always_inline bool krsi_scope_decides(volatile struct settings *settings, u64 task)
{
	u64 scope = krsi_in_scope(settings->control.scope, task);

	if (scope != KRSI_SCOPE_UNKNOWN)
		return scope == KRSI_IN_SCOPE;
	krsi_count(krsi_counter_errors);
	return krsi_denies_on_error(settings);
}

/* Second step: whether this task is in scope, and may match at all; with the decision counted. */
static __always_inline bool krsi_admits(volatile struct settings *settings)
{
	u64 task = bpf_get_current_task();

	krsi_count(krsi_counter_seen);
	if (!krsi_scope_decides(settings, task)) {
		krsi_count(krsi_counter_out_of_scope);
		return false;
	}
	if (krsi_early_fields && krsi_rules_out(task)) {
		krsi_count(krsi_counter_filtered);
		return false;
	}
	return true;
}

/* Both: the settings if there is something to decide, else NULL. */
static __always_inline volatile struct settings *krsi_enter(void)
{
	volatile struct settings *settings = krsi_begin();

	return settings && krsi_admits(settings) ? settings : NULL;
}

/* A param said no. */
static __always_inline int krsi_filtered(void)
{
	krsi_count(krsi_counter_filtered);
	return 0;
}

#endif
