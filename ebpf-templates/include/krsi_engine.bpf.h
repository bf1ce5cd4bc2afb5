/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * The machinery of a probe, made from the template's `struct params` and
 * `struct event`. A hook's program goes through it in this order, and leaves
 * at the first step that settles the matter:
 *
 *   krsi_begin      whether it is this program that decides
 *   krsi_admits     scope, and what the filter says about the task: no memory taken (krsi_enter: both)
 *   (the template)  cheap params
 *   krsi_take       memory of this task's own
 *   (the template)  gather, krsi_match_path
 *   krsi_decide     header, filter, mode, lease, guard, books, event
 *
 * Three rules hold everywhere here:
 *
 * - An earlier program's refusal is returned unchanged, and counted nowhere.
 * - Trouble of our own (no memory, no path) never refuses anything unless the
 *   probe is enforcing and was told `on_error("deny")`; it is counted.
 * - LSM programs are preemptible. So the scratch memory belongs to the task, not
 *   to the CPU, and counters are added to atomically though they are per CPU.
 *
 * A hook that comes too late to refuse does what it can: there a denial is a SIGKILL
 * (KRSI_TOO_LATE), and the event says `kill`.
 *
 * Instructions that 5.10 does not know (atomics that fetch, for one) stand nowhere:
 * its loader refuses them even in a branch that is never taken.
 *
 * What is costly to verify is a function that is not static: the verifier looks at such a one once
 * in each program, for all arguments, and not again at each call and for each way that leads there. 5.10
 * takes numbers only as its arguments, so scratch memory comes as its slot, and a kernel object as its
 * address; of the result the verifier knows nothing.
 */
#ifndef KRSI_ENGINE_BPF_H
#define KRSI_ENGINE_BPF_H

/* "Dual MIT/GPL" is a licence the kernel takes as compatible with the GPL. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Constants of a probe, set before the load; dead branches are then pruned. */
const volatile u32 krsi_probe_id = 0;
const volatile u32 krsi_kernel = 0; /* KERNEL_VERSION of the running kernel */
/* Which of the programs that share these maps this is; the shell counts up with each filter. */
const volatile u32 krsi_generation = 0;
/* Set where LSM programs cannot be had: then only the template's observers run, whose answer goes nowhere. */
const volatile u32 krsi_audit_only = 0;

/* ---- settings: what the shell changes while the probe runs --------------- */

struct krsi_control {
	/* One word, so that a reader never sees half a change:
	 * bits 0-7 mode, 8-15 signal, 16-31 errno, 32 deny on error. */
	u64 mode;
	/* On the monotonic clock; enforcement lapses after it. 0: never. */
	u64 lease_ns;
	/* Which kinds of scope are in force: a bit for each enum krsi_scope_kind, and
	 * KRSI_SCOPE_NOT bits further up one for its negation. */
	u64 scope;
	/* 1: no events are sent. */
	u64 quiet;
	/* Which set of summaries is being added to; the shell moves on and takes the former. */
	u64 epoch;
	/* Which generation of programs decides (see "turns"): bits 0-31 its number, 32-33 an enum krsi_change. */
	u64 turn;
};

struct settings {
	struct krsi_control control;
	struct params params;
};

/* Mapped by the shell, which stores whole words: a change costs no system call. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct settings);
} krsi_settings SEC(".maps");

static __always_inline volatile struct settings *krsi_read_settings(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&krsi_settings, &zero);
}

/* ---- turns --------------------------------------------------------------- */

/*
 * A filter is part of a program, and a program cannot change. So another filter is a second generation of
 * the hooks' programs, over the same maps, attached beside the first before that leaves. An
 * operation passes by both, and just one of them must decide: `turn` says which. While it changes, one of the two may
 * have looked before and the other after; then the one that comes first leaves a note for the one
 * behind it, and what no note tells of is decided.
 *
 * The newer comes first where trampolines call programs (lsm, fentry), last at a tracepoint; the shell says which,
 * and waits between two steps until no program that read the former word can be running.
 */
enum krsi_change {
	KRSI_STEADY,
	/* The newer comes first: it decides from now on; the older only what the newer has let go by. */
	KRSI_NEWER_FIRST,
	/* The older comes first. It decides still, but tells; then only the newer decides, but not what was told. */
	KRSI_OLDER_TELLS,
	KRSI_NEWER_ASKS,
};

/*
 * Who decided last of the threads that share a place: generation and thread. One that finds its note overwritten
 * decides twice, which is better than not at all.
 */
#define KRSI_NOTES 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KRSI_NOTES);
	__type(key, u32);
	__type(value, u64);
} krsi_notes SEC(".maps");

/* Whether this operation is this program's to decide, where `turn` does not say so by its number alone. */
__noinline u64 krsi_has_turn(u64 turn)
{
	u32 change = turn >> 32;
	bool newer = (u32)turn == krsi_generation;
	bool older = (u32)turn == krsi_generation + 1;
	u32 thread = bpf_get_current_pid_tgid();
	u32 place = thread & (KRSI_NOTES - 1);
	u64 told = turn << 32 | thread;
	u64 *note = bpf_map_lookup_elem(&krsi_notes, &place);

	if (!note || change == KRSI_STEADY || (!newer && !older))
		return 0;
	if (newer ? change == KRSI_NEWER_FIRST : change == KRSI_OLDER_TELLS) {
		*note = told;
		return 1;
	}
	if (*note == told) {
		*note = 0;
		return 0;
	}
	return newer ? change == KRSI_NEWER_ASKS : change == KRSI_NEWER_FIRST;
}

/* First step of every hook: the settings, if it is this program that decides. */
static __always_inline volatile struct settings *krsi_begin(void)
{
	volatile struct settings *settings = krsi_read_settings();
	u64 turn;

	if (!settings)
		return NULL; /* the verifier cannot know that index 0 exists */
	turn = settings->control.turn;
	return turn == krsi_generation || krsi_has_turn(turn) ? settings : NULL;
}

/* ---- books --------------------------------------------------------------- */

enum krsi_counter {
	krsi_counter_seen,
	krsi_counter_out_of_scope,
	krsi_counter_filtered,
	krsi_counter_matched,
	krsi_counter_allow,
	krsi_counter_would_deny,
	krsi_counter_deny,
	krsi_counter_kill,
	krsi_counter_emitted,
	krsi_counter_suppressed,
	krsi_counter_lost_ring,
	krsi_counter_errors,
	krsi_counter_lapsed,
	krsi_counter_guarded,
	krsi_counter_overflow,
	KRSI_COUNTERS, /* how many */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KRSI_COUNTERS);
	__type(key, u32);
	__type(value, u64);
} krsi_counters SEC(".maps");

/* Keeps the enum in the object's BTF, where the shell reads which counter is which. */
const volatile enum krsi_counter krsi_counter_count = KRSI_COUNTERS;

static __always_inline void krsi_count(enum krsi_counter counter)
{
	u32 key = counter;
	u64 *count = bpf_map_lookup_elem(&krsi_counters, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
}

/* ---- scope --------------------------------------------------------------- */

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
};
#define KRSI_SCOPE_NOT 32

