/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* The capabilities (include/uapi/linux/capability.h) by name, and sets of them. */
#ifndef KRSI_CAPABILITIES_BPF_H
#define KRSI_CAPABILITIES_BPF_H

#include "krsi.bpf.h"

/* As X(name, number, bit in a set). */
#define KRSI_CAPABILITIES(X) \
	X("CAP_CHOWN", 0, 1) \
	X("CAP_DAC_OVERRIDE", 1, 2) \
	X("CAP_DAC_READ_SEARCH", 2, 4) \
	X("CAP_FOWNER", 3, 8) \
	X("CAP_FSETID", 4, 16) \
	X("CAP_KILL", 5, 32) \
	X("CAP_SETGID", 6, 64) \
	X("CAP_SETUID", 7, 128) \
	X("CAP_SETPCAP", 8, 256) \
	X("CAP_LINUX_IMMUTABLE", 9, 512) \
	X("CAP_NET_BIND_SERVICE", 10, 1024) \
	X("CAP_NET_BROADCAST", 11, 2048) \
	X("CAP_NET_ADMIN", 12, 4096) \
	X("CAP_NET_RAW", 13, 8192) \
	X("CAP_IPC_LOCK", 14, 16384) \
	X("CAP_IPC_OWNER", 15, 32768) \
	X("CAP_SYS_MODULE", 16, 65536) \
	X("CAP_SYS_RAWIO", 17, 131072) \
	X("CAP_SYS_CHROOT", 18, 262144) \
	X("CAP_SYS_PTRACE", 19, 524288) \
	X("CAP_SYS_PACCT", 20, 1048576) \
	X("CAP_SYS_ADMIN", 21, 2097152) \
	X("CAP_SYS_BOOT", 22, 4194304) \
	X("CAP_SYS_NICE", 23, 8388608) \
	X("CAP_SYS_RESOURCE", 24, 16777216) \
	X("CAP_SYS_TIME", 25, 33554432) \
	X("CAP_SYS_TTY_CONFIG", 26, 67108864) \
	X("CAP_MKNOD", 27, 134217728) \
	X("CAP_LEASE", 28, 268435456) \
	X("CAP_AUDIT_WRITE", 29, 536870912) \
	X("CAP_AUDIT_CONTROL", 30, 1073741824) \
	X("CAP_SETFCAP", 31, 2147483648) \
	X("CAP_MAC_OVERRIDE", 32, 4294967296) \
	X("CAP_MAC_ADMIN", 33, 8589934592) \
	X("CAP_SYSLOG", 34, 17179869184) \
	X("CAP_WAKE_ALARM", 35, 34359738368) \
	X("CAP_BLOCK_SUSPEND", 36, 68719476736) \
	X("CAP_AUDIT_READ", 37, 137438953472) \
	X("CAP_PERFMON", 38, 274877906944) \
	X("CAP_BPF", 39, 549755813888) \
	X("CAP_CHECKPOINT_RESTORE", 40, 1099511627776)

#define KRSI_CAPABILITY_VALUE(name, number, bit) name "=" #number " "
#define KRSI_CAPABILITY_BIT(name, number, bit) name "=" #bit " "

/* On a member that is the number of one, and on one that is a set of them (u64), or a param of that (krsi_flags). */
#define KRSI_CAPABILITY_NAMES KRSI_NAMES(KRSI_CAPABILITIES(KRSI_CAPABILITY_VALUE))
#define KRSI_CAPABILITY_BITS KRSI_BITS(KRSI_CAPABILITIES(KRSI_CAPABILITY_BIT))

/*
 * The set that the kernel keeps there (kernel_cap_t): a number of 64 bits since 6.3, before that two of 32,
 * which in memory is the same. Bits above the last capability are set in no set of the kernel's own.
 */
static __always_inline u64 krsi_capability_set(const void *address)
{
	u64 set = 0;

	bpf_probe_read_kernel(&set, sizeof(set), address);
	return set;
}

#endif
