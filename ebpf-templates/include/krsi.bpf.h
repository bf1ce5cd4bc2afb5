/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * The vocabulary of a template. A template is one file:
 *
 *   1. an essay on its hooks: when the kernel calls them, what a denial means
 *      there, what is not seen;
 *   2. `enum krsi_hook`, then `#include "krsi.bpf.h"`;
 *   3. `struct params` and `struct event`, each member with a KRSI_DOC; behind the event, how it is sent
 *      (KRSI_PACKED_FROM or KRSI_SENT_WHOLE);
 *   4. `#include "krsi_engine.bpf.h"`, which makes maps and machinery of them, and what else it needs of include/:
 *      each header there includes what it uses, and takes from the template what stands above;
 *   5. one LSM program for each hook.
 *
 * The docs, units and names given here are compiled into the object as BTF
 * declaration tags. The shell's catalogue, help, decoder and checks read them
 * there, and nowhere else.
 */
#ifndef KRSI_BPF_H
#define KRSI_BPF_H

#include "krsi_kernel.bpf.h"

#define KRSI_TAG(text) __attribute__((btf_decl_tag("krsi:" text)))

/* On `struct event`: what the template is. */
#define KRSI_TEMPLATE(name, summary, attack)                                                               \
	KRSI_TAG("template:" name) KRSI_TAG("summary:" summary) KRSI_TAG("attack:" attack)
/* Behind it: a script that is of use to somebody, which a test runs; and what the template cannot see, in sentences. */
#define KRSI_EXAMPLE(script) KRSI_TAG("example:" script)
#define KRSI_NOT_SEEN(text) KRSI_TAG("not-seen:" text)
/*
 * Besides, if no hook of it has a verdict: its probes observe, and nothing else. Only such a template may be attached to the entry of
 * a function of the kernel's, by a program of the section `fentry/FUNCTION`, which then is its hook. (One that replaces what a function
 * returns, because BPF may not have the LSM hook, is `fmod_ret/FUNCTION` and is named `…_function`.)
 */
#define KRSI_OBSERVES_ONLY KRSI_TAG("observe-only")
/*
 * Besides, if an operation cannot be made again after its hook has refused it with ERESTARTNOINTR: why, as the end of a sentence. Its
 * probes have no mode ask.
 */
#define KRSI_CANNOT_ASK(why) KRSI_TAG("cannot-ask:" why)
/*
 * Besides, if its hooks are hot, asked about so often that a probe of every task slows the whole machine: a probe needs a
 * scope then, or `.everywhere()`.
 */
#define KRSI_SCOPE_REQUIRED KRSI_TAG("scope-required")
/* On a member of `struct params` or `struct event`. */
#define KRSI_DOC(text) KRSI_TAG("doc:" text)
#define KRSI_DEFAULT(text) KRSI_TAG("default:" text)
#define KRSI_UNIT(text) KRSI_TAG("unit:" text)
/* Names for the bits, or the values, of a number: "name=number name=number". */
#define KRSI_BITS(names) KRSI_TAG("bits:" names)
#define KRSI_NAMES(names) KRSI_TAG("names:" names)
/*
 * Where C needs these numbers too, they are listed once, as `#define LIST(X) X(CONSTANT, "name", number) …`: then
 * `enum kind { LIST(KRSI_MEMBER) }` and KRSI_BITS(LIST(KRSI_NAME)). A number is written in decimal.
 */
#define KRSI_MEMBER(constant, name, number) constant = number,
#define KRSI_NAME(constant, name, number) name "=" #number " "
/* On an array: which member says how many of its elements are in use. */
#define KRSI_COUNT(member) KRSI_TAG("count:" member)
/* On an array of characters behind the path: texts with a NUL each, as many bytes as that member says. */
#define KRSI_TEXTS(member) KRSI_TAG("texts:" member)
/*
 * On a text: which of the header's notes says that it could not be read; after how many bytes a longer one is cut. On
 * KRSI_TEXTS: which member says that they were cut. A filter that asks about what is not there cannot tell.
 */
#define KRSI_UNREADABLE(note) KRSI_TAG("unreadable:" note)
#define KRSI_CUT(after) KRSI_TAG("cut:" after)
/* On the member of `struct event` that it is about, which is shown first. */
#define KRSI_SUBJECT KRSI_TAG("subject")
/*
 * On a member of the header that is not known when the filter runs, when it is: "decided", with the verdict; "sent", when the event
 * leaves the kernel; "read", in user space.
 */
