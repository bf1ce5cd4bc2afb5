/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * exec: a program is about to be executed.
 *
 * Hook: bprm_check_security (fs/exec.c, search_binary_handler). The kernel has
 * opened the file and read its first bytes; the old image still runs, and its
 * credentials are still the task's. A refusal makes execve(2) fail with the
 * errno, and nothing has been lost.
 *
 * The hook runs again for every interpreter: a script is asked about twice,
 * first as itself, then as the program its `#!` line names, with the flag
 * `interpreter`. The loader of a dynamic ELF file (ld.so) is opened, but not
 * asked about here: template file_open sees it.
 *
 * Arguments and environment are not to be had there: they lie in the new image's memory, which no
 * program can read before it is the task's own. So with the params `args` or `env` a probe decides in
 * bprm_committed_creds instead, once for the whole execution: the old image is gone, the new one has
 * not run an instruction. That hook cannot refuse, and a denial (and a kill, whatever its signal) is done by SIGKILL, which
 * comes before the first instruction: nothing of the new program runs, but execve(2) does not return either. Scope,
 * path and flags are still decided in bprm_check_security, on the old image and for the script
 * as well as for its interpreter; the event tells the task as it has become.
 *
 * `env` has the semantics of KRSI's first sample: for each execution and each name one event, with
 * the value, how often the variable is set (more than once is suspicious; the first is told, as
 * getenv(3) finds it), and whether the value goes on past 4096 bytes; also if it is not set. Every string
 * of the environment is looked at, however many there are.
 *
 * Their pages have just been written, so they are read without sleeping; should one be swapped out
 * in between, that is trouble, and noted (`no-args`).
 *
 * Set-uid bits are reported as the kernel will honour them: not on a nosuid
 * mount, not under no_new_privs. File capabilities are not looked at.
 *
 * Not seen: path_prefix, path_suffix and filters on the path are about a name, the one by which the task reaches the
 * file from its root. A hard link, a bind mount, a mount namespace or open_tree(2), a rename, and the chroot of an
 * unprivileged user namespace give the same file another name. `path` holds the file itself under each of them, and
 * one that is renamed over it within a second. A copy is another file; and a loader in user space (ld.so FILE, or
 * one that maps memory of its own) executes nothing here but itself.
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_bprm_check_security,
	krsi_hook_bprm_committed_creds,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"

#define FLAGS(X)                                                                                           \
	X(EXEC_MEMFD, "memfd", 1)                                                                          \
	X(EXEC_DELETED, "deleted", 2)                                                                      \
	X(EXEC_SETUID, "setuid", 4)                                                                        \
	X(EXEC_SETGID, "setgid", 8)                                                                        \
	X(EXEC_INTERPRETER, "interpreter", 16)

enum exec_flag { FLAGS(KRSI_MEMBER) };

#define STATES(X)                                                                                          \
	X(VARIABLE_SET, "set", 1)                                                                          \
	X(VARIABLE_UNSET, "unset", 2)                                                                      \
	X(VARIABLE_REPEATED, "repeated", 4)                                                                \
	X(VARIABLE_OVERFLOW, "overflow", 8)

enum exec_variable_state { STATES(KRSI_MEMBER) };

#define ARGV_SIZE 4096
#define VALUE_SIZE 4096
#define NAME_SIZE 48
#define CWD_SIZE 1024

