/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * The kernel as the templates see it: just the fields in use, each relocated
 * at load time (CO-RE) to where the running kernel keeps it, and just the
 * helpers in use, by their numbers in the kernel's ABI (include/uapi/linux/bpf.h).
 *
 * Nothing of the build machine is included, so the committed objects depend on
 * the compiler's version alone.
 */
#ifndef KRSI_KERNEL_BPF_H
#define KRSI_KERNEL_BPF_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed short s16;
typedef signed int s32;
typedef signed long long s64;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#define SEC(name) __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define __relocated __attribute__((preserve_access_index))

/* The libbpf convention for maps described by BTF. */
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name

#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_STACK_TRACE = 7,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_QUEUE = 22,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_ANY = 0,
	BPF_RB_FORCE_WAKEUP = 2, /* of bpf_ringbuf_output */
	BPF_RB_AVAIL_DATA = 0,   /* of bpf_ringbuf_query */
	BPF_NOEXIST = 1,
};

enum {
	BPF_F_NO_PREALLOC = 1U << 0,
	BPF_F_MMAPABLE = 1U << 10,
	BPF_F_USER_STACK = 1U << 8, /* of bpf_get_stackid */
};

/* ---- types, fields in use only ------------------------------------------- */

typedef struct {
	u32 val;
} kuid_t;

typedef struct {
	u32 val;
} kgid_t;

typedef struct {
	int counter;
} atomic_t;

struct proc_ns_operations {
	const char *name;
} __relocated;

struct ns_common {
	u32 inum;
	struct proc_ns_operations *ops;
} __relocated;

struct user_namespace {
	struct ns_common ns;
} __relocated;

struct mnt_namespace {
	struct ns_common ns;
} __relocated;

struct pid_namespace {
	struct ns_common ns;
} __relocated;

struct nsproxy {
	struct mnt_namespace *mnt_ns;
} __relocated;

struct upid {
	int nr;
	struct pid_namespace *ns;
} __relocated;

struct list_head {
	struct list_head *next;
} __relocated;

struct hlist_node {
	struct hlist_node *next;
} __relocated;

struct hlist_head {
	struct hlist_node *first;
} __relocated;

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
} __relocated;

struct pid {
	u32 level;
	struct hlist_head tasks[1];
	struct upid numbers[1];
} __relocated;

struct cred {
	kuid_t uid;
	kgid_t gid;
	kuid_t euid;
	struct user_namespace *user_ns;
} __relocated;

struct qstr {
	u32 len;
	const unsigned char *name;
} __relocated;

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
	struct dentry *s_root;
} __relocated;

struct inode {
	u16 i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	struct super_block *i_sb;
	unsigned long i_ino;
	u32 i_nlink;
	u32 i_rdev;
	s64 i_size;
	void *i_private;
} __relocated;

struct proc_inode {
	struct pid *pid;
	struct inode vfs_inode;
} __relocated;

struct seqcount {
	u32 sequence;
} __relocated;

struct seqcount_spinlock {
	struct seqcount seqcount;
} __relocated;

struct dentry {
	struct seqcount_spinlock d_seq;
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
} __relocated;

struct vfsmount {
	struct dentry *mnt_root;
	int mnt_flags;
} __relocated;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} __relocated;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} __relocated;

struct file {
	u32 f_mode;
	u32 f_flags;
	struct inode *f_inode;
	struct path f_path;
} __relocated;

struct fs_struct {
	struct path root;
	struct path pwd;
} __relocated;

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	struct file *exe_file;
} __relocated;

struct kernfs_node {
	const char *name;
	u64 id;
} __relocated;

struct cgroup_subsys_state {
	struct cgroup_subsys_state *parent;
} __relocated;

struct cgroup_root {
	int hierarchy_id;
} __relocated;

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
	struct cgroup_root *root;
} __relocated;

struct css_set {
	struct cgroup *dfl_cgrp;
} __relocated;

struct signal_struct {
	atomic_t live;
	struct list_head thread_head;
	u32 flags;
} __relocated;

struct thread_info {
	u32 status;
} __relocated;

struct pt_regs {
	unsigned long orig_ax;
} __relocated;

struct task_struct {
	struct thread_info thread_info;
	void *stack;
	u32 flags;
	u32 ptrace;
	struct list_head tasks;
	struct list_head thread_node;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	u64 start_boottime;
	unsigned long atomic_flags;
	struct cred *real_cred;
	struct cred *cred;
	char comm[16];
	kuid_t loginuid;
	u32 sessionid;
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
	struct pid *thread_pid;
	struct hlist_node pid_links[1];
	struct signal_struct *signal;
	u64 self_exec_id;
} __relocated;

