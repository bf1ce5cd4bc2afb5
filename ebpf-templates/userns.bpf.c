/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * userns: a user namespace is being made, in which its maker has every capability.
 *
 * Hook: userns_create (kernel/user_namespace.c, create_user_ns), from Linux 6.1 on, for clone, clone3 and
 * unshare with CLONE_NEWUSER. Who may is settled; the namespace does not exist yet. A refusal makes the call
 * fail with the errno.
 *
 * Nobody needs privilege for this call, and inside the new namespace its maker may ask of the kernel what
 * otherwise only root may: mount file systems, set up networks and packet filters. Most holes of the kernel by
 * which users have become root in recent years are reached this way. Browsers, container tools without root,
 * bubblewrap and flatpak use it for good.
 *
 * Before Linux 6.1 no hook is asked. There the template `fork` sees clone with the flag `newuser`, and unshare
 * is seen by none; the sysctl user.max_user_namespaces, 0, forbids all.
 *
 * Not seen: entering a namespace that is there (setns), and what is done inside.
 */
enum krsi_hook {
	krsi_hook_userns_create,
};

#include "include/krsi.bpf.h"
#include "include/krsi_capabilities.bpf.h"

struct params {
	krsi_flag unprivileged KRSI_DOC("true: only by tasks without CAP_SYS_ADMIN in the namespace that they are in.")
		KRSI_DEFAULT("false");
};

struct event {
	struct krsi_header header;
	u64 effective KRSI_DOC("Effective capabilities that the task has now; in the new namespace it has all.") KRSI_CAPABILITY_BITS;
	u32 level KRSI_DOC("How deep the new namespace lies: 1 directly below the initial one. `user_ns` is the one around it.")
		KRSI_SUBJECT;
	u32 owner_uid KRSI_DOC("Owner of the new namespace: the task's effective user id, in the initial user namespace.");
	u32 owner_gid KRSI_DOC("Its group: the effective group id.");
} KRSI_TEMPLATE("userns", "User namespace creation, which gives root inside the namespace", "T1611 T1068")
	KRSI_EXAMPLE("probe(\"userns\", #{unprivileged: true}).scope(#{uid: 33}).deny(\"EPERM\").attach();")
	KRSI_NOT_SEEN("Anything before Linux 6.1, which has no hook for it. "
		      "Entering a user namespace that is there already (setns). "
		      "What its maker does inside.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_credentials.bpf.h"

#define CAP_SYS_ADMIN 21

struct user_namespace___level {
	int level;
} __relocated;

static __always_inline int decide(void *context, struct cred___whole *cred)
{
	volatile struct settings *settings = krsi_enter();
	struct user_namespace___level *around;
	struct scratch *scratch;
	struct event *event;
	u64 effective;
	int result;

	if (!settings)
		return 0;
	effective = KRSI_CAPABILITY_SET(cred, cap_effective);
	if (settings->params.unprivileged && effective >> CAP_SYS_ADMIN & 1)
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	event = &scratch->event;
	around = (struct user_namespace___level *)READ(cred, user_ns);
	event->effective = effective;
	event->level = READ(around, level) + 1;
	event->owner_uid = READ(cred, euid.val);
	event->owner_gid = READ(cred, egid.val);
	return krsi_decide(context, scratch, krsi_hook_userns_create, KRSI_MATCH);
}

SEC("lsm/userns_create")
int userns_create(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, ARG(context, 0, struct cred___whole *));
}