struct params {
	KRSI_PATH_PARAMS
	krsi_flags flags KRSI_DOC("Only programs with at least one of these, as in the event.")
		KRSI_DEFAULT("every program") KRSI_BITS(FLAGS(KRSI_NAME));
	krsi_flag args KRSI_DOC("true: tell the arguments. They are known once the new image is in place, so the probe "
				"decides then, and a denial kills (by SIGKILL) before the program's first instruction.")
		KRSI_DEFAULT("false") KRSI_LATE("bprm_committed_creds");
	krsi_asked argv KRSI_DOC("Only executions one of whose arguments is one of these, whole: `-e`. As with args, a "
				 "denial kills before the first instruction. Of argv, argv_prefix, argv_contains and "
				 "cmdline_like any one match is enough.")
		KRSI_DEFAULT("every execution") KRSI_ASKS("argv equals") KRSI_LATE("bprm_committed_creds");
	krsi_asked argv_prefix KRSI_DOC("Only executions one of whose arguments begins with one of these: `--checkpoint-action=`.")
		KRSI_DEFAULT("every execution") KRSI_ASKS("argv starts_with") KRSI_LATE("bprm_committed_creds");
	krsi_asked argv_contains KRSI_DOC("Only executions one of whose arguments has one of these in it: `/dev/tcp/`.")
		KRSI_DEFAULT("every execution") KRSI_ASKS("argv contains") KRSI_LATE("bprm_committed_creds");
	krsi_asked cmdline_like KRSI_DOC("Only executions whose arguments, joined by blanks, are as one of these patterns, in which "
					 "`*` is any text and `?` any character: `*curl *|*sh*`.")
		KRSI_DEFAULT("every execution") KRSI_ASKS("cmdline like") KRSI_LATE("bprm_committed_creds");
	krsi_variables env KRSI_DOC("Environment variables to tell, one event for each and every execution, also if "
				    "it is not set. As with args, a denial kills before the first instruction.")
		KRSI_DEFAULT("none") KRSI_LATE("bprm_committed_creds");
	krsi_flags env_is KRSI_DOC("Only variables of `env` of which one of these is true. repeated: set more than "
				   "once; overflow: longer than 4096 bytes.")
		KRSI_DEFAULT("every variable") KRSI_BITS(STATES(KRSI_NAME));
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file.");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 flags KRSI_DOC("memfd: lives in memory only; deleted: the name it is executed by is gone, or it "
			   "has none at all (another link may be left); setuid, setgid: will "
			   "change the credentials; interpreter: asked for a script's sake.") KRSI_BITS(FLAGS(KRSI_NAME));
	KRSI_FILE_MEMBERS("")
	u32 argc KRSI_DOC("How many arguments there are, the program's own name included; 0 without the param "
			  "`args` or `env`.");
	u32 argv_length KRSI_DOC("Length of the arguments told, with a NUL each.") KRSI_UNIT("bytes");
	u32 env_times KRSI_DOC("How many times the variable is set; more than once is suspicious.");
	bool argv_cut KRSI_DOC("Whether there are more arguments than the 4096 bytes that are told.");
	bool env_overflow KRSI_DOC("Whether the value is longer than the 4096 bytes that are told.");
	char env_name[NAME_SIZE] KRSI_DOC("The variable this event is about; empty without the param `env`.");
	char filename[256] KRSI_DOC("The file as execve was given it; the script, if this is its interpreter.")
		KRSI_CUT("255");
	char interpreter[256] KRSI_DOC("The program on the script's `#!` line; empty for a script itself and for "
				       "any other program.")
		KRSI_CUT("255");
	struct krsi_path path KRSI_DOC("The file, from the task's root.") KRSI_SUBJECT;
	char cwd[CWD_SIZE] KRSI_DOC("The directory the task is in, from its root; cut after 1023 bytes.")
		KRSI_UNREADABLE("no-cwd") KRSI_CUT("1023") KRSI_COSTS("cwd");
	char argv[ARGV_SIZE] KRSI_DOC("The arguments, the program's own name first.") KRSI_TEXTS("argv_length") KRSI_UNREADABLE("no-args")
		KRSI_CUT("argv_cut");
	char env_value[VALUE_SIZE + 2] KRSI_DOC("The variable's value: the first, if it is set repeatedly.")
		KRSI_UNREADABLE("no-args") KRSI_CUT("4096");
} KRSI_TEMPLATE("exec", "Program executions: allow, deny or kill by path, file, credentials or environment",
		"T1059 T1204.002 T1574.006 T1620")
KRSI_EXAMPLE("probe(\"exec\", #{path_prefix: [\"/tmp/\", \"/dev/shm/\"]}).scope(#{uid: 33}).deny(\"EACCES\").attach();")
KRSI_NOT_SEEN("Code that is loaded and not executed: libraries, a script named as an argument of its interpreter, ld.so with "
	      "a program as its argument (seen as ld.so). A copy is another file. Arguments and environment are what they are "
	      "when the program begins, and it may change them.");

