/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What kind of file something is: the upper bits of st_mode. Stands before `struct params`. */
#ifndef KRSI_FILE_TYPES_BPF_H
#define KRSI_FILE_TYPES_BPF_H

#include "krsi.bpf.h"

/* As X(name, value in the event, bit of the param): the value as a power of two. */
#define KRSI_FILE_TYPES(X)                                                                                 \
	X("fifo", 1, 2)                                                                                    \
	X("char", 2, 4)                                                                                    \
	X("directory", 4, 16)                                                                              \
	X("block", 6, 64)                                                                                  \
	X("regular", 8, 256)                                                                               \
	X("symlink", 10, 1024)                                                                             \
	X("socket", 12, 4096)

#define KRSI_FILE_TYPE_VALUE(name, value, bit) name "=" #value " "
#define KRSI_FILE_TYPE_BIT(name, value, bit) name "=" #bit " "
#define KRSI_FILE_TYPE_NAMES KRSI_NAMES(KRSI_FILE_TYPES(KRSI_FILE_TYPE_VALUE))
#define KRSI_FILE_TYPE_BITS KRSI_BITS(KRSI_FILE_TYPES(KRSI_FILE_TYPE_BIT))

static __always_inline u32 krsi_file_type(u32 mode)
{
	return mode >> 12 & 15;
}

/* Whether a set of types has this one in it. No set: all are. */
static __always_inline bool krsi_has_file_type(u64 types, u32 type)
{
	return !types || types >> type & 1;
}

#endif
