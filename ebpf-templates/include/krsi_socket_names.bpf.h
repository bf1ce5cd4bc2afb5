/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * The numbers of sockets by their names (include/linux/socket.h, include/uapi/linux/{in,net,netlink}.h), and the params and
 * fields made of them. Needed before `struct params`, so nothing of the engine is in here: what reads a socket is in
 * krsi_socket_kind.bpf.h.
 */
#ifndef KRSI_SOCKET_NAMES_BPF_H
#define KRSI_SOCKET_NAMES_BPF_H

#include "krsi.bpf.h"

/*
 * Each as X(name, value in an event, bit in a param). A bit is its value as a power of two, but for IP's protocols, which
 * have bits of their own.
 */
#define KRSI_FAMILIES(X)                                                                                   \
	X("unspec", 0, 1) X("unix", 1, 2) X("inet", 2, 4) X("ax25", 3, 8) X("ipx", 4, 16)                  \
	X("appletalk", 5, 32) X("netrom", 6, 64) X("bridge", 7, 128) X("atmpvc", 8, 256) X("x25", 9, 512)  \
	X("inet6", 10, 1024) X("rose", 11, 2048) X("decnet", 12, 4096) X("netbeui", 13, 8192)              \
	X("security", 14, 16384) X("key", 15, 32768) X("netlink", 16, 65536) X("packet", 17, 131072)       \
	X("ash", 18, 262144) X("econet", 19, 524288) X("atmsvc", 20, 1048576) X("rds", 21, 2097152)        \
	X("sna", 22, 4194304) X("irda", 23, 8388608) X("pppox", 24, 16777216) X("wanpipe", 25, 33554432)   \
	X("llc", 26, 67108864) X("ib", 27, 134217728) X("mpls", 28, 268435456) X("can", 29, 536870912)     \
	X("tipc", 30, 1073741824) X("bluetooth", 31, 2147483648) X("iucv", 32, 4294967296)                 \
	X("rxrpc", 33, 8589934592) X("isdn", 34, 17179869184) X("phonet", 35, 34359738368)                 \
	X("ieee802154", 36, 68719476736) X("caif", 37, 137438953472) X("alg", 38, 274877906944)            \
	X("nfc", 39, 549755813888) X("vsock", 40, 1099511627776) X("kcm", 41, 2199023255552)               \
	X("qipcrtr", 42, 4398046511104) X("smc", 43, 8796093022208) X("xdp", 44, 17592186044416)           \
	X("mctp", 45, 35184372088832)

#define KRSI_NETLINKS(X)                                                                                   \
	X("route", 0, 1) X("usersock", 2, 4) X("firewall", 3, 8) X("sock_diag", 4, 16) X("nflog", 5, 32)   \
	X("xfrm", 6, 64) X("selinux", 7, 128) X("iscsi", 8, 256) X("audit", 9, 512)                        \
	X("fib_lookup", 10, 1024) X("connector", 11, 2048) X("netfilter", 12, 4096) X("ip6_fw", 13, 8192)  \
	X("dnrtmsg", 14, 16384) X("kobject_uevent", 15, 32768) X("generic", 16, 65536)                     \
	X("scsitransport", 18, 262144) X("ecryptfs", 19, 524288) X("rdma", 20, 1048576)                    \
	X("crypto", 21, 2097152) X("smc", 22, 4194304)

#define KRSI_SOCKET_TYPES(X)                                                                               \
	X("stream", 1, 2) X("dgram", 2, 4) X("raw", 3, 8) X("rdm", 4, 16) X("seqpacket", 5, 32)            \
	X("dccp", 6, 64) X("packet", 10, 1024)

#define KRSI_IP_PROTOCOLS(X)                                                                               \
	X("icmp", 1, 1) X("tcp", 6, 2) X("udp", 17, 4) X("icmpv6", 58, 8) X("sctp", 132, 16)               \
	X("udplite", 136, 32) X("raw", 255, 64) X("mptcp", 262, 128) X("smc", 256, 256)                    \
	X("dccp", 33, 512) X("igmp", 2, 1024) X("gre", 47, 2048) X("esp", 50, 4096) X("ah", 51, 8192)      \
	X("l2tp", 115, 16384) X("ospf", 89, 32768)

/* Value of `netlink_protocol` where the socket is none of that family: 0 is a protocol there. */
#define KRSI_NO_NETLINK 65535

#define KRSI_VALUE(name, value, bit) name "=" #value " "
#define KRSI_BIT(name, value, bit) name "=" #bit " "

/* What a socket is. */
#define KRSI_SOCKET_PARAMS                                                                                 \
	krsi_flags family KRSI_DOC("Families of the socket.")                                              \
		KRSI_DEFAULT("every family") KRSI_BITS(KRSI_FAMILIES(KRSI_BIT));                           \
	krsi_flags socket_type KRSI_DOC("Types of the socket.") KRSI_DEFAULT("every type")                 \
		KRSI_BITS(KRSI_SOCKET_TYPES(KRSI_BIT));                                                    \
	krsi_flags protocol KRSI_DOC("Protocols of IP sockets. mptcp and smc are TCP on the wire, and no " \
				     "`tcp` here: a rule about all of TCP is about "                       \
				     "`[\"tcp\", \"mptcp\", \"smc\"]`.")                                   \
		KRSI_DEFAULT("every protocol") KRSI_BITS(KRSI_IP_PROTOCOLS(KRSI_BIT));                     \
	krsi_flags netlink_protocol KRSI_DOC("Protocols of netlink sockets; no other socket has one.")     \
		KRSI_DEFAULT("every protocol") KRSI_BITS(KRSI_NETLINKS(KRSI_BIT));

#define KRSI_SOCKET_FIELDS                                                                                 \
	u16 family KRSI_DOC("Family of the socket.") KRSI_NAMES(KRSI_FAMILIES(KRSI_VALUE));                \
	u16 socket_type KRSI_DOC("Type of the socket.") KRSI_NAMES(KRSI_SOCKET_TYPES(KRSI_VALUE));         \
	u16 protocol KRSI_DOC("Protocol of an IP socket: mptcp and smc are TCP on the wire.")              \
		KRSI_NAMES("none=0 " KRSI_IP_PROTOCOLS(KRSI_VALUE));                                       \
	u16 netlink_protocol KRSI_DOC("Protocol of a netlink socket.")                                     \
		KRSI_NAMES("none=65535 " KRSI_NETLINKS(KRSI_VALUE));

/* Addresses of families that are no IP, and no unix sockets. */
#define KRSI_VSOCK_FIELDS                                                                                  \
	u32 cid KRSI_DOC("vsock: which machine; from 3 on a guest.")                                       \
		KRSI_NAMES("none=0 local=1 host=2 any=4294967295");                                        \
	u32 vsock_port KRSI_DOC("vsock: port of that machine; 4294967295 leaves it to the kernel.");

#define KRSI_NETLINK_FIELDS                                                                                \
	u32 netlink_port KRSI_DOC("netlink: port of the socket named, mostly the id of a process; 0 is the kernel."); \
	u32 netlink_groups KRSI_DOC("netlink: multicast groups, a bit for each of the first 32.");

#define KRSI_DEVICE_FIELDS                                                                                 \
	u32 ifindex KRSI_DOC("packet, can and xdp: index of the interface; 0: every one, or none is said."); \
	u16 ethertype KRSI_DOC("packet: EtherType of the frames.")                                         \
		KRSI_NAMES("none=0 all=3 ip=2048 arp=2054 vlan=33024 ipv6=34525 pppoe=34916 eapol=34958 "  \
			   "lldp=35020");

#endif