#define KRSI_KNOWN(when) KRSI_TAG("known:" when)
/*
 * On a member that is gathered only where it is used, for what it costs: "exe" (krsi_exe), "cwd" (krsi_cwd), or a part of the
 * origin (enum krsi_origin_part), which is told only where it is named.
 */
#define KRSI_COSTS(what) KRSI_TAG("costs:" what)
/*
 * On a param: while it is set, the probe decides in that hook, when nothing can be refused any more, and
 * a denial, and a kill whatever its signal, is done by SIGKILL. The shell says so wherever it speaks of the probe.
 */
#define KRSI_LATE(hook) KRSI_TAG("late:" hook)

/*
 * On a param of names, what every text has in common that it is about: one of these characters comes first; how many
 * bytes there are at most. What breaks it is refused where it is written.
 */
#define KRSI_BEGINS(characters) KRSI_TAG("begins:" characters)
#define KRSI_LONGEST(bytes) KRSI_TAG("longest:" bytes)

/*
 * On a param of texts (krsi_asked): the shell makes a question of the filter out of it, "argv contains" for one: whether
 * one of the texts of that list, or that text, is as one of the param's texts says (equals, starts_with, ends_with, contains, like). Of
 * several such params any one is enough. Its word is 1 while it is set, and no table has its texts.
 */
#define KRSI_ASKS(question) KRSI_TAG("asks:" question)

/* Keeps a type in the object's BTF, from which the shell reads numbers and checks its own. */
#define KRSI_KEPT(type, name) const volatile type krsi_kept_##name

/*
 * The types of params. Each is a word of the probe's settings, which the shell
 * writes while the probe runs: a set's word says whether the set is in force
 * (its members are in the table of that kind), a flags' word is its bits, a flag's 1 or 0. The
 * word of a set of variables has bit N set if N is the first byte of one's name, modulo 64. The tables of
 * addresses and ports are in krsi_socket.bpf.h, that of names in krsi_names.bpf.h.
 */
typedef u64 krsi_paths;
typedef u64 krsi_prefixes;
typedef u64 krsi_suffixes;
typedef u64 krsi_flags;
typedef u64 krsi_flag;
typedef u64 krsi_variables;
typedef u64 krsi_addresses;     /* networks, one of which has the address in it */
typedef u64 krsi_not_addresses; /* networks, none of which has */
typedef u64 krsi_ports;         /* ports and ranges of them */
typedef u64 krsi_names;         /* texts, whole */
typedef u64 krsi_name_prefixes; /* beginnings of texts */
typedef u64 krsi_asked;         /* texts that the filter asks about (KRSI_ASKS) */

/* The three params that every template with a file has; krsi_path_params.bpf.h matches by them. */
#define KRSI_PATH_PARAMS                                                                                   \
	krsi_paths path KRSI_DOC("Exact paths. The file there also matches by inode: under any name, link, "       \
				 "mount or root. What a path leads to later is followed within a second, and a "   \
				 "file moved away from it goes on to match.")                                      \
		KRSI_DEFAULT("every file");                                                                \
	krsi_prefixes path_prefix KRSI_DOC("Paths that start with one of these, byte by byte: `/tmp/`. It is a "   \
					   "rule about names: a file that is linked, mounted, renamed or "         \
					   "copied elsewhere has another. Of path, path_prefix and path_suffix "   \
					   "any one match is enough.")                                             \
		KRSI_DEFAULT("every file");                                                                \
	krsi_suffixes path_suffix KRSI_DOC("Paths that end with one of these, byte by byte: `.so`. Of path, "      \
					   "path_prefix and path_suffix any one match is enough.")                 \
		KRSI_DEFAULT("every file");

/* A device number in the kernel's own form (MKDEV). */
typedef u32 krsi_device;

/* A stack that was kept: its number in krsi_stacks, and one more; 0: none. */
typedef u32 krsi_kstack;
typedef u32 krsi_ustack;

/*
 * An IP address, 16 bytes in network order. An IPv4 address, also one that was given in its IPv6 form
 * (::ffff:10.0.0.1), is of version 4 and has the bytes of that form: an address has one way to be written.
 */
struct krsi_address {
	u32 version; /* 4 or 6; 0: no address */
	u8 bytes[16];
};

#define KRSI_PATH_SIZE 4096
#define KRSI_EXE_SIZE 256

