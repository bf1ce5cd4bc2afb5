/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * The machinery of a probe, made from the template's `struct params` and
 * `struct event`. A hook's program goes through it in this order, and leaves
 * at the first step that settles the matter:
 *
 *   krsi_begin      whether it is this program that decides
 *   krsi_admits     scope, and the pre-filter: no memory taken (krsi_enter: both)
 *   (the template)  cheap params
 *   krsi_take       memory of this task's own; or all is counted without any
 *   (the template)  gather, krsi_match_path
 *   krsi_decide     header, filter, mode, lease, exempt tasks, counters, event
 *
 * Each step has its header, which includes what it uses and says the rest. What decides in two hooks, of which
 * the second comes too late to refuse, goes through krsi_late.bpf.h.
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
 * What the constants of a probe rule out is taken out of its programs before the kernel sees them. So what
 * 5.10 does not know (atomics that fetch, for one) may stand where krsi_kernel says that it is another kernel, and
 * what this probe does not need costs nothing, not even at the load.
 *
 * What is costly to verify is a function that is not static: the verifier looks at such a one once
 * in each program, for all arguments, and not again at each call and for each way that leads there. 5.10
 * takes numbers only as its arguments, so scratch memory comes as its slot, and a kernel object as its
 * address; of the result the verifier knows nothing.
 */
#ifndef KRSI_ENGINE_BPF_H
#define KRSI_ENGINE_BPF_H

#include "krsi_ask.bpf.h"
#include "krsi_counters.bpf.h"
#include "krsi_enter.bpf.h"
#include "krsi_event.bpf.h"
#include "krsi_file.bpf.h"
#include "krsi_limit.bpf.h"
#include "krsi_origin.bpf.h"
#include "krsi_preview.bpf.h"
#include "krsi_scratch.bpf.h"
#include "krsi_settings.bpf.h"
#include "krsi_slot.bpf.h"
#include "krsi_stacks.bpf.h"
#include "krsi_summaries.bpf.h"
#include "krsi_take.bpf.h"
#include "krsi_verdict.bpf.h"
#include "krsi_walk.bpf.h"

/* "Dual MIT/GPL" is a licence the kernel takes as compatible with the GPL. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* With the record in r1. Without a filter it says yes. */
KRSI_SLOT(krsi_filter, struct krsi_record, 4000)

/*
 * The template has gathered its fields and says whether its params match (enum krsi_match): header and
 * filter. Returns the filter's result (enum krsi_filter_verdict) for an event that is the probe's; 0: it is not.
 */
__noinline u64 krsi_consider(u32 slot, u32 hook, u32 match)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	volatile struct settings *settings = krsi_read_settings();
	char *end;
	u64 result;

	if (!scratch || !settings)
		return 0;
	if (match == KRSI_UNKNOWN && krsi_denies_on_error(settings))
		match = KRSI_MATCH;
	if (match != KRSI_MATCH) {
		krsi_count(krsi_counter_filtered);
		return 0;
	}
	scratch->event.header.probe_id = krsi_probe_id;
	scratch->event.header.hook = hook;
	krsi_gather_header(scratch, krsi_filter_fields, 0);
	if (krsi_exe == KRSI_EXE_FOR_FILTER)
		krsi_gather_exe(scratch);
	if (krsi_filter_origin) {
		krsi_gather_origin(slot, krsi_filter_origin);
		krsi_gather_directory(scratch, krsi_filter_origin);
	}
	/* A filter looks for texts behind the path: what was not gathered is empty, not left over. */
	end = KRSI_IS_PACKED ? krsi_tail(scratch, sizeof(struct event) - KRSI_FIXED_SIZE - 1) : NULL;
	if (end)
		*end = '\0';
	result = krsi_filter(krsi_record(scratch));
	match = result & 0xff;
	if (match == KRSI_UNKNOWN) {
		/* What it could not be told for is counted already, or is counted now. */
		if (!(scratch->event.header.notes & KRSI_NOTE_NO_PATH))
			krsi_count(krsi_counter_errors);
		result = KRSI_MATCH;
		match = krsi_denies_on_error(settings) ? KRSI_MATCH : KRSI_NO_MATCH;
	}
	if (match != KRSI_MATCH) {
		krsi_count(krsi_counter_filtered);
		return 0;
	}
	return result;
}

