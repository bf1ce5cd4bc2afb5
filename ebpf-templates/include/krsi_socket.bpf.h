/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * What templates about sockets share: reading the address that a hook was given, and the tables that
 * params of addresses and ports fill.
 *
 * The kernel has copied the address out of the task's memory before the hook is asked, so it does not change
 * under our eyes. Only as many bytes of it are used as the task gave: what lies behind is the stack's.
 *
 * - Addresses are of one form (struct krsi_address), so that ::ffff:10.0.0.1 is matched by the networks
 *   that 10.0.0.1 is matched by, and by no others: not by ::/0, since what is sent is IPv4.
 * - Whoever connects to 0.0.0.0 or :: gets to this host itself: to the address that the socket is bound to, which is then
 *   the address of the event, or to the loopback. The latter matches as what it is and as what it reaches, or it would be
 *   a way around a rule about the loopback; a filter's cidr(…) takes it the same way.
 * - An address without an IP address in it (of a unix socket, of AF_UNSPEC, one that is too short) is in no
 *   network and in no range of ports, so neither `address` nor `not_address` nor `port` is ever about it.
 */
#ifndef KRSI_SOCKET_BPF_H
#define KRSI_SOCKET_BPF_H

#include "krsi_addresses.bpf.h"
#include "krsi_paths.bpf.h"
#include "krsi_socket_kind.bpf.h"

/* As include/uapi/linux/in.h and in6.h have them; ports and addresses in network order. */
struct krsi_sockaddr {
	u16 family;
	u8 port[2];
	union {
		u8 v4[4];
		struct {
			u32 flowinfo;
			u8 v6[16];
		};
	};
};

#define KRSI_SOCKADDR_IN 16  /* with its padding; the kernel takes no shorter one */
#define KRSI_SOCKADDR_IN6 24 /* without the scope: SIN6_LEN_RFC2133 */
#define KRSI_SUN_PATH 108
#define KRSI_SUN_OFFSET 2

/* Where to, as far as numbers tell. */
struct krsi_destination {
	struct krsi_address address;
	u16 family;
	u16 port; /* host order */
};

/* Reads the address that a hook was given as one of this family, whatever it says itself; all zero before. */
static __always_inline bool krsi_read_address(u16 family, const void *from, u32 length, struct krsi_destination *to)
{
	struct krsi_sockaddr given = {};

	to->family = family;
	if (family == AF_INET && length >= KRSI_SOCKADDR_IN) {
		if (bpf_probe_read_kernel(&given, 8, from))
			return false;
		krsi_set_v4(&to->address, given.v4);
	} else if (family == AF_INET6 && length >= KRSI_SOCKADDR_IN6) {
		if (bpf_probe_read_kernel(&given, KRSI_SOCKADDR_IN6, from))
			return false;
		krsi_set_v6(&to->address, given.v6);
	}
	to->port = given.port[0] << 8 | given.port[1];
	return true;
}

/* The family that an address says it is of; 0 (AF_UNSPEC) if it is too short. False if it cannot be read. */
static __always_inline bool krsi_read_family(const void *from, u32 length, u16 *family)
{
	*family = 0;
	return length < sizeof(*family) || !bpf_probe_read_kernel(family, sizeof(*family), from);
}

/* Reads the address that a hook was given, all zero before. False if it cannot be read. */
static __always_inline bool krsi_read_destination(const void *from, u32 length, struct krsi_destination *to)
{
	u16 family;

	return krsi_read_family(from, length, &family) && krsi_read_address(family, from, length, to);
}

/*
 * The same where the kernel goes by the socket's family rather than by the address's own: sockets of IPv4 take AF_UNSPEC
 * for AF_INET when they are bound or sent by, raw ones of IPv6 for AF_INET6, and AF_ALG does not look at it.
 */
static __always_inline bool krsi_read_by_socket(const struct krsi_socket_kind *kind, const void *from, u32 length,
						struct krsi_destination *to)
{
	u16 family;

