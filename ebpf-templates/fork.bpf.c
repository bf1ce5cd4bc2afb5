/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * fork: a process or a thread is being made.
 *
 * Hook: task_alloc (kernel/fork.c, copy_process), for fork, vfork, clone and clone3, for the kernel's own
 * threads, and for the workers of io_uring. The new task is a copy of its parent so far, and has neither a
 * process id nor namespaces of its own: the number comes later in the same function, and the call may fail
 * before it. A refusal makes the call fail with the errno, and nothing is left of the task.
 *
 * `flags` are those of clone(2), with what the kernel adds for fork and vfork; the signal that tells of the
 * child's end is not among them. A new user namespace (`newuser`) is made with the process, after this hook,
 * and by unshare(2) without one.
 *
 * A program that cannot make threads mostly ends itself, and one that cannot fork tries again: refusing is for
 * containing a fork bomb, or for keeping a service from having children at all.
 *
 * Not seen: the new task's id (its first act is seen by other templates, with `ppid`), unshare(2) and setns(2),
 * and how often the call then fails for want of memory or ids.
 */
enum krsi_hook {
	krsi_hook_task_alloc,
};

#include "include/krsi.bpf.h"

/* include/uapi/linux/sched.h, without the byte of the signal, in which only newtime is a flag. */
#define FLAGS                                                                                              \
	"newtime=128 vm=256 fs=512 files=1024 sighand=2048 pidfd=4096 ptrace=8192 vfork=16384 parent=32768 " \
	"thread=65536 newns=131072 sysvsem=262144 settls=524288 parent_settid=1048576 child_cleartid=2097152 " \
	"detached=4194304 untraced=8388608 child_settid=16777216 newcgroup=33554432 newuts=67108864 "      \
	"newipc=134217728 newuser=268435456 newpid=536870912 newnet=1073741824 io=2147483648 "             \
	"clear_sighand=4294967296 into_cgroup=8589934592"

#define KINDS(X) X(KIND_PROCESS, "process", 1) X(KIND_THREAD, "thread", 2) X(KIND_KERNEL, "kernel", 4)

enum kind { KINDS(KRSI_MEMBER) };

struct params {
	krsi_flags kind KRSI_DOC("Only these. process: one with an id of its own; thread: another one of the same process; kernel: "
				 "a thread of the kernel's own, or a worker of io_uring.")
		KRSI_DEFAULT("every kind") KRSI_BITS(KINDS(KRSI_NAME));
	krsi_flags flags KRSI_DOC("Only with one of these flags of clone(2), without CLONE_ and in small letters: newuser, newns, ….")
		KRSI_DEFAULT("any flags") KRSI_BITS(FLAGS);
};

struct event {
	struct krsi_header header;
	u64 flags KRSI_DOC("Flags of clone(2), without CLONE_.") KRSI_BITS(FLAGS);
	u32 kind KRSI_DOC("What is being made. Who makes it is the event's task.") KRSI_NAMES(KINDS(KRSI_NAME)) KRSI_SUBJECT;
	u32 threads KRSI_DOC("Threads that the calling process has now.");
} KRSI_TEMPLATE("fork", "Process and thread creation: fork, vfork, clone", "T1106 T1499.001 T1611")
	KRSI_EXAMPLE("probe(\"fork\", #{flags: [\"newuser\", \"newns\"]}).scope(#{uid: 33}).deny(\"EPERM\").attach();")
	KRSI_NOT_SEEN("The id of the new task, which the kernel gives later: look for `ppid` in other templates' events. "
		      "unshare and setns, which make no task. "
		      "Whether the call succeeds in the end.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"

#define CLONE_THREAD 0x10000

struct signal_struct___threads {
	int nr_threads;
} __relocated;

static __always_inline u32 kind_of(struct task_struct *task, u64 flags)
{
	/* The child is a copy of its parent, and marked as what it is going to be. */
	if (READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER))
		return KIND_KERNEL;
	return flags & CLONE_THREAD ? KIND_THREAD : KIND_PROCESS;
}

SEC("lsm/task_alloc")
int fork_alloc(u64 *context)
{
	struct task_struct *child = ARG(context, 0, struct task_struct *);
	u64 flags = context[1];
	int refused = KRSI_REFUSED(context);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct signal_struct___threads *signal;
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;
	u32 kind;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	kind = kind_of(child, flags);
	if ((settings->params.kind && !(settings->params.kind & kind)) ||
	    (settings->params.flags && !(settings->params.flags & flags)))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	signal = (struct signal_struct___threads *)READ(task, signal);
	scratch->event.flags = flags;
	scratch->event.kind = kind;
	scratch->event.threads = READ(signal, nr_threads);
	return krsi_decide(context, scratch, krsi_hook_task_alloc, KRSI_MATCH);
}
