/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * signal: a process sends another one, or itself, a signal.
 *
 * Hook: task_kill (kernel/signal.c, check_kill_permission), for kill, tkill, tgkill, rt_sigqueueinfo and
 * pidfd_send_signal, once for each process that the call reaches: kill to a process group, or to -1, is asked
 * about for every member. The kernel has settled that the sender may. A refusal keeps the signal from that
 * process; the call fails with the errno if none was reached.
 *
 * Signal 0 is sent to nobody, and asks only whether somebody is there: it is asked about like the others, and
 * is `none`.
 *
 * The kernel's own signals are not asked about: a fault (SIGSEGV), a pipe without a reader, a timer, the keys
 * of a terminal (Ctrl-C), the out-of-memory killer, the end of a child. The one exception is what a driver of
 * USB devices sends on behalf of whoever asked for it before, with that one's rights: its `origin` is `usb`,
 * and the task of the header is whoever ran just then.
 *
 * Who sends is the event's task; who is to get it is `target_…`.
 */
enum krsi_hook {
	krsi_hook_task_kill,
};

#include "include/krsi.bpf.h"
#include "include/krsi_signals.bpf.h"
#include "include/krsi_target_members.bpf.h"

#define ORIGINS(X)                                                                                         \
	X(ORIGIN_OTHER, "other", 0) X(ORIGIN_KILL, "kill", 1) X(ORIGIN_THREAD, "tkill", 2)                 \
	X(ORIGIN_QUEUE, "sigqueue", 3) X(ORIGIN_USB, "usb", 4)

enum origin { ORIGINS(KRSI_MEMBER) };

struct params {
	krsi_flags signal KRSI_DOC("Only these signals. none: signal 0, which only asks whether the process is there; realtime: all "
				   "from 32 on.")
		KRSI_DEFAULT("every signal") KRSI_BITS("none=1 " KRSI_SIGNAL_BITS);
	krsi_flag to_others KRSI_DOC("true: only to another process, not to oneself.") KRSI_DEFAULT("false");
};

struct event {
	struct krsi_header header;
	struct krsi_target target;
	u32 signal KRSI_DOC("The signal; real-time signals, those from 32 on, are SIG32 to SIG64.") KRSI_NAMES(KRSI_SIGNAL_VALUES)
		KRSI_SUBJECT;
	u32 origin KRSI_DOC("How it is sent. kill: kill or pidfd_send_signal; tkill: to one thread, by tkill or tgkill; sigqueue: with a value "
			    "of the sender's; usb: by a driver, on behalf of a process; other: with a code of the sender's own.")
		KRSI_NAMES(ORIGINS(KRSI_NAME));
} KRSI_TEMPLATE("signal", "Signals sent between processes: kill, tkill, sigqueue", "T1489 T1562.001")
	KRSI_EXAMPLE("probe(\"signal\", #{signal: [\"SIGKILL\", \"SIGTERM\", \"SIGSTOP\"], to_others: true})"
		     ".when(|e| e.target_comm in [\"auditd\", \"falco\", \"osqueryd\"]).shadow().attach();")
	KRSI_CANNOT_ASK("a signal that goes to several processes is not sent again to those that did not get it")
KRSI_NOT_SEEN("Signals of the kernel's own: faults, timers, Ctrl-C at a terminal, the out-of-memory killer, a child's end. "
		      "Signals that a file sends for its owner (F_SETOWN). "
		      "Whether the target blocks or ignores it.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_target.bpf.h"

struct kernel_siginfo {
	int si_code;
} __relocated;

/* include/uapi/asm-generic/siginfo.h */
#define SI_USER 0
#define SI_QUEUE (-1)
#define SI_TKILL (-6)

/* As numbers: the verifier takes a hook's arguments for pointers that are there, and either may be NULL. */
static __always_inline u32 origin_of(u64 information, u64 cred)
{
	struct kernel_siginfo *info = (struct kernel_siginfo *)information;

	if (cred)
		return ORIGIN_USB;
	/* SEND_SIG_NOINFO: no information is that of kill. */
	if (!info)
		return ORIGIN_KILL;
	switch (READ(info, si_code)) {
	case SI_USER:
		return ORIGIN_KILL;
	case SI_TKILL:
		return ORIGIN_THREAD;
	case SI_QUEUE:
		return ORIGIN_QUEUE;
	default:
		return ORIGIN_OTHER;
	}
}

static __always_inline bool wanted(volatile struct settings *settings, u32 signal, struct task_struct *target)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	u64 signals = settings->params.signal;

	if (signals && !krsi_has_signal(signals, signal))
		return false;
	return !settings->params.to_others || !krsi_is_same_process(task, target);
}

SEC("lsm/task_kill")
int signal_kill(u64 *context)
{
	struct task_struct *target = ARG(context, 0, struct task_struct *);
	u32 signal = context[2];
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (!wanted(settings, signal, target))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	krsi_gather_target(scratch, &scratch->event.target, target);
	scratch->event.signal = signal;
	scratch->event.origin = origin_of(ADDRESS(ARG(context, 1, void *)), ADDRESS(ARG(context, 3, void *)));
	return krsi_decide(context, scratch, krsi_hook_task_kill, KRSI_MATCH);
}
