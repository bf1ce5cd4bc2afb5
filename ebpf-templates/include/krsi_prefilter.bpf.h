/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* The pre-filter: what a filter decides by the task alone, before memory is taken. */
#ifndef KRSI_PREFILTER_BPF_H
#define KRSI_PREFILTER_BPF_H

#include "krsi_fields.bpf.h"
#include "krsi_slot.bpf.h"

/* With a struct krsi_early in r1. */
KRSI_SLOT(krsi_early_filter, struct krsi_early, 256)

/* What the pre-filter says, an enum krsi_match: KRSI_NO_MATCH if the filter cannot match, whatever else the event is. */
__noinline u64 krsi_ask_first(void)
{
	struct krsi_early early;

	/*
	 * What is not gathered is not asked about, but for the first word, which arithmetic looks at. Older verifiers want
	 * all of it written.
	 */
	if (krsi_casts)
		early.cgroup = 0;
	else
		early = (struct krsi_early){};
	KRSI_GATHER_FIELDS(&early, krsi_early_fields);
	return krsi_early_filter(&early);
}

#endif
