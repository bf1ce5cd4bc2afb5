/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * perf: a task opens an event of perf, or uses one.
 *
 *   perf_event_open   perf_event_open(2), before anything is looked at (kernel/events/core.c); and again, if the event is to have in view
 *                     what it may not without more: the kernel itself, a whole CPU, a tracepoint's arguments. By default a probe is about the first
 *                     question only, which comes once for each call; `access` says otherwise.
 *   perf_event_read   read(2) of an event, and mapping its buffer.
 *   perf_event_write  ioctl(2) on one: enabling, resetting, filters, a program of eBPF to run at it.
 *
 * A refusal makes the call fail with the errno.
 *
 * Newer kernels (6.16, and in their stable series those before) do not tell the hook what event it is to be: `event_type` is told
 * there when one is read or written. By way of perf programs of eBPF are attached to probes and tracepoints (kprobe, uprobe).
 *
 * Not seen: samples that are read from a buffer that is mapped already; events that the kernel or an eBPF program opens for itself;
 * descriptors that are inherited or passed over a socket.
 */
enum krsi_hook {
	krsi_hook_perf_event_open,
	krsi_hook_perf_event_read,
	krsi_hook_perf_event_write,
};

#include "include/krsi.bpf.h"

/* The first four are the kernel's numbers (PERF_SECURITY_OPEN …) as powers of two. */
#define ACCESSES(X)                                                                                        \
	X(ACCESS_OPEN, "open", 1) X(ACCESS_CPU, "cpu", 2) X(ACCESS_KERNEL, "kernel", 4)                    \
	X(ACCESS_TRACEPOINT, "tracepoint", 8) X(ACCESS_READ, "read", 16) X(ACCESS_WRITE, "write", 32)

enum perf_access { ACCESSES(KRSI_MEMBER) };

struct params {
	krsi_flags access KRSI_DOC("What is asked for. open: an event at all; cpu, kernel, tracepoint: one with a whole CPU, the kernel, or a "
				   "tracepoint's arguments in view; read, write: the use of one that is open.")
		KRSI_DEFAULT("open") KRSI_BITS(ACCESSES(KRSI_NAME));
};

struct event {
	struct krsi_header header;
	u64 config KRSI_DOC("Which event of its type (perf_event_attr.config); 0 if the kernel does not tell.");
	u32 access KRSI_DOC("What is asked for.") KRSI_NAMES(ACCESSES(KRSI_NAME)) KRSI_SUBJECT;
	u32 event_type KRSI_DOC("Type of the event (perf_event_attr.type, and 1); of the types that a system numbers itself, as "
				"kprobe and uprobe, the number and 1. not_told: an open, and a kernel that does not say.")
		KRSI_NAMES("not_told=0 hardware=1 software=2 tracepoint=3 hw_cache=4 raw=5 breakpoint=6");
} KRSI_TEMPLATE("perf", "perf events opened and used: on a task, the kernel, a CPU, tracepoints", "T1082 T1056 T1068")
KRSI_EXAMPLE("probe(\"perf\", #{access: [\"kernel\", \"cpu\", \"tracepoint\"]}).scope(#{not_uid: 0}).everywhere().lease(\"8h\").deny(\"EACCES\").attach();")
KRSI_NOT_SEEN("Samples that are read from a buffer that is mapped already, and descriptors that are inherited or passed on. What event is "
	      "opened, where the kernel does not say (6.16 and later).");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"

struct perf_event_attr {
	u32 type;
	u64 config;
} __relocated;

struct perf_event {
	struct perf_event_attr attr;
} __relocated;

static __always_inline int decide(void *context, enum krsi_hook hook, u32 access, struct perf_event_attr *attributes)
{
	volatile struct settings *settings = krsi_enter();
	struct scratch *scratch;
	u64 accesses;
	int result;

	if (!settings)
		return 0;
	accesses = settings->params.access;
	if (!((accesses ? accesses : ACCESS_OPEN) & access))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.access = access;
	if (attributes) {
		scratch->event.event_type = READ(attributes, type) + 1;
		scratch->event.config = READ(attributes, config);
	}
	return krsi_decide(context, scratch, hook, KRSI_MATCH);
}

/* PERF_SECURITY_TRACEPOINT, the last of the kernel's numbers. */
#define LAST 3

SEC("lsm/perf_event_open")
int perf_open(u64 *context)
{
	/* The kernel's number, or the attributes and behind them the number: which, the version does not say. */
	u64 first = context[0];
	int refused = KRSI_REFUSED(context);
	u32 number;

	if (refused)
		return refused;
	first = ADDRESS((void *)first);
	number = first <= LAST ? first : context[1];
	if (number > LAST)
		number = 0;
	return decide(context, krsi_hook_perf_event_open, 1 << number,
		      first <= LAST ? NULL : (struct perf_event_attr *)first);
}

SEC("lsm/perf_event_read")
int perf_read(u64 *context)
{
	struct perf_event *event = ARG(context, 0, struct perf_event *);
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, krsi_hook_perf_event_read, ACCESS_READ, __builtin_preserve_access_index(&event->attr));
}

SEC("lsm/perf_event_write")
int perf_write(u64 *context)
{
	struct perf_event *event = ARG(context, 0, struct perf_event *);
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, krsi_hook_perf_event_write, ACCESS_WRITE, __builtin_preserve_access_index(&event->attr));
}
