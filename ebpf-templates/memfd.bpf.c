/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * memfd: a file that no directory has is being made: where programs that leave no file behind begin, and two
 * kernel interfaces that attacks on the kernel like.
 *
 * Hooks:
 *
 *   inode_init_security_anon  an anonymous inode of its own is made (fs/anon_inodes.c), from Linux 5.12 on:
 *                             userfaultfd, also by /dev/userfaultfd, io_uring from 5.16 on, and what else newer
 *                             kernels make so. Memory files, about which the newest ask here too, are left to
 *                             the other one, so that one call is one event.
 *   security_file_alloc       the kernel makes an open file, of whatever kind (fs/file_table.c). Of these it is
 *                             only looked at what memfd_create(2) and memfd_secret(2) make, which nothing else
 *                             sees on all kernels; and where the hook above is not asked, what userfaultfd(2)
 *                             and io_uring_setup(2) make. They are known by the number of the system call.
 *                             Every other file leaves at once, and is in no books. This is the function that
 *                             asks the hook file_alloc_security, which newer kernels keep from BPF; the
 *                             function's return value can be replaced on all of them.
 *
 * A refusal makes the call fail with the errno. A memory file can be written, executed (fexecve, or
 * /proc/self/fd/N) and mapped like any other; the template `exec` marks an execution of one (`memfd`).
 *
 * The name that memfd_create gives is decoration, and stands in the program's memory, where another thread can
 * change it while the hook looks: it is not read here. /proc/PID/fd tells it later, as `/memfd:NAME (deleted)`.
 *
 * Not seen: files in /dev/shm and other tmpfs, deleted files that are kept open, memory shared without a
 * descriptor (mmap), System V shared memory, and a descriptor that is passed on.
 */
enum krsi_hook {
	krsi_hook_inode_init_security_anon,
	krsi_hook_security_file_alloc,
};

#include "include/krsi.bpf.h"

#define KINDS(X)                                                                                           \
	X(KIND_MEMFD, "memfd", 1) X(KIND_SECRET, "secret", 2) X(KIND_USERFAULTFD, "userfaultfd", 4)        \
	X(KIND_IO_URING, "io_uring", 8) X(KIND_OTHER, "other", 16)

enum kind { KINDS(KRSI_MEMBER) };

struct params {
	krsi_flags kind KRSI_DOC("Only these. memfd: memfd_create; secret: memfd_secret, memory that the kernel itself does not map; "
				 "userfaultfd; io_uring; other: another anonymous inode of the kernel's, which `name` names.")
		KRSI_DEFAULT("every kind") KRSI_BITS(KINDS(KRSI_NAME));
};

struct event {
	struct krsi_header header;
	u32 kind KRSI_DOC("What is being made.") KRSI_NAMES(KINDS(KRSI_NAME)) KRSI_SUBJECT;
	u32 flags KRSI_DOC("Flags of memfd_create, without MFD_; none for the other kinds. noexec_seal: it can never be executed.")
		KRSI_BITS("cloexec=1 allow_sealing=2 hugetlb=4 noexec_seal=8 exec=16");
	char name[32] KRSI_DOC("The kernel's name for an anonymous inode: `[userfaultfd]`, `[io_uring]`; empty where it was known by the "
			       "system call.");
} KRSI_TEMPLATE("memfd", "Anonymous files created: memfd_create, memfd_secret, userfaultfd, io_uring",
		"T1620 T1027.011 T1068")
	KRSI_EXAMPLE("probe(\"memfd\", #{kind: [\"memfd\", \"secret\"]}).scope(#{uid: 33}).deny(\"EPERM\").attach();")
	KRSI_NOT_SEEN("The name given to memfd_create. "
		      "Files in /dev/shm and other file systems in memory, and deleted files that are kept open. "
		      "A descriptor that another process passes on.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_call.bpf.h"

/* Whether the hook for anonymous inodes is asked about what these calls make. */
#define ASKED_ABOUT_USERFAULTFD (krsi_kernel >= KERNEL_VERSION(5, 12, 0))
#define ASKED_ABOUT_IO_URING (krsi_kernel >= KERNEL_VERSION(5, 16, 0))

/* What the system call makes that is to be seen where an open file is made; 0: nothing. */
static __always_inline u32 kind_of_call(u32 number, bool compat)
{
	if (!compat)
		number &= ~KRSI_X32;
	if (number == (compat ? 356 : 319))
		return KIND_MEMFD;
	if (number == 447)
		return KIND_SECRET;
	if (!ASKED_ABOUT_USERFAULTFD && number == (compat ? 374 : 323))
		return KIND_USERFAULTFD;
	if (!ASKED_ABOUT_IO_URING && number == 425)
		return KIND_IO_URING;
	return 0;
}

/* Everything behind the earlier programs, about what is known to be of this kind; gives the verdict. */
static __always_inline int decide(void *context, enum krsi_hook hook, u32 kind, u32 flags, struct qstr *name)
{
	volatile struct settings *settings = krsi_enter();
	struct scratch *scratch;
	int result;

	if (!settings)
		return 0;
	if (settings->params.kind && !(settings->params.kind & kind))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.kind = kind;
	scratch->event.flags = flags;
	if (name)
		bpf_probe_read_kernel_str(scratch->event.name, sizeof(scratch->event.name), READ(name, name));
	return krsi_decide(context, scratch, hook, KRSI_MATCH);
}

static __always_inline int decide_file(void *context)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pt_regs___call *registers;
	u32 kind;

	/* What a thread of the kernel's has in place of registers says nothing. */
	if (READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER))
		return 0;
	registers = krsi_entry_registers();
	kind = kind_of_call(krsi_call_number(registers), krsi_is_compat(task));
	if (!kind)
		return 0;
	return decide(context, krsi_hook_security_file_alloc, kind, kind == KIND_MEMFD ? READ(registers, si) : 0, NULL);
}

SEC("fmod_ret/security_file_alloc")
int memfd_function(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide_file(context);
}

/* The first eight bytes of a name, in memory's order. */
#define WORD(a, b, c, d, e, f, g, h)                                                                       \
	((u64)(a) | (u64)(b) << 8 | (u64)(c) << 16 | (u64)(d) << 24 | (u64)(e) << 32 | (u64)(f) << 40 |      \
	 (u64)(g) << 48 | (u64)(h) << 56)

/* 0: one that the other hook is asked about. */
static __always_inline u32 kind_of_name(struct qstr *name)
{
	u64 begin = 0;

	bpf_probe_read_kernel(&begin, sizeof(begin), READ(name, name));
	switch (begin) {
	case WORD('[', 'm', 'e', 'm', 'f', 'd', ']', '\0'):
	case WORD('[', 's', 'e', 'c', 'r', 'e', 't', 'm'):
		return 0;
	case WORD('[', 'u', 's', 'e', 'r', 'f', 'a', 'u'):
		return KIND_USERFAULTFD;
	case WORD('[', 'i', 'o', '_', 'u', 'r', 'i', 'n'):
		return KIND_IO_URING;
	default:
		return KIND_OTHER;
	}
}

SEC("lsm/inode_init_security_anon")
int memfd_inode(u64 *context)
{
	struct qstr *name = ARG(context, 1, struct qstr *);
	int refused = KRSI_REFUSED(context);
	u32 kind;

	if (refused)
		return refused;
	kind = kind_of_name(name);
	if (!kind)
		return 0;
	return decide(context, krsi_hook_inode_init_security_anon, kind, 0, name);
}