KRSI_PACKED_FROM(path);

/* ---- memory of the new image --------------------------------------------- */

#define VARIABLES 64

struct variable_name {
	char text[NAME_SIZE];
};

/* Where a variable was found. */
struct variable {
	u64 value;
	u64 times;
};

/* How far the strings have been read. The task's stack has the arguments, then the environment. */
struct search {
	u64 position;
	u64 env_start;
	u64 first_bytes; /* of the names looked for: the param's word */
	u32 args_left;
	u32 env_left;
	u32 inside; /* of a string longer than a reading */
	u32 args_used; /* scratch.used once the arguments are in */
	u32 name_length; /* with the `=` */
	u32 zero;
	struct variable_name name; /* of the string at hand */
	struct variable variables[VARIABLES];
};

#define KRSI_SCRATCH struct search search;
#include "include/krsi_engine.bpf.h"
#include "include/krsi_late.bpf.h"
#include "include/krsi_path_params.bpf.h"

/* The names of `env`, and which of them each is. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, VARIABLES);
	__type(key, struct variable_name);
	__type(value, u32);
} krsi_variables_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VARIABLES);
	__type(key, u32);
	__type(value, struct variable_name);
} krsi_variable_names SEC(".maps");

/*
 * These functions are not static, for the verifier's sake: it looks at each once, and not again at each call, so
 * that a loop over rounds of strings costs the sum of both. 5.10 takes numbers only there, so the scratch
 * comes as its slot. Together the loops suffice for the 6 MB that arguments and environment may
 * have (9 bytes at least for each string, with its pointer).
 */
#define STRINGS_A_ROUND 256
#define ROUNDS_A_STRETCH 64
#define STRETCHES 44
#define READING 1024

/* Takes the name off the string in scratch.exe. Gives whether there is one of a size to be looked for. */
__noinline u64 exec_take_name(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);

	if (!scratch)
		return 0;
	__builtin_memset(&scratch->search.name, 0, sizeof(scratch->search.name));
	for (u32 i = 0; i < NAME_SIZE - 1; i++) {
		char byte = scratch->exe[i];

		scratch->search.name_length = i + 1;
		if (byte == '=')
			return 1;
		if (!byte)
			return 0;
		scratch->search.name.text[i] = byte;
	}
	scratch->search.name_length = NAME_SIZE;
	return scratch->exe[NAME_SIZE - 1] == '=';
}

/* Compares the string in scratch.exe, read from search.position, with the names. 0: it is none. */
__noinline u64 exec_find_name(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	u32 *index;

	if (!scratch || !exec_take_name(slot))
		return 0;
	index = bpf_map_lookup_elem(&krsi_variables_table, &scratch->search.name);
	if (!index || *index >= VARIABLES)
		return 0;

	struct variable *variable = &scratch->search.variables[*index];

	if (variable->times++ == 0)
		variable->value = scratch->search.position + scratch->search.name_length;
	return 1;
}

/* Reads one string, or a part of a long one. Gives whether there may be more. */
__noinline u64 exec_read_string(u32 slot)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct search *search;
	long length;

	if (!scratch)
		return 0;
	search = &scratch->search;
	if (!search->args_left && !search->env_left)
		return 0;
	length = bpf_probe_read_user_str(scratch->exe, READING, (void *)search->position);
	if (length < 0)
		return 0;
	/* Of an empty string the helper does not count the NUL, as it does of any other. */
	if (length == 0)
		length = 1;
	if (!search->inside && !search->args_left && search->first_bytes >> (scratch->exe[0] & 63) & 1)
		exec_find_name(slot);
	/* A reading that is full has no NUL of the string's own, or none but the last. */
	search->inside = length == READING;
	search->position += search->inside ? length - 1 : length;
	if (search->inside)
		return 1;
	if (!search->args_left)
		search->env_left--;
	else if (!--search->args_left)
		search->env_start = search->position;
	return 1;
}

/* Goes on through the strings. */
__noinline u64 exec_search_round(u32 slot)
{
	for (u32 turn = 0; turn < STRINGS_A_ROUND; turn++)
		if (!exec_read_string(slot))
			return 0;
	return 1;
}

