/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Mode ask: the task is stopped before its call is answered, user space decides, and the call is made again. */
#ifndef KRSI_ASK_BPF_H
#define KRSI_ASK_BPF_H

/*
 * The hook sends the running thread SIGSTOP and refuses with ERESTARTNOINTR. On its way back to user space the thread stops, and
 * its process with it; when somebody continues it, the kernel makes the same call again, and the hook is asked again, about what
 * is there then. By then there is an answer, or the time is up, or another process has continued it: then it is asked again.
 *
 *   krsi_held     who is stopped for what: the kernel writes it, the shell and its waker read it
 *   krsi_replies  what was decided: the shell writes it, the kernel reads it
 *
 * What leaves the kernel refused with ERESTARTNOINTR must stop, or the program sees an errno that it does not know. So the signal
 * goes to this one thread: one that is sent to the process may be on its way already, for another thread, and would
 * not mark this one. It is sent before the event, since what an answer does first is to continue the process.
 */
#include "krsi_call.bpf.h"
#include "krsi_identity.bpf.h"
#include "krsi_verdict.bpf.h"

#define KRSI_ERESTARTNOINTR 513 /* include/linux/errno.h */
#define KRSI_ENOSYS 38
#define KRSI_SIGSTOP 19

/* How long an operation is held at most. Set before the load. */
const volatile u32 krsi_ask_ms = 0;
/* This shell: it cannot decide about its own children, for which it may be waiting. */
const volatile u32 krsi_ask_shell = 0;

enum krsi_reply_for {
	KRSI_REPLY_ONCE,       /* this operation of this thread */
	KRSI_REPLY_PROCESS,    /* of this process */
	KRSI_REPLY_EXECUTABLE, /* of whoever runs the same */
};

KRSI_KEPT(enum krsi_reply_for, reply_for);

/* An operation of somebody's. */
struct krsi_question {
	u64 start_ns; /* of the thread or process, since boot */
	u32 id;
	enum krsi_reply_for kind;
	u64 identity[2];
};

struct krsi_held {
	u64 asked_ns; /* on the monotonic clock; the event's time */
	u64 until_ns;
	u64 start_ns; /* of the process */
	u32 pid;
	u32 zero;
};

struct krsi_reply {
	u64 word; /* bits 0-7 an enum krsi_verdict, 8-15 signal, 16-31 errno */
	u64 until_ns; /* on the monotonic clock; 0: as long as the probe is attached */
	u64 identity[2];
};

KRSI_KEPT(struct krsi_question, question);
KRSI_KEPT(struct krsi_held, held);
KRSI_KEPT(struct krsi_reply, reply);

/* As many as may be held at once: what finds no room here is not held. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct krsi_question);
	__type(value, struct krsi_held);
} krsi_held SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct krsi_question);
	__type(value, struct krsi_reply);
} krsi_replies SEC(".maps");

/* What a template knows of an operation that cannot be made again, or of which its event does not tell enough. */
#ifndef KRSI_CANNOT_HOLD
#define KRSI_CANNOT_HOLD(event) false
#endif

#define KRSI_PF_EXITING 0x00000004
#define KRSI_PF_DUMPCORE 0x00000200
#define KRSI_PF_SIGNALED 0x00000400
#define KRSI_PF_USER_WORKER 0x00004000 /* from 6.4 on */
#define KRSI_SIGNAL_GROUP_EXIT 0x00000004
#define KRSI_SIGNAL_UNKILLABLE 0x00000040