/*
 * Whether the template has told of the like before, and the event is not to be sent but counted as suppressed. Asked of what is
 * about to be sent; nothing that is decided depends on it.
 */
#ifdef KRSI_IS_REPEATED
#define KRSI_REPEATS true
#else
#define KRSI_REPEATS false
#define KRSI_IS_REPEATED(slot, verdict) false
#endif

/* Before what only an event needs is gathered: whether there is to be none. What may be a repetition is asked about later. */
static __always_inline bool krsi_cut(u32 slot)
{
	struct scratch *scratch;
	bool silent;

	if (!KRSI_LIMITS || KRSI_REPEATS)
		return false;
	silent = krsi_is_cut(slot);
	scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	if (scratch)
		scratch->silent = silent;
	return silent;
}

/* Whether the time has been gathered there already. */
#define KRSI_CUT_FIELDS (KRSI_LIMITS && !KRSI_REPEATS ? KRSI_FIELD_TIME : 0)

/*
 * The rest: answer, deed, summaries, event, counters. `when` is an enum krsi_when. Gives the errno to refuse with, or 0.
 */
__noinline u64 krsi_conclude(u32 slot, u64 result, u32 when)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	volatile struct settings *settings = krsi_read_settings();
	struct krsi_answer answer;
	bool quiet;

	if (!scratch || !settings)
		return 0;
	quiet = settings->control.quiet || (KRSI_LIMITS && scratch->silent);
	if (!krsi_asks && (krsi_exe == KRSI_EXE_FOR_SUMMARIES || (krsi_exe == KRSI_EXE_FOR_EVENTS && !quiet)))
		krsi_gather_exe(scratch);
	answer = krsi_answer(settings, when, result);
	if (krsi_asks) {
		scratch->event.header.notes |= krsi_notes_of_path(slot);
		if (answer.verdict == KRSI_ASK)
			krsi_resolve(slot, &answer);
	}
	krsi_break(settings, &answer);
	krsi_send(&answer, when);
	krsi_write_answer(scratch, &answer);
	if (krsi_summaries[0].kind != krsi_summary_kind_none) {
		krsi_gather_header(scratch, krsi_summary_fields,
				   krsi_filter_fields | (krsi_asks ? krsi_event_fields : 0) | KRSI_CUT_FIELDS);
		krsi_summarize(slot, settings->control.epoch);
	}
	if (krsi_asks && answer.verdict == KRSI_ASK) {
		/* Whatever else is told: somebody has to answer. */
		if (!krsi_emit(slot))
			krsi_hurry(slot);
	} else if (quiet || KRSI_IS_REPEATED(slot, answer.verdict) || (KRSI_LIMITS && KRSI_REPEATS && krsi_is_cut(slot))) {
		krsi_count(krsi_counter_suppressed);
	} else {
		if (!krsi_asks) {
			krsi_gather_header(scratch, krsi_event_fields,
					   krsi_filter_fields | krsi_summary_fields | (KRSI_LIMITS ? KRSI_FIELD_TIME : 0));
			scratch->event.header.notes |= krsi_notes_of_path(slot);
		}
		krsi_emit(slot);
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
	bool silent;
	u64 result;

	if (scratch->event.header.notes & KRSI_NOTE_NO_PATH || match == KRSI_UNKNOWN)
		krsi_count(krsi_counter_errors);
	result = krsi_consider(scratch->slot, hook, match);
	if (result) {
		silent = krsi_cut(scratch->slot);
		if (!silent || krsi_summaries[0].kind != krsi_summary_kind_none)
			krsi_gather_stacks(context, scratch);
		krsi_gather_rest(scratch->slot, silent);
		if (krsi_asks)
			krsi_identify(scratch->slot);
		errno = krsi_conclude(scratch->slot, result, KRSI_IN_TIME);
	}
	krsi_give_back(scratch);
	return krsi_result(errno);
}

#endif
