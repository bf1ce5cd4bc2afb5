/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Where an operation comes from: gathered in parts, each only if something asks for it. */
#ifndef KRSI_ORIGIN_BPF_H
#define KRSI_ORIGIN_BPF_H

#include "krsi_addresses.bpf.h"
#include "krsi_container.bpf.h"
#include "krsi_credentials.bpf.h"
#include "krsi_origin_members.bpf.h"
#include "krsi_process.bpf.h"
#include "krsi_scratch.bpf.h"
#include "krsi_settings.bpf.h"
#include "krsi_socket_kind.bpf.h"
#include "krsi_walk.bpf.h"

/* The plan: which parts are gathered when, a bit for each (KRSI_PART), each part once. Set before the load. */
const volatile u32 krsi_origin_parts = 0;   /* all of them */
const volatile u32 krsi_filter_origin = 0;  /* before the filter */
const volatile u32 krsi_summary_origin = 0; /* once it has said yes */
const volatile u32 krsi_event_origin = 0;   /* and if there is to be an event */

/* ---- the task ------------------------------------------------------------ */

struct tty_struct {
	char name[64];
} __relocated;

/* enum pid_type */
#define KRSI_PIDTYPE_GROUP 2
#define KRSI_PIDTYPE_SESSION 3

struct signal_struct___origin {
	struct pid *pids[4];
	struct tty_struct *tty;
} __relocated;

static __always_inline struct pid *krsi_pid_of(struct task_struct *task, const u32 type)
{
	struct signal_struct___origin *signal = (struct signal_struct___origin *)READ(task, signal);

	return READ(signal, pids[type]);
}

static __always_inline u32 krsi_first_number(struct pid *pid)
{
	struct upid *numbers = (struct upid *)__builtin_preserve_access_index(&pid->numbers[0]);

	return READ(numbers, nr);
}

static __always_inline u32 krsi_own_number(struct task_struct *leader)
{
	struct pid *pid = READ(leader, thread_pid);
	u32 level = READ(pid, level);
	struct upid *numbers = (struct upid *)__builtin_preserve_access_index(&pid->numbers[0]);

	return READ(numbers + (level & 31), nr);
}

/* As the terminal is named below /dev: the kernel calls pts/0 pts0. */
static __always_inline void krsi_gather_terminal(struct krsi_origin *origin, struct tty_struct *tty)
{
	const char *name = (const char *)__builtin_preserve_access_index(&tty->name);
	u64 *words = (u64 *)origin->tty;

	words[0] = words[1] = 0;
	if (!tty)
		return;
	bpf_probe_read_kernel_str(origin->tty, sizeof(origin->tty), name);
	if (origin->tty[0] == 'p' && origin->tty[1] == 't' && origin->tty[2] == 's') {
		origin->tty[3] = '/';
		bpf_probe_read_kernel_str(origin->tty + 4, sizeof(origin->tty) - 4, name + 3);
	}
}

static __always_inline void krsi_gather_task(struct krsi_origin *origin, struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);
	struct task_struct *parent = READ(leader, real_parent);
	struct task_struct *first = READ(parent, group_leader);
	struct signal_struct___origin *signal = (struct signal_struct___origin *)READ(task, signal);
	struct cred *parents = READ(parent, real_cred);
	struct cred___whole *own = krsi_own_credentials();

	origin->caps = KRSI_CAPABILITY_SET(own, cap_effective);
	origin->parent_start_ns = READ(first, start_boottime);
	origin->parent_uid = READ(parents, uid.val);
	origin->leader_pid = krsi_first_number(krsi_pid_of(task, KRSI_PIDTYPE_SESSION));
	origin->group_pid = krsi_first_number(krsi_pid_of(task, KRSI_PIDTYPE_GROUP));
	origin->ns_pid = krsi_own_number(leader);
	krsi_gather_terminal(origin, READ(signal, tty));
}

/* ---- what its first descriptors are -------------------------------------- */

struct fdtable {
	u32 max_fds;
	struct file **fd;
} __relocated;

struct files_struct {
	struct fdtable *fdt;
} __relocated;

struct task_struct___origin {
	struct files_struct *files;
} __relocated;

struct file___origin {
	void *private_data;
} __relocated;

#define KRSI_S_IFMT 0170000
#define KRSI_S_IFSOCK 0140000
#define KRSI_S_IFREG 0100000
#define KRSI_S_IFBLK 0060000
#define KRSI_S_IFDIR 0040000
#define KRSI_S_IFCHR 0020000
#define KRSI_S_IFIFO 0010000

