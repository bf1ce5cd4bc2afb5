/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * syslog: a task reads, clears or changes the kernel's log.
 *
 * Hook: syslog (kernel/printk/printk.c, check_syslog_permissions), for syslog(2), which libc calls klogctl(3); for opening /dev/kmsg
 * to read, which is asked about as `read_all`; and for opening /proc/kmsg, as `open`. What the system's kernel.dmesg_restrict says
 * was looked at before. A refusal makes the call, or the open, fail with the errno.
 *
 * The log has addresses of the kernel in it, names of modules and devices, and what went wrong in an attempt to exploit one: it
 * is read to prepare an attack, and cleared to hide it. libc's syslog(3) is another thing: a message to the system's log, by a
 * socket.
 *
 * Not seen: further reads of what is open; writing to /dev/kmsg; the log as journald and rsyslog keep it in files; what a console
 * shows.
 */
enum krsi_hook {
	krsi_hook_syslog,
};

#include "include/krsi.bpf.h"

/* The kernel's numbers (SYSLOG_ACTION_…), and each as a power of two. */
#define ACTIONS(X)                                                                                         \
	X("close", 0, 1)                                                                                   \
	X("open", 1, 2)                                                                                    \
	X("read", 2, 4)                                                                                    \
	X("read_all", 3, 8)                                                                                \
	X("read_clear", 4, 16)                                                                             \
	X("clear", 5, 32)                                                                                  \
	X("console_off", 6, 64)                                                                            \
	X("console_on", 7, 128)                                                                            \
	X("console_level", 8, 256)                                                                         \
	X("size_unread", 9, 512)                                                                           \
	X("size_buffer", 10, 1024)

#define VALUE(name, value, bit) name "=" #value " "
#define BIT(name, value, bit) name "=" #bit " "

struct params {
	krsi_flags action KRSI_DOC("What is done. read_all: the whole log is read, also by opening /dev/kmsg; open: /proc/kmsg is opened; "
				   "read_clear, clear: what was logged is gone for later readers.")
		KRSI_DEFAULT("every action") KRSI_BITS(ACTIONS(BIT));
};

struct event {
	struct krsi_header header;
	u32 action KRSI_DOC("What is done with the kernel's log.") KRSI_NAMES(ACTIONS(VALUE)) KRSI_SUBJECT;
} KRSI_TEMPLATE("syslog", "Kernel log reads, clears and console changes: dmesg, klogctl, /dev/kmsg, /proc/kmsg", "T1082 T1070.002")
KRSI_EXAMPLE("probe(\"syslog\", #{action: [\"clear\", \"read_clear\", \"console_off\"]}).scope(#{not_comm: [\"rsyslogd\", \"systemd-journal\"]}).everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_NOT_SEEN("Reads of what is open already, messages that are written to /dev/kmsg, and the log as other programs keep it.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"

SEC("lsm/syslog")
int syslog_action(u64 *context)
{
	u32 action = context[0];
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (settings->params.action && !(action < 64 && settings->params.action >> action & 1))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.action = action;
	return krsi_decide(context, scratch, krsi_hook_syslog, KRSI_MATCH);
}
