/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * exit: a process has come to its end.
 *
 * No LSM hook is of use for that: task_free, the only one there is, is asked when the last trace of a task
 * goes, much later and in the name of whoever ran just then. So this template is attached to a function of the
 * kernel's, taskstats_exit (kernel/taskstats.c, from do_exit), which each thread calls on its way out, while
 * memory, files and executable are still there; the last thread of a process is told that it is the last, and
 * that is the event. It has no verdict: nothing can be denied, and nobody killed who is dying. Kernels without
 * CONFIG_TASKSTATS lack it; the distributions' have it.
 *
 * `code` and `signal` are what the parent learns by wait(2). A thread that ends while others live is no event.
 * Of threads that end at the same time one is the last, and its id is `tid`.
 *
 * Not seen: processes that were there and ended before the attach, and what becomes of the zombie: when its
 * parent asks for it, if ever.
 */
enum krsi_hook {
	krsi_hook_taskstats_exit,
};

#include "include/krsi.bpf.h"
#include "include/krsi_signals.bpf.h"

#define ENDS(X) X(END_CLEAN, "clean", 1) X(END_FAILURE, "failure", 2) X(END_SIGNAL, "signal", 4)

enum end { ENDS(KRSI_MEMBER) };

struct params {
	krsi_flags how KRSI_DOC("Only these. clean: with code 0; failure: with another one; signal: killed by a signal.")
		KRSI_DEFAULT("every end") KRSI_BITS(ENDS(KRSI_NAME));
	krsi_flags signal KRSI_DOC("Only processes killed by one of these signals.")
		KRSI_DEFAULT("every end") KRSI_BITS(KRSI_SIGNAL_BITS);
};

struct event {
	struct krsi_header header;
	u64 run_ns KRSI_DOC("How long the process has lived.") KRSI_UNIT("ns");
	u64 cpu_ns KRSI_DOC("How long its threads have run, in the kernel and outside, all together.") KRSI_UNIT("ns");
	u32 code KRSI_DOC("What it ended with, 0 to 255; 0 if a signal killed it.") KRSI_SUBJECT;
	u32 signal KRSI_DOC("The signal that killed it, or none; real-time signals are SIG32 to SIG64.") KRSI_NAMES(KRSI_SIGNAL_VALUES);
	u32 how KRSI_DOC("In short.") KRSI_NAMES(ENDS(KRSI_NAME));
	bool core KRSI_DOC("Whether its memory was dumped.");
} KRSI_TEMPLATE("exit", "Process exits: exit code, signal, run time", "T1499.004 T1489 T1203")
	KRSI_OBSERVES_ONLY
	KRSI_EXAMPLE("probe(\"exit\", #{signal: [\"SIGSEGV\", \"SIGABRT\", \"SIGILL\", \"SIGBUS\", \"SIGSYS\"]}).attach();")
	KRSI_NOT_SEEN("Threads that end while others of their process live. "
		      "When the parent asks for a zombie, if it ever does. "
		      "On a preemptible kernel, an end while another thread on the processor is interrupted in the middle of being looked at: it is counted as missed. "
		      "Who sent the signal: the template `signal` sees that.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"

struct signal_struct___end {
	int group_exit_code;
	u32 flags;
	u64 sum_sched_runtime;
} __relocated;

struct sched_entity {
	u64 sum_exec_runtime;
} __relocated;

struct task_struct___end {
	int exit_code;
	struct sched_entity se;
	struct task_struct___end *group_leader;
	struct signal_struct___end *signal;
	u64 start_boottime;
} __relocated;

#define SIGNAL_GROUP_EXIT 4 /* include/linux/sched/signal.h */

/* As wait(2) tells it: that of the call which ended all threads, or else of the first one, which may have ended long ago. */
static __always_inline u32 status_of(struct task_struct___end *task)
{
	struct signal_struct___end *signal = READ(task, signal);
	struct task_struct___end *leader = READ(task, group_leader);

	return READ(signal, flags) & SIGNAL_GROUP_EXIT ? READ(signal, group_exit_code) : READ(leader, exit_code);
}

static __always_inline u32 how(u32 status)
{
	if (status & 0x7f)
		return END_SIGNAL;
	return status >> 8 & 0xff ? END_FAILURE : END_CLEAN;
}

static __always_inline bool wanted(volatile struct settings *settings, u32 status)
{
	u64 ends = settings->params.how;
	u64 signals = settings->params.signal;
	u32 signal = status & 0x7f;

	if (ends && !(ends & how(status)))
		return false;
	return !signals || (signal && krsi_has_signal(signals, signal));
}

SEC("fentry/taskstats_exit")
int exit_process(u64 *context)
{
	struct task_struct___end *task = ARG(context, 0, struct task_struct___end *);
	struct task_struct___end *leader;
	struct signal_struct___end *signal;
	volatile struct settings *settings;
	struct scratch *scratch;
	struct event *event;
	u32 status;
	int result;

	/* Whether it is the last of its process; every other thread is in no books. */
	if (!(u32)context[1])
		return 0;
	settings = krsi_enter();
	if (!settings)
		return 0;
	status = status_of(task);
	if (!wanted(settings, status)) {
		krsi_filtered();
		return 0;
	}
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return 0;
	event = &scratch->event;
	leader = READ(task, group_leader);
	signal = READ(task, signal);
	event->run_ns = bpf_ktime_get_boot_ns() - READ(leader, start_boottime);
	event->cpu_ns = READ(signal, sum_sched_runtime) + READ(task, se.sum_exec_runtime);
	event->code = status & 0x7f ? 0 : status >> 8 & 0xff;
	event->signal = status & 0x7f;
	event->how = how(status);
	event->core = status & 0x80;
	krsi_decide(context, scratch, krsi_hook_taskstats_exit, KRSI_MATCH);
	return 0;
}
