/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * privileged_exec: an execution is about to give a process more privilege than it has: a set-uid or set-gid
 * program, or one with capabilities of its own.
 *
 * Hook: bprm_creds_from_file (fs/exec.c, from begin_new_exec, once for each execution), from Linux 5.8 on. The
 * program is found, of a script that is its interpreter, and the process is still what it was. A refusal makes
 * execve(2) fail with the errno.
 *
 * What is gained is known here: the kernel's own module of capabilities has a hook of the same name, is always
 * asked first, and has worked out by then which ids and capabilities the new image gets, after `nosuid`,
 * no_new_privs, securebits, a tracer and the bounding set have had their say. So an event is about what really
 * happens, not about a bit of a file's mode. The second door (BPF_MODIFY_RETURN) stands before that module:
 * there set-uid and set-gid are known, and the capabilities after are not.
 *
 * Executions that gain nothing are no events; root's own are not, as long as root has all of its capabilities.
 * An execution by root that gives it back what it had laid down is.
 *
 * Capabilities count in the user namespace of the process: in one of its own everybody has them all, and no
 * power outside.
 */
enum krsi_hook {
	krsi_hook_bprm_creds_from_file,
};

#include "include/krsi.bpf.h"
#include "include/krsi_capabilities.bpf.h"
#include "include/krsi_file.bpf.h"

#define GAINS(X) X(GAINS_UID, "setuid", 1) X(GAINS_GID, "setgid", 2) X(GAINS_CAPABILITIES, "capabilities", 4)

enum gain { GAINS(KRSI_MEMBER) };

struct params {
	KRSI_PATH_PARAMS
	krsi_flags gains KRSI_DOC("Only executions that gain one of these. setuid: another effective user id; setgid: another effective "
				  "group id; capabilities: permitted ones that the process did not have, by the file or with root's id.")
		KRSI_DEFAULT("every gain") KRSI_BITS(GAINS(KRSI_NAME));
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the program.");
	u64 permitted_before KRSI_DOC("Permitted capabilities that the process has.") KRSI_CAPABILITY_BITS;
	u64 permitted_after KRSI_DOC("Permitted capabilities that it will have.") KRSI_CAPABILITY_BITS;
	u64 effective_after KRSI_DOC("Effective capabilities that it will have.") KRSI_CAPABILITY_BITS;
	krsi_device device KRSI_DOC("Device of the file system the program is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 gains KRSI_DOC("What is gained.") KRSI_BITS(GAINS(KRSI_NAME));
	u32 new_euid KRSI_DOC("Effective user id that the process will have, in the initial user namespace; `euid` is that before.");
	u32 old_egid KRSI_DOC("Effective group id that it has, in the initial user namespace.");
	u32 new_egid KRSI_DOC("Effective group id that it will have.");
	KRSI_FILE_MEMBERS("")
	struct krsi_path path KRSI_DOC("The program.") KRSI_SUBJECT;
} KRSI_TEMPLATE("privileged_exec", "Executions that gain privilege: set-uid, set-gid, file capabilities", "T1548.001 T1068")
	KRSI_EXAMPLE("probe(\"privileged_exec\").when(|e| !e.path.starts_with(\"/usr/\") && !e.path.starts_with(\"/bin/\")).shadow().attach();")
	KRSI_NOT_SEEN("Privilege that a process has already and hands down, by ambient capabilities too. "
		      "Set-uid bits that the kernel does not honour (nosuid, no_new_privs, a script). "
		      "By the second door, without `bpf` in lsm=: capabilities gained; `permitted_after` and `effective_after` are those before.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_credentials.bpf.h"
#include "include/krsi_path_params.bpf.h"

struct linux_binprm___credentials {
	struct cred___whole *cred;
} __relocated;

static __always_inline u32 gains_of(struct cred___whole *new, struct cred___whole *old)
{
	u64 gained = KRSI_CAPABILITY_SET(new, cap_permitted) & ~KRSI_CAPABILITY_SET(old, cap_permitted);

	return (READ(new, euid.val) != READ(old, euid.val) ? GAINS_UID : 0) |
	       (READ(new, egid.val) != READ(old, egid.val) ? GAINS_GID : 0) | (gained ? GAINS_CAPABILITIES : 0);
}

static __always_inline void gather(struct event *event, u32 gains, struct inode *inode, struct cred___whole *new,
				   struct cred___whole *old)
{
	struct super_block *super = READ(inode, i_sb);

	event->inode = READ(inode, i_ino);
	event->device = READ(super, s_dev);
	event->gains = gains;
	event->permitted_before = KRSI_CAPABILITY_SET(old, cap_permitted);
	event->permitted_after = KRSI_CAPABILITY_SET(new, cap_permitted);
	event->effective_after = KRSI_CAPABILITY_SET(new, cap_effective);
	event->new_euid = READ(new, euid.val);
	event->old_egid = READ(old, egid.val);
	event->new_egid = READ(new, egid.val);
	KRSI_GATHER_FILE(event, inode);
}

SEC("lsm/bprm_creds_from_file")
int privilege_exec(u64 *context)
{
	struct linux_binprm___credentials *bprm = ARG(context, 0, struct linux_binprm___credentials *);
	struct file *file = ARG(context, 1, struct file *);
	int refused = KRSI_REFUSED(context);
	struct cred___whole *old, *new;
	volatile struct settings *settings;
	struct scratch *scratch;
	struct inode *inode;
	u32 gains;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	old = krsi_own_credentials();
	new = READ(bprm, cred);
	gains = gains_of(new, old);
	if (!gains || (settings->params.gains && !(settings->params.gains & gains)))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	inode = READ(file, f_inode);
	krsi_gather_file(settings, scratch, file);
	gather(&scratch->event, gains, inode, new, old);
	return krsi_decide(context, scratch, krsi_hook_bprm_creds_from_file, krsi_match_path(settings, scratch, inode));
}
