/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * bpf: a task calls bpf(2).
 *
 * Hook: bpf (kernel/bpf/syscall.c, __sys_bpf), for every command, before anything is done. The kernel's copy of the attributes is
 * complete by then; it is what the command goes by, and what is told here. Not every caller may do what it asks for: that is
 * looked at later. A refusal makes the call fail with the errno.
 *
 * Newer kernels have hooks behind this one (bpf_map_create, bpf_prog_load, from 6.9 on) that are asked about the same calls, and know no
 * more than is told here. Which map or program somebody gets hold of, be it new or another's, is what the template bpf_object
 * tells.
 *
 * The attributes lie in the kernel, what they point to does not: instructions, a licence, the path of a pinned object are
 * the task's own memory, which it may change under our eyes, and are not looked at.
 *
 * The shell, too, calls bpf(2) whenever it does anything. It and its ancestors are exempt from denials by who they are, as
 * everywhere. Another krsi-sh is not: where every command is denied everywhere, `krsi-sh panic` cannot make the probes observe first, and
 * ends the sessions that it finds by what they execute.
 *
 * Not seen: what a program does when it runs (its own updates of maps); maps that are written through a mapping of theirs;
 * programs of the kernel's own (its iterators, preloaded when the file system of bpf is mounted, and what drivers bring).
 */
enum krsi_hook {
	krsi_hook_bpf,
};

#include "include/krsi.bpf.h"
#include "include/krsi_bpf_types.bpf.h"

/* As X(name, value, bit of the param). */
#define COMMANDS(X)                                                                                        \
	X("map_create", 0, 1) X("map_lookup_elem", 1, 2) X("map_update_elem", 2, 4)                        \
	X("map_delete_elem", 3, 8) X("map_get_next_key", 4, 16) X("prog_load", 5, 32) X("obj_pin", 6, 64)  \
	X("obj_get", 7, 128) X("prog_attach", 8, 256) X("prog_detach", 9, 512) X("prog_run", 10, 1024)     \
	X("prog_get_next_id", 11, 2048) X("map_get_next_id", 12, 4096) X("prog_get_fd_by_id", 13, 8192)    \
	X("map_get_fd_by_id", 14, 16384) X("obj_get_info_by_fd", 15, 32768) X("prog_query", 16, 65536)     \
	X("raw_tracepoint_open", 17, 131072) X("btf_load", 18, 262144) X("btf_get_fd_by_id", 19, 524288)   \
	X("task_fd_query", 20, 1048576) X("map_lookup_and_delete_elem", 21, 2097152)                       \
	X("map_freeze", 22, 4194304) X("btf_get_next_id", 23, 8388608) X("map_lookup_batch", 24, 16777216) \
	X("map_lookup_and_delete_batch", 25, 33554432) X("map_update_batch", 26, 67108864)                 \
	X("map_delete_batch", 27, 134217728) X("link_create", 28, 268435456)                               \
	X("link_update", 29, 536870912) X("link_get_fd_by_id", 30, 1073741824)                             \
	X("link_get_next_id", 31, 2147483648) X("enable_stats", 32, 4294967296)                            \
	X("iter_create", 33, 8589934592) X("link_detach", 34, 17179869184)                                 \
	X("prog_bind_map", 35, 34359738368) X("token_create", 36, 68719476736)                             \
	X("prog_stream_read_by_fd", 37, 137438953472) X("prog_assoc_struct_ops", 38, 274877906944)


