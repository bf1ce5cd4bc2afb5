/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * setid: a task gives itself other user or group ids.
 *
 * Hooks, one for each of three families of system calls (kernel/sys.c, kernel/groups.c):
 *
 *   task_fix_setuid     setuid, setreuid, setresuid, setfsuid.
 *   task_fix_setgid     setgid, setregid, setresgid, setfsgid; from Linux 5.9 on.
 *   task_fix_setgroups  setgroups; from Linux 6.0 on. Before that no hook is asked about it.
 *
 * The kernel has settled by then that the task may: it has CAP_SETUID (CAP_SETGID), or takes one of the ids
 * that it has already. The new credentials are made up and not in force. A refusal makes the call fail with the
 * errno, but for setfsuid and setfsgid, which never fail: they leave the id as it was and give it back.
 *
 * A call that changes nothing (setuid to the id one has) is asked about as well.
 *
 * This is the way down as well as up: login, sshd, cron, su and sudo run as root and become a user by these
 * calls, and a service drops its privilege by them. The way up is a program that holds CAP_SETUID, or one that
 * was root before and kept root as its saved id: `to_root` is about these.
 *
 * Not seen: ids from a set-uid program (privileged_exec), from entering or making a user namespace, in which
 * one is root (userns), those of a new process, which are its parent's, and what root does to a credential by a
 * hole of the kernel. glibc makes each call once for each thread, so a process with several threads is asked
 * about several times.
 */
enum krsi_hook {
	krsi_hook_task_fix_setuid,
	krsi_hook_task_fix_setgid,
	krsi_hook_task_fix_setgroups,
};

#include "include/krsi.bpf.h"

#define CALLS(X)                                                                                           \
	X(CALL_SETUID, "setuid", 1) X(CALL_SETREUID, "setreuid", 2) X(CALL_SETRESUID, "setresuid", 4)      \
	X(CALL_SETFSUID, "setfsuid", 8) X(CALL_SETGID, "setgid", 16) X(CALL_SETREGID, "setregid", 32)      \
	X(CALL_SETRESGID, "setresgid", 64) X(CALL_SETFSGID, "setfsgid", 128) X(CALL_SETGROUPS, "setgroups", 256)

enum call { CALLS(KRSI_MEMBER) };

struct params {
	krsi_flags syscall KRSI_DOC("Only these system calls. setuid and setgid are asked about under their own names, also where a "
				 "C library's seteuid or setegid makes one of the others of them.")
		KRSI_DEFAULT("every call") KRSI_BITS(CALLS(KRSI_NAME));
	krsi_flag to_root KRSI_DOC("true: only where a user id becomes 0 (of the initial user namespace) and none was before.")
		KRSI_DEFAULT("false");
};

#define GROUPS 32

