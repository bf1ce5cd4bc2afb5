/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What an event tells of the task that it is about, where that is another one than the task that asks. */
#ifndef KRSI_TARGET_MEMBERS_BPF_H
#define KRSI_TARGET_MEMBERS_BPF_H

#include "krsi.bpf.h"

/* A member of the event, whose own members are its fields. */
struct krsi_target {
	u64 target_start_ns KRSI_DOC("When the target process started, since boot.") KRSI_UNIT("ns");
	u32 target_pid KRSI_DOC("Process id of the target, in the initial pid namespace.");
	u32 target_tid KRSI_DOC("Its thread that was named.");
	u32 target_uid KRSI_DOC("Real user id of the target, in the initial user namespace.");
	char target_comm[16] KRSI_DOC("Name of that thread.");
	char target_exe[KRSI_EXE_SIZE] KRSI_DOC("Executable of the target, from the asking task's root; cut after 255 bytes, "
						"empty for a thread of the kernel.")
		KRSI_UNREADABLE("no-target") KRSI_CUT("255");
};

#endif
