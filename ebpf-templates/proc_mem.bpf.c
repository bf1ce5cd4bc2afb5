/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * proc_mem: a process is about to be able to write into another one's memory.
 *
 * Three hooks cover the four ways there:
 *
 *   mem       file_open: /proc/PID/mem (or /proc/PID/task/TID/mem) is opened for
 *             writing. A refusal makes open(2) fail.
 *   vm_write  ptrace_access_check, from process_vm_writev(2), on every call. The kernel
 *             turns a refusal with EACCES into EPERM there.
 *   attach    ptrace_access_check, from ptrace(2): PTRACE_ATTACH and PTRACE_SEIZE.
 *   traceme   ptrace_traceme: a process offers itself to its parent. A refusal
 *             makes PTRACE_TRACEME fail.
 *
 * The hook ptrace_access_check is told what the access is for: reading, or attaching, and with which
 * credentials. Attaching with those of a file (PTRACE_MODE_FSCREDS) is what files of /proc are asked about, of which
 * `mem` is decided when it is opened. Attaching with the real ones (PTRACE_MODE_REALCREDS) is asked for by ptrace and
 * process_vm_writev, but also by process_vm_readv and pidfd_getfd, which write nothing: these two are known by the
 * number of the system call the task is in. What cannot be told (a number that cannot be read, another
 * architecture, a call of later kernels) counts as attach, so that nothing is missed.
 *
 * Not seen: memory that both processes share on purpose, a descriptor of
 * /proc/PID/mem that was opened before, children that a tracer gets without asking
 * (PTRACE_O_TRACEFORK), and a process that writes into itself.
 *
 * The header of an event is about the task that asks: for traceme, that is the one
 * which will be written to. `target_…` is always who could be written to, `writer_…` who could write.
 */
enum krsi_hook {
	krsi_hook_file_open,
	krsi_hook_ptrace_access_check,
	krsi_hook_ptrace_traceme,
};

#include "include/krsi.bpf.h"

#define WAYS(X)                                                                                            \
	X(WAY_MEM, "mem", 1) X(WAY_VM_WRITE, "vm_write", 2) X(WAY_ATTACH, "attach", 4)                     \
	X(WAY_TRACEME, "traceme", 8)

enum way { WAYS(KRSI_MEMBER) };

struct params {
	krsi_flags way KRSI_DOC("Only these ways. mem: /proc/PID/mem opened for writing; vm_write: process_vm_writev; "
				"attach: a tracer attaches or seizes, or a call is not known from that; traceme: a process lets its parent trace it.")
		KRSI_DEFAULT("every way") KRSI_BITS(WAYS(KRSI_NAME));
	krsi_flag except_child KRSI_DOC("true: not if the one who could write is the other's own parent, as a "
					"debugger is that started its program.")
		KRSI_DEFAULT("false");
};

struct event {
	struct krsi_header header;
	u64 target_start_ns KRSI_DOC("When the process that could be written to started, since boot.") KRSI_UNIT("ns");
	u32 way KRSI_DOC("How: /proc/PID/mem opened for writing, process_vm_writev, ptrace attach, ptrace traceme.")
		KRSI_NAMES(WAYS(KRSI_NAME));
	u32 target_pid KRSI_DOC("Process that could be written to.");
	u32 target_tid KRSI_DOC("Its thread that was named.");
	u32 target_uid KRSI_DOC("Real user id of that process, in the initial user namespace.");
	u32 writer_pid KRSI_DOC("Process that could write: the one that asks; for traceme its parent.");
	u32 writer_uid KRSI_DOC("Real user id of that process, in the initial user namespace.");
	char target_comm[16] KRSI_DOC("Name of the thread that could be written to.");
	char writer_comm[16] KRSI_DOC("Name of the thread that could write.");
	char target_exe[256] KRSI_DOC("Executable of the process that could be written to, from the asking task's "
				      "root; cut after 255 bytes.")
		KRSI_UNREADABLE("no-target") KRSI_CUT("255");
	struct krsi_path path KRSI_DOC("The file of /proc that is opened; empty for the other ways.") KRSI_SUBJECT;
} KRSI_TEMPLATE("proc_mem", "Write access to another process's memory: /proc/PID/mem, process_vm_writev, ptrace",
		"T1055.008 T1055.009")