/* include/linux/sched.h */
#define PF_KTHREAD 0x00200000
#define PF_IO_WORKER 0x00000010

struct linux_binprm {
	unsigned long p;
	int argc;
	int envc;
	struct file *file;
	const char *filename;
	const char *interp;
} __relocated;

struct net {
	struct ns_common ns;
} __relocated;

typedef struct {
	struct net *net;
} __relocated possible_net_t;

struct in6_addr {
	u8 bytes[16];
};

struct sock_common {
	u32 skc_daddr;
	u32 skc_rcv_saddr;
	u16 skc_dport; /* network order */
	u16 skc_num;   /* host order */
	u16 skc_family;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} __relocated;

struct sock {
	struct sock_common __sk_common;
	u16 sk_type;
	u16 sk_protocol;
	struct pid *sk_peer_pid;
} __relocated;

struct socket {
	s16 type;
	struct sock *sk;
} __relocated;

struct msghdr {
	void *msg_name;
	int msg_namelen;
	u32 msg_flags;
} __relocated;

struct bpf_iter_meta {
	void *seq;
} __relocated;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __relocated;

/* Its name and shape are the verifier's, which finds it in a map's BTF. */
struct bpf_spin_lock {
	u32 val;
};

/* ---- helpers in use ------------------------------------------------------ */

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static u32 (*const bpf_get_smp_processor_id)(void) = (void *)8;
static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*const bpf_get_current_comm)(void *to, u32 size) = (void *)16;
static long (*const bpf_get_stackid)(void *context, void *map, u64 flags) = (void *)27;
static u64 (*const bpf_get_current_task)(void) = (void *)35;
static u64 (*const bpf_get_current_cgroup_id)(void) = (void *)80;
static u64 (*const bpf_get_current_ancestor_cgroup_id)(int level) = (void *)123;
static long (*const bpf_map_push_elem)(void *map, const void *value, u64 flags) = (void *)87;
static long (*const bpf_map_pop_elem)(void *map, void *value) = (void *)88;
static long (*const bpf_spin_lock)(struct bpf_spin_lock *lock) = (void *)93;
static long (*const bpf_spin_unlock)(struct bpf_spin_lock *lock) = (void *)94;
static long (*const bpf_send_signal)(u32 signal) = (void *)109;
static long (*const bpf_probe_read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*const bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*const bpf_probe_read_user_str)(void *to, u32 size, const void *from) = (void *)114;
static long (*const bpf_probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static long (*const bpf_send_signal_thread)(u32 signal) = (void *)117;
static u64 (*const bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*const bpf_seq_write)(void *seq, const void *data, u32 len) = (void *)127;
static long (*const bpf_ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static u64 (*const bpf_ringbuf_query)(void *ring, u64 what) = (void *)134;
static long (*const bpf_d_path)(struct path *path, char *buf, u32 size) = (void *)147;
static struct task_struct *(*const bpf_get_current_task_btf)(void) = (void *)158;
static struct pt_regs *(*const bpf_task_pt_regs)(struct task_struct *task) = (void *)175;

/* Constants of every object, set before the load. */
const volatile u32 krsi_kernel = 0; /* KERNEL_VERSION of the running kernel */
const volatile u32 krsi_casts = 0;  /* whether it has bpf_rdonly_cast (from 6.2 on) */

/*
 * Types whose fields are read through addresses, each with a number of its own. The shell puts the running kernel's
 * number for the type in its place, and bpf_rdonly_cast in that of the helper below, which no kernel has.
 */
#define KRSI_CAST_TYPES(X)                                                                                 \
	X(0, cgroup) X(1, cgroup_root) X(2, cred) X(3, css_set) X(4, dentry) X(5, file) X(6, fs_struct)    \
	X(7, inode) X(8, kernfs_node) X(9, linux_binprm) X(10, mm_struct) X(11, mnt_namespace)             \
	X(12, mount) X(13, msghdr) X(14, net) X(15, ns_common) X(16, nsproxy) X(17, pid)                   \
	X(18, pid_namespace) X(19, proc_ns_operations) X(20, signal_struct) X(21, sock) X(22, socket)      \
	X(23, super_block) X(24, task_struct) X(25, user_namespace) X(26, vfsmount)
/* Where these numbers begin: no other constant of a template is near. */
#define KRSI_CAST_BASE 0x4b525300

#define KRSI_CAST_MEMBER(number, name) krsi_cast_type_##name = KRSI_CAST_BASE + number,
enum krsi_cast_type { KRSI_CAST_TYPES(KRSI_CAST_MEMBER) };
const volatile enum krsi_cast_type krsi_kept_cast_type;

static void *(*const krsi_cast)(const void *address, u32 type) = (void *)0x4b525300;

#define KRSI_CAST_CASE(number, name) const struct name *: KRSI_CAST_BASE + number, struct name *: KRSI_CAST_BASE + number,
#define KRSI_CAST_TYPE_OF(object) _Generic((object), KRSI_CAST_TYPES(KRSI_CAST_CASE) default: 0)

/*
 * One field behind a pointer the verifier knows nothing of, relocated; zero if it cannot be read. Where the kernel lets a
 * program say what is behind an address, it is a load of a few instructions; else the helper that copies, of a hundred.
 */
#define READ(object, field)                                                                                \
	({                                                                                                 \
		typeof((object)->field) value_ = {};                                                       \
		if (krsi_casts && KRSI_CAST_TYPE_OF(object))                                               \
			value_ = ((typeof(object))krsi_cast(object, KRSI_CAST_TYPE_OF(object)))->field;    \
		else                                                                                       \
			bpf_probe_read_kernel(&value_, sizeof(value_),                                     \
					      __builtin_preserve_access_index(&(object)->field));          \
		value_;                                                                                    \
	})

/*
 * The task that is running. Where the kernel lets a program say what is behind an address, its fields are plain loads
 * (READ_TASK): the verifier knows that it is there.
 */
static __always_inline struct task_struct *krsi_current(void)
{
	return krsi_casts ? bpf_get_current_task_btf() : (struct task_struct *)bpf_get_current_task();
}

/* One field of a task that krsi_current, or the context of an iterator, gave. */
#define READ_TASK(task, field) (krsi_casts ? (task)->field : READ(task, field))

#define KRSI_ONES 0x0101010101010101ULL
#define KRSI_HIGHS 0x8080808080808080ULL

/* The bytes before the first NUL among these eight, which come from memory in its order. */
static __always_inline u64 krsi_before_nul(u64 bytes)
{
	u64 nuls = (bytes - KRSI_ONES) & ~bytes & KRSI_HIGHS;

	return nuls ? bytes & (((nuls & -nuls) >> 7) - 1) : bytes;
}

/*
 * The name of a task, padded with NULs, from a pointer that the verifier knows: what a longer name has left behind the NUL
 * is no part of this one.
 */
#define KRSI_COPY_COMM(to, task)                                                                           \
	do {                                                                                               \
		u64 *to_ = (u64 *)(to);                                                                    \
		const char *from_ = (const char *)__builtin_preserve_access_index(&(task)->comm);          \
		u64 first_ = *(u64 *)from_, second_ = *(u64 *)(from_ + 8);                                 \
		u64 kept_ = krsi_before_nul(first_);                                                       \
                                                                                                           \
		to_[0] = kept_;                                                                            \
		to_[1] = kept_ == first_ && first_ >> 56 ? krsi_before_nul(second_) : 0;                   \
	} while (0)

/*
 * A field that is a pointer, as the number it is. The verifier knows the type of what READ gives, and a function that
 * it looks at for itself neither takes nor gives such a pointer.
 */
#define READ_ADDRESS(object, field)                                                                        \
	({                                                                                                 \
		u64 address_ = 0;                                                                          \
		bpf_probe_read_kernel(&address_, sizeof(address_),                                         \
				      __builtin_preserve_access_index(&(object)->field));                  \
		address_;                                                                                  \
	})

/* Whether the running kernel's type has the field. */
#define EXISTS(object, field) __builtin_preserve_field_info((object)->field, 2 /* existence */)

/* From the address of a member to its owner, by the running kernel's layout. */
#define OWNER(pointer, type, member)                                                                       \
	((type *)((char *)(pointer) - __builtin_preserve_field_info(((type *)0)->member, 0 /* byte offset */)))

/*
 * A pointer as the number it is. The verifier knows the type of some pointers, and lets no function that
 * it looks at for itself take one of these for a number.
 */
#define ADDRESS(pointer)                                                                                   \
	({                                                                                                 \
		const void *pointer_ = (pointer);                                                          \
		u64 address_ = 0;                                                                          \
		bpf_probe_read_kernel(&address_, sizeof(address_), &pointer_);                             \
		address_;                                                                                  \
	})

/* A hook's arguments come as an array of 64-bit words. */
#define ARG(context, index, type) ((type)((context)[index]))

/*
 * What an earlier program of the hook has refused with, or 0. It stands behind the hook's arguments, of which not every kernel
 * has as many, nor the function that asks the hook. So it is a helper here that no kernel has, and the shell puts a load
 * of that word in its place.
 */
static long (*const krsi_refused)(const u64 *context) = (void *)0x4b525200;

#define KRSI_REFUSED(context) ((int)krsi_refused(context))

#endif
