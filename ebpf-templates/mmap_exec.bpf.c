/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * mmap_exec: memory that can be executed is about to be mapped.
 *
 * Hook: mmap_file (mm/util.c, vm_mmap_pgoff), with protection and flags as the task gives them. Every mapping comes here; one that
 * is not to be executed leaves at once, and is in no books. Where READ_IMPLIES_EXEC is set (personality(2), and programs that say
 * nothing of their stack), one that is to be read is one to be executed. A refusal makes the call fail with the errno.
 *
 * Who maps code: the dynamic linker, for each library; dlopen, for each plugin; the kernel itself, when it executes a program (the
 * program and its linker: a refusal then ends the process, which has no other image to go back to); shmat(2) with SHM_EXEC; and
 * whatever compiles at run time, without a file. So this is where a library is seen that no execution names: of LD_PRELOAD, of a
 * module of PAM, of ld.so called with a program as its argument.
 *
 * Where in the file the mapping begins, how long it is and where it goes, the hook is not told.
 *
 * Not seen: memory that becomes executable later (template mprotect); code that an interpreter reads; what is written into a
 * file, or into memory that is writable too, once it is mapped; mappings that a child inherits; the kernel's own (vdso).
 */
enum krsi_hook {
	krsi_hook_mmap_file,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"

#define KINDS(X) X(KIND_FILE, "file", 1) X(KIND_ANONYMOUS, "anonymous", 2)

enum mapping_kind { KINDS(KRSI_MEMBER) };

struct params {
	krsi_flags kind KRSI_DOC("file: code of a file, memfd and shared memory included; anonymous: of none.")
		KRSI_DEFAULT("both") KRSI_BITS(KINDS(KRSI_NAME));
	krsi_flag writable KRSI_DOC("true: only memory that can be written as well.") KRSI_DEFAULT("false");
	KRSI_PATH_PARAMS
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file; 0 without one.");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 kind KRSI_DOC("Of a file, or of none.") KRSI_NAMES(KINDS(KRSI_NAME));
	u32 protection KRSI_DOC("What the memory is good for.") KRSI_BITS("read=1 write=2 exec=4 sem=8 growsdown=16777216 "
									  "growsup=33554432");
	u32 flags KRSI_DOC("Flags of mmap(2).")
		KRSI_BITS("MAP_SHARED=1 MAP_PRIVATE=2 MAP_FIXED=16 MAP_ANONYMOUS=32 MAP_32BIT=64 MAP_GROWSDOWN=256 "
			  "MAP_DENYWRITE=2048 MAP_EXECUTABLE=4096 MAP_LOCKED=8192 MAP_NORESERVE=16384 MAP_POPULATE=32768 "
			  "MAP_NONBLOCK=65536 MAP_STACK=131072 MAP_HUGETLB=262144 MAP_SYNC=524288 "
			  "MAP_FIXED_NOREPLACE=1048576 MAP_UNINITIALIZED=67108864");
	KRSI_FILE_MEMBERS("")
	struct krsi_path path KRSI_DOC("The file, from the task's root; empty without one.") KRSI_SUBJECT;
} KRSI_TEMPLATE("mmap_exec", "Executable memory mappings: libraries and plugins by path, code without a file",
		"T1574.006 T1129 T1620 T1055.001")
KRSI_EXAMPLE("probe(\"mmap_exec\", #{path_prefix: [\"/tmp/\", \"/dev/shm/\", \"/var/tmp/\", \"/memfd:\"]}).scope(#{not_uid: 0}).everywhere().lease(\"8h\").deny(\"EACCES\").attach();")
KRSI_CANNOT_ASK("an execution maps its program when there is no way back, and would be killed")
KRSI_NOT_SEEN("Memory that becomes executable later (template mprotect), code that an interpreter reads, and what is written into the file "
	      "or the memory once it is mapped. Which part of a file is mapped, and where.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_path_params.bpf.h"

#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define MNT_NOEXEC 4
#define READ_IMPLIES_EXEC 0x0400000

struct task_struct___mmap {
	unsigned int personality;
} __relocated;

/*
 * Everything behind an earlier refusal. The hook's file may be NULL, which kernels before 7.0 do not tell the verifier: to it a
 * comparison with the pointer they give has one outcome. So it is asked of the number.
 */
static __always_inline int decide(void *context, struct file *file, u64 protection, u64 flags)
{
	volatile struct settings *settings;
	struct scratch *scratch;
	u32 kind = ADDRESS(file) ? KIND_FILE : KIND_ANONYMOUS;
	int result;

	if (!(protection & PROT_EXEC))
		return 0;
	settings = krsi_enter();
	if (!settings)
		return 0;

	u64 kinds = settings->params.kind;

	if ((kinds && !(kinds & kind)) || (settings->params.writable && !(protection & PROT_WRITE)))
		return krsi_filtered();
	if (kind == KIND_ANONYMOUS || !file) {
		if (krsi_names_files(settings))
			return krsi_filtered();
		scratch = krsi_take(settings, &result);
		if (!scratch)
			return result;
		scratch->event.kind = KIND_ANONYMOUS;
		scratch->event.protection = protection;
		scratch->event.flags = flags;
		return krsi_decide(context, scratch, krsi_hook_mmap_file, KRSI_MATCH);
	}
	if (krsi_rules_out_file(settings, file))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;

	struct event *event = &scratch->event;
	struct inode *inode = READ(file, f_inode);
	struct super_block *super = READ(inode, i_sb);

	krsi_gather_file(settings, scratch, file);
	event->inode = READ(inode, i_ino);
	event->device = READ(super, s_dev);
	event->kind = KIND_FILE;
	event->protection = protection;
	event->flags = flags;
	KRSI_GATHER_FILE(event, inode);
	return krsi_decide(context, scratch, krsi_hook_mmap_file, krsi_match_path(settings, scratch, inode));
}

SEC("lsm/mmap_file")
int mmap_exec_file(u64 *context)
{
	struct file *file = ARG(context, 0, struct file *);
	u64 protection = context[2], flags = context[3];
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, file, protection, flags);
}

/* What the function that asks the hook works out for it (mmap_prot of security/security.c). */
static __always_inline u64 implied(struct file *file, u64 protection)
{
	struct task_struct___mmap *task = (struct task_struct___mmap *)bpf_get_current_task();
	struct vfsmount *mount;

	if ((protection & (PROT_READ | PROT_EXEC)) != PROT_READ || !(READ(task, personality) & READ_IMPLIES_EXEC))
		return protection;
	if (ADDRESS(file) && file) {
		mount = READ(file, f_path.mnt);
		if (READ(mount, mnt_flags) & MNT_NOEXEC)
			return protection;
	}
	return protection | PROT_EXEC;
}

/* The function has an argument less than its hook. */
SEC("fmod_ret/security_mmap_file")
int mmap_exec_door(u64 *context)
{
	struct file *file = ARG(context, 0, struct file *);
	u64 protection = context[1], flags = context[2];
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, file, implied(file, protection), flags);
}
