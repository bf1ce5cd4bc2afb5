/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * Not a template: what is kept of each process from its exec on (krsi_process.bpf.h), for probes that ask for arguments and
 * executables of a process and those above it. Loaded when the first such probe is attached.
 *
 * A process has the record of the one that it was forked from until it executes something itself, and loses it with its last
 * thread. What ran before is found by the shell: the iterator below lists it, /proc says the rest.
 */
enum krsi_hook {
	krsi_hook_none,
};

#include "include/krsi.bpf.h"
#include "include/krsi_process.bpf.h"

/* A record in the making. */
struct event {
	struct krsi_header header;
	struct krsi_process process;
};

KRSI_CLEARED_TO(process);

#include "include/krsi_scratch.bpf.h"
#include "include/krsi_walk.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* What the process executes now. */
static __always_inline u64 execution_of(struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);

	return READ(leader, self_exec_id);
}

/* When it was made, and by whom: no two at once. */
static __always_inline u64 new_number(void)
{
	return bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 255);
}

static __always_inline void gather_argv(struct krsi_process *process, struct mm_struct *mm)
{
	u64 start = READ(mm, arg_start);
	u64 length = READ(mm, arg_end) - start;

	process->argv_cut = length > KRSI_PROCESS_ARGV;
	if (length > KRSI_PROCESS_ARGV)
		length = KRSI_PROCESS_ARGV;
	process->argv_length = length;
	if (length && bpf_probe_read_user(process->argv, length, (void *)start)) {
		process->argv_length = 0;
		process->argv_cut = true;
	}
}

/* Last byte first: a function of its own, so that the verifier looks at the loop once. Gives the length. */
__noinline u64 reverse_exe(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	u32 length = 0;

	if (!scratch)
		return 0;
	for (u32 i = 0; i < KRSI_PROCESS_EXE && scratch->event.process.exe[i]; i++)
		length = i + 1;
	for (u32 i = 0; i < KRSI_PROCESS_EXE && i < length; i++) {
		u32 from = length - 1 - i;

		/* The verifier has to see that it is within, on 5.10 too. */
		asm volatile("%0 &= 255" : "+r"(from));
		scratch->event.process.reversed_exe[i] = scratch->event.process.exe[from];
	}
	return length;
}

/* Attached several times where the kernel may pass one over: the first that is run does it. */
SEC("tp_btf/sched_process_exec")
int krsi_process_exec(u64 *context)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct krsi_process *process = bpf_map_lookup_elem(&krsi_processes, &pid);
	u64 execution = execution_of(task);
	struct mm_struct *mm = READ(task, mm);
	struct file *file = READ(mm, exe_file);
	struct scratch *scratch;

	if (process && process->execution == execution)
		return 0;
	scratch = krsi_take_memory();
	if (!scratch)
		return 0;
	process = &scratch->event.process;
	/* What cannot be read is zero. */
	bpf_probe_read_kernel(process, sizeof(*process), NULL);
	process->number = new_number();
	process->execution = execution;
	krsi_walk_to(scratch, process->exe, sizeof(process->exe), READ(file, f_path.mnt), READ(file, f_path.dentry));
	process->exe_bits = 8 * reverse_exe(scratch->slot);
	process->reversed_bits = process->exe_bits;
	gather_argv(process, mm);
	/* Where there is no room the record is none, or that of another execution, which is none either. */
	bpf_map_update_elem(&krsi_processes, &pid, process, BPF_ANY);
	krsi_give_back(scratch);
	return 0;
}

/* The child's record is its parent's: not that of a process which had its id before. */
static __always_inline void inherit(u32 parent, struct task_struct *child)
{
	u32 pid = READ(child, tgid);
	struct krsi_process *process;

	/* A thread has its process's record. */
	if (parent == pid)
		return;
	process = bpf_map_lookup_elem(&krsi_processes, &parent);
	if (!process || bpf_map_update_elem(&krsi_processes, &pid, process, BPF_ANY))
		bpf_map_delete_elem(&krsi_processes, &pid);
}

/* One of these is attached: krsi_subtrees.bpf.h says when which. */
SEC("tp_btf/sched_process_fork")
int krsi_process_fork(u64 *context)
{
	inherit(bpf_get_current_pid_tgid() >> 32, ARG(context, 1, struct task_struct *));
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int krsi_process_woken(u64 *context)
{
	inherit(bpf_get_current_pid_tgid() >> 32, ARG(context, 0, struct task_struct *));
	return 0;
}

SEC("tp_btf/sched_process_exit")
int krsi_process_exit(u64 *context)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct signal_struct *signal = READ(task, signal);
	u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (!READ(signal, live.counter))
		bpf_map_delete_elem(&krsi_processes, &pid);
	return 0;
}

/* A process of which nothing is kept, as the shell reads it. */
struct unknown_process {
	u32 pid;
	u32 own_pid; /* in the shell's own pid namespace */
	u64 start_ns;
	u64 execution;
};

KRSI_KEPT(struct unknown_process, unknown_process);

/* The number that a process has in a namespace; 0: none. */
static __always_inline u32 number_in(struct task_struct *task, u32 level, u64 namespace)
{
	struct pid *pid = READ(task, thread_pid);
	struct upid *numbers = (struct upid *)__builtin_preserve_access_index(&pid->numbers[0]);

	if (READ(pid, level) < level || (u64)READ(numbers + level, ns) != namespace)
		return 0;
	return READ(numbers + level, nr);
}

SEC("iter/task")
int krsi_unknown_processes(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct task_struct *shell = (struct task_struct *)bpf_get_current_task();
	struct pid *own = READ(shell, thread_pid);
	u32 level = READ(own, level) & 31;
	struct upid *numbers = (struct upid *)__builtin_preserve_access_index(&own->numbers[0]);
	struct unknown_process found = {};

	if (!task || READ(task, pid) != READ(task, tgid) || READ(task, flags) & PF_KTHREAD)
		return 0;
	found.pid = READ(task, tgid);
	if (bpf_map_lookup_elem(&krsi_processes, &found.pid))
		return 0;
	found.own_pid = number_in(task, level, (u64)READ(numbers + level, ns));
	found.start_ns = READ(task, start_boottime);
	found.execution = execution_of(task);
	bpf_seq_write(context->meta->seq, &found, sizeof(found));
	return 0;
}
