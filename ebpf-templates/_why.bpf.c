/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * Not a template: which system calls of some processes are refused, and what in the kernel has refused each.
 *
 * A system call is followed from its entry to its exit. Meanwhile programs at the exits of the kernel's own functions
 * (security_HOOK, what the security modules have behind it, the checks of modes, mounts and capabilities) note which
 * of them have refused something for this task: the innermost first, since it returns first. If the call as a whole
 * is refused, it is told with what was noted. Nothing is changed.
 *
 * The functions differ between kernels and have little in common, so the shell chooses them: it loads each program
 * once for each function, with the function's number in it.
 */
enum krsi_hook {
	krsi_hook_none,
};

#include "include/krsi.bpf.h"
#include "include/krsi_credentials.bpf.h"

#define EPERM 1
#define EACCES 13
#define EROFS 30

/* The last so many are kept: a power of two. */
#define KRSI_REASONS 8
#define KRSI_ARGUMENTS 6
#define KRSI_GROUPS 32
#define KRSI_DENIAL_TEXT 256

/* A function that has refused something. */
struct krsi_reason {
	u32 function; /* by the shell's number */
	s32 result;
	u64 first; /* what the program of its kind says of it */
	u64 second;
};

/* The inode that was asked about last by what has refused it. */
struct krsi_asked_inode {
	u64 number;
	u32 device;
	u32 mode;
	u32 uid;
	u32 gid;
	u32 flags;
	u32 super_flags;
	u32 asked; /* MAY_READ and so on */
	u32 has_acl;
};

enum krsi_call_state {
	KRSI_CALL_OVER,
	KRSI_CALL_FILTERED, /* seccomp has been asked, and the call has not begun yet */
	KRSI_CALL_BEGUN,
};

/* A system call, and what it has met so far. */
struct krsi_deed {
	u32 state;
	u32 count;
	struct krsi_reason reasons[KRSI_REASONS];
	struct krsi_asked_inode inode;
};

struct krsi_denial {
	u64 time_ns;
	u32 pid;
	u32 tid;
	u32 number;
	s32 result;
	u32 is_compat;
	u32 was_begun; /* seccomp has let it pass */
	u64 arguments[8];
	u32 uid;
	u32 euid;
	u32 fsuid;
	u32 fsgid;
	u64 capabilities;
	u32 user_ns;
	u32 group_count;
	u32 groups[KRSI_GROUPS];
	u32 reason_count;
	u32 stack; /* of the process, its number and one more; 0: none */
	struct krsi_reason reasons[KRSI_REASONS];
	struct krsi_asked_inode inode;
	char comm[16];
	char texts[2][KRSI_DENIAL_TEXT];
	u8 address[KRSI_DENIAL_TEXT / 2];
	/* What the first text is relative to, or the file of the descriptor. */
	char directory[KRSI_DENIAL_TEXT];
};

/* A record in the making. */
struct event {
	struct krsi_header header;
	struct krsi_denial denial;
};

KRSI_CLEARED_TO(denial);

#include "include/krsi_scratch.bpf.h"
#include "include/krsi_walk.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

KRSI_KEPT(struct krsi_denial, denial);

/* Whether programs are at functions: then each call that seccomp is asked about is known. */
const volatile u32 krsi_functions = 0;

/* Whether stacks are wanted. */
const volatile u32 krsi_stack = 0;

#define KRSI_FRAMES 127 /* PERF_MAX_STACK_DEPTH */

/* Each stack once. Made larger by the shell if there are to be any. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, KRSI_FRAMES * sizeof(u64));
} krsi_stacks SEC(".maps");

/* The processes that are watched. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, u8);
} krsi_why_pids SEC(".maps");

/* By thread. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct krsi_deed);
} krsi_why_deeds SEC(".maps");

/* What a system call is about: which of its arguments, from 1 on. */
struct krsi_call {
	u8 texts[2];
	u8 directory;  /* of the first text */
	u8 descriptor; /* it is about this file itself */
	u8 address;    /* of a socket; its length is the next one */
	u8 pad[3];
};

#define KRSI_CALLS 512

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KRSI_CALLS);
	__type(key, u32);
	__type(value, struct krsi_call);
} krsi_why_calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} krsi_denials SEC(".maps");

/* Denials for which there was no room. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} krsi_why_lost SEC(".maps");

static __always_inline bool is_watched(void)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&krsi_why_pids, &pid);
}

static __always_inline bool is_refusal(s64 result)
{
	return result == -EPERM || result == -EACCES || result == -EROFS;
}

/* ---- functions ------------------------------------------------------------ */

