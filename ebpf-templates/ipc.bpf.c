/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * ipc: a task makes, gets, uses or changes something of System V's: shared memory, a queue of messages, a set of semaphores.
 *
 *   shm_alloc_security, msg_queue_alloc_security, sem_alloc_security
 *                       one is about to be made (shmget, msgget, semget). It has a key and permissions, and no id yet.
 *   shm_associate, msg_queue_associate, sem_associate
 *                       the same calls, for one that is there: the task is about to get its id.
 *   shm_shmat           shared memory is about to be attached (shmat).
 *   msg_queue_msgsnd, msg_queue_msgrcv
 *                       a message is about to be sent, or handed to a receiver (msgsnd, msgrcv). One that waits gets it
 *                       from the sender, which is then who asks.
 *   sem_semop           semaphores are about to be changed, or waited for (semop, semtimedop).
 *   shm_shmctl, msg_queue_msgctl, sem_semctl
 *                       one is about to be looked at, changed or removed (shmctl …). Some commands are about all of them
 *                       and no single one: then key, id and owner are 0.
 *
 * Permissions were looked at before. A refusal makes the call fail with the errno; of msgrcv, that the message is passed over.
 *
 * Ids and keys are a namespace's own (ipc_namespaces(7)).
 *
 * Not seen: what is read and written in shared memory once it is attached; detaching; what a child inherits; POSIX's shared memory,
 * queues and semaphores, which are files (template file_open: /dev/shm).
 */
enum krsi_hook {
	krsi_hook_shm_alloc_security,
	krsi_hook_shm_associate,
	krsi_hook_shm_shmat,
	krsi_hook_shm_shmctl,
	krsi_hook_msg_queue_alloc_security,
	krsi_hook_msg_queue_associate,
	krsi_hook_msg_queue_msgsnd,
	krsi_hook_msg_queue_msgrcv,
	krsi_hook_msg_queue_msgctl,
	krsi_hook_sem_alloc_security,
	krsi_hook_sem_associate,
	krsi_hook_sem_semop,
	krsi_hook_sem_semctl,
};

#include "include/krsi.bpf.h"

#define OBJECTS(X) X(OBJECT_SHM, "shm", 1) X(OBJECT_MSG, "msg", 2) X(OBJECT_SEM, "sem", 4)
#define ACTIONS(X)                                                                                         \
	X(ACTION_CREATE, "create", 1) X(ACTION_GET, "get", 2) X(ACTION_ATTACH, "attach", 4)                \
	X(ACTION_SEND, "send", 8) X(ACTION_RECEIVE, "receive", 16) X(ACTION_OPERATE, "operate", 32)        \
	X(ACTION_CONTROL, "control", 64)

enum ipc_object { OBJECTS(KRSI_MEMBER) };
enum ipc_action { ACTIONS(KRSI_MEMBER) };

struct params {
	krsi_flags object KRSI_DOC("shm: shared memory; msg: queues of messages; sem: semaphores.")
		KRSI_DEFAULT("all three") KRSI_BITS(OBJECTS(KRSI_NAME));
	krsi_flags action KRSI_DOC("create: a new one; get: the id of one that is there; attach, send, receive, operate (semop): "
				   "use; control: looked at, changed, removed.")
		KRSI_DEFAULT("every action") KRSI_BITS(ACTIONS(KRSI_NAME));
	krsi_flag foreign KRSI_DOC("true: only what belongs to another user than the task's effective one.") KRSI_DEFAULT("false");
};