/* The same, further. */
__noinline u64 exec_search_stretch(u32 slot)
{
	for (u32 round = 0; round < ROUNDS_A_STRETCH; round++)
		if (!exec_search_round(slot))
			return 0;
	return 1;
}

static __always_inline void begin_search(volatile struct settings *settings, struct scratch *scratch,
					 struct linux_binprm *bprm, u64 start)
{
	struct search *search = &scratch->search;

	search->position = start;
	search->args_left = bprm->argc;
	search->env_start = search->args_left ? 0 : search->position;
	search->first_bytes = settings->params.env;
	search->env_left = search->first_bytes ? bprm->envc : 0;
	search->inside = 0;
	for (u32 i = 0; i < VARIABLES; i++)
		search->variables[i].times = 0;
}

/* Packs as much of the arguments behind the path as there is room for. */
static __always_inline void gather_arguments(struct scratch *scratch, u64 start)
{
	struct search *search = &scratch->search;
	u64 size = (search->env_start ? search->env_start : search->position) - start;
	char *to = krsi_tail(scratch, KRSI_PATH_SIZE + CWD_SIZE);

	if (size > ARGV_SIZE) {
		size = ARGV_SIZE;
		scratch->event.argv_cut = true;
	}
	if (to && !bpf_probe_read_user(to, size, (void *)start)) {
		scratch->event.argv_length = size;
		scratch->used += size;
	} else {
		scratch->event.header.notes |= KRSI_NOTE_NO_ARGS;
	}
	search->args_used = scratch->used;
}

static __always_inline void search_memory(volatile struct settings *settings, struct scratch *scratch,
					  struct linux_binprm *bprm, u64 start)
{
	u32 slot = scratch->slot;
	bool more = true;

	begin_search(settings, scratch, bprm, start);
	for (u32 stretch = 0; stretch < STRETCHES && more; stretch++)
		more = exec_search_stretch(slot);
	if (scratch->search.args_left || scratch->search.env_left)
		scratch->event.header.notes |= KRSI_NOTE_NO_ARGS;
	scratch->event.argc = bprm->argc;
	gather_arguments(scratch, start);
	if (scratch->event.header.notes & (KRSI_NOTE_NO_ARGS | KRSI_NOTE_NO_PATH))
		krsi_count(krsi_counter_errors);
}

/* ---- the program --------------------------------------------------------- */

#define S_ISUID 04000
#define S_ISGID 02000
#define S_IXGRP 00010
#define MNT_NOSUID 1
#define PFA_NO_NEW_PRIVS 1 /* bit 0 of task_struct.atomic_flags */

static const char memfd_prefix[] = "memfd:";

static __always_inline bool is_memfd(struct dentry *dentry)
{
	char name[sizeof(memfd_prefix)] = {};

	/* A memfd is its own parent: no directory can hold that name for it. */
	if (READ(dentry, d_parent) != dentry)
		return false;
	bpf_probe_read_kernel_str(name, sizeof(name), READ(dentry, d_name.name));
	for (u32 i = 0; i < sizeof(memfd_prefix) - 1; i++)
		if (name[i] != memfd_prefix[i])
			return false;
	return true;
}

static __always_inline u32 set_id_flags(struct file *file, u16 mode)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct vfsmount *mount = READ(file, f_path.mnt);
	u32 flags = 0;

	if (READ(mount, mnt_flags) & MNT_NOSUID || READ(task, atomic_flags) & PFA_NO_NEW_PRIVS)
		return 0;
	if (mode & S_ISUID)
		flags |= EXEC_SETUID;
	/* Without group execution the bit means mandatory locking, not set-gid. */
	if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		flags |= EXEC_SETGID;
	return flags;
}

/* The kernel changes `interp` to another string only for an interpreter. */
static __always_inline bool is_interpreter(struct linux_binprm *bprm)
{
	return bprm->interp != bprm->filename;
}