/* Keeps the enum in the object's BTF, where the shell reads which kind is which. */
const volatile enum krsi_scope_kind krsi_scope_kind_count = KRSI_SCOPE_KINDS;

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

enum krsi_subtree {
	KRSI_SUBTREE = 1,     /* below a process of `pid` */
	KRSI_NOT_SUBTREE = 2, /* below one of `not_pid` */
};

/*
 * Processes of the subtrees that the scope names, with enum krsi_subtree. The shell seeds it;
 * from then on the two tracepoint programs below keep it: membership is inherited at fork, so a
 * daemon that has lost its parent is still in it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, u8);
} krsi_scope_pids SEC(".maps");

SEC("tp_btf/sched_process_fork")
int krsi_scope_fork(u64 *context)
{
	struct task_struct *parent = ARG(context, 0, struct task_struct *);
	struct task_struct *child = ARG(context, 1, struct task_struct *);
	u32 parent_pid = READ(parent, tgid);
	u32 child_pid = READ(child, tgid);
	u8 *trees;

	if (parent_pid == child_pid)
		return 0;
	trees = bpf_map_lookup_elem(&krsi_scope_pids, &parent_pid);
	if (!trees)
		return 0;

	u8 inherited = *trees;

	if (bpf_map_update_elem(&krsi_scope_pids, &child_pid, &inherited, BPF_ANY))
		krsi_count(krsi_counter_errors);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int krsi_scope_exit(u64 *context)
{
	struct task_struct *task = ARG(context, 0, struct task_struct *);
	struct signal_struct *signal = READ(task, signal);
	u32 pid = READ(task, tgid);

	/* The leader may go before other threads of its process. */
	if (READ(signal, live.counter) == 0)
		bpf_map_delete_elem(&krsi_scope_pids, &pid);
	return 0;
}

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