/*
 * A path, and room before it for the length an LPM trie wants in front of a
 * key: the tables are searched in place. Last member of an event, or followed by
 * nothing but arrays of characters. Only what is in use of these is sent, one packed behind the
 * other: each up to its NUL, or as long as KRSI_TEXTS says.
 */
struct krsi_path {
	u32 length KRSI_DOC("Length of the path; 0 if it could not be read.") KRSI_UNIT("bytes");
	char text[KRSI_PATH_SIZE];
};

/*
 * Behind `struct event`, where its packed part begins: its `struct krsi_path`. What stands before is always sent, and
 * all zero before the template gathers anything.
 */
#define KRSI_PACKED_FROM(path) KRSI_SENT(__builtin_offsetof(struct event, path.text))
/* Of what is no event, but a record in the making: how much of it is cleared. */
#define KRSI_CLEARED_TO(member) KRSI_SENT(__builtin_offsetof(struct event, member))
/* Or that it has none: an event without a path. */
#define KRSI_SENT_WHOLE KRSI_SENT(sizeof(struct event))
#define KRSI_SENT(size)                                                                                    \
	enum krsi_sent { krsi_sent_always = size };                                                        \
	KRSI_KEPT(enum krsi_sent, sent)

#define KRSI_VERDICTS(X)                                                                                   \
	X(KRSI_ALLOW, "allow", 0) X(KRSI_WOULD_DENY, "would-deny", 1) X(KRSI_DENY, "deny", 2)              \
	X(KRSI_KILL, "kill", 3) X(KRSI_ASK, "ask", 4) X(KRSI_WOULD_ASK, "would-ask", 5)

enum krsi_verdict { KRSI_VERDICTS(KRSI_MEMBER) };

#define KRSI_MODES(X)                                                                                      \
	X(KRSI_MODE_OBSERVE, "observe", 0) X(KRSI_MODE_SHADOW, "shadow", 1) X(KRSI_MODE_DENY, "deny", 2)   \
	X(KRSI_MODE_KILL, "kill", 3) X(KRSI_MODE_ASK, "ask", 4)

enum krsi_mode { KRSI_MODES(KRSI_MEMBER) };

/* Things worth knowing about a decision that are no field of their own. */
#define KRSI_NOTES(X)                                                                                      \
	X(KRSI_NOTE_LAPSED, "lapsed", 1)                                                                   \
	X(KRSI_NOTE_GUARDED, "guarded", 2)                                                                 \
	X(KRSI_NOTE_NO_PATH, "no-path", 4)                                                                 \
	X(KRSI_NOTE_AUDIT_ONLY, "audit-only", 8)                                                           \
	X(KRSI_NOTE_LATE, "late", 16)                                                                      \
	X(KRSI_NOTE_NO_ARGS, "no-args", 32)                                                                \
	X(KRSI_NOTE_NO_STACK, "no-stack", 64)                                                              \
	X(KRSI_NOTE_NO_SIGNAL, "no-signal", 128)                                                           \
	X(KRSI_NOTE_NO_EXE, "no-exe", 256)                                                                 \
	X(KRSI_NOTE_NO_CWD, "no-cwd", 512)                                                                 \
	X(KRSI_NOTE_NO_SOURCE, "no-source", 1024)                                                          \
	X(KRSI_NOTE_NO_TARGET, "no-target", 2048)                                                          \
	X(KRSI_NOTE_UNLINKED, "unlinked", 4096)                                                            \
	X(KRSI_NOTE_UNREACHABLE, "unreachable", 8192)                                                      \
	X(KRSI_NOTE_EXE_UNLINKED, "exe-unlinked", 16384)                                                   \
	X(KRSI_NOTE_FMOD_RET, "fmod-ret", 32768)                                                           \
	X(KRSI_NOTE_NO_PROCESS, "no-process", 65536)                                                        \
	X(KRSI_NOTE_OTHERWISE, "otherwise", 131072)                                                        \
	X(KRSI_NOTE_CROWDED, "crowded", 262144)                                                            \
	X(KRSI_NOTE_TIMED_OUT, "timed-out", 524288)                                                        \
	X(KRSI_NOTE_ANSWERED, "answered", 1048576)                                                         \
	X(KRSI_NOTE_TRIPPED, "tripped", 2097152)

enum krsi_note { KRSI_NOTES(KRSI_MEMBER) };

/* What params, or a filter, come to. */
enum krsi_match {
	KRSI_NO_MATCH,
	KRSI_MATCH,
	KRSI_UNKNOWN,
};

KRSI_KEPT(enum krsi_match, match);