	if (!krsi_read_family(from, length, &family))
		return false;
	if (kind->family == AF_INET || (kind->family == AF_INET6 && kind->type == SOCK_RAW && !family) ||
	    kind->family == AF_ALG)
		family = kind->family;
	return krsi_read_address(family, from, length, to);
}

/* ---- networks and ports -------------------------------------------------- */

struct krsi_network {
	u32 bits; /* of all that follows */
	u8 negated; /* a member of `not_address` */
	u8 version;
	u16 zero;
	u8 address[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct krsi_network);
	__type(value, u8);
} krsi_networks_table SEC(".maps");

/* A range of ports is a few prefixes of them. */
struct krsi_port {
	u32 bits;
	u8 port[2]; /* network order */
	u16 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct krsi_port);
	__type(value, u8);
} krsi_ports_table SEC(".maps");

static __always_inline bool krsi_in_network(bool negated, const struct krsi_address *address)
{
	struct krsi_network key = {
		.bits = 8 * (sizeof(key) - sizeof(key.bits)),
		.negated = negated,
		.version = address->version,
	};

	__builtin_memcpy(key.address, address->bytes, sizeof(key.address));
	return bpf_map_lookup_elem(&krsi_networks_table, &key);
}

static __always_inline bool krsi_in_ports(u16 port)
{
	struct krsi_port key = { .bits = 16, .port = { port >> 8, port & 0xff } };

	return bpf_map_lookup_elem(&krsi_ports_table, &key);
}

static __always_inline bool krsi_is_unspecified(const struct krsi_address *address)
{
	for (u32 i = 0; i < sizeof(address->bytes); i++)
		if (address->bytes[i] && !(address->version == 4 && (i == 10 || i == 11)))
			return false;
	return true;
}

/*
 * What the unspecified address reaches (ip_route_output_key_hash, tcp_v6_connect): of IPv4 the address that the socket is
 * bound to, or else the loopback; of IPv6 the loopback, that of IPv4 if the socket is bound to an IPv4 address. Where
 * that depends on the socket, it is the address: nobody behind the hook could tell.
 */
static __always_inline void krsi_settle(struct sock *sock, struct krsi_address *address)
{
	static const u8 loopback[4] = { 127, 0, 0, 1 };

	if (!address->version || !krsi_is_unspecified(address))
		return;
	if (address->version == 4) {
		u32 bound = READ(sock, __sk_common.skc_rcv_saddr);

		if (bound)
			krsi_set_v4(address, (const u8 *)&bound);
	} else if (EXISTS(sock, __sk_common.skc_v6_rcv_saddr)) {
		struct in6_addr from = READ(sock, __sk_common.skc_v6_rcv_saddr);

		if (krsi_is_mapped(from.bytes))
			krsi_set_v4(address, loopback);
	}
}

/* What an address that is left unspecified reaches: the loopback of its version. (Networks::matching of the shell.) */
static __always_inline void krsi_reach(struct krsi_address *address)
{
	if (address->version == 4)
		address->bytes[KRSI_MAPPED_PREFIX] = 127;
	address->bytes[15] = 1;
}

/*
 * Whether the params about addresses and ports have it in view; each may be 0, which says nothing. `reaches`: it is where
 * something goes to, and no address of the socket's own, of which 0.0.0.0 and :: are more than the loopback.
 */
static __always_inline bool krsi_match_destination(const struct krsi_destination *to, u64 address, u64 not_address,
						   u64 port, const bool reaches)
{
	struct krsi_address reached = to->address;

	if (!to->address.version || (port && !krsi_in_ports(to->port)))
		return false;
	if (!address && !not_address)
		return true;
	if (reaches && krsi_is_unspecified(&reached))
		krsi_reach(&reached);
	if (address && !krsi_in_network(false, &to->address) && (!reaches || !krsi_in_network(false, &reached)))
		return false;
	if (!not_address)
		return true;
	return !krsi_in_network(true, &to->address) && (!reaches || !krsi_in_network(true, &reached));
}