/* Whether the call that the task is in is made again when it is refused with ERESTARTNOINTR, and nobody else sees that. */
static __always_inline bool krsi_is_restarted(struct task_struct *task)
{
	struct pt_regs___call *registers = krsi_entry_registers();
	u32 call = krsi_call_number(registers);

	/* Not a call, but a fault. */
	if (call == (u32)-1)
		return false;
	/* On its way back: work that was put off, such as a ring's. The entry leaves this there until there is a result (arch/x86/entry). */
	if ((long)READ(registers, ax) != -KRSI_ENOSYS)
		return false;
	/* io_uring_enter and io_submit: what each operation comes to is told elsewhere. */
	if (call == 426)
		return false;
	/* fsconfig: after a refusal its context is of no more use. */
	if (call == 431)
		return false;
	/* setfsuid and setfsgid tell no errors. */
	if (krsi_is_compat(task))
		return call != 248 && call != 138 && call != 139 && call != 215 && call != 216;
	call &= ~KRSI_X32;
	return call != 209 && call != 544 && call != 122 && call != 123;
}

/* Whether the task stops if it is told to, and nothing is lost by that. */
static __always_inline bool krsi_can_stop(struct task_struct *task)
{
	u32 never = PF_KTHREAD | PF_IO_WORKER | KRSI_PF_EXITING | KRSI_PF_DUMPCORE | KRSI_PF_SIGNALED;
	struct task_struct *leader = READ(task, group_leader);
	struct task_struct *parent = READ(task, real_parent);
	struct signal_struct *signal = READ(task, signal);

	if (krsi_kernel >= KERNEL_VERSION(6, 4, 0))
		never |= KRSI_PF_USER_WORKER;
	if (READ(task, flags) & never || !READ(task, mm))
		return false;
	if (READ(signal, flags) & (KRSI_SIGNAL_GROUP_EXIT | KRSI_SIGNAL_UNKILLABLE))
		return false;
	/* Its stops are the tracer's. */
	if (READ(task, ptrace) || READ(leader, ptrace))
		return false;
	return (u32)READ(parent, tgid) != krsi_ask_shell;
}

static __always_inline bool krsi_find_reply(struct krsi_question *question, u64 *word)
{
	volatile struct krsi_reply *reply = bpf_map_lookup_elem(&krsi_replies, question);
	u64 until;

	if (!reply)
		return false;
	*word = reply->word;
	until = reply->until_ns;
	/* Read last: memory that has been taken away meanwhile is another question's, or nobody's. */
	asm volatile("" ::: "memory");
	if (reply->identity[0] != question->identity[0] || reply->identity[1] != question->identity[1])
		return false;
	return !until || bpf_ktime_get_ns() < until;
}

/* Makes it the question of this thread. */
static __always_inline void krsi_of_thread(struct krsi_question *question, struct task_struct *task)
{
	question->id = bpf_get_current_pid_tgid();
	question->start_ns = READ(task, start_boottime);
	question->kind = KRSI_REPLY_ONCE;
}

/* A reply that holds longer. */
static __always_inline bool krsi_find_lasting(struct krsi_question *question, struct task_struct *leader, u64 *word)
{
	bool found;

	question->id = bpf_get_current_pid_tgid() >> 32;
	question->start_ns = READ(leader, start_boottime);
	question->kind = KRSI_REPLY_PROCESS;
	found = krsi_find_reply(question, word);
	if (!found) {
		question->id = 0;
		question->start_ns = 0;
		question->kind = KRSI_REPLY_EXECUTABLE;
		found = krsi_find_reply(question, word);
	}
	return found;
}

/* The process that continues what is held when the shell does not is gone, and there is no other. */
static __always_inline bool krsi_nobody_wakes(volatile struct settings *settings)
{
	return settings->control.mode >> 33 & 1;
}

static __always_inline u64 krsi_with_note(u64 word, u64 notes)
{
	return word | notes << 32;
}

/* Nothing is held, or not any more. */
static __always_inline u64 krsi_at_once(volatile struct settings *settings, u64 notes)
{
	krsi_count(krsi_counter_otherwise);
	return krsi_with_note(krsi_otherwise(settings), notes | KRSI_NOTE_OTHERWISE);
}

/* Stops the thread, and takes down that it is. KRSI_ASK, or what is answered at once. */
static __always_inline u64 krsi_hold(volatile struct settings *settings, struct scratch *scratch,
				     struct krsi_question *question, struct task_struct *task,
				     struct task_struct *leader)
{
	struct krsi_held *held = bpf_map_lookup_elem(&krsi_held, question);
	u64 now = bpf_ktime_get_ns();