static __always_inline bool krsi_scope_admits_pid(u64 kinds, struct task_struct *task)
{
	u32 pid = READ(task, tgid);
	u8 *found = bpf_map_lookup_elem(&krsi_scope_pids, &pid);
	u8 trees = found ? *found : 0;

	if (kinds & 1ULL << krsi_scope_kind_pid && !(trees & KRSI_SUBTREE))
		return false;
	return !(kinds & 1ULL << (krsi_scope_kind_pid + KRSI_SCOPE_NOT)) || !(trees & KRSI_NOT_SUBTREE);
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

/* The namespace a task lives in is that of the last of its pid's numbers. */
static __always_inline u32 krsi_pid_ns(struct task_struct *task)
{
	struct pid *pid = READ(task, thread_pid);
	u32 level = READ(pid, level);
	struct upid *numbers = (struct upid *)__builtin_preserve_access_index(&pid->numbers[0]);
	struct pid_namespace *pid_ns = READ(numbers + (level & 31), ns);

	return READ(pid_ns, ns.inum);
}

static __always_inline u32 krsi_mnt_ns(struct task_struct *task)
{
	struct nsproxy *proxy = READ(task, nsproxy);
	struct mnt_namespace *mnt_ns = READ(proxy, mnt_ns);

	return READ(mnt_ns, ns.inum);
}

static __always_inline u32 krsi_user_ns(struct cred *cred)
{
	struct user_namespace *user_ns = READ(cred, user_ns);

	return READ(user_ns, ns.inum);
}

/* Deeper cgroups than this are not looked at from further up. */
#define KRSI_CGROUP_DEPTH 32

static __always_inline bool krsi_scope_admits_cgroup(u64 kinds, struct task_struct *task)
{
	struct css_set *set = READ(task, cgroups);
	struct cgroup *cgroup = READ(set, dfl_cgrp);
	bool below = !(kinds & 1ULL << krsi_scope_kind_cgroup);

	for (int depth = 0; depth < KRSI_CGROUP_DEPTH && cgroup; depth++) {
		struct kernfs_node *node = READ(cgroup, kn);
		struct krsi_scope_key key = {
			.kind = krsi_scope_kind_cgroup + KRSI_SCOPE_NOT,
			.number = READ(node, id),
		};

		if (bpf_map_lookup_elem(&krsi_scope_members, &key))
			return false;
		key.kind = krsi_scope_kind_cgroup;
		if (!below && bpf_map_lookup_elem(&krsi_scope_members, &key))
			below = true;
		/* A cgroup begins with its own css (`self`), so the parent's css is the parent. */
		cgroup = (struct cgroup *)READ(cgroup, self.parent);
	}
	return below;
}

static __always_inline bool krsi_scope_admits_ids(u64 kinds, struct task_struct *task)
{
	struct cred *cred = READ(task, cred);

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

/* Whether the kinds of scope in force have this task in them. */
__noinline u64 krsi_in_scope(u64 kinds, u64 task_address)
{
	struct task_struct *task = (struct task_struct *)task_address;

	if (!kinds)
		return true;
	return krsi_scope_admits_ids(kinds, task) &&
	       (!krsi_scope_asks(kinds, krsi_scope_kind_comm) || krsi_scope_admits_comm(kinds, task)) &&
	       (!krsi_scope_asks(kinds, krsi_scope_kind_pid) || krsi_scope_admits_pid(kinds, task)) &&
	       (!krsi_scope_asks(kinds, krsi_scope_kind_pid_ns) ||
		krsi_scope_admits_number(kinds, krsi_scope_kind_pid_ns, krsi_pid_ns(task))) &&
	       (!krsi_scope_asks(kinds, krsi_scope_kind_mnt_ns) ||
		krsi_scope_admits_number(kinds, krsi_scope_kind_mnt_ns, krsi_mnt_ns(task))) &&
	       krsi_scope_admits_executables(kinds, task) &&
	       (!krsi_scope_asks(kinds, krsi_scope_kind_cgroup) || krsi_scope_admits_cgroup(kinds, task));
}

/* ---- the first stage ----------------------------------------------------- */

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
	struct cred *cred = READ(task, cred);
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

/* Second step: whether this task is in scope, and may match at all; with the decision counted. */
static __always_inline bool krsi_admits(volatile struct settings *settings)
{
	u64 task = bpf_get_current_task();

	krsi_count(krsi_counter_seen);
	if (!krsi_in_scope(settings->control.scope, task)) {
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

/* ---- scratch ------------------------------------------------------------- */

#define KRSI_KEY_SIZE 256 /* LPM_DATA_SIZE_MAX */
#define KRSI_DEPTH 64     /* components and mounts of a path, for kernels without d_path and for `exe` */
#define KRSI_WALK_SIZE 1024

struct krsi_reversed {
	u32 bits;
	u8 text[KRSI_KEY_SIZE];
};

/* A path being found; addresses as numbers. */
struct krsi_walk {
	u64 mount;
	u64 dentry;
	u64 root_mount;
	u64 root_dentry;
	u32 depth; /* names in use */
	u32 length; /* of the text */
	u64 names[KRSI_DEPTH];
};

/* Room for what a summary groups by. */
#define KRSI_GROUP_SIZE 240

/* One entry of a summary. */
struct krsi_summary_key {
	u32 epoch;
	u16 summary; /* which of krsi_summaries */
	u16 bucket;  /* of a histogram */
	u8 group[KRSI_GROUP_SIZE];
};

/* As much of a text as tells it from others, where they are told apart by a hash. */
#define KRSI_DISTINCT_SIZE 256

/* What a template has to remember besides, as members of a struct. */
#ifndef KRSI_SCRATCH
#define KRSI_SCRATCH
#endif

struct scratch {
	struct event event;
	/* Bytes in use from event.path.text on: the path, and what is packed behind it. */
	u32 used;
	u32 slot;
	KRSI_SCRATCH
	struct krsi_reversed reversed;
	struct krsi_walk walk;
	char exe[KRSI_WALK_SIZE];
	struct krsi_summary_key key;
	union {
		char text[KRSI_DISTINCT_SIZE];
		u64 words[KRSI_DISTINCT_SIZE / sizeof(u64)];
	} distinct;
};

#define KRSI_SLOTS 256

/*
 * A slot belongs to a task for as long as it is inside a hook, and not to a CPU: a task
 * preempted here must find its bytes as it left them. `krsi_claims` says whose it is; an
 * insertion that must not replace anything is the one operation of 5.10 that only one of two can do.
 * Preallocated, so it neither allocates in the hook nor fails before this many tasks are in it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KRSI_SLOTS);
	__type(key, u32);
	__type(value, struct scratch);
} krsi_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KRSI_SLOTS);
	__type(key, u32);
	__type(value, u32);
} krsi_claims SEC(".maps");

/* Everything before the path, whose first byte is the last that must be zero. */
#define KRSI_FIXED_SIZE __builtin_offsetof(struct event, path.text)

static __always_inline void krsi_clear(struct scratch *scratch)
{
	u64 *words = (u64 *)&scratch->event;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < KRSI_FIXED_SIZE / sizeof(u64) + 1; i++)
		words[i] = 0;
	scratch->used = 1; /* a NUL */
}

/* Makes the slot this task's own. Gives whether another one has it. */
__noinline u64 krsi_is_taken(u32 slot)
{
	u32 task = bpf_get_current_pid_tgid();

	return bpf_map_update_elem(&krsi_claims, &slot, &task, BPF_NOEXIST);
}

/* Makes a slot this task's own. KRSI_SLOTS: none is free. */
__noinline u64 krsi_claim(void)
{
	u32 slot = bpf_get_current_pid_tgid();

	for (u32 turn = 0; turn < KRSI_SLOTS; turn++, slot++) {
		slot &= KRSI_SLOTS - 1;
		if (!krsi_is_taken(slot))
			return slot;
	}
	return KRSI_SLOTS;
}

static __always_inline struct scratch *krsi_take(void)
{
	u32 slot = krsi_claim();
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	if (!scratch)
		return NULL; /* behind the last slot */
	krsi_clear(scratch);
	scratch->slot = slot;
	return scratch;
}

static __always_inline void krsi_give_back(struct scratch *scratch)
{
	u32 slot = scratch->slot;

	bpf_map_delete_elem(&krsi_claims, &slot);
}

/* ---- mode, lease, guard -------------------------------------------------- */

/* /proc/PID/stat tells start times in these. */
#define KRSI_TICK_NS (1000000000 / 100 /* USER_HZ */)

/*
 * Processes that enforcement spares: the shell and its ancestors, by pid and start
 * time (in ticks since boot), so that nobody inherits the exemption with a
 * recycled pid.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, u64);
} krsi_guard SEC(".maps");

static __always_inline bool krsi_guarded(void)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	u64 *start = bpf_map_lookup_elem(&krsi_guard, &pid);

	if (!start)
		return false;

	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *leader = READ(task, group_leader);

	return *start == READ(leader, start_boottime) / KRSI_TICK_NS;
}

struct krsi_answer {
	u32 mode;    /* as set */
	u32 verdict; /* enum krsi_verdict */
	u32 errno;
	u32 signal;
	u32 notes;
};

/* Whether the hook can still refuse what it is asked about. */
enum krsi_when {
	KRSI_IN_TIME,
	KRSI_TOO_LATE,
};

#define SIGKILL 9

/*
 * What a filter says. Behind the enum krsi_match in the first byte, a verdict of its own in the second,
 * and an errno or signal above them.
 */
enum krsi_said {
	KRSI_SAID_NOTHING, /* the mode decides */
	KRSI_SAID_ALLOW,
	KRSI_SAID_DENY,
	KRSI_SAID_KILL,
};
#define KRSI_SAID(said) ((said) >> 8 & 0xff)
#define KRSI_SAID_WITH(said) ((said) >> 16 & 0xffff)

/* What a match is answered with now; a filter's own verdict counts where the mode enforces, or would. */
static __always_inline struct krsi_answer krsi_answer(volatile struct settings *settings, enum krsi_when when,
						      u64 said)
{
	u64 word = settings->control.mode;
	u64 lease = settings->control.lease_ns;
	struct krsi_answer answer = {
		.mode = word & 0xff,
		.notes = when == KRSI_TOO_LATE ? KRSI_NOTE_LATE : 0,
	};

	if (answer.mode == KRSI_MODE_SHADOW && KRSI_SAID(said) != KRSI_SAID_ALLOW)
		answer.verdict = KRSI_WOULD_DENY;
	if (answer.mode < KRSI_MODE_DENY || KRSI_SAID(said) == KRSI_SAID_ALLOW)
		return answer;
	if (lease && bpf_ktime_get_ns() > lease) {
		answer.notes |= KRSI_NOTE_LAPSED;
		return answer;
	}
	if (krsi_guarded()) {
		answer.notes |= KRSI_NOTE_GUARDED;
		return answer;
	}
	answer.signal = word >> 8 & 0xff;
	answer.errno = word >> 16 & 0xffff;
	answer.verdict = answer.mode == KRSI_MODE_KILL ? KRSI_KILL : KRSI_DENY;
	if (KRSI_SAID(said) == KRSI_SAID_DENY) {
		answer.verdict = KRSI_DENY;
		answer.errno = KRSI_SAID_WITH(said);
	} else if (KRSI_SAID(said) == KRSI_SAID_KILL) {
		answer.verdict = KRSI_KILL;
		answer.signal = KRSI_SAID_WITH(said);
	}
	/* The verifier wants to see -4095..0, and 0 would be no denial. */
	if (answer.errno == 0 || answer.errno > 4095)
		answer.errno = 1; /* EPERM */
	if (when == KRSI_TOO_LATE) {
		if (answer.verdict == KRSI_DENY)
			answer.signal = SIGKILL;
		answer.verdict = KRSI_KILL;
		answer.errno = 0;
	}
	return answer;
}

/* Books and deed of a match. Gives the errno to refuse with, or 0. */
static __always_inline u32 krsi_enforce(const struct krsi_answer *answer)
{
	krsi_count(krsi_counter_matched);
	if (answer->notes & KRSI_NOTE_LAPSED)
		krsi_count(krsi_counter_lapsed);
	if (answer->notes & KRSI_NOTE_GUARDED)
		krsi_count(krsi_counter_guarded);

	if (answer->verdict == KRSI_ALLOW) {
		krsi_count(krsi_counter_allow);
		return 0;
	}
	if (answer->verdict == KRSI_WOULD_DENY) {
		krsi_count(krsi_counter_would_deny);
		return 0;
	}
	if (answer->verdict == KRSI_KILL) {
		krsi_count(krsi_counter_kill);
		bpf_send_signal(answer->signal);
	} else {
		krsi_count(krsi_counter_deny);
	}
	return answer->errno;
}

/* What a hook returns for an errno, or for 0. */
static __always_inline int krsi_result(u64 errno)
{
	/* A subtraction: the verifier follows its bounds (-4095..0), those of a negation it forgets. */
	s32 result = 0;

	asm volatile("" : "+r"(result));
	return result - (s32)(errno & 4095);
}

static __always_inline bool krsi_denies_on_error(volatile struct settings *settings)
{
	u64 mode = settings->control.mode;

	return (mode & 0xff) >= KRSI_MODE_DENY && mode >> 32 & 1;
}

/*
 * Something needed for the decision could not be had. Allows, unless the probe
 * enforces and was told to deny on error; then there is no event to send. Gives the errno, or 0.
 */
__noinline u64 krsi_fail(u32 when)
{
	volatile struct settings *settings = krsi_read_settings();
	struct krsi_answer answer;

	if (!settings)
		return 0;
	answer = krsi_answer(settings, when, KRSI_SAID_NOTHING);
	krsi_count(krsi_counter_errors);
	if (!krsi_denies_on_error(settings) || answer.verdict < KRSI_DENY) {
		krsi_count(krsi_counter_filtered);
		return 0;
	}
	krsi_count(krsi_counter_suppressed);
	return krsi_enforce(&answer);
}

/* The same, for a hook to return. */
static __always_inline int krsi_failed(void)
{
	return krsi_result(krsi_fail(KRSI_IN_TIME));
}

/* ---- paths --------------------------------------------------------------- */

/*
 * A path as d_path would tell it, from the task's root (or the root of all mounts, for a
 * file outside of it), without its locks: a rename under way may be seen half done. For
 * kernels whose LSM programs have no d_path (before 5.11), and for paths that no BTF pointer leads to.
 *
 * First up, noting where the names are, then down, joining them. Each step is a function of its own, and
 * what it leaves for the next is in memory of which the verifier knows nothing: so all steps are one to it.
 */

/* One step up. Gives whether there is more above. */
__noinline u64 krsi_step_up(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct vfsmount *mount;
	struct dentry *dentry;

	if (!scratch)
		return 0;
	mount = (struct vfsmount *)scratch->walk.mount;
	dentry = (struct dentry *)scratch->walk.dentry;
	if ((u64)dentry == scratch->walk.root_dentry && (u64)mount == scratch->walk.root_mount)
		return 0;
	if (dentry == READ(mount, mnt_root)) {
		struct mount *inner = OWNER(mount, struct mount, mnt);
		struct mount *outer = READ(inner, mnt_parent);

		if (outer == inner)
			return 0;
		scratch->walk.dentry = (u64)READ(inner, mnt_mountpoint);
		scratch->walk.mount = (u64)__builtin_preserve_access_index(&outer->mnt);
		return 1;
	}

	struct dentry *parent = READ(dentry, d_parent);
	u32 depth = scratch->walk.depth;

	if (depth >= KRSI_DEPTH)
		return 0; /* there are not more steps than that */
	scratch->walk.names[depth] = (u64)READ(dentry, d_name.name);
	scratch->walk.depth = depth + 1;
	scratch->walk.dentry = (u64)parent;
	return dentry != parent; /* else in no tree: a memfd, a pipe */
}

/* Gives whether it came to the top; a deeper path has no text. */
__noinline u64 krsi_climb(u32 slot, u64 mount, u64 dentry)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fs_struct *fs = READ(task, fs);

	if (!scratch)
		return 0;
	scratch->walk.mount = mount;
	scratch->walk.dentry = dentry;
	scratch->walk.root_mount = (u64)READ(fs, root.mnt);
	scratch->walk.root_dentry = (u64)READ(fs, root.dentry);
	scratch->walk.depth = 0;
	scratch->walk.length = 0;
	for (u32 turn = 0; turn < KRSI_DEPTH; turn++)
		if (!krsi_step_up(slot))
			return 1;
	return 0;
}

/* One step down: a slash and a name more in `to`. Gives whether there are more. */
static __always_inline u64 krsi_step_down(struct scratch *scratch, char *to, const u32 size)
{
	u32 depth = scratch->walk.depth - 1;
	u32 length = scratch->walk.length;
	long read;

	if (depth >= KRSI_DEPTH)
		return 0;
	scratch->walk.depth = depth;
	scratch->walk.length = 0;
	/* A component has at most 255 bytes (NAME_MAX); then its NUL. */
	if (length > size - 258)
		return 0;
	to[length] = '/';
	read = bpf_probe_read_kernel_str(to + length + 1, 256, (void *)scratch->walk.names[depth]);
	if (read < 1 || read > 256)
		return 0;
	scratch->walk.length = length + read; /* the slash, and the text without its NUL */
	return depth;
}

__noinline u64 krsi_step_down_in_event(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	return scratch ? krsi_step_down(scratch, scratch->event.path.text, KRSI_PATH_SIZE) : 0;
}

__noinline u64 krsi_step_down_in_exe(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	return scratch ? krsi_step_down(scratch, scratch->exe, KRSI_WALK_SIZE) : 0;
}

/* Both give the length of the text, or 0 if the path is too deep or too long. */
__noinline u64 krsi_walk_to_event(u32 slot, u64 mount, u64 dentry)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	if (!scratch || !krsi_climb(slot, mount, dentry))
		return 0;
	if (!scratch->walk.depth) {
		scratch->event.path.text[0] = '/';
		scratch->event.path.text[1] = '\0';
		return 1;
	}
	for (u32 turn = 0; turn < KRSI_DEPTH; turn++)
		if (!krsi_step_down_in_event(slot))
			break;
	return scratch->walk.length;
}

