/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What an event tells of where its operation comes from, if somebody asks: the process at length, and those above it. */
#ifndef KRSI_ORIGIN_MEMBERS_BPF_H
#define KRSI_ORIGIN_MEMBERS_BPF_H

#include "krsi.bpf.h"
#include "krsi_capabilities.bpf.h"
#include "krsi_process.bpf.h"

/* What is gathered together, and only where one of its members is asked for: the tag KRSI_COSTS of these has its name. */
enum krsi_origin_part {
	krsi_origin_part_task,
	krsi_origin_part_descriptors,
	krsi_origin_part_container,
	krsi_origin_part_process,
	krsi_origin_part_parent,
	krsi_origin_part_leader,
	krsi_origin_part_ancestors,
	krsi_origin_part_parent_argv,
	krsi_origin_part_directory,
};

KRSI_KEPT(enum krsi_origin_part, origin_part);

#define KRSI_PART(part) (1U << krsi_origin_part_##part)

#define KRSI_ANCESTORS 8
#define KRSI_CONTAINER_SIZE 72

#define KRSI_DESCRIPTORS(X)                                                                                \
	X(KRSI_DESCRIPTOR_NONE, "none", 0) X(KRSI_DESCRIPTOR_FILE, "file", 1)                              \
	X(KRSI_DESCRIPTOR_DIRECTORY, "directory", 2) X(KRSI_DESCRIPTOR_PIPE, "pipe", 3)                    \
	X(KRSI_DESCRIPTOR_SOCKET, "socket", 4) X(KRSI_DESCRIPTOR_TTY, "tty", 5)                            \
	X(KRSI_DESCRIPTOR_DEVICE, "device", 6) X(KRSI_DESCRIPTOR_OTHER, "other", 7)

enum krsi_descriptor { KRSI_DESCRIPTORS(KRSI_MEMBER) };

#define KRSI_DESCRIPTOR_DOC(name)                                                                          \
	KRSI_DOC("What the process's " name " is; none: it is closed.")                                    \
	KRSI_NAMES(KRSI_DESCRIPTORS(KRSI_NAME)) KRSI_COSTS("descriptors")
#define KRSI_PEER_DOC(name)                                                                                \
	KRSI_DOC("The IP address that the process's " name " is connected to, if it is such a socket.")    \
	KRSI_COSTS("descriptors")
#define KRSI_PEER_PORT_DOC(name)                                                                           \
	KRSI_DOC("The port there, where " name " has a peer; 0 otherwise.") KRSI_COSTS("descriptors")

/*
 * It stands before the event, and only its end is sent: from the first member on that the probe tells. So what is asked
 * for most comes last. Before each list of texts stands a text, whose last byte is always zero: where an element is searched for,
 * the byte before it has to be.
 */
