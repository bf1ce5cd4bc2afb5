/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* All of a task's credentials, for templates that are about what becomes of them. */
#ifndef KRSI_CREDENTIALS_BPF_H
#define KRSI_CREDENTIALS_BPF_H

#include "krsi.bpf.h"
#include "krsi_capabilities.bpf.h"

/* kernel_cap_t, as krsi_capability_set reads it. */
struct krsi_capability_words {
	u32 words[2];
};

/* Of ids from several user namespaces, and without a user namespace's view: as the kernel compares them. */
struct cred___whole {
	kuid_t uid;
	kgid_t gid;
	kuid_t suid;
	kgid_t sgid;
	kuid_t euid;
	kgid_t egid;
	kuid_t fsuid;
	kgid_t fsgid;
	struct krsi_capability_words cap_inheritable;
	struct krsi_capability_words cap_permitted;
	struct krsi_capability_words cap_effective;
	struct user_namespace *user_ns;
	struct group_info *group_info;
} __relocated;

/* One of the sets of some credentials. */
#define KRSI_CAPABILITY_SET(cred, set) krsi_capability_set(__builtin_preserve_access_index(&(cred)->set))

/* Those that the task has now. */
static __always_inline struct cred___whole *krsi_own_credentials(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return (struct cred___whole *)READ(task, cred);
}

#endif
