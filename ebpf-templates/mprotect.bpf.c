/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * mprotect: what memory is good for is about to change.
 *
 * Hook: file_mprotect (mm/mprotect.c, do_mprotect_pkey), for mprotect(2) and pkey_mprotect(2), once for each mapping that the range
 * touches: a call about three of them is three events. Nothing of this mapping has changed yet, what lies before it in the
 * range has. A refusal makes the call fail with the errno there.
 *
 * What is to be feared is memory that is written first and executed then. It comes here in one step (`before` has write, `after` has
 * exec), or in two: from writable to readable, from readable to executable. The latter is told by `modified`: pages of the
 * mapping are the process's own, so they were written by it, or by its parent before the fork. Code of a file that was not touched has none.
 *
 * Compilers at run time (Java, JavaScript, .NET, LuaJIT) do this all day, and the dynamic linker does for libraries with relocations
 * in their code. It makes pages read-only at each start of a program as well: most events without `adds` are these.
 *
 * Not seen: memory that was writable and executable from the start (template mmap_exec); the same pages mapped twice,
 * once to write and once to execute (memfd); writes through /proc/PID/mem (template proc_mem); stacks that are executable since a
 * program was started, as the program asks.
 */
enum krsi_hook {
	krsi_hook_file_mprotect,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"

#define PROTECTIONS(X) X(PROT_READ, "read", 1) X(PROT_WRITE, "write", 2) X(PROT_EXEC, "exec", 4)
#define REGIONS(X)                                                                                         \
	X(REGION_FILE, "file", 1) X(REGION_ANONYMOUS, "anonymous", 2) X(REGION_HEAP, "heap", 4)            \
	X(REGION_STACK, "stack", 8)

enum protection { PROTECTIONS(KRSI_MEMBER) };
enum region { REGIONS(KRSI_MEMBER) };

struct params {
	krsi_flags adds KRSI_DOC("Changes that give at least one of these to memory that did not have it.")
		KRSI_DEFAULT("every change") KRSI_BITS(PROTECTIONS(KRSI_NAME));
	krsi_flag written KRSI_DOC("true: only memory that has been written, or can be: its protection was, or will be, `write`, or "
				   "pages of it are the process's own.")
		KRSI_DEFAULT("false");
	krsi_flags region KRSI_DOC("Memory of these kinds. heap: what brk(2) gives; stack: the first thread's, or the one the thread runs "
				   "on by now; file: mapped from one, shared memory included; anonymous: all else.")
		KRSI_DEFAULT("every region") KRSI_BITS(REGIONS(KRSI_NAME));
	KRSI_PATH_PARAMS
};

struct event {
	struct krsi_header header;
	u64 start KRSI_DOC("Where the mapping begins; what changes is all of it or a part.") KRSI_UNIT("address");
	u64 end KRSI_DOC("Where it ends: the first address behind it.") KRSI_UNIT("address");
	u64 inode KRSI_DOC("Inode of the mapped file; 0 without one.");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 before KRSI_DOC("What the memory was good for.") KRSI_BITS(PROTECTIONS(KRSI_NAME));
	u32 after KRSI_DOC("What it is to be good for.") KRSI_BITS(PROTECTIONS(KRSI_NAME) "sem=8 growsdown=16777216 growsup=33554432");
	u32 region KRSI_DOC("What the memory is.") KRSI_NAMES(REGIONS(KRSI_NAME));
	u32 modified KRSI_DOC("yes: pages of the mapping are the process's own: it, or a parent of it, has written there.")
		KRSI_NAMES("no=0 yes=1");
	KRSI_FILE_MEMBERS("")
	struct krsi_path path KRSI_DOC("The mapped file, from the task's root; empty without one.") KRSI_SUBJECT;
} KRSI_TEMPLATE("mprotect", "Memory protection changes: written memory made executable, executable heap and stack",
		"T1055 T1620 T1106")
KRSI_EXAMPLE("probe(\"mprotect\", #{adds: \"exec\", written: true}).scope(#{uid: 33}).deny(\"EACCES\").attach();")
KRSI_NOT_SEEN("Memory that was writable and executable from the start (template mmap_exec), the same pages mapped twice with different "
	      "protection, and writes through /proc/PID/mem (template proc_mem). Which part of the mapping changes.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_path_params.bpf.h"

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	struct mm_struct *vm_mm;
	void *anon_vma;
	struct file *vm_file;
} __relocated;

struct mm_struct___mprotect {
	unsigned long start_brk;
	unsigned long brk;
	unsigned long start_stack;
} __relocated;

struct pt_regs___mprotect {
	unsigned long sp;
} __relocated;

/* Of vm_flags: VM_READ, VM_WRITE and VM_EXEC are the bits of the protection; VM_GROWSDOWN. */
#define VM_PROTECTION 7
#define VM_GROWSDOWN 0x100

/* As the kernel's own LSMs tell them apart (security/selinux/hooks.c, selinux_file_mprotect; vma_is_initial_heap). */
static __always_inline u32 region_of(struct vm_area_struct *area)
{
	struct mm_struct___mprotect *mm = (struct mm_struct___mprotect *)READ(area, vm_mm);
	u64 start = READ(area, vm_start), end = READ(area, vm_end);
	u64 brk = READ(mm, brk), start_brk = READ(mm, start_brk), stack = READ(mm, start_stack);

	if (READ(area, vm_file))
		return REGION_FILE;
	if (start < brk && end > start_brk)
		return REGION_HEAP;
	if ((start <= stack && end >= stack) || READ(area, vm_flags) & VM_GROWSDOWN)
		return REGION_STACK;
	if (krsi_kernel >= KERNEL_VERSION(5, 15, 0)) {
		struct pt_regs___mprotect *registers =
			(struct pt_regs___mprotect *)bpf_task_pt_regs(bpf_get_current_task_btf());

		if (EXISTS(registers, sp)) {
			u64 pointer = READ(registers, sp);

			if (start <= pointer && pointer < end)
				return REGION_STACK;
		}
	}
	return REGION_ANONYMOUS;
}

SEC("lsm/file_mprotect")
int mprotect_change(u64 *context)
{
	struct vm_area_struct *area = ARG(context, 0, struct vm_area_struct *);
	u32 after = context[2];
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	u32 before, region;
	bool modified;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;

	u64 adds = settings->params.adds, regions = settings->params.region;

	before = READ(area, vm_flags) & VM_PROTECTION;
	if (adds && !(adds & after & ~before))
		return krsi_filtered();
	modified = READ(area, anon_vma);
	if (settings->params.written && !modified && !((before | after) & PROT_WRITE))
		return krsi_filtered();
	region = region_of(area);
	if ((regions && !(regions & region)) || (krsi_names_files(settings) && region != REGION_FILE))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;

	struct event *event = &scratch->event;
	struct file *file = READ(area, vm_file);
	struct inode *inode = READ(file, f_inode);
	struct super_block *super = READ(inode, i_sb);

	event->start = READ(area, vm_start);
	event->end = READ(area, vm_end);
	event->inode = READ(inode, i_ino);
	event->device = READ(super, s_dev);
	event->before = before;
	event->after = after;
	event->region = region;
	event->modified = modified;
	KRSI_GATHER_FILE(event, inode);
	if (file && (krsi_tells_path(settings) || krsi_names_files(settings)))
		krsi_gather_name(scratch, READ(file, f_path.mnt), READ(file, f_path.dentry));
	return krsi_decide(context, scratch, krsi_hook_file_mprotect, krsi_match_path(settings, scratch, inode));
}
