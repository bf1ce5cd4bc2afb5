/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* The system call that the running task is in, for hooks that are not told what they are asked for. x86-64. */
#ifndef KRSI_CALL_BPF_H
#define KRSI_CALL_BPF_H

#include "krsi_kernel.bpf.h"

#define KRSI_TS_COMPAT 2 /* arch/x86/include/asm/thread_info.h */
#define KRSI_THREAD_SIZE 16384

struct pt_regs___call {
	unsigned long ax;
	unsigned long si;
	unsigned long orig_ax;
} __relocated;

/* The registers that it entered the kernel with: the kernel's copy. Nothing of it can be trusted in a kernel thread. */
static __always_inline struct pt_regs___call *krsi_entry_registers(void)
{
	if (krsi_kernel >= KERNEL_VERSION(5, 15, 0))
		return (struct pt_regs___call *)bpf_task_pt_regs(bpf_get_current_task_btf());

	/* Before that helper they lie where task_pt_regs has them: at the top of the stack. */
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pt_regs *top = (struct pt_regs *)((char *)READ(task, stack) + KRSI_THREAD_SIZE);

	return (struct pt_regs___call *)((char *)top - __builtin_preserve_type_info(*(struct pt_regs *)0, 1 /* its size */));
}

/* Whether it came by the gate of 32-bit programs, whose calls have other numbers. */
static __always_inline bool krsi_is_compat(struct task_struct *task)
{
	return READ(task, thread_info.status) & KRSI_TS_COMPAT;
}

/* Its number; the kernel looks at the lower half of the register alone. 32-bit calls of 64-bit programs (x32) are marked by a bit. */
#define KRSI_X32 0x40000000U

static __always_inline u32 krsi_call_number(struct pt_regs___call *registers)
{
	return READ(registers, orig_ax);
}

#endif
