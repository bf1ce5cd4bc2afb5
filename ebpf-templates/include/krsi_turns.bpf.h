/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Which of two generations of programs decides an operation. */
#ifndef KRSI_TURNS_BPF_H
#define KRSI_TURNS_BPF_H

#include "krsi_settings.bpf.h"

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

KRSI_KEPT(enum krsi_change, change);

/*
 * Who decided last of the threads that share a place: generation and thread. One that finds its note overwritten
 * decides twice, which is better than not at all.
 */
#define KRSI_TURN_NOTES 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KRSI_TURN_NOTES);
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
	u32 place = thread & (KRSI_TURN_NOTES - 1);
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

#endif