/* As X(name, value and 1): 0 is that there is none. */
#define ATTACH_TYPES(X)                                                                                    \
	X("cgroup_inet_ingress", 1) X("cgroup_inet_egress", 2) X("cgroup_inet_sock_create", 3)             \
	X("cgroup_sock_ops", 4) X("sk_skb_stream_parser", 5) X("sk_skb_stream_verdict", 6)                 \
	X("cgroup_device", 7) X("sk_msg_verdict", 8) X("cgroup_inet4_bind", 9) X("cgroup_inet6_bind", 10)  \
	X("cgroup_inet4_connect", 11) X("cgroup_inet6_connect", 12) X("cgroup_inet4_post_bind", 13)        \
	X("cgroup_inet6_post_bind", 14) X("cgroup_udp4_sendmsg", 15) X("cgroup_udp6_sendmsg", 16)          \
	X("lirc_mode2", 17) X("flow_dissector", 18) X("cgroup_sysctl", 19) X("cgroup_udp4_recvmsg", 20)    \
	X("cgroup_udp6_recvmsg", 21) X("cgroup_getsockopt", 22) X("cgroup_setsockopt", 23)                 \
	X("trace_raw_tp", 24) X("trace_fentry", 25) X("trace_fexit", 26) X("modify_return", 27)            \
	X("lsm_mac", 28) X("trace_iter", 29) X("cgroup_inet4_getpeername", 30)                             \
	X("cgroup_inet6_getpeername", 31) X("cgroup_inet4_getsockname", 32)                                \
	X("cgroup_inet6_getsockname", 33) X("xdp_devmap", 34) X("cgroup_inet_sock_release", 35)            \
	X("xdp_cpumap", 36) X("sk_lookup", 37) X("xdp", 38) X("sk_skb_verdict", 39)                        \
	X("sk_reuseport_select", 40) X("sk_reuseport_select_or_migrate", 41) X("perf_event", 42)           \
	X("trace_kprobe_multi", 43) X("lsm_cgroup", 44) X("struct_ops", 45) X("netfilter", 46)             \
	X("tcx_ingress", 47) X("tcx_egress", 48) X("trace_uprobe_multi", 49) X("cgroup_unix_connect", 50)  \
	X("cgroup_unix_sendmsg", 51) X("cgroup_unix_recvmsg", 52) X("cgroup_unix_getpeername", 53)         \
	X("cgroup_unix_getsockname", 54) X("netkit_primary", 55) X("netkit_peer", 56)                      \
	X("trace_kprobe_session", 57) X("trace_uprobe_session", 58) X("trace_fsession", 59)                \
	X("trace_fentry_multi", 60) X("trace_fexit_multi", 61) X("trace_fsession_multi", 62)

#define ATTACH_VALUE(name, value) name "=" #value " "

struct params {
	krsi_flags command KRSI_DOC("Commands of bpf(2).")
		KRSI_DEFAULT("every command") KRSI_BITS(COMMANDS(KRSI_TYPE_BIT));
	krsi_flags prog_type KRSI_DOC("Loads of programs of these types, and no other command. Beside map_type either is enough.")
		KRSI_DEFAULT("every type") KRSI_BITS(KRSI_PROG_TYPES(KRSI_TYPE_BIT));
	krsi_flags map_type KRSI_DOC("Maps of these types being made, and no other command.")
		KRSI_DEFAULT("every type") KRSI_BITS(KRSI_MAP_TYPES(KRSI_TYPE_BIT));
	krsi_names name KRSI_DOC("Names that programs and maps are given, byte by byte; of other commands none.")
		KRSI_DEFAULT("every name") KRSI_LONGEST("15");
	krsi_name_prefixes name_prefix KRSI_DOC("Names that start with one of these. Of name and name_prefix one match is enough.")
		KRSI_DEFAULT("every name") KRSI_LONGEST("15");
};