static __always_inline u32 flags_of(struct linux_binprm *bprm)
{
	struct file *file = bprm->file;
	struct inode *inode = READ(file, f_inode);
	u32 flags = set_id_flags(file, READ(inode, i_mode));

	if (is_memfd(READ(file, f_path.dentry)))
		flags |= EXEC_MEMFD;
	if (READ(inode, i_nlink) == 0 || krsi_is_unlinked(READ(file, f_path.dentry)))
		flags |= EXEC_DELETED;
	if (is_interpreter(bprm))
		flags |= EXEC_INTERPRETER;
	return flags;
}

/* `decides`: not only whether the params match. */
static __always_inline void gather(volatile struct settings *settings, struct scratch *scratch,
				   struct linux_binprm *bprm, bool decides)
{
	struct event *event = &scratch->event;
	struct file *file = bprm->file;
	struct inode *inode = READ(file, f_inode);
	struct super_block *super = READ(inode, i_sb);

	if (decides || krsi_names_files(settings))
		krsi_gather_file(settings, scratch, file);
	event->flags = flags_of(bprm);
	if (!decides)
		return;
	event->inode = READ(inode, i_ino);
	event->device = READ(super, s_dev);
	KRSI_GATHER_FILE(event, inode);
	bpf_probe_read_kernel_str(event->filename, sizeof(event->filename), bprm->filename);
	if (is_interpreter(bprm))
		bpf_probe_read_kernel_str(event->interpreter, sizeof(event->interpreter), bprm->interp);
}

/* ---- before: bprm_check_security ----------------------------------------- */

static __always_inline bool decides_late(volatile struct settings *settings)
{
	return settings->params.args || settings->params.env || settings->params.argv || settings->params.argv_prefix ||
	       settings->params.argv_contains || settings->params.cmdline_like;
}

static __always_inline enum krsi_match match_program(volatile struct settings *settings, struct scratch *scratch,
						     struct linux_binprm *bprm)
{
	u64 wanted = settings->params.flags;
	struct file *file = bprm->file;

	if (wanted && !(scratch->event.flags & wanted))
		return KRSI_NO_MATCH;
	return krsi_match_path(settings, scratch, READ(file, f_inode));
}

