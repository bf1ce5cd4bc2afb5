/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * cap_use: a task makes use of a capability: the kernel has asked whether it has one, and it has.
 *
 * Hook: capable (kernel/capability.c, ns_capable and its kin), wherever the kernel asks. The kernel's own
 * module of capabilities is always asked first, and what it does not grant does not come here. The second door
 * (BPF_MODIFY_RETURN) stands before that module; there the program finds out by itself, in the same way,
 * whether it will be granted. A refusal is the answer "no": most calls then fail with EPERM, some with EACCES,
 * and some do with less, whatever errno the probe says.
 *
 * This is asked thousands of times a second, by root's processes above all, so a probe needs a scope. An event
 * is sent once for each process and capability (and once more if it is refused), and the others are counted
 * (`suppressed`); the param `repeats` has them all sent. Every use is decided, whether it is told or not. That
 * a process has been told of is forgotten when it has ended.
 *
 * Where the kernel only looks whether a capability is there and does without if not (CAP_OPT_NOAUDIT), as for
 * the reserve of memory that root may use, nothing is used yet: left out, unless the param `noaudit` says
 * otherwise.
 *
 * It says what is needed: a service under observation for a week shows which capabilities its unit has to keep.
 *
 * Not seen: what root may by its user id alone (files of its own), capabilities asked about for another process
 * than the one that runs, which are told as the running one's, and uses that were decided when a descriptor was
 * opened.
 */
enum krsi_hook {
	krsi_hook_capable,
};

#include "include/krsi.bpf.h"
#include "include/krsi_capabilities.bpf.h"

struct params {
	krsi_flags capability KRSI_DOC("Only these.") KRSI_DEFAULT("every capability") KRSI_CAPABILITY_BITS;
	krsi_flag noaudit KRSI_DOC("true: also where the kernel only looks, and does without it if need be.") KRSI_DEFAULT("false");
	krsi_flag repeats KRSI_DOC("true: an event for each use, not only for the first of a process.") KRSI_DEFAULT("false");
};

struct event {
	struct krsi_header header;
	u32 capability KRSI_DOC("What is used.") KRSI_CAPABILITY_NAMES KRSI_SUBJECT;
	u32 in_user_ns KRSI_DOC("Inode of the user namespace in which it is asked for: `user_ns` or one below.");
	bool noaudit KRSI_DOC("Whether the kernel only looks, and does without it if need be.");
	bool setid KRSI_DOC("Whether it is asked for to change user or group ids.");
} KRSI_TEMPLATE("cap_use", "Capability checks: which capabilities a process uses", "T1548 T1068")
	KRSI_SCOPE_REQUIRED
	KRSI_EXAMPLE("probe(\"cap_use\").scope(#{uid: 33}).count_by([\"comm\", \"capability\"]).attach();")
	KRSI_CANNOT_ASK("the code that checks a capability only learns yes or no, and the system call goes on or fails with an errno of its own")
KRSI_NOT_SEEN("What root may by its user id alone. "
		      "Capabilities that the kernel asks about and the task does not have. "
		      "By default: later uses of one that the process has used before; they are counted as suppressed.");

KRSI_SENT_WHOLE;

/* Whether an event that is about to be sent was sent before. */
u64 cap_use_is_repeated(u32 slot, u32 verdict);
#define KRSI_IS_REPEATED(slot, verdict) cap_use_is_repeated(slot, verdict)
#include "include/krsi_engine.bpf.h"
#include "include/krsi_credentials.bpf.h"

/* include/linux/security.h */
#define CAP_OPT_NOAUDIT 2
#define CAP_OPT_INSETID 4

/* ---- what was told ------------------------------------------------------- */

struct process {
	u32 pid;
	u32 zero;
	u64 start_ns;
};

/* Sets of capabilities that an event told of. */
struct told {
	u64 granted;
	u64 refused;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct process);
	__type(value, struct told);
} cap_use_told SEC(".maps");

static __always_inline struct process process_of(struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);
	struct process process = { .pid = READ(task, tgid), .start_ns = READ(leader, start_boottime) };

	return process;
}