struct krsi_origin {
	char ancestors_exe[KRSI_ANCESTORS][KRSI_PROCESS_EXE]
		KRSI_DOC("Executables of the ancestors, the parent first, up to 8: e.ancestors.any(|p| "
			 "p.exe.ends_with(\"/sshd\")). Each cut after 255 bytes; empty for a thread of the kernel.")
		KRSI_COUNT("ancestors_count") KRSI_UNREADABLE("no-process") KRSI_COSTS("ancestors");
	char ancestors_comm[KRSI_ANCESTORS][16] KRSI_DOC("Their names.") KRSI_COUNT("ancestors_count")
		KRSI_COSTS("ancestors");
	u32 ancestors_pid[KRSI_ANCESTORS] KRSI_DOC("Their process ids.") KRSI_COUNT("ancestors_count")
		KRSI_COSTS("ancestors");
	char leader_exe[KRSI_PROCESS_EXE]
		KRSI_DOC("Executable of the process that leads the session (setsid(2)): the login shell, mostly; cut after "
			 "255 bytes, and empty if it is gone.")
		KRSI_UNREADABLE("no-process") KRSI_CUT("255") KRSI_COSTS("leader");
	char parent_argv[KRSI_PROCESS_ARGV]
		KRSI_DOC("Arguments that the parent was executed with, at most 1024 bytes.")
		KRSI_TEXTS("parent_argv_length") KRSI_UNREADABLE("no-process") KRSI_CUT("parent_argv_cut")
		KRSI_COSTS("parent_argv");
	char leader_comm[16] KRSI_DOC("Name of the process that leads the session.") KRSI_COSTS("leader");
	char process_argv[KRSI_PROCESS_ARGV]
		KRSI_DOC("Arguments that the process was executed with, at most 1024 bytes; what it has changed in "
			 "them since does not show.")
		KRSI_TEXTS("process_argv_length") KRSI_UNREADABLE("no-process") KRSI_CUT("process_argv_cut")
		KRSI_COSTS("process");
	char process_cwd[KRSI_PROCESS_EXE]
		KRSI_DOC("Current directory of the task, from its root; cut after 255 bytes.")
		KRSI_UNREADABLE("no-cwd") KRSI_CUT("255") KRSI_COSTS("directory");
	char parent_exe[KRSI_PROCESS_EXE]
		KRSI_DOC("Executable of the parent, as it was executed; cut after 255 bytes, and empty for a thread of the "
			 "kernel.")
		KRSI_UNREADABLE("no-process") KRSI_CUT("255") KRSI_COSTS("parent");
	char container[KRSI_CONTAINER_SIZE]
		KRSI_DOC("Container the task is in, by its cgroup (v2): the id that docker, containerd, cri-o or podman has "
			 "given it (64 digits), or the name of a systemd-nspawn or LXC one; empty outside of all.")
		KRSI_COSTS("container");
	u64 caps KRSI_DOC("Effective capabilities of the task.") KRSI_CAPABILITY_BITS KRSI_COSTS("task");
	u64 parent_start_ns KRSI_DOC("Start time of the parent, since boot; ppid and parent_start_ns together are never used again.") KRSI_UNIT("ns")
		KRSI_COSTS("task");
	u32 parent_uid KRSI_DOC("Real user id of the parent, in the initial user namespace.") KRSI_COSTS("task");
	u32 leader_pid KRSI_DOC("Process id of the process that leads the session (setsid(2)).") KRSI_COSTS("task");
	u32 group_pid KRSI_DOC("Id of the process group.") KRSI_COSTS("task");
	u32 ns_pid KRSI_DOC("Process id in the process's own pid namespace: 1 is the first of a container.")
		KRSI_COSTS("task");
	char tty[16] KRSI_DOC("Controlling terminal: pts/0, tty1; empty without one.") KRSI_COSTS("task");
	enum krsi_descriptor stdin_kind KRSI_DESCRIPTOR_DOC("standard input");
	enum krsi_descriptor stdout_kind KRSI_DESCRIPTOR_DOC("standard output");
	enum krsi_descriptor stderr_kind KRSI_DESCRIPTOR_DOC("standard error");
	struct krsi_address stdin_peer KRSI_PEER_DOC("standard input");
	struct krsi_address stdout_peer KRSI_PEER_DOC("standard output");
	struct krsi_address stderr_peer KRSI_PEER_DOC("standard error");
	u32 stdin_peer_port KRSI_PEER_PORT_DOC("standard input");
	u32 stdout_peer_port KRSI_PEER_PORT_DOC("standard output");
	u32 stderr_peer_port KRSI_PEER_PORT_DOC("standard error");
	u32 ancestors_count KRSI_DOC("Number of ancestors in the event.") KRSI_COSTS("ancestors");
	u32 process_argv_length KRSI_DOC("Length of process_argv, with a NUL each.") KRSI_UNIT("bytes") KRSI_COSTS("process");
	u32 parent_argv_length KRSI_DOC("Length of parent_argv, with a NUL each.") KRSI_UNIT("bytes") KRSI_COSTS("parent_argv");
	bool process_argv_cut KRSI_DOC("Whether process_argv is incomplete.") KRSI_COSTS("process");
	bool parent_argv_cut KRSI_DOC("Whether parent_argv is incomplete.") KRSI_COSTS("parent_argv");
};

#endif