KRSI_EXAMPLE("probe(\"proc_mem\").scope(#{uid: 1000, not_comm: \"gdb\"}).deny(\"EPERM\").attach();")
KRSI_CANNOT_ASK("for ptrace, the code that checks only learns yes or no, and the system call fails with an errno of its own")
KRSI_NOT_SEEN("What is written: the access is asked about once, when it begins. A process's writes to its own memory, "
	      "memory that two processes share, and tracers that were attached before.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_paths.bpf.h"

/* ---- which system call --------------------------------------------------- */

#define TS_COMPAT 2 /* arch/x86/include/asm/thread_info.h */
#define THREAD_SIZE 16384

/* The registers the task entered the kernel with. */
static __always_inline struct pt_regs *entry_registers(void)
{
	if (krsi_kernel >= KERNEL_VERSION(5, 15, 0))
		return bpf_task_pt_regs(bpf_get_current_task_btf());

	/* Before that helper they lie where task_pt_regs has them: at the top of the stack. */
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pt_regs *top = (struct pt_regs *)((char *)READ(task, stack) + THREAD_SIZE);

	return (struct pt_regs *)((char *)top -
				  __builtin_preserve_type_info(*(struct pt_regs *)0, 1 /* its size */));
}

/*
 * The kernel looks at the lower half of the register alone (since 5.10 in some cases, later in all), so what stands
 * in the upper one says nothing. 0: a call that asks to attach and writes nothing.
 */
static __always_inline u32 way_of_number(u32 number, bool compat)
{
	if (compat) { /* arch/x86/entry/syscalls/syscall_32.tbl */
		switch (number) {
		case 347: /* process_vm_readv */
		case 438: /* pidfd_getfd */
			return 0;
		case 348:
			return WAY_VM_WRITE;
		default:
			return WAY_ATTACH;
		}
	}
	switch (number & ~0x40000000U /* the mark of x32, whose own numbers are those above 511 */) {
	case 310: /* process_vm_readv */
	case 539:
	case 438: /* pidfd_getfd */
		return 0;
	case 311:
	case 540:
		return WAY_VM_WRITE;
	default:
		return WAY_ATTACH;
	}
}

static __always_inline u32 way_of_system_call(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pt_regs *registers = entry_registers();

	if (!EXISTS(registers, orig_ax) || !EXISTS(task, thread_info.status))
		return WAY_ATTACH;
	return way_of_number(READ(registers, orig_ax), READ(task, thread_info.status) & TS_COMPAT);
}

/* ---- who ----------------------------------------------------------------- */

static __always_inline u32 pid_of_parent(struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);
	struct task_struct *parent = READ(leader, real_parent);

	return READ(parent, tgid);
}

static __always_inline u32 uid_of(struct task_struct *task)
{
	struct cred *cred = READ(task, real_cred);

	return READ(cred, uid.val);
}

static __always_inline void gather_target_exe(struct scratch *scratch, struct task_struct *target)
{
	struct mm_struct *mm = READ(target, mm);
	struct file *file = READ(mm, exe_file);

	if (file && !krsi_walk_to(scratch, scratch->event.target_exe, sizeof(scratch->event.target_exe),
				  READ(file, f_path.mnt), READ(file, f_path.dentry)))
		scratch->event.header.notes |= KRSI_NOTE_NO_TARGET;
}

static __always_inline void gather(struct scratch *scratch, u32 way, struct task_struct *writer,
				   struct task_struct *target)
{
	struct event *event = &scratch->event;
	struct task_struct *leader = READ(target, group_leader);

