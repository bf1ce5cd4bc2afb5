/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What a match comes to: mode, lease, breaker, the exempt tasks, the filter's own verdict; and what becomes of an error. */
#ifndef KRSI_VERDICT_BPF_H
#define KRSI_VERDICT_BPF_H

#include "krsi_breaker.bpf.h"
#include "krsi_counters.bpf.h"
#include "krsi_settings.bpf.h"

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
 * What a filter returns: an enum krsi_match in the first byte, a verdict of its own in the second, and an errno or
 * signal above them.
 */
enum krsi_filter_verdict {
	KRSI_FILTER_MODE, /* none: the mode decides */
	KRSI_FILTER_ALLOW,
	KRSI_FILTER_DENY,
	KRSI_FILTER_KILL,
};

KRSI_KEPT(enum krsi_filter_verdict, filter_verdict);

#define KRSI_FILTER_VERDICT(result) ((result) >> 8 & 0xff)
#define KRSI_FILTER_ARGUMENT(result) ((result) >> 16 & 0xffff)

/* What a match is answered with now; a filter's own verdict counts where the mode enforces, or would. */
static __always_inline struct krsi_answer krsi_answer(volatile struct settings *settings, enum krsi_when when,
						      u64 result)
{
	u64 word = settings->control.mode;
	u64 lease = settings->control.lease_ns;
	struct krsi_answer answer = {
		.mode = word & 0xff,
		.notes = when == KRSI_TOO_LATE ? KRSI_NOTE_LATE : 0,
	};

	if (answer.mode == KRSI_MODE_SHADOW && KRSI_FILTER_VERDICT(result) != KRSI_FILTER_ALLOW)
		answer.verdict = krsi_asks && KRSI_FILTER_VERDICT(result) == KRSI_FILTER_MODE ? KRSI_WOULD_ASK :
											KRSI_WOULD_DENY;
	if (answer.mode < KRSI_MODE_DENY || KRSI_FILTER_VERDICT(result) == KRSI_FILTER_ALLOW)
		return answer;
	if (lease && bpf_ktime_get_ns() > lease) {
		answer.notes |= KRSI_NOTE_LAPSED;
		return answer;
	}
	if (krsi_has_tripped(settings)) {
		answer.notes |= KRSI_NOTE_LAPSED | KRSI_NOTE_TRIPPED;
		return answer;
	}
	if (krsi_guarded()) {
		answer.notes |= KRSI_NOTE_GUARDED;
		return answer;
	}
	answer.signal = word >> 8 & 0xff;
	answer.errno = word >> 16 & 0xffff;
	answer.verdict = answer.mode == KRSI_MODE_KILL ? KRSI_KILL : KRSI_DENY;
	if (krsi_asks && answer.mode == KRSI_MODE_ASK)
		answer.verdict = KRSI_ASK;
	if (KRSI_FILTER_VERDICT(result) == KRSI_FILTER_DENY) {
		answer.verdict = KRSI_DENY;
		answer.errno = KRSI_FILTER_ARGUMENT(result);
	} else if (KRSI_FILTER_VERDICT(result) == KRSI_FILTER_KILL) {
		answer.verdict = KRSI_KILL;
		answer.signal = KRSI_FILTER_ARGUMENT(result);
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

/* What the probe was told to do with what cannot be asked about: bits 0-7 an enum krsi_verdict, 8-15 signal, 16-31 errno. */
static __always_inline u64 krsi_otherwise(volatile struct settings *settings)
{
	u64 word = settings->control.mode & 0xffffff00;
	u64 verdict = word & 0xff00 ? KRSI_KILL : word ? KRSI_DENY : KRSI_ALLOW;

	return word | verdict;
}

static __always_inline void krsi_take_otherwise(volatile struct settings *settings, struct krsi_answer *answer)
{
	answer->verdict = krsi_otherwise(settings) & 0xff;
	answer->notes |= KRSI_NOTE_OTHERWISE;
}

/* Lets the breaker look at what is about to be refused: what is too much is allowed. */
static __always_inline void krsi_break(volatile struct settings *settings, struct krsi_answer *answer)
{
	if (!krsi_trip_ns || (answer->verdict != KRSI_DENY && answer->verdict != KRSI_KILL) || !krsi_trips(settings))
		return;
	answer->verdict = KRSI_ALLOW;
	answer->errno = 0;
	answer->notes |= KRSI_NOTE_LAPSED | KRSI_NOTE_TRIPPED;
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
	if (krsi_asks && answer->verdict == KRSI_WOULD_ASK) {
		krsi_count(krsi_counter_would_ask);
		return 0;
	}
	if (krsi_asks && answer->verdict == KRSI_ASK) {
		krsi_count(krsi_counter_asked);
		return answer->errno;
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
	answer = krsi_answer(settings, when, KRSI_FILTER_MODE);
	krsi_count(krsi_counter_errors);
	if (krsi_asks && answer.verdict == KRSI_ASK)
		krsi_take_otherwise(settings, &answer);
	if (!krsi_denies_on_error(settings) || answer.verdict < KRSI_DENY || answer.verdict == KRSI_WOULD_ASK) {
		krsi_count(krsi_counter_filtered);
		return 0;
	}
	krsi_count(krsi_counter_suppressed);
	if (krsi_asks && answer.mode == KRSI_MODE_ASK)
		krsi_count(krsi_counter_otherwise);
	krsi_break(settings, &answer);
	krsi_send(&answer, when);
	return krsi_enforce(&answer);
}

/* The same, for a hook to return. */
static __always_inline int krsi_failed(void)
{
	return krsi_result(krsi_fail(KRSI_IN_TIME));
}

#endif