/* Major numbers of terminals (Documentation/admin-guide/devices.txt): consoles, /dev/tty, pseudo terminals. */
static __always_inline bool krsi_is_terminal(u32 device)
{
	u32 major = device >> 20;

	return major == 4 || major == 5 || (major >= 136 && major <= 143);
}

static __always_inline enum krsi_descriptor krsi_kind_of(struct file *file)
{
	struct inode *inode = READ(file, f_inode);

	switch (READ(inode, i_mode) & KRSI_S_IFMT) {
	case KRSI_S_IFREG:
		return KRSI_DESCRIPTOR_FILE;
	case KRSI_S_IFDIR:
		return KRSI_DESCRIPTOR_DIRECTORY;
	case KRSI_S_IFIFO:
		return KRSI_DESCRIPTOR_PIPE;
	case KRSI_S_IFSOCK:
		return KRSI_DESCRIPTOR_SOCKET;
	case KRSI_S_IFCHR:
		return krsi_is_terminal(READ(inode, i_rdev)) ? KRSI_DESCRIPTOR_TTY : KRSI_DESCRIPTOR_DEVICE;
	case KRSI_S_IFBLK:
		return KRSI_DESCRIPTOR_DEVICE;
	}
	return KRSI_DESCRIPTOR_OTHER;
}

/* Of a socket of the Internet that is connected; else there is none. */
static __always_inline void krsi_gather_peer(struct krsi_address *peer, u32 *port, struct file *file)
{
	struct file___origin *other = (struct file___origin *)file;
	struct socket *socket = READ(other, private_data);
	struct sock *sock = READ(socket, sk);
	u16 family = READ(sock, __sk_common.skc_family);
	u32 *words = (u32 *)peer->bytes;
	u16 there;

	if (family == AF_INET)
		krsi_read_v4(__builtin_preserve_access_index(&sock->__sk_common.skc_daddr), peer);
	else if (family == AF_INET6 && EXISTS(sock, __sk_common.skc_v6_daddr))
		krsi_read_v6(__builtin_preserve_access_index(&sock->__sk_common.skc_v6_daddr), peer);
	/* To nobody yet: 0.0.0.0 or ::. */
	if (!words[0] && !words[1] && !words[3])
		peer->version = words[2] = 0;
	there = READ(sock, __sk_common.skc_dport);
	*port = peer->version ? KRSI_SWAPPED(there) : 0;
}

static __always_inline enum krsi_descriptor krsi_gather_descriptor(struct task_struct *task, u32 number,
								   struct krsi_address *peer, u32 *port)
{
	struct task_struct___origin *other = (struct task_struct___origin *)task;
	struct files_struct *files = READ(other, files);
	struct fdtable *table = READ(files, fdt);
	struct file **descriptors = READ(table, fd);
	struct file *file = NULL;
	enum krsi_descriptor kind;
	u32 *words = (u32 *)peer;

	for (u32 i = 0; i < sizeof(*peer) / sizeof(u32); i++)
		words[i] = 0;
	*port = 0;
	if (number < READ(table, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), descriptors + number);
	if (!file)
		return KRSI_DESCRIPTOR_NONE;
	kind = krsi_kind_of(file);
	if (kind == KRSI_DESCRIPTOR_SOCKET)
		krsi_gather_peer(peer, port, file);
	return kind;
}

__noinline u64 krsi_gather_descriptors(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct krsi_origin *origin;

	if (!scratch)
		return 0;
	origin = &scratch->origin;
	origin->stdin_kind = krsi_gather_descriptor(task, 0, &origin->stdin_peer, &origin->stdin_peer_port);
	origin->stdout_kind = krsi_gather_descriptor(task, 1, &origin->stdout_peer, &origin->stdout_peer_port);
	origin->stderr_kind = krsi_gather_descriptor(task, 2, &origin->stderr_peer, &origin->stderr_peer_port);
	return 1;
}

/* ---- records of processes ------------------------------------------------ */

/* Copies bytes of a record to that place of the origin; zeros without a record. */
#define KRSI_TAKE_RECORD(scratch, at, record, member)                                                      \
	bpf_probe_read_kernel((char *)&(scratch)->origin + (at), sizeof((record)->member),                 \
			      (record) ? (const void *)(record)->member : NULL)

/*
 * Whether the record is that of what the process, or thread, executes now, and still the same. One that has gone meanwhile may have
 * made room for another, under our eyes: then what was copied is of both. And the kernel may pass over the program that would
 * have made a newer one.
 */