__noinline u64 krsi_walk_to_exe(u32 slot, u64 mount, u64 dentry)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	if (!scratch || !krsi_climb(slot, mount, dentry))
		return 0;
	if (!scratch->walk.depth) {
		scratch->exe[0] = '/';
		scratch->exe[1] = '\0';
		return 1;
	}
	for (u32 turn = 0; turn < KRSI_DEPTH; turn++)
		if (!krsi_step_down_in_exe(slot))
			break;
	return scratch->walk.length;
}

/* Into the event's path. */
static __always_inline u32 krsi_walk_event(struct scratch *scratch, struct vfsmount *mount, struct dentry *dentry)
{
	return krsi_walk_to_event(scratch->slot, (u64)mount, (u64)dentry);
}

/* Into scratch.exe. */
static __always_inline u32 krsi_walk_exe(struct scratch *scratch, struct vfsmount *mount, struct dentry *dentry)
{
	return krsi_walk_to_exe(scratch->slot, (u64)mount, (u64)dentry);
}

/* An index that the verifier, too, sees to be inside of a path. */
static __always_inline u32 krsi_path_index(u32 index)
{
	asm volatile("%[index] &= %[mask]" : [index] "+r"(index) : [mask] "i"(KRSI_PATH_SIZE - 1));
	return index;
}

