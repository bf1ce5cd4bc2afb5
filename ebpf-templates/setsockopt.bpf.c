/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * setsockopt: an option of a socket is about to be set.
 *
 * Hook: socket_setsockopt (net/socket.c, __sys_setsockopt), from Linux 6.7 on by io_uring too. It knows which option, and not
 * what it is set to: the value is still in the task's memory, where another thread may change it, so it is not read. A
 * refusal makes the call fail with the errno, and nothing is set.
 *
 * What there is to fear stands behind a few options: programs in the kernel's packet path (attach_filter, attach_bpf: a
 * backdoor that waits for one packet, behind every firewall), addresses that are not the host's (ip_transparent,
 * ip_freebind), the netfilter tables (iptables_replace, whose code had many holes that an unprivileged user namespace
 * reaches), rings and fanout of packet sockets, protocols on top (tcp_ulp, udp_encap), marks that go round policy routing. These
 * have names; every other option is told by its numbers.
 *
 * A program of BPF on the cgroup (BPF_CGROUP_SETSOCKOPT) runs behind this hook, and may put another option, or another
 * value, in the place of this one.
 *
 * Not seen: options that the kernel sets for itself, what goes by messages beside the data (cmsg: SCM_TXTIME, IV of
 * AF_ALG), by ioctl or by netlink; and what was set before the socket was passed on.
 */
enum krsi_hook {
	krsi_hook_socket_setsockopt,
};

#include "include/krsi.bpf.h"
#include "include/krsi_socket_names.bpf.h"

/* As X(name, value in the event, bit of the param, level, number); their manual pages and headers have them as SO_…, IP_… */
#define OPTIONS(X)                                                                                         \
	X("attach_filter", 1, 1, 1, 26) X("attach_bpf", 2, 2, 1, 50) X("detach_filter", 3, 4, 1, 27)       \
	X("lock_filter", 4, 8, 1, 44) X("reuseport_cbpf", 5, 16, 1, 51) X("reuseport_ebpf", 6, 32, 1, 52)  \
	X("detach_reuseport_bpf", 7, 64, 1, 68) X("bindtodevice", 8, 128, 1, 25)                           \
	X("bindtoifindex", 9, 256, 1, 62) X("mark", 10, 512, 1, 36) X("priority", 11, 1024, 1, 12)         \
	X("rcvbufforce", 12, 2048, 1, 33) X("sndbufforce", 13, 4096, 1, 32) X("reuseaddr", 14, 8192, 1, 2) \
	X("reuseport", 15, 16384, 1, 15) X("passcred", 16, 32768, 1, 16) X("zerocopy", 17, 65536, 1, 60)   \
	X("txtime", 18, 131072, 1, 61) X("busy_poll", 19, 262144, 1, 46) X("ip_hdrincl", 20, 524288, 0, 3) \
	X("ip_options", 21, 1048576, 0, 4) X("ip_freebind", 22, 2097152, 0, 15)                            \
	X("ip_transparent", 23, 4194304, 0, 19) X("ip_ipsec_policy", 24, 8388608, 0, 16)                   \
	X("ip_xfrm_policy", 25, 16777216, 0, 17) X("ip_add_membership", 26, 33554432, 0, 35)               \
	X("iptables_replace", 27, 67108864, 0, 64) X("iptables_counters", 28, 134217728, 0, 65)            \
	X("arptables_replace", 29, 268435456, 0, 96) X("ebtables_entries", 30, 536870912, 0, 128)          \
	X("ipv6_hdrincl", 31, 1073741824, 41, 36) X("ipv6_transparent", 32, 2147483648, 41, 75)            \
	X("ipv6_freebind", 33, 4294967296, 41, 78) X("ipv6_ipsec_policy", 34, 8589934592, 41, 34)          \
	X("ipv6_xfrm_policy", 35, 17179869184, 41, 35) X("ipv6_hopopts", 36, 34359738368, 41, 54)          \
	X("ipv6_rthdr", 37, 68719476736, 41, 57) X("ipv6_dstopts", 38, 137438953472, 41, 59)               \
	X("ip6tables_replace", 39, 274877906944, 41, 64) X("tcp_congestion", 40, 549755813888, 6, 13)      \
	X("tcp_md5sig", 41, 1099511627776, 6, 14) X("tcp_repair", 42, 2199023255552, 6, 19)                \
	X("tcp_ulp", 43, 4398046511104, 6, 31) X("tcp_ao_add_key", 44, 8796093022208, 6, 38)               \
	X("udp_encap", 45, 17592186044416, 17, 100) X("tls_tx", 46, 35184372088832, 282, 1)                \
	X("tls_rx", 47, 70368744177664, 282, 2) X("packet_membership", 48, 140737488355328, 263, 1)        \
	X("packet_rx_ring", 49, 281474976710656, 263, 5) X("packet_tx_ring", 50, 562949953421312, 263, 13) \
	X("packet_vnet_hdr", 51, 1125899906842624, 263, 15)                                                \
	X("packet_fanout", 52, 2251799813685248, 263, 18)                                                  \
	X("packet_qdisc_bypass", 53, 4503599627370496, 263, 20)                                            \
	X("netlink_membership", 54, 9007199254740992, 270, 1)                                              \
	X("netlink_all_nsid", 55, 18014398509481984, 270, 8)                                               \
	X("alg_set_key", 56, 36028797018963968, 279, 1)                                                    \
	X("alg_set_key_serial", 57, 72057594037927936, 279, 7)                                             \
	X("xdp_umem_reg", 58, 144115188075855872, 283, 4)                                                  \
	X("sctp_bindx_add", 59, 288230376151711744, 132, 100)                                              \
	X("sctp_connectx", 60, 576460752303423488, 132, 110)

