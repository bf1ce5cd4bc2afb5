/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * lockdown: a task does something that a locked kernel would not let even root do.
 *
 * Hook: locked_down (security_locked_down is called in some forty places). What they have in common is that who may do it can change
 * the running kernel, or read its memory: unsigned modules, /dev/mem, I/O ports, kexec without signatures, ACPI tables, kprobes,
 * /proc/kcore, tracefs. The capabilities that this takes were looked at before. The kernel's own lockdown (lockdown=,
 * /sys/kernel/security/lockdown) refuses by level, all of them at once and until the next boot; here they are refused by reason, for
 * those in scope, for as long as it is wanted. A refusal makes the operation fail; with which errno is the caller's business:
 * the probe's mostly, EPERM for I/O ports and for PCI.
 *
 * The kernel's numbers for the reasons differ between versions. So they are looked up in the running kernel's types, and `reason` is the
 * same everywhere; `number` is the kernel's own.
 *
 * Whether eBPF may read the kernel's memory is asked whenever a program that wants to is loaded, the shell's own included: it is exempt
 * from denials. Before 5.13 (5.10.46 in that series) it was asked at each read as well, our own in this hook among them, and so is
 * left alone there.
 *
 * Not seen: what is not compiled in; kernels without CONFIG_SECURITY; the same harm done by other means, as a signed module that is
 * vulnerable. Most reasons are asked about when a file is opened, and not again when it is used.
 */
enum krsi_hook {
	krsi_hook_locked_down,
};

#include "include/krsi.bpf.h"

/* As X(the kernel's name, name, value in the event, bit of the param). */
#define REASONS(X)                                                                                         \
	X(MODULE_SIGNATURE, "module_signature", 1, 2) X(DEV_MEM, "dev_mem", 2, 4)                          \
	X(EFI_TEST, "efi_test", 3, 8) X(KEXEC, "kexec", 4, 16) X(HIBERNATION, "hibernation", 5, 32)        \
	X(PCI_ACCESS, "pci_access", 6, 64) X(IOPORT, "ioport", 7, 128) X(MSR, "msr", 8, 256)               \
	X(ACPI_TABLES, "acpi_tables", 9, 512) X(DEVICE_TREE, "device_tree", 10, 1024)                      \
	X(PCMCIA_CIS, "pcmcia_cis", 11, 2048) X(TIOCSSERIAL, "tiocsserial", 12, 4096)                      \
	X(MODULE_PARAMETERS, "module_parameters", 13, 8192) X(MMIOTRACE, "mmiotrace", 14, 16384)           \
	X(DEBUGFS, "debugfs", 15, 32768) X(XMON_WR, "xmon_write", 16, 65536)                               \
	X(BPF_WRITE_USER, "bpf_write_user", 17, 131072) X(DBG_WRITE_KERNEL, "debugger_write", 18, 262144)  \
	X(RTAS_ERROR_INJECTION, "rtas_error_injection", 19, 524288)                                        \
	X(XEN_USER_ACTIONS, "xen_user_actions", 20, 1048576) X(KCORE, "kcore", 21, 2097152)                \
	X(KPROBES, "kprobes", 22, 4194304) X(BPF_READ_KERNEL, "bpf_read_kernel", 23, 8388608)              \
	X(DBG_READ_KERNEL, "debugger_read", 24, 16777216) X(PERF, "perf", 25, 33554432)                    \
	X(TRACEFS, "tracefs", 26, 67108864) X(XMON_RW, "xmon_read", 27, 134217728)                         \
	X(XFRM_SECRET, "xfrm_secret", 28, 268435456)

#define VALUE(kernel, name, value, bit) name "=" #value " "
#define BIT(kernel, name, value, bit) name "=" #bit " "

struct params {
	krsi_flags reason KRSI_DOC("What is done. other: what this template has no name for.")
		KRSI_DEFAULT("every reason") KRSI_BITS("other=1 " REASONS(BIT));
};

struct event {
	struct krsi_header header;
	u32 reason KRSI_DOC("What is done: what it is that a locked kernel would refuse.") KRSI_NAMES("other=0 " REASONS(VALUE))
		KRSI_SUBJECT;
	u32 number KRSI_DOC("The running kernel's own number for it (enum lockdown_reason).");
} KRSI_TEMPLATE("lockdown", "Operations that can change the running kernel or read its memory: refuse by reason, without lockdown",
		"T1014 T1068 T1542")
KRSI_EXAMPLE("probe(\"lockdown\", #{reason: [\"dev_mem\", \"ioport\", \"msr\", \"kexec\", \"kcore\"]}).scope(#{not_pid_ns: \"host\"}).everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_CANNOT_ASK("the kernel asks in the midst of other work, which then fails in ways of its own")
KRSI_NOT_SEEN("The use of what was opened before. The same harm done by other means, as a signed module that is vulnerable. Reads of "
	      "the kernel's memory by eBPF on kernels before 5.13 (5.10.46).");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"

/* Names in use only, each relocated to the number that the running kernel has for it. */
#define CONSTANT(kernel, name, value, bit) LOCKDOWN_##kernel = value,
enum lockdown_reason {
	REASONS(CONSTANT)
	LOCKDOWN_BPF_READ = 63, /* BPF_READ_KERNEL before 5.15 */
};

#define EXISTENT(constant) __builtin_preserve_enum_value(*(enum lockdown_reason *)constant, 0)
#define NUMBER(constant) __builtin_preserve_enum_value(*(enum lockdown_reason *)constant, 1)

static __always_inline u32 reason_of(u32 number)
{
#define IF_IT_IS(kernel, name, value, bit)                                                                 \
	if (EXISTENT(LOCKDOWN_##kernel) && number == NUMBER(LOCKDOWN_##kernel))                            \
		return value;
	REASONS(IF_IT_IS)
	if (EXISTENT(LOCKDOWN_BPF_READ) && number == NUMBER(LOCKDOWN_BPF_READ))
		return LOCKDOWN_BPF_READ_KERNEL;
	return 0;
}

/* Whether the kernel asks this hook about each read of its memory by eBPF. */
static __always_inline bool asks_about_each_read(void)
{
	return krsi_kernel < KERNEL_VERSION(5, 10, 46) ||
	       (krsi_kernel >= KERNEL_VERSION(5, 11, 0) && krsi_kernel < KERNEL_VERSION(5, 13, 0));
}

SEC("lsm/locked_down")
int lockdown_reason(u64 *context)
{
	u32 number = context[0], reason = reason_of(number);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	/* Before anything is read. */
	if (asks_about_each_read() && reason == LOCKDOWN_BPF_READ_KERNEL)
		return 0;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (settings->params.reason && !(settings->params.reason >> reason & 1))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.reason = reason;
	scratch->event.number = number;
	return krsi_decide(context, scratch, krsi_hook_locked_down, KRSI_MATCH);
}