struct event {
	struct krsi_header header;
	u32 object KRSI_DOC("What it is.") KRSI_NAMES(OBJECTS(KRSI_NAME));
	u32 action KRSI_DOC("What is done with it.") KRSI_NAMES(ACTIONS(KRSI_NAME)) KRSI_SUBJECT;
	u32 key KRSI_DOC("Its key, as ipcs(1) has it; 0: private.");
	u32 id KRSI_DOC("Its id within its namespace; 0 if it has none yet.");
	u32 owner KRSI_DOC("User it belongs to, in the initial user namespace; 0 if it has none yet.");
	u32 permissions KRSI_DOC("Its permissions.");
	u32 command KRSI_DOC("control: which command, by number: IPC_RMID 0, IPC_SET 1, IPC_STAT 2, IPC_INFO 3, others by object. The rest: 0.");
	u32 flags KRSI_DOC("get, attach, send: the flags of the call (IPC_NOWAIT 2048, SHM_RDONLY 4096 …). The rest: 0.");
} KRSI_TEMPLATE("ipc", "System V shared memory, message queues and semaphores: created, looked up, used, changed", "T1559 T1570")
KRSI_EXAMPLE("probe(\"ipc\", #{object: \"shm\", action: \"attach\", foreign: true}).scope(#{not_uid: 0}).everywhere().lease(\"8h\").deny(\"EACCES\").attach();")
KRSI_CANNOT_ASK("messages that may not be received are passed over, and no system call is made again")
KRSI_NOT_SEEN("What is read and written in shared memory once it is attached, and detaching. POSIX's shared memory, queues and "
	      "semaphores, which are files.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"

struct kern_ipc_perm {
	int id;
	int key;
	kuid_t uid;
	u16 mode;
} __relocated;

static __always_inline bool is_foreign(struct kern_ipc_perm *permissions)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct cred *cred = READ(task, cred);

	return READ(permissions, uid.val) != READ(cred, euid.val);
}

/* Everything behind an earlier refusal. `number`: command or flags. */
static __always_inline int decide(u64 *context, enum krsi_hook hook, u32 object, u32 action, u32 number)
{
	/* NULL for commands about all of them. */
	struct kern_ipc_perm *permissions = (struct kern_ipc_perm *)ADDRESS(ARG(context, 0, void *));
	volatile struct settings *settings = krsi_enter();
	struct scratch *scratch;
	u64 objects, actions;
	int result;

	if (!settings)
		return 0;
	objects = settings->params.object;
	actions = settings->params.action;
	if ((objects && !(objects & object)) || (actions && !(actions & action)))
		return krsi_filtered();
	if (settings->params.foreign && (action == ACTION_CREATE || !permissions || !is_foreign(permissions)))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;

	struct event *event = &scratch->event;

	event->object = object;
	event->action = action;
	event->key = READ(permissions, key);
	event->permissions = READ(permissions, mode) & 0777;
	/* What is made has neither yet. */
	if (action != ACTION_CREATE) {
		event->id = READ(permissions, id);
		event->owner = READ(permissions, uid.val);
	}
	if (action == ACTION_CONTROL)
		event->command = number & 0xff;
	else
		event->flags = number;
	return krsi_decide(context, scratch, hook, KRSI_MATCH);
}

#define PROGRAM(hook, name, object, action, number)                                                        \
	SEC("lsm/" #hook)                                                                                  \
	int ipc_##name(u64 *context)                                                                       \
	{                                                                                                  \
		int refused = KRSI_REFUSED(context);                                                       \
                                                                                                           \
		return refused ? refused : decide(context, krsi_hook_##hook, object, action, number);      \
	}

PROGRAM(shm_alloc_security, shm_create, OBJECT_SHM, ACTION_CREATE, 0)
PROGRAM(shm_associate, shm_get, OBJECT_SHM, ACTION_GET, context[1])
PROGRAM(shm_shmat, shm_attach, OBJECT_SHM, ACTION_ATTACH, context[2])
PROGRAM(shm_shmctl, shm_control, OBJECT_SHM, ACTION_CONTROL, context[1])
PROGRAM(msg_queue_alloc_security, msg_create, OBJECT_MSG, ACTION_CREATE, 0)
PROGRAM(msg_queue_associate, msg_get, OBJECT_MSG, ACTION_GET, context[1])
PROGRAM(msg_queue_msgsnd, msg_send, OBJECT_MSG, ACTION_SEND, context[2])
PROGRAM(msg_queue_msgrcv, msg_receive, OBJECT_MSG, ACTION_RECEIVE, 0)
PROGRAM(msg_queue_msgctl, msg_control, OBJECT_MSG, ACTION_CONTROL, context[1])
PROGRAM(sem_alloc_security, sem_create, OBJECT_SEM, ACTION_CREATE, 0)
PROGRAM(sem_associate, sem_get, OBJECT_SEM, ACTION_GET, context[1])
PROGRAM(sem_semop, sem_operate, OBJECT_SEM, ACTION_OPERATE, 0)
PROGRAM(sem_semctl, sem_control, OBJECT_SEM, ACTION_CONTROL, context[1])