#define OPTION_VALUE(name, value, bit, level, number) name "=" #value " "
#define OPTION_BIT(name, value, bit, level, number) name "=" #bit " "

/* As X(name, value): the SOL_… of include/linux/socket.h, and protocols of IP. */
#define LEVELS                                                                                             \
	"ip=0 socket=1 tcp=6 udp=17 dccp=33 vsock=40 ipv6=41 icmpv6=58 sctp=132 udplite=136 raw=255 "      \
	"x25=262 packet=263 atm=264 aal=265 netbeui=267 llc=268 dccp_socket=269 netlink=270 tipc=271 "     \
	"rxrpc=272 pppol2tp=273 bluetooth=274 pnpipe=275 rds=276 iucv=277 caif=278 alg=279 nfc=280 "       \
	"kcm=281 tls=282 xdp=283 mptcp=284 mctp=285 smc=286"

struct params {
	krsi_flags option KRSI_DOC("These options, each of its level. Others are asked for by level and number in a filter.")
		KRSI_DEFAULT("every option") KRSI_BITS(OPTIONS(OPTION_BIT));
	KRSI_SOCKET_PARAMS
};

struct event {
	struct krsi_header header;
	u32 net_ns KRSI_DOC("Inode of the socket's network namespace.");
	u32 option KRSI_DOC("The option, if it is one of those with a name; of any other, level and number tell.")
		KRSI_NAMES("other=0 " OPTIONS(OPTION_VALUE)) KRSI_SUBJECT;
	s32 number KRSI_DOC("Number of the option within its level (optname).");
	u32 level KRSI_DOC("Level: what part of the kernel the option is for.") KRSI_NAMES(LEVELS);
	KRSI_SOCKET_FIELDS
} KRSI_TEMPLATE("setsockopt", "Socket options: allow, deny or kill packet filters, foreign addresses, netfilter tables, …",
		"T1205.002 T1040 T1068 T1562.004")
KRSI_EXAMPLE("probe(\"setsockopt\", #{option: [\"attach_filter\", \"attach_bpf\", \"ip_transparent\"]}).scope(#{not_uid: 0})"
	     ".everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_NOT_SEEN("The value that the option is set to. Options that were set before the socket was passed on, and what is set by "
	      "ioctl, netlink or messages beside the data. A program of BPF on the cgroup may change option and value behind "
	      "this hook.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_socket_kind.bpf.h"

#define OPTION_CASE(name, value, bit, level, number)                                                       \
	case (u64)level << 32 | number:                                                                    \
		return value;

/* Of OPTIONS; 0: none of them. */
static __always_inline u32 option_of(u32 level, u32 number)
{
	switch ((u64)level << 32 | number) {
		OPTIONS(OPTION_CASE)
	default:
		return 0;
	}
}

static __always_inline int decide(void *context, struct socket *socket, u32 level, u32 number)
{
	volatile struct settings *settings = krsi_enter();
	struct sock *sock;
	struct krsi_socket_kind kind = {};
	struct scratch *scratch;
	u64 options;
	u32 option;
	int result;

	if (!settings)
		return 0;
	sock = READ(socket, sk);
	options = settings->params.option;
	option = option_of(level, number);
	if (options && (!option || !(options >> (option - 1) & 1)))
		return krsi_filtered();
	krsi_read_kind(sock, &kind);
	if (!KRSI_WANTS_SOCKET(settings, &kind))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.net_ns = krsi_net_of(sock);
	scratch->event.option = option;
	scratch->event.number = number;
	scratch->event.level = level;
	KRSI_TELL_SOCKET(&scratch->event, &kind);
	return krsi_decide(context, scratch, krsi_hook_socket_setsockopt, KRSI_MATCH);
}

SEC("lsm/socket_setsockopt")
int setsockopt_setsockopt(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, ARG(context, 0, struct socket *), context[1], context[2]);
}

/* Where LSM programs cannot be had, but tracing the function that asks them can. */
SEC("fentry/security_socket_setsockopt")
int setsockopt_observed(u64 *context)
{
	decide(context, ARG(context, 0, struct socket *), context[1], context[2]);
	return 0;
}
