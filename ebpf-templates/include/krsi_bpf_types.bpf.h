/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* Types of eBPF's programs and maps (include/uapi/linux/bpf.h), as X(name, value, bit of the param: the value as a power of two). */
#ifndef KRSI_BPF_TYPES_BPF_H
#define KRSI_BPF_TYPES_BPF_H

#define KRSI_PROG_TYPES(X)                                                                                      \
	X("socket_filter", 1, 2) X("kprobe", 2, 4) X("sched_cls", 3, 8) X("sched_act", 4, 16)              \
	X("tracepoint", 5, 32) X("xdp", 6, 64) X("perf_event", 7, 128) X("cgroup_skb", 8, 256)             \
	X("cgroup_sock", 9, 512) X("lwt_in", 10, 1024) X("lwt_out", 11, 2048) X("lwt_xmit", 12, 4096)      \
	X("sock_ops", 13, 8192) X("sk_skb", 14, 16384) X("cgroup_device", 15, 32768) X("sk_msg", 16, 65536)\
	X("raw_tracepoint", 17, 131072) X("cgroup_sock_addr", 18, 262144) X("lwt_seg6local", 19, 524288)   \
	X("lirc_mode2", 20, 1048576) X("sk_reuseport", 21, 2097152) X("flow_dissector", 22, 4194304)       \
	X("cgroup_sysctl", 23, 8388608) X("raw_tracepoint_writable", 24, 16777216)                         \
	X("cgroup_sockopt", 25, 33554432) X("tracing", 26, 67108864) X("struct_ops", 27, 134217728)        \
	X("ext", 28, 268435456) X("lsm", 29, 536870912) X("sk_lookup", 30, 1073741824)                     \
	X("syscall", 31, 2147483648) X("netfilter", 32, 4294967296)

#define KRSI_MAP_TYPES(X)                                                                                       \
	X("hash", 1, 2) X("array", 2, 4) X("prog_array", 3, 8) X("perf_event_array", 4, 16)                \
	X("percpu_hash", 5, 32) X("percpu_array", 6, 64) X("stack_trace", 7, 128) X("cgroup_array", 8, 256)\
	X("lru_hash", 9, 512) X("lru_percpu_hash", 10, 1024) X("lpm_trie", 11, 2048)                       \
	X("array_of_maps", 12, 4096) X("hash_of_maps", 13, 8192) X("devmap", 14, 16384)                    \
	X("sockmap", 15, 32768) X("cpumap", 16, 65536) X("xskmap", 17, 131072) X("sockhash", 18, 262144)   \
	X("cgroup_storage", 19, 524288) X("reuseport_sockarray", 20, 1048576)                              \
	X("percpu_cgroup_storage", 21, 2097152) X("queue", 22, 4194304) X("stack", 23, 8388608)            \
	X("sk_storage", 24, 16777216) X("devmap_hash", 25, 33554432) X("struct_ops", 26, 67108864)         \
	X("ringbuf", 27, 134217728) X("inode_storage", 28, 268435456) X("task_storage", 29, 536870912)     \
	X("bloom_filter", 30, 1073741824) X("user_ringbuf", 31, 2147483648)                                \
	X("cgrp_storage", 32, 4294967296) X("arena", 33, 8589934592) X("insn_array", 34, 17179869184)      \
	X("rhash", 35, 34359738368)

#define KRSI_TYPE_VALUE(name, value, bit) name "=" #value " "
#define KRSI_TYPE_BIT(name, value, bit) name "=" #bit " "

#endif
