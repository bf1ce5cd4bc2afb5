/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * exec_unlink: a file that some process is executing is about to lose a name.
 *
 * Hooks: inode_unlink (fs/namei.c, vfs_unlink) and inode_rename (vfs_rename), the latter
 * for the file whose name another one takes. Permissions are settled, nothing has
 * happened yet. A refusal makes unlink(2) or rename(2) fail with the errno. An exchange of
 * two names (RENAME_EXCHANGE) counts as renaming over, for each that is being executed.
 *
 * A process executes the file its /proc/PID/exe leads to; a script is executed by its
 * interpreter, and that is the file meant. The question is not put to i_writecount, which since
 * 6.11 does not tell in every kernel, but to the processes: each one's executable is compared
 * with the inode that loses the name. So hard links are right, and overlayfs too, where this hook
 * is asked about the overlay's inode first, which is the one that the process has.
 *
 * Going through the processes takes a while, so it is done only for an inode that was seen to be
 * executed: an iterator notes the executables of all tasks at the attach, a program at the entry of
 * security_bprm_check (fs/exec.c, search_binary_handler) each one from then on: before the process has it. The tracepoint of an
 * exec comes after that (between the two the process runs it, and its parent may go on), so it is only there in case the
 * kernel has passed the other program over. What is noted is never taken out (it might be executed again); when there is no room for more,
 * every file that loses a name is looked for.
 *
 * Not seen: names removed beneath an overlay's merged directory, a file that is mapped but not
 * executed (a library), a process that pointed its own exe elsewhere (PR_SET_MM_EXE_FILE).
 * More processes than can be gone through (131 072), and one whose first 32 threads have all left while another
 * lives, count as trouble.
 *
 * The path is told as the executing process's mount has it.
 */
enum krsi_hook {
	krsi_hook_inode_unlink,
	krsi_hook_inode_rename,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"

struct params {
	KRSI_PATH_PARAMS
};

#define NAMED 8 /* processes */

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file that is being executed.");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	KRSI_FILE_MEMBERS("")
	u32 links KRSI_DOC("Names the file has, this one included.");
	u32 processes KRSI_DOC("How many processes execute the file.");
	u32 process_pids[NAMED] KRSI_DOC("Ids of the first of them, at most 8.") KRSI_COUNT("processes");
	char process_comms[NAMED][16] KRSI_DOC("Names of the same processes.") KRSI_COUNT("processes");
	char source[256] KRSI_DOC("The file that takes over the name, if one does; cut after 255 bytes.")
		KRSI_UNREADABLE("no-source") KRSI_CUT("255");
	struct krsi_path path KRSI_DOC("The name that is lost.") KRSI_SUBJECT;
} KRSI_TEMPLATE("exec_unlink", "Running executables that are unlinked, or replaced by a rename",
		"T1070.004 T1036")
KRSI_EXAMPLE("probe(\"exec_unlink\").on_event(|e| print(`${e.comm} removes the running ${e.path}`)).attach();")
KRSI_NOT_SEEN("Names removed beneath an overlay's merged directory; files that are mapped but not executed; a process that "
	      "pointed its own exe elsewhere.");

KRSI_PACKED_FROM(path);

/* Which mount the first process executes the file from, and whether a process could not be looked at. */
#define KRSI_SCRATCH struct vfsmount *mount; u32 unknown;
#include "include/krsi_engine.bpf.h"
#include "include/krsi_path_params.bpf.h"

/* ---- what has been executed ---------------------------------------------- */

/* By the inode's address: a running executable keeps it in memory. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u64);
	__type(value, u8);
} exec_unlink_executables SEC(".maps");

/* Not 0 once there was no room. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} exec_unlink_full SEC(".maps");

static __always_inline u64 executable_of(struct mm_struct *mm)
{
	struct file *file = READ(mm, exe_file);

	return (u64)READ(file, f_inode);
}

static __always_inline void note_executable(u64 inode)
{
	u32 zero = 0, full = 1;
	u8 noted = 1;

	if (!inode || bpf_map_lookup_elem(&exec_unlink_executables, &inode))
		return;
	if (bpf_map_update_elem(&exec_unlink_executables, &inode, &noted, BPF_ANY))
		bpf_map_update_elem(&exec_unlink_full, &zero, &full, BPF_ANY);
}

/* Of a script first the script, then its interpreter. */
SEC("fentry/security_bprm_check")
int exec_unlink_check_track(u64 *context)
{
	struct linux_binprm *bprm = ARG(context, 0, struct linux_binprm *);
	struct file *file = READ(bprm, file);

	note_executable(READ_ADDRESS(file, f_inode));
	return 0;
}