static __always_inline bool krsi_is_still(struct task_struct *task, struct krsi_process *record, u64 number)
{
	struct task_struct *leader = READ(task, group_leader);
	u32 pid = READ(leader, tgid);
	struct krsi_process *now = bpf_map_lookup_elem(&krsi_processes, &pid);
	u64 is = now ? now->number : 0;

	/* Looked at first: 5.10 does not see that what equals a record is one. */
	asm volatile("" : "+r"(is));
	return now && is == number && now->execution == READ(leader, self_exec_id) && now == record;
}

/* What krsi_take_record says. */
#define KRSI_RECORD_KNOWN (1ULL << 32)
#define KRSI_RECORD_CUT (1ULL << 33)

/* The arguments of a process, or its executable, to that place. Gives what is known of them, and the arguments' length. */
__noinline u64 krsi_take_record(u32 slot, u64 address, u32 at, u32 arguments)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)address;
	u32 pid = READ(task, tgid);
	struct krsi_process *record = bpf_map_lookup_elem(&krsi_processes, &pid);
	u64 number = record ? record->number : 0;
	u64 known = KRSI_RECORD_KNOWN;

	if (!scratch || at > sizeof(struct krsi_origin) - KRSI_PROCESS_EXE)
		return 0;
	if (!arguments)
		KRSI_TAKE_RECORD(scratch, at, record, exe);
	else if (at <= sizeof(struct krsi_origin) - KRSI_PROCESS_ARGV)
		KRSI_TAKE_RECORD(scratch, at, record, argv);
	if (!record)
		return 0;
	if (arguments)
		known |= record->argv_length | (record->argv_cut ? KRSI_RECORD_CUT : 0);
	return krsi_is_still(task, record, number) ? known : 0;
}

/* Threads of the kernel have no executable, and nothing of them is unknown; nor of what there is not. */
static __always_inline bool krsi_has_record(struct task_struct *task)
{
	return READ(task, tgid) && !(READ(task, flags) & PF_KTHREAD);
}

#define KRSI_ORIGIN_AT(member) __builtin_offsetof(struct krsi_origin, member)

#define KRSI_GATHER_ARGV(scratch, task, member)                                                            \
	do {                                                                                               \
		u64 argv_ = krsi_take_record((scratch)->slot, ADDRESS(task), KRSI_ORIGIN_AT(member), true); \
                                                                                                           \
		(scratch)->origin.member##_length = argv_;                                                 \
		(scratch)->origin.member##_cut = !!(argv_ & KRSI_RECORD_CUT);                                \
		if (!(argv_ & KRSI_RECORD_KNOWN) && krsi_has_record(task))                                   \
			(scratch)->event.header.notes |= KRSI_NOTE_NO_PROCESS;                             \
	} while (0)

static __always_inline void krsi_gather_exe_of(struct scratch *scratch, struct task_struct *task, u32 at)
{
	if (!krsi_take_record(scratch->slot, ADDRESS(task), at, false) && krsi_has_record(task))
		scratch->event.header.notes |= KRSI_NOTE_NO_PROCESS;
}

/* The process that leads the session, if it is still there. */
static __always_inline struct task_struct *krsi_session_leader(struct task_struct *task)
{
	struct pid *pid = krsi_pid_of(task, KRSI_PIDTYPE_SESSION);
	struct hlist_head *tasks = (struct hlist_head *)__builtin_preserve_access_index(&pid->tasks[0]);
	struct hlist_node *first = READ(tasks, first);

	return first ? OWNER(first, struct task_struct, pid_links[0]) : NULL;
}

static __always_inline void krsi_gather_leader(struct scratch *scratch, struct task_struct *task)
{
	struct task_struct *leader = krsi_session_leader(task);
	u64 *words = (u64 *)scratch->origin.leader_comm;

	words[0] = words[1] = 0;
	krsi_gather_exe_of(scratch, leader, KRSI_ORIGIN_AT(leader_exe));
	if (leader)
		bpf_probe_read_kernel_str(scratch->origin.leader_comm, sizeof(scratch->origin.leader_comm),
					  __builtin_preserve_access_index(&leader->comm));
}

/* One of those above, of this index and at this address. Gives the address of the one above it. */
__noinline u64 krsi_gather_ancestor(u32 slot, u32 index, u64 address)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)address;
	u64 *words;

	if (!scratch || index >= KRSI_ANCESTORS)
		return 0;
	words = (u64 *)scratch->origin.ancestors_comm[index];
	words[0] = words[1] = 0;
	scratch->origin.ancestors_pid[index] = READ(task, tgid);
	scratch->origin.ancestors_count = index + 1;
	krsi_gather_exe_of(scratch, task, KRSI_ORIGIN_AT(ancestors_exe) + index * KRSI_PROCESS_EXE);
	bpf_probe_read_kernel_str(scratch->origin.ancestors_comm[index], 16,
				  __builtin_preserve_access_index(&task->comm));
	task = READ(task, real_parent);
	return READ_ADDRESS(task, group_leader);
}

