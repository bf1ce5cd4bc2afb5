/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What is kept of each process from its exec on, while somebody asks: _processes.bpf.c keeps it. */
#ifndef KRSI_PROCESS_BPF_H
#define KRSI_PROCESS_BPF_H

#include "krsi_kernel.bpf.h"

#define KRSI_PROCESS_EXE 256
#define KRSI_PROCESS_ARGV 1024

struct krsi_process {
	u64 number; /* of the record: no other has had it */
	u64 execution; /* of the process: task_struct.self_exec_id, which each exec raises */
	u32 argv_length;
	u32 argv_cut; /* 1: there are more arguments */
	/* The executable, and the same last byte first: each a key of a trie (struct krsi_exe_key), which is looked up in place. */
	u32 exe_bits;
	char exe[KRSI_PROCESS_EXE]; /* cut after 255 bytes */
	u32 reversed_bits;
	char reversed_exe[KRSI_PROCESS_EXE];
	char argv[KRSI_PROCESS_ARGV]; /* a NUL behind each; behind the last, zeros */
};

/*
 * By the process's id. All probes of a session have it in common; the shell makes no more than one. Its memory is taken once:
 * an element of this size cannot always be had at the moment of an exec (seen on 7.3, with some hundred in a second).
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct krsi_process);
} krsi_processes SEC(".maps");

#endif
