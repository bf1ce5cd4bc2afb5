/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * sched: a task changes how the kernel schedules it, or another one.
 *
 *   task_setscheduler  sched_setscheduler(2), sched_setparam, sched_setattr, sched_setaffinity, and moving a task to a cgroup of the cpuset
 *                      controller. What it is to become the hook is not told; that the task may has been looked at.
 *   task_setnice       nice(2), setpriority(2): with the value.
 *   task_setioprio     ioprio_set(2): with the value. One that may not be taken (the idle class apart, real time needs a
 *                      capability) is refused before.
 *
 * A refusal makes the call fail with the errno. Of a call about several tasks (setpriority of a user) the hook is asked about each.
 *
 * `target_…` is the task that is changed: a thread, by its own id.
 *
 * Not seen: weights and limits of cgroups, which are files; what an autogroup does; threads that the kernel itself moves;
 * sched_ext's schedulers (template bpf).
 */
enum krsi_hook {
	krsi_hook_task_setscheduler,
	krsi_hook_task_setnice,
	krsi_hook_task_setioprio,
};

#include "include/krsi.bpf.h"

#define ACTIONS(X) X(ACTION_SCHEDULER, "scheduler", 1) X(ACTION_NICE, "nice", 2) X(ACTION_IOPRIO, "ioprio", 4)

enum sched_action { ACTIONS(KRSI_MEMBER) };

struct params {
	krsi_flags action KRSI_DOC("scheduler: policy, priority or processors; nice: the nice value; ioprio: class and priority of input and output.")
		KRSI_DEFAULT("every action") KRSI_BITS(ACTIONS(KRSI_NAME));
	krsi_flag except_own KRSI_DOC("true: not if the task changes a thread of its own process.") KRSI_DEFAULT("false");
};

struct event {
	struct krsi_header header;
	u32 action KRSI_DOC("What is changed.") KRSI_NAMES(ACTIONS(KRSI_NAME)) KRSI_SUBJECT;
	s32 nice KRSI_DOC("nice: what it is to become.");
	u32 ioprio KRSI_DOC("ioprio: what it is to become, the class in bits 13 to 15 and the priority below.");
	u32 target_pid KRSI_DOC("Process of the task that is changed.");
	u32 target_tid KRSI_DOC("The task that is changed.");
	u32 target_uid KRSI_DOC("Real user id of that task, in the initial user namespace.");
	char target_comm[16] KRSI_DOC("Its name.");
} KRSI_TEMPLATE("sched", "Scheduling changes: policy, CPU affinity, nice value, I/O priority", "T1496 T1499.001")
KRSI_EXAMPLE("probe(\"sched\", #{action: \"scheduler\", except_own: true}).scope(#{not_uid: 0}).everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_NOT_SEEN("What the scheduler of a task is to become, which the hook is not told. Weights and limits of cgroups, which are files.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"

static __always_inline int decide(u64 *context, enum krsi_hook hook, enum sched_action action, s32 nice, u32 ioprio)
{
	struct task_struct *target = (struct task_struct *)ADDRESS(ARG(context, 0, void *));
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	volatile struct settings *settings = krsi_enter();
	struct scratch *scratch;
	int result;

	if (!settings)
		return 0;
	if ((settings->params.action && !(settings->params.action & action)) ||
	    (settings->params.except_own && READ(target, tgid) == READ(task, tgid)))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;

	struct event *event = &scratch->event;
	struct cred *cred = READ(target, real_cred);

	event->action = action;
	event->nice = nice;
	event->ioprio = ioprio;
	event->target_pid = READ(target, tgid);
	event->target_tid = READ(target, pid);
	event->target_uid = READ(cred, uid.val);
	bpf_probe_read_kernel_str(event->target_comm, sizeof(event->target_comm),
				  __builtin_preserve_access_index(&target->comm));
	return krsi_decide(context, scratch, hook, KRSI_MATCH);
}

SEC("lsm/task_setscheduler")
int sched_scheduler(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_task_setscheduler, ACTION_SCHEDULER, 0, 0);
}

SEC("lsm/task_setnice")
int sched_nice(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_task_setnice, ACTION_NICE, context[1], 0);
}

SEC("lsm/task_setioprio")
int sched_ioprio(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_task_setioprio, ACTION_IOPRIO, 0, context[1]);
}