__noinline u64 krsi_gather_ancestors(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *parent;
	u64 above;

	if (!scratch)
		return 0;
	task = READ(task, group_leader);
	parent = READ(task, real_parent);
	above = READ_ADDRESS(parent, group_leader);
	scratch->origin.ancestors_count = 0;
	for (u32 index = 0; index < KRSI_ANCESTORS; index++) {
		struct task_struct *one = (struct task_struct *)above;

		if (!READ(one, tgid))
			break;
		above = krsi_gather_ancestor(slot, index, above);
	}
	return 1;
}

/* ---- all of it ----------------------------------------------------------- */

/* Gathers these parts, as far as something may ask for them. */
__noinline u64 krsi_gather_origin(u32 slot, u32 parts)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *leader = READ(task, group_leader);
	struct task_struct *parent = READ(leader, real_parent);

	if (!scratch)
		return 0;
	if (krsi_origin_parts & KRSI_PART(task) && parts & KRSI_PART(task))
		krsi_gather_task(&scratch->origin, task);
	if (krsi_origin_parts & KRSI_PART(descriptors) && parts & KRSI_PART(descriptors))
		krsi_gather_descriptors(slot);
	if (krsi_origin_parts & KRSI_PART(container) && parts & KRSI_PART(container))
		krsi_gather_container(slot);
	if (krsi_origin_parts & KRSI_PART(process) && parts & KRSI_PART(process))
		KRSI_GATHER_ARGV(scratch, task, process_argv);
	if (krsi_origin_parts & KRSI_PART(parent) && parts & KRSI_PART(parent))
		krsi_gather_exe_of(scratch, parent, KRSI_ORIGIN_AT(parent_exe));
	if (krsi_origin_parts & KRSI_PART(parent_argv) && parts & KRSI_PART(parent_argv))
		KRSI_GATHER_ARGV(scratch, parent, parent_argv);
	if (krsi_origin_parts & KRSI_PART(leader) && parts & KRSI_PART(leader))
		krsi_gather_leader(scratch, task);
	if (krsi_origin_parts & KRSI_PART(ancestors) && parts & KRSI_PART(ancestors))
		krsi_gather_ancestors(slot);
	return 1;
}

/*
 * The directory that the task is in, if it is among these parts. Where they are gathered together it would be one call too
 * deep for the kernel. Mount and dentry go where the walk looks for them: on the way to a path there is no stack left.
 */
static __always_inline void krsi_gather_directory(struct scratch *scratch, u32 parts)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fs_struct *fs = READ(task, fs);
	char *to = scratch->origin.process_cwd;

	if (!(krsi_origin_parts & KRSI_PART(directory) && parts & KRSI_PART(directory)))
		return;
	bpf_probe_read_kernel(to, KRSI_PROCESS_EXE, NULL);
	bpf_probe_read_kernel(&scratch->walk.mount, sizeof(struct path), __builtin_preserve_access_index(&fs->pwd));
	if (!krsi_walk_up(scratch->slot) || bpf_probe_read_kernel_str(to, KRSI_PROCESS_EXE, krsi_walked(scratch)) < 1)
		scratch->event.header.notes |= KRSI_NOTE_NO_CWD;
}

/* The same in a function of its own: it takes nothing of the stack of a hook's program. */
__noinline u64 krsi_gather_directory_apart(u32 slot, u32 parts)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	if (!scratch)
		return 0;
	krsi_gather_directory(scratch, parts);
	return 1;
}

/* What is not gathered for the filter; `silent`: there will be no event. From the hook's own program: from a function of its stack there would be too little left. */
static __always_inline void krsi_gather_rest(u32 slot, bool silent)
{
	volatile struct settings *settings;

	if (krsi_summary_origin) {
		krsi_gather_origin(slot, krsi_summary_origin);
		krsi_gather_directory_apart(slot, krsi_summary_origin);
	}
	if (krsi_event_origin && !silent) {
		settings = krsi_read_settings();
		if (settings && !settings->control.quiet) {
			krsi_gather_origin(slot, krsi_event_origin);
			krsi_gather_directory_apart(slot, krsi_event_origin);
		}
	}
}

#endif
