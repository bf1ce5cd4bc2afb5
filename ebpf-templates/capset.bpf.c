/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * capset: a task sets its own capabilities.
 *
 * Hook: capset (kernel/capability.c), for each call of capset(2), which since Linux 2.6.25 is about the calling
 * thread alone. The kernel's rules are settled: nothing becomes permitted that was not, nothing effective that
 * is not permitted, and inheritable only what is permitted or, with CAP_SETPCAP, in the bounding set. The new
 * sets are not in force yet. A refusal makes the call fail with the errno.
 *
 * What can be gained is therefore effective capabilities out of the permitted ones, and inheritable ones.
 * Programs that know what they do raise one for the moment that they need it, and lay it down again; others lay
 * everything down at their start. A refused lowering leaves a program with more than it wanted: most such
 * programs then end themselves.
 *
 * Not seen: capabilities that come and go with user ids (setid), by an execution (privileged_exec), with a user
 * namespace (userns); the bounding and the ambient set, which are prctl's.
 */
enum krsi_hook {
	krsi_hook_capset,
};

#include "include/krsi.bpf.h"
#include "include/krsi_capabilities.bpf.h"

struct params {
	krsi_flags raises KRSI_DOC("Only where one of these becomes effective or inheritable that was not.")
		KRSI_DEFAULT("every change, also down") KRSI_CAPABILITY_BITS;
};

struct event {
	struct krsi_header header;
	u64 effective_before KRSI_DOC("Effective capabilities that the task has: those that count.") KRSI_CAPABILITY_BITS;
	u64 permitted_before KRSI_DOC("Permitted ones: those that it may make effective.") KRSI_CAPABILITY_BITS;
	u64 inheritable_before KRSI_DOC("Inheritable ones: those that a program with the same mark on its file gets.") KRSI_CAPABILITY_BITS;
	u64 effective_after KRSI_DOC("Effective capabilities after the call.") KRSI_CAPABILITY_BITS;
	u64 permitted_after KRSI_DOC("Permitted ones after it.") KRSI_CAPABILITY_BITS;
	u64 inheritable_after KRSI_DOC("Inheritable ones after it.") KRSI_CAPABILITY_BITS;
	u64 raised KRSI_DOC("Those that become effective or inheritable and were not.") KRSI_CAPABILITY_BITS KRSI_SUBJECT;
} KRSI_TEMPLATE("capset", "Changes that a task makes to its own capabilities", "T1548 T1068")
	KRSI_EXAMPLE("probe(\"capset\", #{raises: [\"CAP_SYS_ADMIN\", \"CAP_SYS_MODULE\", \"CAP_BPF\"]}).scope(#{uid: 33}).deny(\"EPERM\").attach();")
	KRSI_NOT_SEEN("Capabilities that come with user ids (setid), a program (privileged_exec) or a user namespace (userns). "
		      "The bounding set and the ambient set, which prctl changes.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_credentials.bpf.h"

SEC("lsm/capset")
int capset_capset(u64 *context)
{
	struct cred___whole *old = ARG(context, 1, struct cred___whole *);
	int refused = KRSI_REFUSED(context);
	u64 effective = krsi_capability_set(ARG(context, 2, void *));
	u64 inheritable = krsi_capability_set(ARG(context, 3, void *));
	u64 permitted = krsi_capability_set(ARG(context, 4, void *));
	volatile struct settings *settings;
	u64 effective_before, inheritable_before, raised;
	struct scratch *scratch;
	struct event *event;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	effective_before = KRSI_CAPABILITY_SET(old, cap_effective);
	inheritable_before = KRSI_CAPABILITY_SET(old, cap_inheritable);
	raised = (effective & ~effective_before) | (inheritable & ~inheritable_before);
	if (settings->params.raises && !(settings->params.raises & raised))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	event = &scratch->event;
	event->effective_before = effective_before;
	event->permitted_before = KRSI_CAPABILITY_SET(old, cap_permitted);
	event->inheritable_before = inheritable_before;
	event->effective_after = effective;
	event->permitted_after = permitted;
	event->inheritable_after = inheritable;
	event->raised = raised;
	return krsi_decide(context, scratch, krsi_hook_capset, KRSI_MATCH);
}