SEC("lsm/bprm_check_security")
int exec_check(u64 *context)
{
	struct linux_binprm *bprm = ARG(context, 0, struct linux_binprm *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	enum krsi_match match;
	int result;
	bool late;

	if (refused)
		return refused;
	settings = krsi_begin();
	if (!settings)
		return 0;
	/* A script and its interpreter are one execution. */
	if (!is_interpreter(bprm))
		krsi_late_forget();
	late = decides_late(settings);
	if (!krsi_late_admits(settings, late))
		return 0;
	if (late && !settings->params.flags && !krsi_names_files(settings))
		return krsi_late_leave_all(ADDRESS(bprm));
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	gather(settings, scratch, bprm, !late);
	match = match_program(settings, scratch, bprm);
	if (late)
		return krsi_late_leave(settings, scratch, ADDRESS(bprm), match);
	krsi_gather_cwd(scratch, CWD_SIZE);
	return krsi_decide(context, scratch, krsi_hook_bprm_check_security, match);
}

/* ---- after: bprm_committed_creds ----------------------------------------- */

/* Packs the value behind the arguments. Gives what is true of the variable. */
static __always_inline u32 gather_variable(struct scratch *scratch, u32 index)
{
	struct variable *variable = &scratch->search.variables[index & (VARIABLES - 1)];
	struct event *event = &scratch->event;
	char *to, next = 0;
	long length;

	event->env_times = variable->times;
	event->env_overflow = false;
	scratch->used = scratch->search.args_used;
	if (!variable->times)
		return event->header.notes & KRSI_NOTE_NO_ARGS ? 0 : VARIABLE_UNSET;
	to = krsi_tail(scratch, KRSI_PATH_SIZE + CWD_SIZE + ARGV_SIZE);
	if (!to)
		return 0;
	length = bpf_probe_read_user_str(to, VALUE_SIZE + 1, (void *)variable->value);
	if (length < 0)
		event->header.notes |= KRSI_NOTE_NO_ARGS;
	if (length < 1 || length > VALUE_SIZE + 1) {
		to[0] = '\0';
		length = 1;
	}
	scratch->used += length;
	/* Full: the next byte tells whether that was all. */
	if (length == VALUE_SIZE + 1) {
		bpf_probe_read_user(&next, 1, (void *)(variable->value + VALUE_SIZE));
		event->env_overflow = next != 0;
	}
	return VARIABLE_SET | (variable->times > 1 ? VARIABLE_REPEATED : 0) |
	       (event->env_overflow ? VARIABLE_OVERFLOW : 0);
}

/* One decision: about the variable of this index, or (VARIABLES) about the execution alone. */
__noinline u64 exec_decide(u32 slot, u32 index)
{
	struct scratch *scratch = bpf_map_lookup_elem(&krsi_scratch, &slot);
	struct variable_name *name = bpf_map_lookup_elem(&krsi_variable_names, &index);
	volatile struct settings *settings = krsi_read_settings();
	enum krsi_match match = KRSI_MATCH;

	if (!scratch || !settings)
		return 0;
	if (name) {
		u64 wanted = settings->params.env_is;
		u32 state;

		__builtin_memcpy(scratch->event.env_name, name->text, NAME_SIZE);
		state = gather_variable(scratch, index);
		if (wanted && !(state & wanted))
			match = scratch->event.header.notes & KRSI_NOTE_NO_ARGS ? KRSI_UNKNOWN : KRSI_NO_MATCH;
	}
	krsi_late_decide(scratch, krsi_hook_bprm_committed_creds, match);
	return 1;
}

static __always_inline bool is_looked_for(u32 index)
{
	struct variable_name *name = bpf_map_lookup_elem(&krsi_variable_names, &index);

	return name && name->text[0];
}

/* All decisions about an execution whose program is gathered; its strings begin at `start`. */
static __always_inline void decide_each(void *context, volatile struct settings *settings, struct scratch *scratch,
				 struct linux_binprm *bprm, u64 start)
{
	u32 slot = scratch->slot;

	krsi_gather_stacks(context, scratch);
	krsi_gather_cwd(scratch, CWD_SIZE);
	search_memory(settings, scratch, bprm, start);
	if (!settings->params.env)
		exec_decide(slot, VARIABLES);
	else
		for (u32 index = 0; index < VARIABLES; index++)
			if (is_looked_for(index))
				exec_decide(slot, index);
}

SEC("lsm/bprm_committed_creds")
int exec_committed(u64 *context)
{
	struct linux_binprm *bprm = ARG(context, 0, struct linux_binprm *);
	volatile struct settings *settings = krsi_late_enter(ADDRESS(bprm));
	struct scratch *scratch;

	if (!settings)
		return 0;
	scratch = krsi_late_take();
	if (!scratch)
		return 0;
	gather(settings, scratch, bprm, true);
	decide_each(context, settings, scratch, bprm, bprm->p);
	krsi_give_back(scratch);
	return 0;
}

/* ---- without LSM --------------------------------------------------------- */

/*
 * Where LSM programs cannot be had: the execution is seen once it has succeeded,
 * with the new image's comm and executable in the header, and a script only as
 * its interpreter.
 */
SEC("tp_btf/sched_process_exec")
int exec_observed(u64 *context)
{
	struct linux_binprm *bprm = ARG(context, 2, struct linux_binprm *);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct mm_struct *mm = READ(task, mm);
	volatile struct settings *settings = krsi_begin();
	struct scratch *scratch;
	enum krsi_match match;
	int result;
	bool late;

	if (!settings)
		return 0;
	late = decides_late(settings);
	if (!krsi_late_admits(settings, late))
		return 0;
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return 0;
	gather(settings, scratch, bprm, true);
	match = match_program(settings, scratch, bprm);
	if (!late) {
		krsi_gather_cwd(scratch, CWD_SIZE);
		krsi_decide(context, scratch, krsi_hook_bprm_check_security, match);
		return 0;
	}
	if (match == KRSI_MATCH)
		/* The stack is complete by now, and its beginning noted. */
		decide_each(context, settings, scratch, bprm, READ(mm, arg_start));
	else
		krsi_filtered();
	krsi_give_back(scratch);
	return 0;
}