/* ---- addresses that sockets have ----------------------------------------- */

/* The one that it is bound to, and its port; all zero before. 0.0.0.0 and :: are every address. */
static __always_inline void krsi_read_own(struct sock *sock, u16 family, struct krsi_destination *own)
{
	own->family = family;
	if (family == AF_INET)
		krsi_read_v4(__builtin_preserve_access_index(&sock->__sk_common.skc_rcv_saddr), &own->address);
	else if (family == AF_INET6 && EXISTS(sock, __sk_common.skc_v6_rcv_saddr))
		krsi_read_v6(__builtin_preserve_access_index(&sock->__sk_common.skc_v6_rcv_saddr), &own->address);
	else
		return;
	own->port = READ(sock, __sk_common.skc_num);
}

/* The one that it is connected to. */
static __always_inline void krsi_read_peer(struct sock *sock, u16 family, struct krsi_destination *peer)
{
	u16 port;

	peer->family = family;
	if (family == AF_INET)
		krsi_read_v4(__builtin_preserve_access_index(&sock->__sk_common.skc_daddr), &peer->address);
	else if (family == AF_INET6 && EXISTS(sock, __sk_common.skc_v6_daddr))
		krsi_read_v6(__builtin_preserve_access_index(&sock->__sk_common.skc_v6_daddr), &peer->address);
	else
		return;
	port = READ(sock, __sk_common.skc_dport);
	peer->port = KRSI_SWAPPED(port);
}

/* ---- names --------------------------------------------------------------- */

/* A size that the verifier, too, sees to be at most that of a name. */
static __always_inline u32 krsi_name_size(u32 size)
{
	if (size > KRSI_SUN_PATH)
		size = KRSI_SUN_PATH;
	asm volatile("%[size] &= 127" : [size] "+r"(size));
	return size;
}

/* @name, each further NUL an @ too, as /proc/net/unix has it. Gives the length. */
static __always_inline u32 krsi_gather_abstract(char *text, const char *name, u32 size)
{
	u32 more = krsi_name_size(size - 1);

	text[0] = '@';
	if (bpf_probe_read_kernel(text + 1, more, name + 1))
		return 0;
	for (u32 i = 1; i < KRSI_SUN_PATH; i++) {
		if (i > more)
			break;
		if (!text[i])
			text[i] = '@';
	}
	text[1 + more] = '\0';
	return 1 + more;
}

/*
 * The name of a unix socket as the task gave it, into the event's path. A file's name that begins with @
 * is shown behind `./`, so that it cannot be taken for an abstract one. False if it cannot be read.
 */
static __always_inline bool krsi_gather_socket_name(struct scratch *scratch, const void *from, u32 length)
{
	char *text = scratch->event.path.text;
	const char *name = from + KRSI_SUN_OFFSET;
	u32 size = krsi_name_size(length - KRSI_SUN_OFFSET);
	u32 ahead = 0;
	char first = 0;
	long read;

	if (length <= KRSI_SUN_OFFSET)
		return true; /* no name */
	if (bpf_probe_read_kernel(&first, sizeof(first), name))
		return false;
	if (!first) {
		read = krsi_gather_abstract(text, name, size);
		krsi_set_path_length(scratch, read);
		return read;
	}
	if (first == '@') {
		text[ahead++] = '.';
		text[ahead++] = '/';
	}
	/* Up to its NUL, which may be missing: the byte in its place becomes one. */
	read = bpf_probe_read_kernel_str(text + ahead, size + 1, name);
	if (read < 1 || read > KRSI_SUN_PATH + 1)
		return false;
	krsi_set_path_length(scratch, ahead + read - 1);
	return true;
}

/* Whether params are about names of unix sockets. */
#define KRSI_ABOUT_NAMES(settings) ((settings)->params.path || (settings)->params.path_prefix)

