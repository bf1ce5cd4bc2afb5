/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What is decided before memory is taken: generation, scope, the pre-filter, and params that cost nothing. */
#ifndef KRSI_ENTER_BPF_H
#define KRSI_ENTER_BPF_H

#include "krsi_counters.bpf.h"
#include "krsi_prefilter.bpf.h"
#include "krsi_scope.bpf.h"
#include "krsi_settings.bpf.h"
#include "krsi_turns.bpf.h"

/* What cannot be known of a task's scope is counted, and in scope only where errors are denied. */
static __always_inline bool krsi_scope_decides(volatile struct settings *settings)
{
	u64 scope = krsi_current_in_scope();

	if (scope != KRSI_SCOPE_UNKNOWN)
		return scope == KRSI_IN_SCOPE;
	krsi_count(krsi_counter_errors);
	return krsi_denies_on_error(settings);
}

/* Second step: whether this task is in scope, and may match at all; with the decision counted. */
static __always_inline bool krsi_admits(volatile struct settings *settings)
{
	if (!krsi_scope_decides(settings)) {
		krsi_count(krsi_counter_out_of_scope);
		return false;
	}
	if (krsi_early_fields && krsi_ask_first() == KRSI_NO_MATCH) {
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