/* Where there is no room to remember, everything is told. Of two threads at once both may be. */
__noinline u64 cap_use_is_repeated(u32 slot, u32 verdict)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	volatile struct settings *settings = krsi_read_settings();
	struct process process = process_of((struct task_struct *)bpf_get_current_task());
	struct told first = {};
	struct told *told;
	u64 bit;

	if (!scratch || !settings || settings->params.repeats)
		return 0;
	bit = 1ULL << (scratch->event.capability & 63);
	told = bpf_map_lookup_elem(&cap_use_told, &process);
	if (!told) {
		*(verdict < KRSI_DENY ? &first.granted : &first.refused) = bit;
		bpf_map_update_elem(&cap_use_told, &process, &first, BPF_NOEXIST);
		return 0;
	}
	if (verdict < KRSI_DENY) {
		if (told->granted & bit)
			return 1;
		told->granted |= bit;
	} else {
		if (told->refused & bit)
			return 1;
		told->refused |= bit;
	}
	return 0;
}

/* A process is gone for good: none of its threads comes to a hook any more. */
SEC("tp_btf/sched_process_free")
int cap_use_track(u64 *context)
{
	struct task_struct *task = ARG(context, 0, struct task_struct *);

	if (READ(task, pid) == READ(task, tgid)) {
		struct process process = process_of(task);

		bpf_map_delete_elem(&cap_use_told, &process);
	}
	return 0;
}

/* ---- hook ---------------------------------------------------------------- */

static __always_inline bool wanted(volatile struct settings *settings, u32 capability, u32 options)
{
	u64 capabilities = settings->params.capability;

	if (options & CAP_OPT_NOAUDIT && !settings->params.noaudit)
		return false;
	return !capabilities || capabilities >> (capability & 63) & 1;
}

static __always_inline int decide(u64 *context)
{
	struct user_namespace *namespace = ARG(context, 1, struct user_namespace *);
	u32 capability = context[2];
	u32 options = context[3];
	volatile struct settings *settings = krsi_enter();
	struct scratch *scratch;
	int result;

	if (!settings)
		return 0;
	if (!wanted(settings, capability, options))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.capability = capability;
	scratch->event.in_user_ns = READ(namespace, ns.inum);
	scratch->event.noaudit = options & CAP_OPT_NOAUDIT;
	scratch->event.setid = options & CAP_OPT_INSETID;
	return krsi_decide(context, scratch, krsi_hook_capable, KRSI_MATCH);
}

SEC("lsm/capable")
int cap_use_granted(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context);
}

/* ---- the second door ----------------------------------------------------- */

struct user_namespace___nested {
	int level;
	struct user_namespace___nested *parent;
	kuid_t owner;
} __relocated;

#define LEVELS 33 /* as deep as the kernel lets them be */

/* Whether the kernel is going to grant it: cap_capable of security/commoncap.c. */
__noinline u64 cap_use_is_granted(u64 cred_address, u64 namespace_address, u32 capability)
{
	struct cred___whole *cred = (struct cred___whole *)cred_address;
	u64 own_address = READ_ADDRESS(cred, user_ns);
	struct user_namespace___nested *own = (struct user_namespace___nested *)own_address;
	int level = READ(own, level);

	for (u32 turn = 0; turn < LEVELS; turn++) {
		struct user_namespace___nested *namespace = (struct user_namespace___nested *)namespace_address;
		u64 parent;

		if (namespace_address == own_address)
			return KRSI_CAPABILITY_SET(cred, cap_effective) >> (capability & 63) & 1;
		if (READ(namespace, level) <= level)
			return 0;
		parent = READ_ADDRESS(namespace, parent);
		if (parent == own_address && READ(namespace, owner.val) == READ(cred, euid.val))
			return 1;
		namespace_address = parent;
	}
	return 0;
}

SEC("fmod_ret/security_capable")
int cap_use_asked(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	if (!cap_use_is_granted(ADDRESS(ARG(context, 0, void *)), ADDRESS(ARG(context, 1, void *)), context[2]))
		return 0;
	return decide(context);
}