/* The part of the decision that is left once the name is in the event's path (krsi_names.bpf.h). */
#define KRSI_MATCH_NAME(settings, scratch, is_unix)                                                        \
	(!(is_unix) || !KRSI_ABOUT_NAMES(settings) ||                                                      \
			 KRSI_IS_NAMED(settings, scratch, path, (scratch)->event.path.text) ||             \
			 KRSI_IS_NAMED(settings, scratch, path_prefix, (scratch)->event.path.text) ?       \
		 KRSI_MATCH :                                                                              \
		 KRSI_NO_MATCH)

/*
 * Whether params about addresses, ports and names have it in view, as far as numbers tell: what is about the other
 * kind of address only is not about this one.
 */
static __always_inline bool krsi_wants_address(const struct krsi_destination *to, u64 address, u64 not_address, u64 port,
					       bool names, const bool reaches)
{
	bool networks = address || not_address || port;

	if (to->address.version && networks)
		return krsi_match_destination(to, address, not_address, port, reaches);
	if (to->family == AF_UNIX)
		return names || !networks;
	return !networks && !names;
}

/* ---- of other families --------------------------------------------------- */

/*
 * What stands behind the family (struct sockaddr_nl, sockaddr_vm, sockaddr_ll, sockaddr_can, sockaddr_xdp): they have their
 * numbers at the same places.
 */
struct krsi_other_address {
	u16 protocol; /* of sockaddr_ll: network order */
	u32 first;
	u32 second;
};

/* Zero if the address is of another family, or too short. False if it cannot be read. */
static __always_inline bool krsi_read_other(u16 family, const void *from, u32 length, struct krsi_other_address *to)
{
	struct {
		u16 family;
		u16 protocol;
		u32 first;
		u32 second;
	} given = {};
	u32 size = family == AF_NETLINK || family == AF_VSOCK ? 12 : 8;

	if (length < size)
		return true;
	if (bpf_probe_read_kernel(&given, 8, from) || (size == 12 && bpf_probe_read_kernel(&given, 12, from)))
		return false;
	to->protocol = given.protocol;
	to->first = given.first;
	to->second = given.second;
	return true;
}

/* Into KRSI_VSOCK_FIELDS, KRSI_NETLINK_FIELDS and KRSI_DEVICE_FIELDS. */
#define KRSI_TELL_VSOCK(event, other)                                                                      \
	do {                                                                                               \
		(event)->vsock_port = (other)->first;                                                      \
		(event)->cid = (other)->second;                                                            \
	} while (0)

#define KRSI_TELL_NETLINK(event, other)                                                                    \
	do {                                                                                               \
		(event)->netlink_port = (other)->first;                                                    \
		(event)->netlink_groups = (other)->second;                                                 \
	} while (0)

#define KRSI_TELL_DEVICE(event, other, is_packet)                                                          \
	do {                                                                                               \
		(event)->ifindex = (other)->first;                                                         \
		(event)->ethertype = is_packet ? KRSI_SWAPPED((other)->protocol) : 0;                      \
	} while (0)

/* ---- names that unix sockets have ---------------------------------------- */

struct sockaddr_un {
	u16 sun_family;
} __relocated;

struct unix_address {
	int len; /* with the family */
	struct sockaddr_un name[];
} __relocated;

struct unix_sock {
	struct sock sk;
	struct unix_address *addr;
	struct path path; /* of the file; none for an abstract name */
} __relocated;

/* Where the name lies that a unix socket was bound to, and its length with the family; 0: it has none. */
static __always_inline u32 krsi_find_socket_name(struct sock *sock, const void **name)
{
	struct unix_sock *socket = (struct unix_sock *)sock;
	struct unix_address *address = READ(socket, addr);
	int length;

	if (!address)
		return 0;
	length = READ(address, len);
	*name = __builtin_preserve_access_index(&address->name);
	return length < 0 ? 0 : length;
}

#endif
