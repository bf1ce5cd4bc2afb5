/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Which of two generations of programs decides an operation. */
#ifndef KRSI_TURNS_BPF_H
#define KRSI_TURNS_BPF_H

#include "krsi_settings.bpf.h"

/*
 * A filter is part of a program, and a program cannot change. So another filter is another generation of
 * the hooks' programs, over the same maps, attached beside the one before, which leaves later. An
 * operation passes by both, or by one of them alone if it came to the hook before the other was there or after it had left; and
 * just one must decide. `turn` says which.
 *
 * The programs of a hook run one after the other, and a preemptible kernel may put a task aside in between, for as long as
 * it likes: so nobody may rely on one that is still to come. Whoever comes first decides and leaves a note for those behind
 * it, and what no note tells of is decided: rather twice than not at all.
 *
 * Where trampolines call programs (lsm, fmod_ret, fentry) the newer comes first, at a tracepoint the older; the shell says
 * which (src/kernel/attach/replace.rs).
 */
enum krsi_change {
	KRSI_STEADY,
	/* The newest decides, and tells; an older one decides what nobody has told of. Said before the newest is there. */
	KRSI_NEWER_FIRST,
	/*
	 * The older comes first: it decides, and tells; the newer decides what the older has not told of. Before the newer is
	 * there; from then on; and once what came to the hook before that is through.
	 */
	KRSI_OLDER_ALONE,
	KRSI_OLDER_FIRST,
	KRSI_OLDER_LEAVES,
};

KRSI_KEPT(enum krsi_change, change);

/*
 * Who has decided last of the threads that share a place: generation, change, thread. One that finds its note overwritten
 * decides twice.
 */
#define KRSI_TURN_NOTES 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KRSI_TURN_NOTES);
	__type(key, u32);
	__type(value, u64);
} krsi_notes SEC(".maps");

/* What is told of this thread during a change to a generation. */
static __always_inline u64 krsi_note_of(u32 generation, u32 change)
{
	return (u64)generation << 40 | (u64)change << 32 | (u32)bpf_get_current_pid_tgid();
}

/* By a newer one than this. A thread that has passed one passes it again, or a newer one, until it leaves. */
static __always_inline bool krsi_is_told_by_newer(u64 note)
{
	u64 own = krsi_note_of(krsi_generation, KRSI_NEWER_FIRST);

	return note << 24 == own << 24 && (s64)((note >> 40 << 40) - (own >> 40 << 40)) > 0;
}

/* Whether this operation is this program's to decide, where `turn` does not say so by its number alone. */
__noinline u64 krsi_has_turn(u64 turn)
{
	u32 change = turn >> 32;
	/* So many generations after this one is the one whose turn it is. */
	s32 ahead = (u32)turn - krsi_generation;
	u32 place = (u32)bpf_get_current_pid_tgid() & (KRSI_TURN_NOTES - 1);
	u64 *note = bpf_map_lookup_elem(&krsi_notes, &place);
	u64 told;

	if (!note || ahead < 0)
		return 0;
	if (change == KRSI_NEWER_FIRST ? !ahead : change >= KRSI_OLDER_ALONE && ahead == 1) {
		*note = krsi_note_of(turn, change);
		return 1;
	}
	told = *note;
	if (ahead)
		return !krsi_is_told_by_newer(told);
	/* At a tracepoint: told since the change, or just before it by one that this operation has passed. */
	if (told != krsi_note_of(turn, change) && told != krsi_note_of(turn, change - 1))
		return 1;
	*note = 0;
	return 0;
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
