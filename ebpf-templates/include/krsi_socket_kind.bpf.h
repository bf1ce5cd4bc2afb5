/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* What a socket is, and whether params want one like it. */
#ifndef KRSI_SOCKET_KIND_BPF_H
#define KRSI_SOCKET_KIND_BPF_H

#include "krsi_socket_names.bpf.h"

/* include/linux/socket.h */
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17
#define AF_CAN 29
#define AF_ALG 38
#define AF_VSOCK 40
#define AF_SMC 43
#define AF_XDP 44
/* include/linux/net.h */
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_SEQPACKET 5
#define SOCK_DCCP 6
#define SOCK_PACKET 10
/* include/uapi/linux/in.h */
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_DCCP 33
#define IPPROTO_SCTP 132
#define IPPROTO_SMC 256
#define IPPROTO_MPTCP 262

/* In the numbers of KRSI_SOCKET_FIELDS. */
struct krsi_socket_kind {
	u16 family;
	u16 type;
	u16 protocol; /* of IP; 0: none */
	u16 netlink;
};

/* Other families number their protocols as they like; SMC is one of IP's under a family of its own. */
static __always_inline void krsi_sort_protocol(u16 number, struct krsi_socket_kind *kind)
{
	kind->protocol = 0;
	kind->netlink = KRSI_NO_NETLINK;
	if (kind->family == AF_INET || kind->family == AF_INET6)
		kind->protocol = number;
	else if (kind->family == AF_SMC)
		kind->protocol = IPPROTO_SMC;
	else if (kind->family == AF_NETLINK)
		kind->netlink = number;
}

static __always_inline void krsi_read_kind(struct sock *sock, struct krsi_socket_kind *kind)
{
	kind->family = READ(sock, __sk_common.skc_family);
	kind->type = READ(sock, sk_type);
	krsi_sort_protocol(READ(sock, sk_protocol), kind);
}

#define KRSI_PROTOCOL_CASE(name, value, bit)                                                               \
	case value:                                                                                        \
		return bit;

static __always_inline u64 krsi_bit_of_protocol(u16 protocol)
{
	switch (protocol) {
		KRSI_IP_PROTOCOLS(KRSI_PROTOCOL_CASE)
	default:
		return 0;
	}
}

/* Whether a set of values, each a power of two, has this one in it. No set: all are. */
static __always_inline bool krsi_has(u64 set, u16 value)
{
	return !set || (value < 64 && set >> value & 1);
}

/* Whether a socket is among those that the params name; each may be 0, which says nothing. */
static __always_inline bool krsi_is_kind(const struct krsi_socket_kind *kind, u64 families, u64 types, u64 protocols,
					 u64 netlinks)
{
	return krsi_has(families, kind->family) && krsi_has(types, kind->type) && krsi_has(netlinks, kind->netlink) &&
	       (!protocols || protocols & krsi_bit_of_protocol(kind->protocol));
}

/* The same by KRSI_SOCKET_PARAMS, and into KRSI_SOCKET_FIELDS. */
#define KRSI_WANTS_SOCKET(settings, kind)                                                                  \
	krsi_is_kind(kind, (settings)->params.family, (settings)->params.socket_type,                      \
		     (settings)->params.protocol, (settings)->params.netlink_protocol)

#define KRSI_TELL_SOCKET(event, kind)                                                                      \
	do {                                                                                               \
		(event)->family = (kind)->family;                                                          \
		(event)->socket_type = (kind)->type;                                                       \
		(event)->protocol = (kind)->protocol;                                                      \
		(event)->netlink_protocol = (kind)->netlink;                                               \
	} while (0)

/* Inode of the network namespace that a socket is in. */
static __always_inline u32 krsi_net_of(struct sock *sock)
{
	struct net *net = READ(sock, __sk_common.skc_net.net);

	return READ(net, ns.inum);
}

#endif
