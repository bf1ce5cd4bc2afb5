/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Signals by name, and sets of them. */
#ifndef KRSI_SIGNALS_BPF_H
#define KRSI_SIGNALS_BPF_H

#include "krsi.bpf.h"

/* As X(name, number, bit in a set): x86 and ARM agree. */
#define KRSI_SIGNALS(X)                                                                                    \
	X("SIGHUP", 1, 2)                                                                                  \
	X("SIGINT", 2, 4)                                                                                  \
	X("SIGQUIT", 3, 8)                                                                                 \
	X("SIGILL", 4, 16)                                                                                 \
	X("SIGTRAP", 5, 32)                                                                                \
	X("SIGABRT", 6, 64)                                                                                \
	X("SIGBUS", 7, 128)                                                                                \
	X("SIGFPE", 8, 256)                                                                                \
	X("SIGKILL", 9, 512)                                                                               \
	X("SIGUSR1", 10, 1024)                                                                             \
	X("SIGSEGV", 11, 2048)                                                                             \
	X("SIGUSR2", 12, 4096)                                                                             \
	X("SIGPIPE", 13, 8192)                                                                             \
	X("SIGALRM", 14, 16384)                                                                            \
	X("SIGTERM", 15, 32768)                                                                            \
	X("SIGSTKFLT", 16, 65536)                                                                          \
	X("SIGCHLD", 17, 131072)                                                                           \
	X("SIGCONT", 18, 262144)                                                                           \
	X("SIGSTOP", 19, 524288)                                                                           \
	X("SIGTSTP", 20, 1048576)                                                                          \
	X("SIGTTIN", 21, 2097152)                                                                          \
	X("SIGTTOU", 22, 4194304)                                                                          \
	X("SIGURG", 23, 8388608)                                                                           \
	X("SIGXCPU", 24, 16777216)                                                                         \
	X("SIGXFSZ", 25, 33554432)                                                                         \
	X("SIGVTALRM", 26, 67108864)                                                                       \
	X("SIGPROF", 27, 134217728)                                                                        \
	X("SIGWINCH", 28, 268435456)                                                                       \
	X("SIGIO", 29, 536870912)                                                                          \
	X("SIGPWR", 30, 1073741824)                                                                        \
	X("SIGSYS", 31, 2147483648)

#define KRSI_SIGNAL_VALUE(name, number, bit) name "=" #number " "
#define KRSI_SIGNAL_BIT(name, number, bit) name "=" #bit " "

/* Names for a number, 0 being none, those from 32 on (real-time signals) by their numbers; and for a set, in which `realtime` is all from 32 on, of which 64 shares a bit with 63. */
#define KRSI_SIGNAL_VALUES \
	"none=0 " KRSI_SIGNALS(KRSI_SIGNAL_VALUE) \
	"SIG32=32 SIG33=33 SIG34=34 SIG35=35 SIG36=36 SIG37=37 SIG38=38 SIG39=39 " \
	"SIG40=40 SIG41=41 SIG42=42 SIG43=43 SIG44=44 SIG45=45 SIG46=46 SIG47=47 " \
	"SIG48=48 SIG49=49 SIG50=50 SIG51=51 SIG52=52 SIG53=53 SIG54=54 SIG55=55 " \
	"SIG56=56 SIG57=57 SIG58=58 SIG59=59 SIG60=60 SIG61=61 SIG62=62 SIG63=63 " \
	"SIG64=64 "
#define KRSI_SIGNAL_BITS KRSI_SIGNALS(KRSI_SIGNAL_BIT) "realtime=18446744069414584320 "

static __always_inline bool krsi_has_signal(u64 set, u32 signal)
{
	return set >> (signal < 64 ? signal : 63) & 1;
}

#endif
