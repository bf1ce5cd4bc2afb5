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
	/* Which generation of programs decides (krsi_turns.bpf.h): bits 0-31 its number, 32-33 an enum krsi_change. */
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

static __always_inline bool krsi_denies_on_error(volatile struct settings *settings)
{
	u64 mode = settings->control.mode;

	return (mode & 0xff) >= KRSI_MODE_DENY && mode >> 32 & 1;
}

#include "krsi_turns.bpf.h"

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

#include "krsi_scope.bpf.h"

#include "krsi_stages.bpf.h"

/* ---- scratch ------------------------------------------------------------- */

#define KRSI_KEY_SIZE 256 /* LPM_DATA_SIZE_MAX */
/* A path, and room behind it that nothing is ever written to: so far the verifier sees a name go. */
#define KRSI_WALK_SIZE (KRSI_PATH_SIZE + 256)

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
	u32 at;  /* where the text begins */
	u32 top; /* enum krsi_top */
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
	/* Whose path the event's is; 0: nobody's, such as a socket's name. */
	u64 path_mount;
	u64 path_dentry;
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
	scratch->path_dentry = 0;
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
		/* Whatever signal was named: every other one can be ignored, blocked, or taken back by SIGCONT. */
		answer.signal = SIGKILL;
		answer.verdict = KRSI_KILL;
		answer.errno = 0;
	}
	return answer;
}

/*
 * Sends the signal of a kill, before anything is told of it. The kernel takes none for a task of its own: what is left then
 * is a denial, or nothing if it is too late for that.
 */
static __always_inline void krsi_send(struct krsi_answer *answer, enum krsi_when when)
{
	if (answer->verdict != KRSI_KILL || !bpf_send_signal(answer->signal))
		return;
	krsi_count(krsi_counter_errors);
	answer->notes |= KRSI_NOTE_NO_SIGNAL;
	answer->verdict = when == KRSI_TOO_LATE ? KRSI_ALLOW : KRSI_DENY;
}

/* Books of a match. Gives the errno to refuse with, or 0. */
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
	krsi_count(answer->verdict == KRSI_KILL ? krsi_counter_kill : krsi_counter_deny);
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
	krsi_send(&answer, when);
	return krsi_enforce(&answer);
}

/* The same, for a hook to return. */
static __always_inline int krsi_failed(void)
{
	return krsi_result(krsi_fail(KRSI_IN_TIME));
}

#include "krsi_paths.bpf.h"

/* ---- the filter's slot --------------------------------------------------- */

/* With the event in r1. Without a filter it says yes. */
KRSI_SLOT(krsi_filter, struct event, 1000)

#include "krsi_summaries.bpf.h"

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
	struct dentry *dentry = READ(file, f_path.dentry);

	header->exe_inode = READ(inode, i_ino);
	if (!krsi_walk_to(scratch, header->exe, sizeof(header->exe), READ(file, f_path.mnt), dentry))
		header->notes |= KRSI_NOTE_NO_EXE;
	if (krsi_is_unlinked(dentry))
		header->notes |= KRSI_NOTE_EXE_UNLINKED;
}

static __always_inline void krsi_gather_header(struct scratch *scratch, enum krsi_hook hook)
{
	struct krsi_header *header = &scratch->event.header;
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *leader = READ(task, group_leader);
	struct task_struct *parent = READ(leader, real_parent);
	struct task_struct *parent_leader = READ(parent, group_leader);
	struct cred *cred = krsi_cred(task);

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

#include "krsi_stacks.bpf.h"

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
		/* What it could not be told for is counted already, or is counted now. */
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
	krsi_send(&answer, when);
	krsi_tell(&scratch->event.header, &answer);
	if (krsi_summaries[0].kind != krsi_summary_kind_none)
		krsi_summarize(slot, settings->control.epoch);
	if (quiet) {
		krsi_count(krsi_counter_suppressed);
	} else {
		scratch->event.header.notes |= krsi_notes_of_path(slot);
		krsi_emit(scratch);
	}
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
	if (krsi_in_scope(settings->control.scope, ADDRESS(task)) == KRSI_OUT_OF_SCOPE)
		return 0;

	struct cred *cred = krsi_cred(task);
	struct krsi_previewed process = { .pid = READ(task, tgid), .uid = READ(cred, uid.val) };

	bpf_probe_read_kernel_str(process.comm, sizeof(process.comm),
				  __builtin_preserve_access_index(&task->comm));
	bpf_seq_write(context->meta->seq, &process, sizeof(process));
	return 0;
}

#endif
