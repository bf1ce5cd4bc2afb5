/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * ptrace: a process looks into another one, or takes hold of it.
 *
 * Hooks (kernel/ptrace.c):
 *
 *   ptrace_access_check  a task asks for access to another one, of another process. Besides ptrace(2) itself
 *                        that is everything which the kernel guards by the same question: /proc/PID/{environ,
 *                        maps, fd, ns, root, cwd, exe, mem …}, process_vm_readv and _writev, kcmp, pidfd_getfd,
 *                        perf_event_open, get_robust_list. `read` is looking, `attach` is control.
 *   ptrace_traceme       a process offers itself to its parent (PTRACE_TRACEME).
 *
 * The kernel's own rules (same user, or CAP_SYS_PTRACE) are settled by then; Yama's come before or after. A
 * refusal makes ptrace(2) fail with the errno; most files of /proc answer EACCES, and process_vm_… EPERM,
 * whatever it is.
 *
 * On newer kernels (6.18 is one, 6.12 not) the files that show memory (maps, smaps, environ, auxv …) are open
 * for reading to whoever has CAP_PERFMON, even where the question was answered with no: such a reading is seen,
 * and its refusal has no effect.
 *
 * `asked_by` tells a file of /proc from a system call. Some files of /proc, /proc/PID/stat for one, are there
 * for everybody, and the kernel only asks how much to show (PTRACE_MODE_NOAUDIT). Every `ps` asks so for every
 * process. Such questions are `silent`, and left out unless the param says so; a refusal makes them show less.
 *
 * proc_mem is the narrower view of the same hooks: only what can write into memory, with the way by which it
 * would.
 *
 * Not seen: access to one's own process, of which nobody is asked; children that a tracer gets without asking
 * (PTRACE_O_TRACEFORK), and what it does later; files of /proc that were opened before.
 */
enum krsi_hook {
	krsi_hook_ptrace_access_check,
	krsi_hook_ptrace_traceme,
};

#include "include/krsi.bpf.h"
#include "include/krsi_target_members.bpf.h"

#define ACCESSES(X) X(ACCESS_READ, "read", 1) X(ACCESS_ATTACH, "attach", 2) X(ACCESS_TRACEME, "traceme", 4)

enum access { ACCESSES(KRSI_MEMBER) };

#define ASKERS(X) X(ASKED_BY_CALL, "call", 0) X(ASKED_BY_PROC, "proc", 1)

enum asker { ASKERS(KRSI_MEMBER) };

struct params {
	krsi_flags access KRSI_DOC("Only these. read: looking into a process; attach: control of it, its memory, its descriptors; traceme: "
				   "a process lets its parent trace it.")
		KRSI_DEFAULT("every access") KRSI_BITS(ACCESSES(KRSI_NAME));
	krsi_flag silent KRSI_DOC("true: also where the kernel only asks how much of a file of /proc to show, as for each process that `ps` lists.")
		KRSI_DEFAULT("false");
	krsi_flag except_child KRSI_DOC("true: not if the one who gets access is the other's own parent, as a debugger is that started its "
					"program.")
		KRSI_DEFAULT("false");
};

struct event {
	struct krsi_header header;
	struct krsi_target target;
	u32 access KRSI_DOC("What for: looking (read), control (attach), or the process offers itself (traceme), which then is the target.")
		KRSI_NAMES(ACCESSES(KRSI_NAME)) KRSI_SUBJECT;
	u32 asked_by KRSI_DOC("What asks: a file of /proc, or a system call (ptrace, process_vm_readv, pidfd_getfd, …).")
		KRSI_NAMES(ASKERS(KRSI_NAME));
	u32 tracer_pid KRSI_DOC("Process that gets access: the one that asks; for traceme its parent.");
	bool silent KRSI_DOC("Whether the kernel only asks how much to show, and a refusal is no error.");
} KRSI_TEMPLATE("ptrace", "Processes inspected or attached to by others: ptrace, /proc/PID, process_vm_readv",
		"T1055.008 T1003.007 T1057")
	KRSI_EXAMPLE("probe(\"ptrace\").when(|e| e.uid != e.target_uid).scope(#{not_uid: 0}).shadow().attach();")
	KRSI_CANNOT_ASK("in most places the code that checks only learns yes or no, and the system call fails with an errno of its own")
KRSI_NOT_SEEN("A process that looks into itself. "
		      "Refused, but not kept away: on newer kernels (6.18) who has CAP_PERFMON reads maps, environ and the like all the same. "
		      "Children that a tracer gets without asking, and what a tracer does once it is attached. "
		      "Files of /proc/PID that are open already.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_target.bpf.h"

/* include/linux/ptrace.h */
#define PTRACE_MODE_ATTACH 0x02
#define PTRACE_MODE_NOAUDIT 0x04
#define PTRACE_MODE_FSCREDS 0x08

static __always_inline bool wanted(volatile struct settings *settings, u32 access, bool silent, struct task_struct *tracer,
				   struct task_struct *target)
{
	u64 accesses = settings->params.access;

	if ((accesses && !(accesses & access)) || (silent && !settings->params.silent))
		return false;
	return !settings->params.except_child || !krsi_is_parent_of(tracer, target);
}

/* Everything behind the earlier programs; gives the verdict. `mode` is that of a question, or 0. */
static __always_inline int decide(void *context, enum krsi_hook hook, u32 access, u32 mode, struct task_struct *tracer,
				  struct task_struct *target)
{
	volatile struct settings *settings = krsi_enter();
	bool silent = mode & PTRACE_MODE_NOAUDIT;
	struct scratch *scratch;
	int result;

	if (!settings)
		return 0;
	if (!wanted(settings, access, silent, tracer, target))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	krsi_gather_target(scratch, &scratch->event.target, target);
	scratch->event.access = access;
	scratch->event.asked_by = mode & PTRACE_MODE_FSCREDS ? ASKED_BY_PROC : ASKED_BY_CALL;
	scratch->event.tracer_pid = READ(tracer, tgid);
	scratch->event.silent = silent;
	return krsi_decide(context, scratch, hook, KRSI_MATCH);
}

SEC("lsm/ptrace_access_check")
int ptrace_access(u64 *context)
{
	struct task_struct *target = ARG(context, 0, struct task_struct *);
	u32 mode = context[1];
	int refused = KRSI_REFUSED(context);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if (refused)
		return refused;
	return decide(context, krsi_hook_ptrace_access_check, mode & PTRACE_MODE_ATTACH ? ACCESS_ATTACH : ACCESS_READ, mode,
		      task, target);
}

SEC("lsm/ptrace_traceme")
int ptrace_traceme(u64 *context)
{
	struct task_struct *parent = ARG(context, 0, struct task_struct *);
	int refused = KRSI_REFUSED(context);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if (refused)
		return refused;
	return decide(context, krsi_hook_ptrace_traceme, ACCESS_TRACEME, 0, parent, task);
}
