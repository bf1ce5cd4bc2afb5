/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What the shell tells a probe: constants before the load, and words that change while it runs. */
#ifndef KRSI_SETTINGS_BPF_H
#define KRSI_SETTINGS_BPF_H

#include "krsi.bpf.h"

/* Constants of a probe, set before the load; dead branches are then pruned. */
const volatile u32 krsi_probe_id = 0;
/* Which of the programs that share these maps this is; the shell counts up with each filter. */
const volatile u32 krsi_generation = 0;
/*
 * By what the probe is attached: programs of the LSM hooks; the same of the functions that ask the hooks, whose return value they
 * replace (BPF_MODIFY_RETURN); or the template's observers, whose answer goes nowhere.
 */
enum krsi_door {
	KRSI_DOOR_LSM,
	KRSI_DOOR_FMOD_RET,
	KRSI_DOOR_OBSERVE,
};

const volatile enum krsi_door krsi_door = KRSI_DOOR_LSM;
/* Whether the probe has mode ask, or rehearses it. */
const volatile u32 krsi_asks = 0;
/* Whether the directory of the task is used. */
const volatile u32 krsi_cwd = 1;

/* When the path of the hook's file is needed, which costs more than most of the rest. */
enum krsi_path_for {
	KRSI_PATH_FOR_EVENTS,
	KRSI_PATH_ALWAYS, /* for the filter, or for what is counted */
	KRSI_PATH_NEVER,  /* but for params */
};

const volatile enum krsi_path_for krsi_path_for = KRSI_PATH_ALWAYS;

struct krsi_control {
	/* One word, so that a reader never sees half a change:
	 * bits 0-7 mode, 8-15 signal, 16-31 errno, 32 deny on error, 33 hold nothing. In mode ask signal and errno are those of what
	 * cannot be asked about; neither: that is allowed. */
	u64 mode;
	/* On the monotonic clock; enforcement lapses after it. 0: never. */
	u64 lease_ns;
	/* 1: no events are sent. */
	u64 quiet;
	/* Which set of summaries is being added to; the shell moves on and takes the former. */
	u64 epoch;
	/* Which generation of programs decides (krsi_turns.bpf.h): bits 0-31 its number, above it an enum krsi_change. */
	u64 turn;
	/* When the breaker has tripped last, on the monotonic clock (krsi_breaker.bpf.h): alone of these, the probe writes it. */
	u64 tripped_ns;
	/* Since when refusals count for it; if it has tripped before, that is over. */
	u64 trip_from_ns;
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

#endif