/* d_path writes " (deleted)" behind the path of a file without a name. */
#define KRSI_DELETED " (deleted)"
#define KRSI_DELETED_LENGTH 10

static __always_inline u32 krsi_without_deleted(struct krsi_path *path, u32 length)
{
	static const char mark[] = KRSI_DELETED;
	u32 at = length - KRSI_DELETED_LENGTH;

	if (length <= KRSI_DELETED_LENGTH)
		return length;
	at = krsi_path_index(at);
	for (int i = 0; i < KRSI_DELETED_LENGTH; i++)
		if (path->text[at + i] != mark[i])
			return length;
	path->text[at] = '\0';
	return at;
}

static __always_inline void krsi_set_path_length(struct scratch *scratch, u32 length)
{
	scratch->event.path.length = length;
	scratch->used = length + 1;
}

/*
 * The path of a file the hook was given, without " (deleted)". The pointer must
 * be one the verifier has types for.
 */
static __always_inline void krsi_gather_path(struct scratch *scratch, struct file *file)
{
	struct krsi_path *path = &scratch->event.path;
	long length;

	/* Observers are no LSM programs, and d_path is not for them. */
	if (krsi_kernel >= KERNEL_VERSION(5, 11, 0) && !krsi_audit_only) {
		length = bpf_d_path(&file->f_path, path->text, KRSI_PATH_SIZE);
		/* The length of d_path counts the NUL. */
		length = length < 1 || length > KRSI_PATH_SIZE ? 0 : length - 1;
	} else {
		length = krsi_walk_event(scratch, READ(file, f_path.mnt), READ(file, f_path.dentry));
	}
	struct inode *inode = READ(file, f_inode);

	if (length && READ(inode, i_nlink) == 0)
		length = krsi_without_deleted(path, length);
	if (!length) {
		path->text[0] = '\0';
		scratch->event.header.notes |= KRSI_NOTE_NO_PATH;
	}
	krsi_set_path_length(scratch, length);
}

/* The path of a name that the hook was given without a mount: `mount` is one of its file system. */
static __always_inline void krsi_gather_name(struct scratch *scratch, struct vfsmount *mount, struct dentry *dentry)
{
	struct krsi_path *path = &scratch->event.path;
	u32 length = krsi_walk_event(scratch, mount, (struct dentry *)ADDRESS(dentry));

	if (!length) {
		path->text[0] = '\0';
		scratch->event.header.notes |= KRSI_NOTE_NO_PATH;
	}
	krsi_set_path_length(scratch, length);
}

enum krsi_match {
	KRSI_NO_MATCH,
	KRSI_MATCH,
	KRSI_UNKNOWN,
};

/* ---- behind the path ----------------------------------------------------- */

/*
 * Where the next text behind the path goes, or NULL if more than `limit` bytes are in use, which is the
 * sum of what may stand before it: the verifier wants to be told.
 */
static __always_inline char *krsi_tail(struct scratch *scratch, const u32 limit)
{
	u32 used = scratch->used;

	asm volatile("" : "+r"(used));
	if (used > limit)
		return NULL;
	return (char *)&scratch->event + KRSI_FIXED_SIZE + used;
}

/* Whether anybody wants to know the folder. Set before the load. */
const volatile u32 krsi_cwd = 1;

/* The folder the task is in, or an empty text. */
static __always_inline void krsi_gather_cwd(struct scratch *scratch, const u32 size)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fs_struct *fs = READ(task, fs);
	char *to = krsi_tail(scratch, KRSI_PATH_SIZE);
	struct path cwd = {};
	long length = 1;

	if (!to)
		return; /* the path's length is never more */
	to[0] = '\0';
	bpf_probe_read_kernel(&cwd, sizeof(cwd), __builtin_preserve_access_index(&fs->pwd));
	if (krsi_cwd && krsi_walk_exe(scratch, cwd.mnt, cwd.dentry))
		length = bpf_probe_read_kernel_str(to, size, scratch->exe);
	scratch->used += length > 0 && length <= size ? length : 1;
}

/* ---- path tables --------------------------------------------------------- */

/* A template without KRSI_PATH_PARAMS says KRSI_NO_PATH_PARAMS, and has no such tables. */
#ifndef KRSI_NO_PATH_PARAMS

struct krsi_inode {
	u64 inode;
	u32 device;
	u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct krsi_inode);
	__type(value, u8);
} krsi_inodes SEC(".maps");

struct krsi_key {
	u32 bits;
	u8 text[KRSI_KEY_SIZE];
};

/* Prefixes as they are, and whole paths with the NUL that ends them. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct krsi_key);
	__type(value, u8);
} krsi_prefixes_table SEC(".maps");

/* Suffixes, last byte first. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct krsi_key);
	__type(value, u8);
} krsi_suffixes_table SEC(".maps");

static __always_inline bool krsi_match_inode(struct inode *inode)
{
	struct super_block *super = READ(inode, i_sb);
	struct krsi_inode key = { .inode = READ(inode, i_ino), .device = READ(super, s_dev) };

	return bpf_map_lookup_elem(&krsi_inodes, &key);
}

static __always_inline bool krsi_match_prefix(struct krsi_path *path)
{
	u32 length = path->length;
	bool match;

	/* The NUL belongs to the key: it is what ends a whole path in the table. */
	path->length = (length + 1 > KRSI_KEY_SIZE ? KRSI_KEY_SIZE : length + 1) * 8;
	match = bpf_map_lookup_elem(&krsi_prefixes_table, path);
	path->length = length;
	return match;
}

__noinline u64 krsi_match_suffix(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	u32 length;
	u32 bytes = 0;

	if (!scratch)
		return 0;
	length = scratch->event.path.length;
	for (u32 i = 0; i < KRSI_KEY_SIZE - 1; i++) {
		if (i >= length)
			break;
		scratch->reversed.text[i] = scratch->event.path.text[krsi_path_index(length - 1 - i)];
		bytes = i + 1;
	}
	scratch->reversed.bits = bytes * 8;
	return bpf_map_lookup_elem(&krsi_suffixes_table, &scratch->reversed) != NULL;
}

/* Whether the file is one of those that path, path_prefix and path_suffix name. */
static __always_inline enum krsi_match krsi_match_path(volatile struct settings *settings,
						       struct scratch *scratch, struct inode *inode)
{
	bool paths = settings->params.path;
	bool prefixes = settings->params.path_prefix;
	bool suffixes = settings->params.path_suffix;