struct event {
	struct krsi_header header;
	u32 command KRSI_DOC("Command.") KRSI_NAMES(COMMANDS(KRSI_TYPE_VALUE)) KRSI_SUBJECT;
	u32 prog_type KRSI_DOC("prog_load: type of the program.") KRSI_NAMES("none=0 " KRSI_PROG_TYPES(KRSI_TYPE_VALUE));
	u32 map_type KRSI_DOC("map_create: type of the map.") KRSI_NAMES("none=0 " KRSI_MAP_TYPES(KRSI_TYPE_VALUE));
	u32 attach_type KRSI_DOC("prog_load, prog_attach, prog_detach, link_create: what it is to be attached as, if that is said.")
		KRSI_NAMES("none=0 " ATTACH_TYPES(ATTACH_VALUE));
	u32 instructions KRSI_DOC("prog_load: how many the program has.");
	u32 id KRSI_DOC("Commands that go by an id: which; those for the next one: behind which.");
	char name[16] KRSI_DOC("prog_load, map_create: the name that is given.");
} KRSI_TEMPLATE("bpf", "bpf(2) calls: by command, program or map type, and name", "T1014 T1205.002 T1562.001")
KRSI_EXAMPLE("probe(\"bpf\", #{command: [\"prog_load\", \"prog_attach\", \"link_create\"]}).scope(#{not_uid: 0}).everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_NOT_SEEN("What a program does when it runs. What the attributes point to (instructions, a pinned object's path), which is the task's "
	      "own memory. Maps written through a mapping. Which object a descriptor is for: template bpf_object.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_names.bpf.h"

/* Set in commands with further attributes (BPF_COMMON_ATTRS, 7.0). */
#define COMMON_ATTRIBUTES 0x10000

enum {
	MAP_CREATE = 0,
	PROG_LOAD = 5,
	PROG_ATTACH = 8,
	PROG_DETACH = 9,
	PROG_GET_NEXT_ID = 11,
	MAP_GET_NEXT_ID = 12,
	PROG_GET_FD_BY_ID = 13,
	MAP_GET_FD_BY_ID = 14,
	BTF_GET_FD_BY_ID = 19,
	BTF_GET_NEXT_ID = 23,
	LINK_CREATE = 28,
	LINK_GET_FD_BY_ID = 30,
	LINK_GET_NEXT_ID = 31,
};

#define IDS                                                                                                \
	(1ULL << PROG_GET_NEXT_ID | 1ULL << MAP_GET_NEXT_ID | 1ULL << PROG_GET_FD_BY_ID |                  \
	 1ULL << MAP_GET_FD_BY_ID | 1ULL << BTF_GET_FD_BY_ID | 1ULL << BTF_GET_NEXT_ID |                   \
	 1ULL << LINK_GET_FD_BY_ID | 1ULL << LINK_GET_NEXT_ID)

/*
 * union bpf_attr as far as it is told (include/uapi/linux/bpf.h; an ABI). The kernel's copy is always as large as the union, and zero
 * behind what the task gave.
 */
union attributes {
	struct {
		u32 map_type;
		u32 sizes[6];
		char map_name[16];
	};
	struct {
		u32 prog_type;
		u32 instructions;
		u64 pointers[2];
		u32 log[6];
		char prog_name[16];
		u32 prog_ifindex;
		u32 expected_attach_type;
	};
	struct {
		u32 descriptors[2];
		u32 attach_type; /* of prog_attach, prog_detach, link_create */
	};
	u32 id;
};

/* Whether a set of values, each a power of two, has this one in it. */
static __always_inline bool has(u64 set, u32 value)
{
	return value < 64 && set >> value & 1;
}

/* Whether the params have it in view, as far as numbers tell. */
static __always_inline bool wanted(volatile struct settings *settings, u32 command, u32 type)
{
	u64 commands = settings->params.command;
	u64 programs = settings->params.prog_type, maps = settings->params.map_type;
	bool named = settings->params.name || settings->params.name_prefix;

	if (commands && !has(commands, command))
		return false;
	if (named && command != PROG_LOAD && command != MAP_CREATE)
		return false;
	if (!programs && !maps)
		return true;
	return (command == PROG_LOAD && has(programs, type)) || (command == MAP_CREATE && has(maps, type));
}

static __always_inline void gather(struct event *event, u32 command, const union attributes *attributes)
{
	event->command = command;
	if (command == PROG_LOAD) {
		event->prog_type = attributes->prog_type;
		event->instructions = attributes->instructions;
		__builtin_memcpy(event->name, attributes->prog_name, sizeof(event->name));
		if (attributes->expected_attach_type)
			event->attach_type = attributes->expected_attach_type + 1;
	} else if (command == MAP_CREATE) {
		event->map_type = attributes->map_type;
		__builtin_memcpy(event->name, attributes->map_name, sizeof(event->name));
	} else if (command == PROG_ATTACH || command == PROG_DETACH || command == LINK_CREATE) {
		event->attach_type = attributes->attach_type + 1;
	} else if (has(IDS, command)) {
		event->id = attributes->id;
	}
	/* The kernel takes no longer one. */
	event->name[sizeof(event->name) - 1] = '\0';
}

static __always_inline enum krsi_match match_name(volatile struct settings *settings, struct scratch *scratch)
{
	if ((!settings->params.name && !settings->params.name_prefix) ||
	    KRSI_IS_NAMED(settings, scratch, name, scratch->event.name) ||
	    KRSI_IS_NAMED(settings, scratch, name_prefix, scratch->event.name))
		return KRSI_MATCH;
	return KRSI_NO_MATCH;
}

SEC("lsm/bpf")
int bpf_call(u64 *context)
{
	u32 command = context[0] & ~COMMON_ATTRIBUTES;
	const void *given = ARG(context, 1, const void *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	union attributes attributes = {};
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (bpf_probe_read_kernel(&attributes, sizeof(attributes), given))
		return krsi_failed();
	/* The type of a program stands where that of a map does. */
	if (!wanted(settings, command, attributes.map_type))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	gather(&scratch->event, command, &attributes);
	return krsi_decide(context, scratch, krsi_hook_bpf, match_name(settings, scratch));
}
