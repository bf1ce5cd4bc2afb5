/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * io_uring: a task does what only io_uring can.
 *
 *   uring_allowed         a ring is about to be made (io_uring_setup; from 6.16 on).
 *   uring_sqpoll          one with a thread of the kernel's that looks for work by itself (IORING_SETUP_SQPOLL). From 6.16 on both are
 *                         asked about such a ring, this one later.
 *   uring_override_creds  an operation is about to run with other credentials, which the ring's owner has registered
 *                         (IORING_REGISTER_PERSONALITY). So a ring that is inherited or handed on does what its owner may.
 *   uring_cmd             an operation that is the driver's own is about to be handed to it (IORING_OP_URING_CMD): commands of
 *                         NVMe, ublk, FUSE, sockets.
 *
 * The hooks of the first two have no arguments. A refusal makes io_uring_setup fail with the errno, and of the others the operation,
 * whose result it is. The last two are asked in the task that submits, or in a worker of its.
 *
 * Ordinary operations (open, connect, unlink …) come to the hooks that they come to as system calls, and are seen by the templates that are
 * about these. What seccomp looks at they do not come to.
 *
 * Not seen: what else is done by a ring; rings that are there already; before 6.16 the making of one (template memfd sees
 * its descriptor), and before 5.16 any of this.
 */
enum krsi_hook {
	krsi_hook_uring_allowed,
	krsi_hook_uring_sqpoll,
	krsi_hook_uring_override_creds,
	krsi_hook_uring_cmd,
};

#include "include/krsi.bpf.h"

#define ACTIONS(X)                                                                                         \
	X(ACTION_SETUP, "setup", 1) X(ACTION_SQPOLL, "sqpoll", 2)                                          \
	X(ACTION_CREDENTIALS, "override_creds", 4) X(ACTION_COMMAND, "cmd", 8)

enum uring_action { ACTIONS(KRSI_MEMBER) };

struct params {
	krsi_flags action KRSI_DOC("setup: a ring is made (from 6.16 on); sqpoll: one with a thread of the kernel's; override_creds: an operation "
				   "takes other credentials; cmd: one that is a driver's own.")
		KRSI_DEFAULT("every action") KRSI_BITS(ACTIONS(KRSI_NAME));
};

struct event {
	struct krsi_header header;
	u32 action KRSI_DOC("What is done.") KRSI_NAMES(ACTIONS(KRSI_NAME)) KRSI_SUBJECT;
	u32 new_uid KRSI_DOC("override_creds: real user id that the operation takes, in the initial user namespace.");
	u32 new_euid KRSI_DOC("override_creds: effective user id that it takes.");
	u32 command KRSI_DOC("cmd: the driver's number for it.");
	struct krsi_path path KRSI_DOC("cmd: the file whose driver it is for.");
} KRSI_TEMPLATE("io_uring", "io_uring: rings created, credentials overridden, driver commands", "T1106 T1562")
KRSI_EXAMPLE("probe(\"io_uring\", #{action: [\"setup\", \"sqpoll\"]}).scope(#{not_uid: 0}).everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_CANNOT_ASK("what such an operation comes to is told in the ring, and not by a system call that could be made again")
KRSI_NOT_SEEN("What else is done by a ring: the templates about those operations see it. Rings that are there already. Before 6.16 the making of "
	      "one, before 5.16 any of this.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_paths.bpf.h"

struct io_uring_cmd {
	struct file *file;
	u32 cmd_op;
} __relocated;

/* Memory, if the action is one of those in view. NULL: then `result` is what the hook returns. */
static __always_inline struct scratch *take(enum uring_action action, int *result)
{
	volatile struct settings *settings = krsi_enter();
	struct scratch *scratch;

	*result = 0;
	if (!settings)
		return NULL;
	if (settings->params.action && !(settings->params.action & action)) {
		*result = krsi_filtered();
		return NULL;
	}
	scratch = krsi_take(settings, result);
	if (scratch)
		scratch->event.action = action;
	return scratch;
}

static __always_inline int decide(void *context, enum krsi_hook hook, enum uring_action action)
{
	int result;
	struct scratch *scratch = take(action, &result);

	return scratch ? krsi_decide(context, scratch, hook, KRSI_MATCH) : result;
}

SEC("lsm/uring_allowed")
int io_uring_setup(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_uring_allowed, ACTION_SETUP);
}

SEC("lsm/uring_sqpoll")
int io_uring_sqpoll(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_uring_sqpoll, ACTION_SQPOLL);
}

SEC("lsm/uring_override_creds")
int io_uring_creds(u64 *context)
{
	struct cred *cred = ARG(context, 0, struct cred *);
	int refused = KRSI_REFUSED(context);
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	scratch = take(ACTION_CREDENTIALS, &result);
	if (!scratch)
		return result;
	scratch->event.new_uid = READ(cred, uid.val);
	scratch->event.new_euid = READ(cred, euid.val);
	return krsi_decide(context, scratch, krsi_hook_uring_override_creds, KRSI_MATCH);
}

SEC("lsm/uring_cmd")
int io_uring_command(u64 *context)
{
	struct io_uring_cmd *command = ARG(context, 0, struct io_uring_cmd *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	struct file *file;
	int result;

	if (refused)
		return refused;
	scratch = take(ACTION_COMMAND, &result);
	if (!scratch)
		return result;
	file = READ(command, file);
	settings = krsi_read_settings();
	scratch->event.command = READ(command, cmd_op);
	if (settings && krsi_tells_path(settings))
		krsi_gather_name(scratch, READ(file, f_path.mnt), READ(file, f_path.dentry));
	return krsi_decide(context, scratch, krsi_hook_uring_cmd, KRSI_MATCH);
}