/* The number of the function that this program was loaded for: no kernel has this helper, the shell replaces it. */
static u64 (*const krsi_function)(void) = (void *)0x4b525201;

static __always_inline struct krsi_deed *current_deed(void)
{
	u32 tid = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&krsi_why_deeds, &tid);
}

static __always_inline void note(struct krsi_deed *deed, s32 result, u64 first, u64 second)
{
	u32 at = deed->count++;
	struct krsi_reason *reason;

	asm volatile("%[at] &= 7" : [at] "+r"(at));
	reason = &deed->reasons[at];
	reason->function = krsi_function();
	reason->result = result;
	reason->first = first;
	reason->second = second;
}

/*
 * Any that returns an errno, BPF's own programs among them. What it returned stands behind its arguments, as for an earlier
 * program of a hook.
 */
SEC("fexit/security_file_open")
int krsi_why_returned(u64 *context)
{
	s32 result = KRSI_REFUSED(context);
	struct krsi_deed *deed;

	if (!is_refusal(result))
		return 0;
	deed = current_deed();
	if (deed)
		note(deed, result, 0, 0);
	return 0;
}

/* The same, of one whose first argument is a number that says what is asked. */
SEC("fexit/security_locked_down")
int krsi_why_asked(u64 *context)
{
	s32 result = KRSI_REFUSED(context);
	struct krsi_deed *deed;

	if (!is_refusal(result))
		return 0;
	deed = current_deed();
	if (deed)
		note(deed, result, (u32)context[0], 0);
	return 0;
}

SEC("fexit/cap_capable")
int krsi_why_capable(u64 *context)
{
	s32 result = KRSI_REFUSED(context);
	struct user_namespace *namespace = ARG(context, 1, struct user_namespace *);
	struct krsi_deed *deed;

	if (!is_refusal(result))
		return 0;
	deed = current_deed();
	if (deed)
		note(deed, result, (u32)context[2], READ(namespace, ns.inum));
	return 0;
}

struct inode___asked {
	u32 i_flags;
	void *i_acl;
} __relocated;

struct super_block___asked {
	unsigned long s_flags;
} __relocated;

static __always_inline int note_inode(s32 result, struct inode *inode, u32 asked)
{
	struct super_block *super;
	struct krsi_deed *deed;

	if (!is_refusal(result))
		return 0;
	deed = current_deed();
	if (!deed)
		return 0;
	super = READ(inode, i_sb);
	deed->inode.number = READ(inode, i_ino);
	deed->inode.device = READ(super, s_dev);
	deed->inode.mode = READ(inode, i_mode);
	deed->inode.uid = READ(inode, i_uid.val);
	deed->inode.gid = READ(inode, i_gid.val);
	deed->inode.flags = READ((struct inode___asked *)inode, i_flags);
	deed->inode.super_flags = READ((struct super_block___asked *)super, s_flags);
	deed->inode.asked = asked;
	/* Beside none (0) there is "not read yet" (-1). */
	if (EXISTS((struct inode___asked *)inode, i_acl))
		deed->inode.has_acl = (u64)READ((struct inode___asked *)inode, i_acl) + 1 > 1;
	note(deed, result, deed->inode.number, deed->inode.device);
	return 0;
}

/* From 5.12 on the ids of its mount come first. */
SEC("fexit/inode_permission")
int krsi_why_inode(u64 *context)
{
	return note_inode(KRSI_REFUSED(context), ARG(context, 1, struct inode *), context[2]);
}

SEC("fexit/generic_permission")
int krsi_why_inode_alone(u64 *context)
{
	return note_inode(KRSI_REFUSED(context), ARG(context, 0, struct inode *), context[1]);
}

struct vfsmount___asked {
	struct super_block___asked *mnt_sb;
} __relocated;

SEC("fexit/mnt_want_write")
int krsi_why_mount(u64 *context)
{
	s32 result = KRSI_REFUSED(context);
	struct vfsmount *mount = ARG(context, 0, struct vfsmount *);
	struct super_block___asked *super;
	struct krsi_deed *deed;

	if (!is_refusal(result))
		return 0;
	deed = current_deed();
	if (!deed)
		return 0;
	super = READ((struct vfsmount___asked *)mount, mnt_sb);
	note(deed, result, READ(mount, mnt_flags), READ(super, s_flags));
	return 0;
}

/* It returns whether nothing may be executed from there. */
SEC("fexit/path_noexec")
int krsi_why_noexec(u64 *context)
{
	struct krsi_deed *deed;

	if (!(KRSI_REFUSED(context) & 255))
		return 0;
	deed = current_deed();
	if (deed)
		note(deed, -EACCES, 0, 0);
	return 0;
}