	if (!paths && !prefixes && !suffixes)
		return KRSI_MATCH;
	if (paths && krsi_match_inode(inode))
		return KRSI_MATCH;
	if (scratch->event.path.length == 0)
		return KRSI_UNKNOWN;
	if ((paths || prefixes) && krsi_match_prefix(&scratch->event.path))
		return KRSI_MATCH;
	if (suffixes && krsi_match_suffix(scratch->slot))
		return KRSI_MATCH;
	return KRSI_NO_MATCH;
}

#endif /* KRSI_NO_PATH_PARAMS */

/* ---- the filter's slot --------------------------------------------------- */

/* With the event in r1. Without a filter it says yes. */
KRSI_SLOT(krsi_filter, struct event, 1000)

/* ---- summaries ----------------------------------------------------------- */

/*
 * Aggregation, as the probe's constants describe it: an entry for each group (and bucket), in tables
 * that are as large as the shell made them. What finds no room is counted as overflow. The groups' bytes
 * are copied as the constants say, so what is not asked for is no code.
 *
 * Exact: counts and sums are added to atomically. What cannot be added (the least, the greatest, a rank) is under a
 * lock, which LSM programs have from 6.1 on; before, there is no least and greatest, and two tasks at once may cost a rank.
 *
 * To take a summary and begin anew, the shell moves the epoch on, waits until no program that read the
 * former one can be running (a grace period of RCU, under which they run), and takes that one's entries out.
 */

#define KRSI_SUMMARIES 4
#define KRSI_BY 4

enum krsi_summary_kind {
	krsi_summary_kind_none,
	krsi_summary_kind_count,
	krsi_summary_kind_number,
	krsi_summary_kind_log2,
	krsi_summary_kind_linear,
	krsi_summary_kind_distinct,
	KRSI_SUMMARY_KINDS, /* how many */
};

/* Keeps the enum in the object's BTF, where the shell reads which kind is which. */
const volatile enum krsi_summary_kind krsi_summary_kind_count_of = KRSI_SUMMARY_KINDS;

/* A field of the event, and where it goes in the key. */
struct krsi_taken {
	u32 from;
	u16 size; /* 0: none */
	u16 text; /* up to its NUL, size being the room for it */
	u32 to;
};

struct krsi_summary {
	u32 kind;
	struct krsi_taken value;
	u64 first; /* of a linear histogram: where it begins, how wide a bucket is, and how many there are */
	u64 step;
	u64 buckets;
	struct krsi_taken by[KRSI_BY];
};

const volatile struct krsi_summary krsi_summaries[KRSI_SUMMARIES] = {};

struct krsi_total {
	struct bpf_spin_lock lock;
	u32 zero;
	u64 count;
	u64 sum;
	u64 least;
	u64 greatest;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct krsi_summary_key);
	__type(value, struct krsi_total);
} krsi_totals SEC(".maps");

/* HyperLogLog (Flajolet et al., 2007): the greatest rank seen of the hashes that fall into each register. */
#define KRSI_REGISTERS_LOG2 9
#define KRSI_REGISTERS (1 << KRSI_REGISTERS_LOG2)

struct krsi_sketch {
	struct bpf_spin_lock lock;
	u32 zero;
	u8 registers[KRSI_REGISTERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct krsi_summary_key);
	__type(value, struct krsi_sketch);
} krsi_sketches SEC(".maps");

/* What a sketch begins as: too large for the stack, and no lock, since those are not copied from. */
struct krsi_zeros {
	u8 zeros[sizeof(struct krsi_sketch)];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct krsi_zeros);
} krsi_blank_sketch SEC(".maps");

static __always_inline u64 krsi_number_at(struct scratch *scratch, u32 from, u32 size)
{
	void *at = (char *)&scratch->event + from;

	switch (size) {
	case 1:
		return *(u8 *)at;
	case 2:
		return *(u16 *)at;
	case 4:
		return *(u32 *)at;
	case 8:
		return *(u64 *)at;
	}
	return 0;
}

/* 0 for 0, else one more than the number of the highest bit. */
static __always_inline u32 krsi_bits(u64 number)
{
	u32 bits = 0;

#pragma clang loop unroll(full)
	for (u32 half = 32; half; half /= 2)
		if (number >> half) {
			number >>= half;
			bits += half;
		}
	return number ? bits + 1 : 0;
}

/* Finalizer of SplitMix64 (Steele et al., 2014). */
static __always_inline u64 krsi_mix(u64 number)
{
	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9ULL;
	number = (number ^ number >> 27) * 0x94d049bb133111ebULL;
	return number ^ number >> 31;
}

static __always_inline u64 krsi_hash_text(struct scratch *scratch, u32 from)
{
	u64 hash = 0;

#pragma clang loop unroll(full)
	for (u32 i = 0; i < KRSI_DISTINCT_SIZE / sizeof(u64); i++)
		scratch->distinct.words[i] = 0;
	bpf_probe_read_kernel_str(scratch->distinct.text, KRSI_DISTINCT_SIZE, (char *)&scratch->event + from);
	for (u32 i = 0; i < KRSI_DISTINCT_SIZE / sizeof(u64); i++) {
		u64 word = scratch->distinct.words[i];

		if (!word)
			break;
		hash = krsi_mix(hash + 0x9e3779b97f4a7c15ULL ^ word);
	}
	return hash;
}

static __always_inline void krsi_count_total(struct scratch *scratch, const volatile struct krsi_summary *summary)
{
	u64 number = krsi_number_at(scratch, summary->value.from, summary->value.size);
	struct krsi_total *total = bpf_map_lookup_elem(&krsi_totals, &scratch->key);

	if (!total) {
		struct krsi_total none = {};

		/* Whoever else makes it at the same time makes the same. */
		bpf_map_update_elem(&krsi_totals, &scratch->key, &none, BPF_NOEXIST);
		total = bpf_map_lookup_elem(&krsi_totals, &scratch->key);
	}
	if (!total) {
		krsi_count(krsi_counter_overflow);
		return;
	}
	if (summary->kind != krsi_summary_kind_number) {
		__sync_fetch_and_add(&total->count, 1);
		return;
	}
	if (krsi_kernel < KERNEL_VERSION(6, 1, 0)) {
		__sync_fetch_and_add(&total->count, 1);
		__sync_fetch_and_add(&total->sum, number);
		return;
	}
	bpf_spin_lock(&total->lock);
	if (!total->count || number < total->least)
		total->least = number;
	if (!total->count || number > total->greatest)
		total->greatest = number;
	total->count++;
	total->sum += number;
	bpf_spin_unlock(&total->lock);
}