/* What every event says about the decision and the task, before its own fields. */
struct krsi_header {
	u64 mono_ns KRSI_DOC("CLOCK_MONOTONIC when the hook fired.") KRSI_UNIT("ns");
	u64 wall_ns KRSI_DOC("Wall-clock time, since the epoch (1970).") KRSI_UNIT("ns") KRSI_KNOWN("read");
	u64 seq KRSI_DOC("Sequence number of the event within its probe, from 1; from Linux 6.1 on, a "
		     "gap means lost events.") KRSI_KNOWN("sent");
	u64 start_ns KRSI_DOC("Start time of the process, since boot; pid and start_ns together are never used again.")
		KRSI_UNIT("ns");
	u64 cgroup KRSI_DOC("Id of the task's cgroup (v2): the inode of its directory.");
	u64 exe_inode KRSI_DOC("Inode of the executable the process runs.") KRSI_COSTS("exe");
	u32 probe_id KRSI_DOC("Id of the probe.");
	enum krsi_hook hook KRSI_DOC("LSM hook that fired.");
	enum krsi_verdict verdict KRSI_DOC("The decision about the operation.") KRSI_NAMES(KRSI_VERDICTS(KRSI_NAME))
		KRSI_KNOWN("decided");
	enum krsi_mode mode KRSI_DOC("Mode of the probe at that time.") KRSI_NAMES(KRSI_MODES(KRSI_NAME))
		KRSI_KNOWN("decided");
	u32 errno KRSI_DOC("Errno that the operation was refused with; 0 if it was not refused.") KRSI_KNOWN("decided");
	u32 notes KRSI_DOC("lapsed: the lease had expired, or the breaker had tripped; guarded: the task is exempt from denials; no-path: "
			   "the path could not be read; audit-only: observed without the LSM hook, so it "
			   "cannot be denied; late: too late to refuse the operation, so a denial kills the task; "
			   "no-args: arguments or environment could not be read to the end; "
			   "no-stack: a stack trace could not be stored; no-signal: the kernel does not let "
			   "this task be killed; "
			   "no-exe, no-cwd, no-source, no-target: exe, cwd, source or target_exe could not be read; "
			   "unlinked: the file no longer has the name in path; unreachable: path is not below the task's root, "
			   "but relative to the root of all mounts or of a detached one; exe-unlinked: the executable no longer has the "
			   "name in exe; fmod-ret: decided in the kernel function that calls the LSM hooks; no-process: the executable or "
			   "arguments of the process or of an ancestor are not known; "
			   "answered: decided by an answer to `.ask`; timed-out: nobody answered in time; otherwise: it was not possible to "
			   "ask; crowded: too many operations were waiting for an answer; tripped: beyond the limit of the breaker.")
		KRSI_BITS(KRSI_NOTES(KRSI_NAME)) KRSI_KNOWN("decided");
	u32 pid KRSI_DOC("Process id (thread group), in the initial pid namespace.");
	u32 tid KRSI_DOC("Thread id, in the initial pid namespace.");
	u32 ppid KRSI_DOC("Process id of the parent.");
	u32 uid KRSI_DOC("Real user id, in the initial user namespace.");
	u32 euid KRSI_DOC("Effective user id, in the initial user namespace.");
	u32 gid KRSI_DOC("Real group id, in the initial user namespace.");
	u32 loginuid KRSI_DOC("Audit login user id; 4294967295 if never set.");
	u32 session KRSI_DOC("Audit session id; 4294967295 if never set.");
	u32 pid_ns KRSI_DOC("Inode of the pid namespace.");
	u32 mnt_ns KRSI_DOC("Inode of the mount namespace.");
	u32 user_ns KRSI_DOC("Inode of the user namespace of the task's credentials.");
	krsi_kstack kstack KRSI_DOC("Kernel stack at the hook, innermost frame first; only if "
				    "the probe has `.kstack()`.");
	krsi_ustack ustack KRSI_DOC("User stack of the system call, innermost frame first; only "
				    "if the probe has `.ustack()`.");
	char comm[16] KRSI_DOC("Name of the thread.");
	char parent_comm[16] KRSI_DOC("Name of the parent process.");
	char exe[KRSI_EXE_SIZE] KRSI_DOC("Path of the executable the process runs, from the task's root; cut "
					 "after 255 bytes.")
		KRSI_UNREADABLE("no-exe") KRSI_CUT("255") KRSI_COSTS("exe");
};

#endif