	if (held && now >= held->until_ns) {
		bpf_map_delete_elem(&krsi_held, question);
		krsi_count(krsi_counter_timed_out);
		return krsi_with_note(krsi_otherwise(settings), KRSI_NOTE_TIMED_OUT);
	}
	if (held) {
		/* Somebody has continued it: it is the same question still, with what is left of its time. */
		scratch->event.header.mono_ns = held->asked_ns;
		scratch->event.header.wall_ns = held->asked_ns;
		krsi_count(krsi_counter_withdrawn);
	} else {
		struct krsi_held taken = {
			.asked_ns = scratch->event.header.mono_ns,
			.until_ns = now + (u64)krsi_ask_ms * 1000000,
			.start_ns = READ(leader, start_boottime),
			.pid = bpf_get_current_pid_tgid() >> 32,
		};

		if (bpf_map_update_elem(&krsi_held, question, &taken, BPF_NOEXIST))
			return krsi_at_once(settings, KRSI_NOTE_CROWDED);
	}
	if (bpf_send_signal_thread(KRSI_SIGSTOP)) {
		bpf_map_delete_elem(&krsi_held, question);
		return krsi_at_once(settings, KRSI_NOTE_NO_SIGNAL);
	}
	return KRSI_ASK;
}

/*
 * What a match comes to in mode ask: the word of a reply, with notes above it; KRSI_ASK if the task stops. The header is
 * gathered.
 */
__noinline u64 krsi_ask(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	volatile struct settings *settings = krsi_read_settings();
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *leader = READ(task, group_leader);
	struct krsi_question question = {};
	u64 word = 0;
	bool once;

	if (!scratch || !settings)
		return KRSI_ALLOW;
	if (!scratch->hash[2])
		return krsi_at_once(settings, 0);
	question.identity[0] = scratch->hash[0];
	question.identity[1] = scratch->hash[1];
	krsi_of_thread(&question, task);
	once = krsi_find_reply(&question, &word);
	if (once)
		bpf_map_delete_elem(&krsi_replies, &question);
	if (once || krsi_find_lasting(&question, leader, &word)) {
		krsi_of_thread(&question, task);
		if (!bpf_map_delete_elem(&krsi_held, &question))
			krsi_count(krsi_counter_answered);
		return krsi_with_note(word, KRSI_NOTE_ANSWERED);
	}
	if (krsi_nobody_wakes(settings) || KRSI_CANNOT_HOLD((&scratch->event)) || !krsi_can_stop(task) || !krsi_is_restarted(task))
		return krsi_at_once(settings, 0);
	krsi_of_thread(&question, task);
	return krsi_hold(settings, scratch, &question, task, leader);
}

/* Nobody has been told of what is held: its time is up as soon as the waker looks. */
__noinline u64 krsi_hurry(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct krsi_question question = {};
	struct krsi_held *held;

	if (!scratch)
		return 0;
	question.identity[0] = scratch->hash[0];
	question.identity[1] = scratch->hash[1];
	krsi_of_thread(&question, task);
	held = bpf_map_lookup_elem(&krsi_held, &question);
	if (held)
		held->until_ns = 0;
	return 0;
}

/* Puts what it comes to in the place of KRSI_ASK. */
static __always_inline void krsi_resolve(u32 slot, struct krsi_answer *answer)
{
	u64 word = krsi_ask(slot);

	answer->verdict = word & 0xff;
	answer->signal = word >> 8 & 0xff;
	answer->errno = word >> 16 & 0xffff;
	answer->notes |= word >> 32;
	if (answer->verdict == KRSI_ASK)
		answer->errno = KRSI_ERESTARTNOINTR;
	else if (answer->errno == 0 || answer->errno > 4095)
		answer->errno = 1; /* EPERM */
}

#endif