/* ---- system calls --------------------------------------------------------- */

static __always_inline void begin(u32 state)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct krsi_deed *known = bpf_map_lookup_elem(&krsi_why_deeds, &tid);
	struct krsi_deed deed = {};

	if (known) {
		known->state = state;
		known->count = 0;
		known->inode.number = 0;
		return;
	}
	deed.state = state;
	bpf_map_update_elem(&krsi_why_deeds, &tid, &deed, BPF_ANY);
}

/* Whatever seccomp says: if the call then ends without having begun, that was a refusal. */
SEC("fexit/__seccomp_filter")
int krsi_why_filtered(u64 *context)
{
	if (is_watched())
		begin(KRSI_CALL_FILTERED);
	return 0;
}

SEC("tp_btf/sys_enter")
int krsi_why_entered(u64 *context)
{
	if (is_watched())
		begin(KRSI_CALL_BEGUN);
	return 0;
}

struct pt_regs___denied {
	unsigned long di;
	unsigned long si;
	unsigned long dx;
	unsigned long r10;
	unsigned long r8;
	unsigned long r9;
	unsigned long orig_ax;
} __relocated;

struct group_info___denied {
	int ngroups;
	kgid_t gid[1];
} __relocated;

struct fdtable___denied {
	u32 max_fds;
	struct file **fd;
} __relocated;

struct files_struct___denied {
	struct fdtable___denied *fdt;
} __relocated;

struct task_struct___denied {
	struct files_struct___denied *files;
} __relocated;

static __always_inline void gather_credentials(struct krsi_denial *denial)
{
	struct cred___whole *cred = krsi_own_credentials();
	struct group_info___denied *groups = (struct group_info___denied *)READ(cred, group_info);
	struct user_namespace *namespace = READ(cred, user_ns);
	u32 count = READ(groups, ngroups);

	denial->uid = READ(cred, uid.val);
	denial->euid = READ(cred, euid.val);
	denial->fsuid = READ(cred, fsuid.val);
	denial->fsgid = READ(cred, fsgid.val);
	denial->capabilities = KRSI_CAPABILITY_SET(cred, cap_effective);
	denial->user_ns = READ(namespace, ns.inum);
	denial->group_count = count;
	if (count > KRSI_GROUPS)
		count = KRSI_GROUPS;
	count *= sizeof(u32);
	asm volatile("%[count] &= 255" : [count] "+r"(count));
	if (count <= sizeof(denial->groups))
		bpf_probe_read_kernel(denial->groups, count, __builtin_preserve_access_index(&groups->gid[0]));
}

/* The value of an argument, from 1 on. */
static __always_inline u64 argument(struct krsi_denial *denial, u32 number)
{
	u32 at = number - 1;

	asm volatile("%[at] &= 7" : [at] "+r"(at));
	return denial->arguments[at];
}

#define AT_FDCWD -100

/* The path of an open file, or of the directory that the task is in. */
static __always_inline void gather_directory(struct scratch *scratch, s32 descriptor)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fs_struct *fs = READ(task, fs);
	struct files_struct___denied *files = READ((struct task_struct___denied *)task, files);
	struct fdtable___denied *table = READ(files, fdt);
	struct file **all = READ(table, fd);
	struct file *file = NULL;
	struct krsi_denial *denial = &scratch->event.denial;
	struct vfsmount *mount;
	struct dentry *dentry;

	if (descriptor == AT_FDCWD) {
		mount = READ(fs, pwd.mnt);
		dentry = READ(fs, pwd.dentry);
	} else {
		if ((u32)descriptor >= READ(table, max_fds))
			return;
		bpf_probe_read_kernel(&file, sizeof(file), all + (u32)descriptor);
		mount = READ(file, f_path.mnt);
		dentry = READ(file, f_path.dentry);
	}
	if (dentry)
		krsi_walk_to(scratch, denial->directory, sizeof(denial->directory), mount, dentry);
}

static __always_inline void gather_object(struct scratch *scratch)
{
	struct krsi_denial *denial = &scratch->event.denial;
	u32 number = denial->number;
	struct krsi_call *call = bpf_map_lookup_elem(&krsi_why_calls, &number);

	if (!call || denial->is_compat)
		return;
	if (call->texts[0])
		bpf_probe_read_user_str(denial->texts[0], KRSI_DENIAL_TEXT, (void *)argument(denial, call->texts[0]));
	if (call->texts[1])
		bpf_probe_read_user_str(denial->texts[1], KRSI_DENIAL_TEXT, (void *)argument(denial, call->texts[1]));
	if (call->address) {
		u64 length = argument(denial, call->address + 1);

		if (length > sizeof(denial->address))
			length = sizeof(denial->address);
		asm volatile("%[length] &= 255" : [length] "+r"(length));
		if (length <= sizeof(denial->address))
			bpf_probe_read_user(denial->address, length, (void *)argument(denial, call->address));
	}
	if (call->descriptor)
		gather_directory(scratch, argument(denial, call->descriptor));
	else if (call->directory)
		gather_directory(scratch, argument(denial, call->directory));
	else if (call->texts[0])
		gather_directory(scratch, AT_FDCWD);
}