SEC("tp_btf/sched_process_exec")
int exec_unlink_exec_track(u64 *context)
{
	struct task_struct *task = ARG(context, 0, struct task_struct *);

	note_executable(executable_of(READ(task, mm)));
	return 0;
}

SEC("iter/task")
int exec_unlink_seed(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;

	if (task)
		note_executable(executable_of(READ(task, mm)));
	return 0;
}

static __always_inline bool was_executed(struct inode *inode)
{
	u64 key = (u64)inode;
	u32 zero = 0;
	u32 *full = bpf_map_lookup_elem(&exec_unlink_full, &zero);

	return bpf_map_lookup_elem(&exec_unlink_executables, &key) || (full && *full);
}

/* ---- who executes it ----------------------------------------------------- */

/*
 * These functions are not static: the verifier looks at each once, for every argument, and
 * not again at each call. So a loop that calls a function with a loop costs the sum of both, not
 * the product, and all processes can be gone through on a kernel without bpf_loop (5.17).
 * Such a function takes numbers only (pointers from 5.12 on), so the scratch comes as its slot.
 */
#define THREADS 32
#define TASKS_A_ROUND 128
#define ROUNDS_A_STRETCH 32
#define STRETCHES 32

#define NOT_FOUND 1

/*
 * The memory of a process whose first thread has left and others live on; 0 if none does. NOT_FOUND if all threads looked
 * at have left too: a tracer can keep any number of such in the list.
 */
__noinline u64 exec_unlink_mm(u64 leader_address)
{
	struct task_struct *leader = (struct task_struct *)leader_address;
	struct signal_struct *signal = READ(leader, signal);
	struct list_head *head = __builtin_preserve_access_index(&signal->thread_head);
	struct list_head *node = READ(head, next);

	if (READ(signal, live.counter) <= 0)
		return 0;
	for (int turn = 0; turn < THREADS && node != head; turn++) {
		struct task_struct *thread = OWNER(node, struct task_struct, thread_node);
		u64 mm = READ_ADDRESS(thread, mm);

		if (mm)
			return mm;
		node = READ(node, next);
	}
	/* All of them have left by now. */
	if (node == head)
		return 0;
	return NOT_FOUND;
}

/* Notes that a process could not be looked at. */
__noinline u64 exec_unlink_miss(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	if (scratch)
		scratch->unknown = 1;
	return 0;
}

/* Puts a process into the event. 0 if there is none, which cannot be. */
__noinline u64 exec_unlink_name(u32 slot, u64 task_address, u64 mm_address)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)task_address;
	u32 index;

	if (!scratch)
		return 0;
	index = scratch->event.processes++;
	if (index == 0) {
		struct mm_struct *mm = (struct mm_struct *)mm_address;
		struct file *file = READ(mm, exe_file);

		scratch->mount = READ(file, f_path.mnt);
	}
	if (index < NAMED) {
		scratch->event.process_pids[index] = READ(task, tgid);
		bpf_probe_read_kernel_str(scratch->event.process_comms[index], 16,
					  __builtin_preserve_access_index(&task->comm));
	}
	return 1;
}

/* Looks at one process, and names it if it executes the inode. Gives the next one. */
__noinline u64 exec_unlink_look(u32 slot, u64 address, u64 inode)
{
	struct task_struct *task = (struct task_struct *)address;
	u64 mm = READ_ADDRESS(task, mm);
	u64 next = READ_ADDRESS(task, tasks.next);

	if (!mm && !(READ(task, flags) & PF_KTHREAD))
		mm = exec_unlink_mm(address);
	if (mm == NOT_FOUND)
		exec_unlink_miss(slot);
	else if (mm && executable_of((struct mm_struct *)mm) == inode)
		exec_unlink_name(slot, address, mm);
	return (u64)OWNER(next, struct task_struct, tasks);
}