static __always_inline void krsi_count_distinct(struct scratch *scratch, const volatile struct krsi_summary *summary)
{
	struct krsi_sketch *sketch = bpf_map_lookup_elem(&krsi_sketches, &scratch->key);
	u32 zero = 0;
	u64 hash;

	if (!sketch) {
		struct krsi_zeros *blank = bpf_map_lookup_elem(&krsi_blank_sketch, &zero);

		if (blank)
			bpf_map_update_elem(&krsi_sketches, &scratch->key, blank, BPF_NOEXIST);
		sketch = bpf_map_lookup_elem(&krsi_sketches, &scratch->key);
	}
	if (!sketch) {
		krsi_count(krsi_counter_overflow);
		return;
	}
	if (summary->value.text)
		hash = krsi_hash_text(scratch, summary->value.from);
	else
		hash = krsi_mix(krsi_number_at(scratch, summary->value.from, summary->value.size));

	u32 index = hash & (KRSI_REGISTERS - 1);
	/* Zeros before the first one of the bits that are left, and one. */
	u8 rank = 65 - KRSI_REGISTERS_LOG2 - krsi_bits(hash >> KRSI_REGISTERS_LOG2);

	asm volatile("%[index] &= %[mask]" : [index] "+r"(index) : [mask] "i"(KRSI_REGISTERS - 1));
	if (sketch->registers[index] >= rank)
		return;
	if (krsi_kernel < KERNEL_VERSION(6, 1, 0)) {
		sketch->registers[index] = rank;
		return;
	}
	bpf_spin_lock(&sketch->lock);
	if (sketch->registers[index] < rank)
		sketch->registers[index] = rank;
	bpf_spin_unlock(&sketch->lock);
}

static __always_inline u16 krsi_bucket(struct scratch *scratch, const volatile struct krsi_summary *summary)
{
	u64 number;

	if (summary->kind != krsi_summary_kind_log2 && summary->kind != krsi_summary_kind_linear)
		return 0;
	number = krsi_number_at(scratch, summary->value.from, summary->value.size);
	if (summary->kind == krsi_summary_kind_log2)
		return krsi_bits(number);
	if (number < summary->first)
		return 0;
	number = (number - summary->first) / (summary->step ?: 1);
	return number < summary->buckets ? number + 1 : summary->buckets + 1;
}

static __always_inline void krsi_take_field(struct scratch *scratch, const volatile struct krsi_taken *taken)
{
	u32 from = taken->from;
	u32 to = taken->to;
	u32 size = taken->size;

	if (!size)
		return;
	if (taken->text)
		bpf_probe_read_kernel_str(scratch->key.group + to, size, (char *)&scratch->event + from);
	else
		bpf_probe_read_kernel(scratch->key.group + to, size, (char *)&scratch->event + from);
}

static __always_inline void krsi_summarize_one(struct scratch *scratch, u32 epoch, const u32 which)
{
	const volatile struct krsi_summary *summary = &krsi_summaries[which];
	u64 *words = (u64 *)&scratch->key;

	if (summary->kind == krsi_summary_kind_none)
		return;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < sizeof(scratch->key) / sizeof(u64); i++)
		words[i] = 0;
	scratch->key.epoch = epoch;
	scratch->key.summary = which;
	scratch->key.bucket = krsi_bucket(scratch, summary);
#pragma clang loop unroll(full)
	for (u32 i = 0; i < KRSI_BY; i++)
		krsi_take_field(scratch, &summary->by[i]);
	if (summary->kind == krsi_summary_kind_distinct)
		krsi_count_distinct(scratch, summary);
	else
		krsi_count_total(scratch, summary);
}

/* Adds the event to the probe's summaries. */
__noinline u64 krsi_summarize(u32 slot, u32 epoch)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	if (!scratch)
		return 0;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < KRSI_SUMMARIES; i++)
		krsi_summarize_one(scratch, epoch, i);
	return 0;
}

/* ---- the event ----------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} krsi_events SEC(".maps");

struct krsi_sequence {
	struct bpf_spin_lock lock;
	u32 zero;
	u64 last;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct krsi_sequence);
} krsi_sequence SEC(".maps");

/*
 * A lock, since 5.10 has no atomic addition that gives its result; and where LSM
 * programs have no lock either (5.10; seen to be there from 6.1), 0: then the reader numbers the
 * events, and a loss leaves no gap.
 */
static __always_inline u64 krsi_next_number(void)
{
	u32 zero = 0;
	struct krsi_sequence *sequence;
	u64 number;

	if (krsi_kernel < KERNEL_VERSION(6, 1, 0))
		return 0;
	sequence = bpf_map_lookup_elem(&krsi_sequence, &zero);
	if (!sequence)
		return 0;
	bpf_spin_lock(&sequence->lock);
	number = ++sequence->last;
	bpf_spin_unlock(&sequence->lock);
	return number;
}

/* When the executable's path, which costs more than all the rest of the header, is found. */
enum krsi_exe {
	KRSI_EXE_FOR_EVENTS,    /* once the filter has said yes, and if there is to be an event */
	KRSI_EXE_FOR_SUMMARIES, /* once the filter has said yes */
	KRSI_EXE_FOR_FILTER,    /* before the filter, which asks about it */
	KRSI_EXE_NEVER,
};

/* Set before the load. */
const volatile u32 krsi_exe = KRSI_EXE_FOR_FILTER;

static __always_inline void krsi_gather_exe(struct scratch *scratch)
{
	struct krsi_header *header = &scratch->event.header;
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct mm_struct *mm = READ(task, mm);
	struct file *file = READ(mm, exe_file);

	if (!file)
		return; /* a kernel thread */

	struct inode *inode = READ(file, f_inode);

	header->exe_inode = READ(inode, i_ino);
	if (krsi_walk_exe(scratch, READ(file, f_path.mnt), READ(file, f_path.dentry)))
		bpf_probe_read_kernel_str(header->exe, sizeof(header->exe), scratch->exe);
}

static __always_inline void krsi_gather_header(struct scratch *scratch, enum krsi_hook hook)
{
	struct krsi_header *header = &scratch->event.header;
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *leader = READ(task, group_leader);
	struct task_struct *parent = READ(leader, real_parent);
	struct task_struct *parent_leader = READ(parent, group_leader);
	struct cred *cred = READ(task, cred);

	header->mono_ns = bpf_ktime_get_ns();
	header->wall_ns = header->mono_ns; /* moved to the wall's clock by the reader */
	header->start_ns = READ(leader, start_boottime);
	header->cgroup = bpf_get_current_cgroup_id();
	header->probe_id = krsi_probe_id;
	header->hook = hook;
	header->pid = READ(task, tgid);
	header->tid = READ(task, pid);
	header->ppid = READ(parent, tgid);
	header->uid = READ(cred, uid.val);
	header->euid = READ(cred, euid.val);
	header->gid = READ(cred, gid.val);
	header->loginuid = READ(task, loginuid.val);
	header->session = READ(task, sessionid);
	bpf_probe_read_kernel_str(header->comm, sizeof(header->comm),
				  __builtin_preserve_access_index(&task->comm));
	bpf_probe_read_kernel_str(header->parent_comm, sizeof(header->parent_comm),
				  __builtin_preserve_access_index(&parent_leader->comm));
	header->pid_ns = krsi_pid_ns(task);
	header->mnt_ns = krsi_mnt_ns(task);
	header->user_ns = krsi_user_ns(cred);
}

/* ---- stacks -------------------------------------------------------------- */

