/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * prctl: a process changes something about itself by prctl(2): its name, what may trace it, whether it dumps
 * core, which system calls and capabilities it lays down.
 *
 * Hook: task_prctl (kernel/sys.c), for each call of prctl, before anything is looked at: an option that the
 * kernel does not know comes here, too. A refusal makes prctl fail with the errno. ENOSYS is what the kernel
 * takes for "I do not mind", so a denial with that errno is given as EPERM.
 *
 * The arguments are numbers as the program gave them; what each is depends on the option (prctl(2)). Some are
 * addresses in the program's memory, which is not read: for PR_SET_NAME the new name stands there, and another
 * thread could change it after the hook.
 *
 * Many programs and C libraries call prctl for harmless things: names of threads (`set_name`), names of memory
 * (`set_vma`).
 *
 * Not seen: what arch_prctl(2) and seccomp(2) do, names given by writing to /proc/PID/comm.
 */
enum krsi_hook {
	krsi_hook_task_prctl,
};

#include "include/krsi.bpf.h"

/* As X(name, option, bit of the param): include/uapi/linux/prctl.h. */
#define OPTIONS(X)                                                                                         \
	X("set_pdeathsig", 1, 1)                                                                           \
	X("get_dumpable", 3, 2)                                                                            \
	X("set_dumpable", 4, 4)                                                                            \
	X("set_keepcaps", 8, 8)                                                                            \
	X("set_name", 15, 16)                                                                              \
	X("get_name", 16, 32)                                                                              \
	X("get_seccomp", 21, 64)                                                                           \
	X("set_seccomp", 22, 128)                                                                          \
	X("capbset_read", 23, 256)                                                                         \
	X("capbset_drop", 24, 512)                                                                         \
	X("set_tsc", 26, 1024)                                                                             \
	X("get_securebits", 27, 2048)                                                                      \
	X("set_securebits", 28, 4096)                                                                      \
	X("set_timerslack", 29, 8192)                                                                      \
	X("mce_kill", 33, 16384)                                                                           \
	X("set_mm", 35, 32768)                                                                             \
	X("set_child_subreaper", 36, 65536)                                                                \
	X("set_no_new_privs", 38, 131072)                                                                  \
	X("get_no_new_privs", 39, 262144)                                                                  \
	X("set_thp_disable", 41, 524288)                                                                   \
	X("cap_ambient", 47, 1048576)                                                                      \
	X("get_speculation_ctrl", 52, 2097152)                                                             \
	X("set_speculation_ctrl", 53, 4194304)                                                             \
	X("set_tagged_addr_ctrl", 55, 8388608)                                                             \
	X("set_io_flusher", 57, 16777216)                                                                  \
	X("set_syscall_user_dispatch", 59, 33554432)                                                       \
	X("sched_core", 62, 67108864)                                                                      \
	X("set_mdwe", 65, 134217728)                                                                       \
	X("set_memory_merge", 67, 268435456)                                                               \
	X("set_ptracer", 1499557217, 536870912)                                                            \
	X("set_vma", 1398164801, 1073741824)

#define VALUE(name, value, bit) name "=" #value " "
#define BIT(name, value, bit) name "=" #bit " "

struct params {
	krsi_flags option KRSI_DOC("Only these options, without PR_ and in small letters. Others are asked for by number: "
				   "`.when(|e| e.number == 58)`.")
		KRSI_DEFAULT("every option") KRSI_BITS(OPTIONS(BIT));
};

struct event {
	struct krsi_header header;
	u64 arg2 KRSI_DOC("Second argument of prctl, as the program gave it: a number, or an address in its memory.");
	u64 arg3 KRSI_DOC("Third argument.");
	u64 arg4 KRSI_DOC("Fourth argument.");
	u64 arg5 KRSI_DOC("Fifth argument. What an option does not use may be anything.");
	u32 option KRSI_DOC("What is asked for, without PR_; an option without a name here as a number.") KRSI_NAMES(OPTIONS(VALUE))
		KRSI_SUBJECT;
	u32 number KRSI_DOC("The option as a number (PR_SET_NAME is 15).");
} KRSI_TEMPLATE("prctl", "prctl calls that change the calling process: name, dumpable flag, tracer, securebits, seccomp",
		"T1036.004 T1562 T1055.008")
	KRSI_EXAMPLE("probe(\"prctl\", #{option: [\"set_name\", \"set_mm\", \"set_ptracer\"]}).scope(#{uid: 33}).shadow().attach();")
	KRSI_NOT_SEEN("What an address among the arguments leads to: the new name of set_name, a filter of set_seccomp. "
		      "seccomp(2) and arch_prctl(2), which are calls of their own. "
		      "A name written to /proc/PID/comm.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"

#define EPERM 1
#define ENOSYS 38

#define CASE(name, value, bit)                                                                             \
	case value:                                                                                        \
		return bit;

static __always_inline u64 bit_of(u32 option)
{
	switch (option) {
		OPTIONS(CASE)
	default:
		return 0;
	}
}

SEC("lsm/task_prctl")
int prctl_prctl(u64 *context)
{
	u32 option = context[0];
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (settings->params.option && !(settings->params.option & bit_of(option)))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.option = option;
	scratch->event.number = option;
	scratch->event.arg2 = context[1];
	scratch->event.arg3 = context[2];
	scratch->event.arg4 = context[3];
	scratch->event.arg5 = context[4];
	result = krsi_decide(context, scratch, krsi_hook_task_prctl, KRSI_MATCH);
	return result == -ENOSYS ? -EPERM : result;
}