static __always_inline void lose(void)
{
	u32 zero = 0;
	u64 *lost = bpf_map_lookup_elem(&krsi_why_lost, &zero);

	if (lost)
		__sync_fetch_and_add(lost, 1);
}

/* Says that this call was refused. */
static __always_inline void tell(u64 *context, s64 result, struct krsi_deed *deed, u32 was_begun)
{
	struct pt_regs___denied *registers = ARG(context, 0, struct pt_regs___denied *);
	struct scratch *scratch = krsi_take_memory();
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct krsi_denial *denial;
	u64 id = bpf_get_current_pid_tgid();

	if (!scratch) {
		lose();
		return;
	}
	denial = &scratch->event.denial;
	/* What cannot be read is zero. */
	bpf_probe_read_kernel(denial, sizeof(*denial), NULL);
	denial->time_ns = bpf_ktime_get_ns();
	denial->pid = id >> 32;
	denial->tid = id;
	denial->number = READ(registers, orig_ax);
	denial->result = result;
	denial->is_compat = READ(task, thread_info.status) & 2; /* TS_COMPAT */
	denial->was_begun = was_begun;
	denial->arguments[0] = READ(registers, di);
	denial->arguments[1] = READ(registers, si);
	denial->arguments[2] = READ(registers, dx);
	denial->arguments[3] = READ(registers, r10);
	denial->arguments[4] = READ(registers, r8);
	denial->arguments[5] = READ(registers, r9);
	denial->reason_count = deed->count;
	bpf_probe_read_kernel(denial->reasons, sizeof(denial->reasons), deed->reasons);
	bpf_probe_read_kernel(&denial->inode, sizeof(denial->inode), &deed->inode);
	bpf_get_current_comm(denial->comm, sizeof(denial->comm));
	gather_credentials(denial);
	gather_object(scratch);
	if (krsi_stack) {
		long number = bpf_get_stackid(context, &krsi_stacks, BPF_F_USER_STACK);

		denial->stack = number >= 0 ? number + 1 : 0;
	}
	if (bpf_ringbuf_output(&krsi_denials, denial, sizeof(*denial), 0))
		lose();
	krsi_give_back(scratch);
}

/* Attached several times where the kernel may pass one over: the first that is run tells. */
SEC("tp_btf/sys_exit")
int krsi_why_left(u64 *context)
{
	struct krsi_deed *deed = current_deed();
	s64 result = context[1];
	u32 state;

	if (!deed)
		return 0;
	state = deed->state;
	deed->state = KRSI_CALL_OVER;
	if (!is_refusal(result))
		return 0;
	/* Where no function is watched, a call that has not begun is one that seccomp has refused. */
	if (state == KRSI_CALL_OVER && krsi_functions)
		return 0;
	tell(context, result, deed, state == KRSI_CALL_BEGUN);
	return 0;
}

/* ---- processes ------------------------------------------------------------ */

static __always_inline void inherit(struct task_struct *child)
{
	u32 parent = bpf_get_current_pid_tgid() >> 32;
	u32 pid = READ(child, tgid);
	u8 one = 1;

	if (parent == pid)
		return;
	if (!bpf_map_lookup_elem(&krsi_why_pids, &parent))
		bpf_map_delete_elem(&krsi_why_pids, &pid);
	else if (bpf_map_update_elem(&krsi_why_pids, &pid, &one, BPF_ANY))
		lose();
}

/* One of these is attached: krsi_subtrees.bpf.h says when which. */
SEC("tp_btf/sched_process_fork")
int krsi_why_fork(u64 *context)
{
	inherit(ARG(context, 1, struct task_struct *));
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int krsi_why_woken(u64 *context)
{
	inherit(ARG(context, 0, struct task_struct *));
	return 0;
}

SEC("tp_btf/sched_process_exit")
int krsi_why_gone(u64 *context)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct signal_struct *signal = READ(task, signal);
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = id, pid = id >> 32;

	bpf_map_delete_elem(&krsi_why_deeds, &tid);
	if (!READ(signal, live.counter))
		bpf_map_delete_elem(&krsi_why_pids, &pid);
	return 0;
}