/* Goes through TASKS_A_ROUND processes from `address` on. Gives the next one, or 0 if that is `last`. */
__noinline u64 exec_unlink_round(u32 slot, u64 address, u64 last, u64 inode)
{
	for (int turn = 0; turn < TASKS_A_ROUND; turn++) {
		address = exec_unlink_look(slot, address, inode);
		if (address == last)
			return 0;
	}
	return address;
}

/* The same, further. */
__noinline u64 exec_unlink_stretch(u32 slot, u64 address, u64 last, u64 inode)
{
	for (int round = 0; round < ROUNDS_A_STRETCH && address; round++)
		address = exec_unlink_round(slot, address, last, inode);
	return address;
}

/* Whether all processes were gone through. The hook holds the RCU read lock, so none is freed meanwhile. */
static __always_inline bool find_processes(struct scratch *scratch, u64 inode)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	u64 first = READ_ADDRESS(task, group_leader);
	u64 next = first;
	u32 slot = scratch->slot;

	scratch->unknown = 0;
	for (int stretch = 0; stretch < STRETCHES && next; stretch++)
		next = exec_unlink_stretch(slot, next, first, inode);
	return next == 0 && !scratch->unknown;
}

/* ---- hooks --------------------------------------------------------------- */

/* `lost` loses its name, to `source` if that is not NULL. */
static __always_inline int decide(void *context, enum krsi_hook hook, struct dentry *lost,
				  struct dentry *source)
{
	volatile struct settings *settings = krsi_enter();
	struct inode *inode = READ(lost, d_inode);
	struct scratch *scratch;

	if (!settings)
		return 0;
	if (!inode || !was_executed(inode))
		return krsi_filtered();
	/* Who executes it is found with memory: nothing may be counted before. */
	scratch = krsi_take_memory();
	if (!scratch)
		return krsi_failed();

	struct event *event = &scratch->event;
	struct super_block *super = READ(inode, i_sb);
	bool complete = find_processes(scratch, READ_ADDRESS(lost, d_inode));

	event->inode = READ(inode, i_ino);
	event->device = READ(super, s_dev);
	event->links = READ(inode, i_nlink);
	KRSI_GATHER_FILE(event, inode);
	if (event->processes == 0)
		return krsi_decide(context, scratch, hook, complete ? KRSI_NO_MATCH : KRSI_UNKNOWN);
	if (source && !krsi_walk_to(scratch, event->source, sizeof(event->source), scratch->mount,
				    (struct dentry *)ADDRESS(source)))
		event->header.notes |= KRSI_NOTE_NO_SOURCE;
	krsi_gather_name(scratch, scratch->mount, lost);
	return krsi_decide(context, scratch, hook, krsi_match_path(settings, scratch, inode));
}

SEC("lsm/inode_unlink")
int exec_unlink_unlink(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, krsi_hook_inode_unlink, ARG(context, 1, struct dentry *), NULL);
}

#define RENAME_EXCHANGE 2 /* include/uapi/linux/fs.h */

SEC("lsm/inode_rename")
int exec_unlink_rename(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, krsi_hook_inode_rename, ARG(context, 3, struct dentry *),
		      ARG(context, 1, struct dentry *));
}

/* The function that asks the hook has the call's flags, and asks it a second time of an exchange. */
SEC("fmod_ret/security_inode_rename")
int exec_unlink_door_rename(u64 *context)
{
	int refused = KRSI_REFUSED(context);
	struct dentry *one = ARG(context, 1, struct dentry *), *other = ARG(context, 3, struct dentry *);
	u32 flags = context[4];

	if (refused)
		return refused;
	if (flags & RENAME_EXCHANGE)
		refused = decide(context, krsi_hook_inode_rename, one, other);
	return refused ? refused : decide(context, krsi_hook_inode_rename, other, one);
}