struct event {
	struct krsi_header header;
	u32 syscall KRSI_DOC("System call.") KRSI_NAMES(CALLS(KRSI_NAME)) KRSI_SUBJECT;
	u32 old_uid KRSI_DOC("Real user id before, in the initial user namespace, as all ids here.");
	u32 old_euid KRSI_DOC("Effective user id before.");
	u32 old_suid KRSI_DOC("Saved user id before: what the task may go back to.");
	u32 old_fsuid KRSI_DOC("User id for files before.");
	u32 new_uid KRSI_DOC("Real user id after.");
	u32 new_euid KRSI_DOC("Effective user id after.");
	u32 new_suid KRSI_DOC("Saved user id after.");
	u32 new_fsuid KRSI_DOC("User id for files after.");
	u32 old_gid KRSI_DOC("Real group id before.");
	u32 old_egid KRSI_DOC("Effective group id before.");
	u32 old_sgid KRSI_DOC("Saved group id before.");
	u32 old_fsgid KRSI_DOC("Group id for files before.");
	u32 new_gid KRSI_DOC("Real group id after.");
	u32 new_egid KRSI_DOC("Effective group id after.");
	u32 new_sgid KRSI_DOC("Saved group id after.");
	u32 new_fsgid KRSI_DOC("Group id for files after.");
	u32 group_count KRSI_DOC("Supplementary groups after setgroups; 0 for other calls.");
	u32 groups[GROUPS] KRSI_DOC("Ids of the first of them, at most 32, in the kernel's order (ascending).")
		KRSI_COUNT("group_count");
} KRSI_TEMPLATE("setid", "User and group id changes: setuid, setgid, setgroups and related calls", "T1548 T1134.001 T1068")
	KRSI_EXAMPLE("probe(\"setid\", #{to_root: true}).scope(#{uid: 33}).deny(\"EPERM\").attach();")
	KRSI_NOT_SEEN("Ids that come with a set-uid program (privileged_exec) or with a user namespace (userns). "
		      "setgroups before Linux 6.0. "
		      "Credentials that a hole of the kernel overwrites.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_credentials.bpf.h"

struct group_info {
	int ngroups;
	kgid_t gid[1];
} __relocated;

/* include/linux/security.h: which call, as a number that is the same for users and groups. */
#define LSM_SETID_ID 1
#define LSM_SETID_RE 2
#define LSM_SETID_RES 4
#define LSM_SETID_FS 8

/* 0: none that is known. The kernel's numbers are ours, those of groups four bits up. */
static __always_inline u32 call_of(u32 flags, u32 shift)
{
	return (flags & (LSM_SETID_ID | LSM_SETID_RE | LSM_SETID_RES | LSM_SETID_FS)) << shift;
}

static __always_inline bool has_root(struct cred___whole *cred)
{
	return !READ(cred, uid.val) || !READ(cred, euid.val) || !READ(cred, suid.val) || !READ(cred, fsuid.val);
}

/* Whether the params have it in view. */
static __always_inline bool wanted(volatile struct settings *settings, u32 call, struct cred___whole *new,
				   struct cred___whole *old)
{
	u64 calls = settings->params.syscall;

	if (calls && !(calls & call))
		return false;
	return !settings->params.to_root || (has_root(new) && !has_root(old));
}

static __always_inline void gather_groups(struct event *event, struct cred___whole *new)
{
	struct group_info *info = READ(new, group_info);
	u32 count = READ(info, ngroups);
	u32 size = (count < GROUPS ? count : GROUPS) * sizeof(u32);

	event->group_count = count;
	asm volatile("" : "+r"(size));
	if (size <= sizeof(event->groups))
		bpf_probe_read_kernel(event->groups, size, __builtin_preserve_access_index(&info->gid));
}

static __always_inline void gather(struct event *event, u32 call, struct cred___whole *new, struct cred___whole *old)
{
	event->syscall = call;
	event->old_uid = READ(old, uid.val);
	event->old_euid = READ(old, euid.val);
	event->old_suid = READ(old, suid.val);
	event->old_fsuid = READ(old, fsuid.val);
	event->new_uid = READ(new, uid.val);
	event->new_euid = READ(new, euid.val);
	event->new_suid = READ(new, suid.val);
	event->new_fsuid = READ(new, fsuid.val);
	event->old_gid = READ(old, gid.val);
	event->old_egid = READ(old, egid.val);
	event->old_sgid = READ(old, sgid.val);
	event->old_fsgid = READ(old, fsgid.val);
	event->new_gid = READ(new, gid.val);
	event->new_egid = READ(new, egid.val);
	event->new_sgid = READ(new, sgid.val);
	event->new_fsgid = READ(new, fsgid.val);
	if (call == CALL_SETGROUPS)
		gather_groups(event, new);
}

/* Everything behind the earlier programs; gives the verdict. */
static __always_inline int decide(u64 *context, enum krsi_hook hook, u32 call)
{
	struct cred___whole *new = ARG(context, 0, struct cred___whole *);
	struct cred___whole *old = ARG(context, 1, struct cred___whole *);
	volatile struct settings *settings = krsi_enter();
	struct scratch *scratch;
	int result;

	if (!settings)
		return 0;
	if (!wanted(settings, call, new, old))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	gather(&scratch->event, call, new, old);
	return krsi_decide(context, scratch, hook, KRSI_MATCH);
}

SEC("lsm/task_fix_setuid")
int setid_user(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, krsi_hook_task_fix_setuid, call_of(context[2], 0));
}

SEC("lsm/task_fix_setgid")
int setid_group(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, krsi_hook_task_fix_setgid, call_of(context[2], 4));
}

SEC("lsm/task_fix_setgroups")
int setid_groups(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, krsi_hook_task_fix_setgroups, CALL_SETGROUPS);
}
