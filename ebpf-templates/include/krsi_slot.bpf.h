/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Where compiled filters go. */
#ifndef KRSI_SLOT_BPF_H
#define KRSI_SLOT_BPF_H

#include "krsi_kernel.bpf.h"

#define KRSI_TEXT_(x) #x
#define KRSI_TEXT(x) KRSI_TEXT_(x)

/*
 * Where a compiled `when(…)` goes: its instructions are written over the last of
 * the no-ops, with what it asks about in r1, and leave what they say in r0 (enum krsi_match and enum krsi_filter_verdict). No
 * relocation stands inside.
 *
 * The jump goes over the run, and to the filter if there is one. It is always taken, but could be not taken as
 * far as the form goes: so no instruction is out of reach, which would be refused, and the verifier removes the
 * run as a whole. One by one it would take no-ops out too, moving all the rest of the program each time.
 */
#define KRSI_SLOT(name, type, slots)                                  \
	__attribute__((naked)) static __noinline u64 name(type *asked) \
	{                                                              \
		asm volatile("r0 = 1;"                                 \
			     "if r0 != 0 goto +" KRSI_TEXT(slots) ";"  \
			     ".rept " KRSI_TEXT(slots) ";"             \
			     "goto +0;"                                \
			     ".endr;"                                  \
			     "exit;");                                 \
	}

#endif