	event->way = way;
	event->target_start_ns = READ(leader, start_boottime);
	event->target_pid = READ(target, tgid);
	event->target_tid = READ(target, pid);
	event->target_uid = uid_of(target);
	event->writer_pid = READ(writer, tgid);
	event->writer_uid = uid_of(writer);
	bpf_probe_read_kernel_str(event->target_comm, sizeof(event->target_comm),
				  __builtin_preserve_access_index(&target->comm));
	bpf_probe_read_kernel_str(event->writer_comm, sizeof(event->writer_comm),
				  __builtin_preserve_access_index(&writer->comm));
	gather_target_exe(scratch, target);
}

/* Whether the params have this one in view. */
static __always_inline bool wanted(volatile struct settings *settings, u32 way, struct task_struct *writer,
				   struct task_struct *target)
{
	u64 ways = settings->params.way;
	u32 writer_pid = READ(writer, tgid);

	if (!way || (ways && !(ways & way)) || (u32)READ(target, tgid) == writer_pid)
		return false;
	return !settings->params.except_child || pid_of_parent(target) != writer_pid;
}

/* ---- hooks --------------------------------------------------------------- */

#define FMODE_WRITE 0x2
#define PROC_SUPER_MAGIC 0x9fa0
#define PTRACE_MODE_ATTACH 0x02
#define PTRACE_MODE_FSCREDS 0x08

/* Whose memory the file is, or NULL if it is no /proc/PID/mem. Only procfs makes names there. */
static __always_inline struct task_struct *owner_of_memory(struct file *file)
{
	struct inode *inode = READ(file, f_inode);
	struct super_block *super = READ(inode, i_sb);
	struct dentry *dentry = READ(file, f_path.dentry);
	char name[4] = {};

	if (READ(super, s_magic) != PROC_SUPER_MAGIC || READ(dentry, d_name.len) != 3)
		return NULL;
	bpf_probe_read_kernel(name, 3, READ(dentry, d_name.name));
	if (name[0] != 'm' || name[1] != 'e' || name[2] != 'm')
		return NULL;

	struct proc_inode *proc_inode = OWNER(inode, struct proc_inode, vfs_inode);
	struct pid *pid = READ(proc_inode, pid);
	struct hlist_node *first = READ(pid, tasks[0].first); /* PIDTYPE_PID */

	return first ? OWNER(first, struct task_struct, pid_links[0]) : NULL;
}

SEC("lsm/file_open")
int proc_mem_open(u64 *context)
{
	struct file *file = ARG(context, 0, struct file *);
	int refused = KRSI_REFUSED(context);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	volatile struct settings *settings;
	struct task_struct *target;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (!(file->f_mode & FMODE_WRITE))
		return krsi_filtered();
	target = owner_of_memory(file);
	if (!target || !wanted(settings, WAY_MEM, task, target))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	krsi_gather_path(scratch, file);
	gather(scratch, WAY_MEM, task, target);
	return krsi_decide(context, scratch, krsi_hook_file_open, KRSI_MATCH);
}

/* The part that both ptrace hooks have in common. */
static __always_inline int decide_trace(void *context, volatile struct settings *settings, enum krsi_hook hook,
					u32 way, struct task_struct *writer, struct task_struct *target)
{
	struct scratch *scratch;
	int result;

	if (!wanted(settings, way, writer, target))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	gather(scratch, way, writer, target);
	return krsi_decide(context, scratch, hook, KRSI_MATCH);
}

SEC("lsm/ptrace_access_check")
int proc_mem_access(u64 *context)
{
	struct task_struct *target = ARG(context, 0, struct task_struct *);
	u32 mode = context[1];
	int refused = KRSI_REFUSED(context);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	volatile struct settings *settings;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (!(mode & PTRACE_MODE_ATTACH) || mode & PTRACE_MODE_FSCREDS)
		return krsi_filtered();
	return decide_trace(context, settings, krsi_hook_ptrace_access_check, way_of_system_call(), task, target);
}

SEC("lsm/ptrace_traceme")
int proc_mem_traceme(u64 *context)
{
	struct task_struct *parent = ARG(context, 0, struct task_struct *);
	int refused = KRSI_REFUSED(context);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	volatile struct settings *settings;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	return decide_trace(context, settings, krsi_hook_ptrace_traceme, WAY_TRACEME, parent, task);
}