enum krsi_stack {
	KRSI_STACK_KERNEL = 1,
	KRSI_STACK_USER = 2,
};

/* Which the probe wants. Set before the load. */
const volatile u32 krsi_stacks_wanted = 0;

/*
 * The program and what calls it are not a part of where an operation came from, and their addresses change with each
 * attach, which would make one stack many: two frames, but on 5.10 three (seen to be two from 6.1 on). In between,
 * three are no loss, since bpf_lsm_HOOK comes next, which says nothing. BPF_F_SKIP_FIELD_MASK of the flags.
 */
#define KRSI_OWN_FRAMES (krsi_kernel < KERNEL_VERSION(6, 1, 0) && !krsi_audit_only ? 3 : 2)
#define KRSI_FRAMES 127 /* PERF_MAX_STACK_DEPTH */

/*
 * Each stack once, under a number that is a hash of it: what finds its place taken by another is not kept. Made larger
 * by the shell if there are to be any.
 */
struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, KRSI_FRAMES * sizeof(u64));
} krsi_stacks SEC(".maps");

/* Gives the number and one more, or 0. */
static __always_inline u32 krsi_keep_stack(void *context, struct scratch *scratch, u64 flags)
{
	long number = bpf_get_stackid(context, &krsi_stacks, flags);

	if (number >= 0)
		return number + 1;
	scratch->event.header.notes |= KRSI_NOTE_NO_STACK;
	return 0;
}

static __always_inline void krsi_gather_stacks(void *context, struct scratch *scratch)
{
	if (krsi_stacks_wanted & KRSI_STACK_KERNEL)
		scratch->event.header.kstack = krsi_keep_stack(context, scratch, KRSI_OWN_FRAMES);
	if (krsi_stacks_wanted & KRSI_STACK_USER)
		scratch->event.header.ustack = krsi_keep_stack(context, scratch, BPF_F_USER_STACK);
}

/* ---- answer and event ---------------------------------------------------- */

static __always_inline void krsi_tell(struct krsi_header *header, const struct krsi_answer *answer)
{
	header->verdict = answer->verdict;
	header->mode = answer->mode;
	header->errno = answer->verdict >= KRSI_DENY ? answer->errno : 0;
	header->notes |= answer->notes | (krsi_audit_only ? KRSI_NOTE_AUDIT_ONLY : 0);
}

static __always_inline void krsi_emit(struct scratch *scratch)
{
	u64 size = KRSI_FIXED_SIZE + scratch->used;

	scratch->event.header.seq = krsi_next_number();
	if (size > sizeof(struct event))
		size = sizeof(struct event);
	if (bpf_ringbuf_output(&krsi_events, &scratch->event, size, 0))
		krsi_count(krsi_counter_lost_ring);
	else
		krsi_count(krsi_counter_emitted);
}

/*
 * The template has gathered its fields and says whether its params match (enum krsi_match): header and
 * filter. Gives what the filter says (enum krsi_said) of an event that is the probe's; 0: it is not.
 */
__noinline u64 krsi_consider(u32 slot, u32 hook, u32 match)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	volatile struct settings *settings = krsi_read_settings();
	char *end;
	u64 said;

	if (!scratch || !settings)
		return 0;
	if (match == KRSI_UNKNOWN && krsi_denies_on_error(settings))
		match = KRSI_MATCH;
	if (match != KRSI_MATCH) {
		krsi_count(krsi_counter_filtered);
		return 0;
	}
	krsi_gather_header(scratch, hook);
	if (krsi_exe == KRSI_EXE_FOR_FILTER)
		krsi_gather_exe(scratch);
	/* A filter looks for texts behind the path: what was not gathered is empty, not left over. */
	end = krsi_tail(scratch, sizeof(struct event) - KRSI_FIXED_SIZE - 1);
	if (end)
		*end = '\0';
	said = krsi_filter(&scratch->event);
	match = said & 0xff;
	if (match == KRSI_UNKNOWN) {
		/* A path that cannot be read is counted already. */
		if (!(scratch->event.header.notes & KRSI_NOTE_NO_PATH))
			krsi_count(krsi_counter_errors);
		said = KRSI_MATCH;
		match = krsi_denies_on_error(settings) ? KRSI_MATCH : KRSI_NO_MATCH;
	}
	if (match != KRSI_MATCH) {
		krsi_count(krsi_counter_filtered);
		return 0;
	}
	return said;
}

/*
 * The rest: answer, summaries, event, books, deed. `when` is an enum krsi_when. Gives the errno to refuse with, or 0.
 */
__noinline u64 krsi_conclude(u32 slot, u64 said, u32 when)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	volatile struct settings *settings = krsi_read_settings();
	struct krsi_answer answer;
	bool quiet;

	if (!scratch || !settings)
		return 0;
	quiet = settings->control.quiet;
	if (krsi_exe == KRSI_EXE_FOR_SUMMARIES || (krsi_exe == KRSI_EXE_FOR_EVENTS && !quiet))
		krsi_gather_exe(scratch);
	answer = krsi_answer(settings, when, said);
	krsi_tell(&scratch->event.header, &answer);
	if (krsi_summaries[0].kind != krsi_summary_kind_none)
		krsi_summarize(slot, settings->control.epoch);
	if (quiet)
		krsi_count(krsi_counter_suppressed);
	else
		krsi_emit(scratch);
	return krsi_enforce(&answer);
}

/*
 * Last step of every hook: both, and between them what only a hook's own program can have; and the scratch is given
 * back. Gives what the hook returns.
 */
static __always_inline int krsi_decide(void *context, struct scratch *scratch, enum krsi_hook hook,
				       enum krsi_match match)
{
	u64 errno = 0;
	u64 said;

	if (scratch->event.header.notes & KRSI_NOTE_NO_PATH)
		krsi_count(krsi_counter_errors);
	said = krsi_consider(scratch->slot, hook, match);
	if (said) {
		krsi_gather_stacks(context, scratch);
		errno = krsi_conclude(scratch->slot, said, KRSI_IN_TIME);
	}
	krsi_give_back(scratch);
	return krsi_result(errno);
}

/* ---- preview ------------------------------------------------------------- */

/* A process in scope, as the shell reads it. */
struct krsi_previewed {
	u32 pid;
	u32 uid;
	char comm[16];
};

/* Which processes are in scope now, by the same function that the hooks ask. */
SEC("iter/task")
int krsi_preview(struct bpf_iter__task *context)
{
	volatile struct settings *settings = krsi_read_settings();
	struct task_struct *task = context->task;

	if (!settings || !task || READ(task, pid) != READ(task, tgid))
		return 0;
	if (!krsi_in_scope(settings->control.scope, ADDRESS(task)))
		return 0;

	struct cred *cred = READ(task, cred);
	struct krsi_previewed process = { .pid = READ(task, tgid), .uid = READ(cred, uid.val) };

	bpf_probe_read_kernel_str(process.comm, sizeof(process.comm),
				  __builtin_preserve_access_index(&task->comm));
	bpf_seq_write(context->meta->seq, &process, sizeof(process));
	return 0;
}

#endif
