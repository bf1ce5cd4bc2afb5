/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * connect: a socket is being connected.
 *
 * Two hooks, since there are two ways to connect:
 *
 *   socket_connect  connect(2), also by io_uring (net/socket.c, __sys_connect_file).
 *   socket_sendmsg  TCP Fast Open: sendto with MSG_FASTOPEN connects by sending, and never comes to the other
 *                   hook. Every other message leaves this one at once, and is in no books.
 *
 * The address is the kernel's copy, and nothing has been sent. A refusal makes the call fail with the errno.
 * Whether a connect that is let through comes to anything is not known here; one that is tried again is asked
 * about again.
 *
 * connect is more than TCP. vsock leads from a guest to its host and back, past every firewall; netlink to the kernel's
 * own services, or to another process. Packet sockets and AF_ALG have no connect: see bind. For a datagram socket it only sets where to send from now on, and sends nothing:
 * getaddrinfo(3) does so with each address it finds, to sort them. With AF_UNSPEC it takes a connection
 * back; that is an event of the family `unspec`, which no param about addresses, ports or names matches.
 *
 * Not seen: datagrams with an address of their own (sendto, sendmsg), which need no connect; connects of the
 * kernel's own (NFS, iSCSI, …); further addresses of SCTP associations; and sockets that are connected already:
 * inherited, passed over a unix socket, accepted.
 *
 * The name of a unix socket is what the task wrote: relative to its directory, through symbolic links, with `..`
 * in it. So `path` tells which name was asked for, and not which file that is: it finds programs that mean no
 * harm, and keeps none away that do. 64:ff9b::/96 (NAT64) and the like are IPv6 addresses like any other; what a
 * gateway makes of them is not known here.
 *
 * MPTCP (any user's, IPPROTO_MPTCP) and SMC (AF_SMC, IPPROTO_SMC) connect by TCP sockets of the kernel's own, which the
 * hooks are not asked about: the protocol is that of the socket the program has.
 *
 * The hooks are the same in every network namespace. `net_ns` is that of the socket, which need not be the task's:
 * 127.0.0.1 in another one is another host's.
 */
enum krsi_hook {
	krsi_hook_socket_connect,
	krsi_hook_socket_sendmsg,
};

#include "include/krsi.bpf.h"
#include "include/krsi_socket_names.bpf.h"

struct params {
	krsi_addresses address KRSI_DOC("Addresses in one of these networks: `10.0.0.0/8`, `2001:db8::/32`, or one "
					"address. IPv4 in the form of IPv6 (::ffff:10.0.0.1) is IPv4; 0.0.0.0 and :: "
					"are what they reach as well, the host itself.")
		KRSI_DEFAULT("every address");
	krsi_not_addresses not_address KRSI_DOC("IP addresses in none of these networks, also where `address` has them in "
						"it: what is left is everything but these.")
		KRSI_DEFAULT("no exception");
	krsi_ports port KRSI_DOC("Ports of IP addresses: numbers and ranges (443, 8000..9000, which ends with 8999, "
				 "8000..=9000, 1024..). All but 443: [0..443, 444..]. address, not_address and port must "
				 "all hold.")
		KRSI_DEFAULT("every port");
	krsi_names path KRSI_DOC("Names of unix sockets as the task gives them, byte by byte: `/run/x.sock`, `@x` for an "
				 "abstract one. Beside params about IP addresses, a match of either kind is enough.")
		KRSI_DEFAULT("every name") KRSI_BEGINS("/@") KRSI_LONGEST("108");
	krsi_name_prefixes path_prefix KRSI_DOC("Names of unix sockets that start with one of these: `/run/`, `@`. Of "
						"path and path_prefix one match is enough.")
		KRSI_DEFAULT("every name") KRSI_BEGINS("/@") KRSI_LONGEST("108");
	krsi_flags family KRSI_DOC("Address families; `unspec` takes a connection back.")
		KRSI_DEFAULT("every family")
		KRSI_BITS(KRSI_FAMILIES(KRSI_BIT));
	krsi_flags socket_type KRSI_DOC("Types of sockets.")
		KRSI_DEFAULT("every type") KRSI_BITS(KRSI_SOCKET_TYPES(KRSI_BIT));
	krsi_flags protocol KRSI_DOC("Protocols of IP sockets, as the program chose them. mptcp and smc are TCP on the "
				      "wire, and no `tcp` here: a rule about all of TCP is about `[\"tcp\", \"mptcp\", \"smc\"]`.")
		KRSI_DEFAULT("every protocol") KRSI_BITS(KRSI_IP_PROTOCOLS(KRSI_BIT));
	krsi_flags netlink_protocol KRSI_DOC("Protocols of netlink sockets; no other socket has one.")
		KRSI_DEFAULT("every protocol") KRSI_BITS(KRSI_NETLINKS(KRSI_BIT));
};

struct event {
	struct krsi_header header;
	u32 net_ns KRSI_DOC("Inode of the socket's network namespace.");
	struct krsi_address address KRSI_DOC("Where to: the IP address, IPv4 in its own form also where it was given as "
					     "::ffff:10.0.0.1; empty if the address is none of IP's. 0.0.0.0 and :: reach the host's "
					     "own loopback, as which they are in cidr(…) too; from a bound socket 0.0.0.0 is "
					     "told as the address it reaches.") KRSI_SUBJECT;
	u16 port KRSI_DOC("Port of an IP address; 0 if it is none.") KRSI_UNIT("port");
	u16 family KRSI_DOC("Family of the address, which need not be the socket's; unspec: a connection is taken back.")
		KRSI_NAMES(KRSI_FAMILIES(KRSI_VALUE));
	u16 socket_type KRSI_DOC("Type of the socket.")
		KRSI_NAMES(KRSI_SOCKET_TYPES(KRSI_VALUE));
	u16 protocol KRSI_DOC("Protocol of an IP socket, as the program chose it: mptcp and smc are TCP on the wire.")
		KRSI_NAMES("none=0 " KRSI_IP_PROTOCOLS(KRSI_VALUE));
	u16 netlink_protocol KRSI_DOC("Protocol of a netlink socket.") KRSI_NAMES("none=65535 " KRSI_NETLINKS(KRSI_VALUE));
	KRSI_VSOCK_FIELDS
	KRSI_NETLINK_FIELDS
	struct krsi_path path KRSI_DOC("Name of the unix socket, as the task gave it; `@name` for an abstract one, a NUL "
				       "in it being an @ too.");
} KRSI_TEMPLATE("connect", "Outgoing connections: allow, deny or kill by address, port, protocol or socket name",
		"T1046 T1071 T1095 T1571")
KRSI_EXAMPLE("probe(\"connect\", #{address: \"169.254.169.254\"}).scope(#{uid: 33}).deny(\"ECONNREFUSED\").attach();")
KRSI_NOT_SEEN("Datagrams with an address of their own need no connect: see sendto. Sockets that are connected already are not "
	      "asked about: inherited, passed, accepted. The name of a unix socket is what the task wrote, so that another "
	      "name for the same one is missed: see unix_connect.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_names.bpf.h"
#include "include/krsi_socket.bpf.h"

/* Where to, and by which socket. */
struct connection {
	struct krsi_destination to;
	struct krsi_socket_kind kind;
};

static __always_inline bool read_connection(struct sock *sock, const void *address, u32 length,
					    struct connection *connection)
{
	krsi_read_kind(sock, &connection->kind);
	if (!krsi_read_destination(address, length, &connection->to))
		return false;
	krsi_settle(sock, &connection->to.address);
	return true;
}

/* Whether the params have it in view, as far as numbers tell. */
static __always_inline bool wanted(volatile struct settings *settings, const struct connection *connection)
{
	if (!krsi_has(settings->params.family, connection->to.family) ||
	    !krsi_is_kind(&connection->kind, 0, settings->params.socket_type, settings->params.protocol,
			  settings->params.netlink_protocol))
		return false;
	return krsi_wants_address(&connection->to, settings->params.address, settings->params.not_address,
				  settings->params.port, KRSI_ABOUT_NAMES(settings), true);
}

static __always_inline bool gather(struct scratch *scratch, struct sock *sock, const void *address, u32 length,
				   const struct connection *connection)
{
	struct event *event = &scratch->event;
	struct krsi_other_address other = {};

	event->net_ns = krsi_net_of(sock);
	event->address = connection->to.address;
	event->port = connection->to.port;
	KRSI_TELL_SOCKET(event, &connection->kind);
	event->family = connection->to.family;
	if (event->family == AF_UNIX)
		return krsi_gather_socket_name(scratch, address, length);
	if (event->family != AF_NETLINK && event->family != AF_VSOCK)
		return true;
	if (!krsi_read_other(event->family, address, length, &other))
		return false;
	if (event->family == AF_NETLINK)
		KRSI_TELL_NETLINK(event, &other);
	else
		KRSI_TELL_VSOCK(event, &other);
	return true;
}

/* Everything behind the earlier programs; gives the verdict. */
static __always_inline int decide(void *context, enum krsi_hook hook, struct socket *socket, const void *address,
				  u32 length)
{
	volatile struct settings *settings = krsi_enter();
	struct sock *sock;
	struct connection connection = {};
	struct scratch *scratch;
	int result;

	if (!settings)
		return 0;
	sock = READ(socket, sk);
	if (!read_connection(sock, address, length, &connection))
		return krsi_failed();
	if (!wanted(settings, &connection))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	if (!gather(scratch, sock, address, length, &connection))
		scratch->event.header.notes |= KRSI_NOTE_NO_PATH;
	return krsi_decide(context, scratch, hook,
			   KRSI_MATCH_NAME(settings, scratch, connection.to.family == AF_UNIX));
}

#define MSG_FASTOPEN 0x20000000 /* include/linux/socket.h */

/* Whether sending this connects; other protocols do not look at the flag. */
static __always_inline bool connects(struct socket *socket, struct msghdr *message)
{
	struct sock *sock;
	u16 protocol;

	if (!(READ(message, msg_flags) & MSG_FASTOPEN) || !READ(message, msg_name))
		return false;
	sock = READ(socket, sk);
	protocol = READ(sock, sk_protocol);
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

static __always_inline int decide_message(void *context, struct socket *socket, struct msghdr *message)
{
	if (!connects(socket, message))
		return 0;
	return decide(context, krsi_hook_socket_sendmsg, socket, READ(message, msg_name),
		      READ(message, msg_namelen));
}

SEC("lsm/socket_connect")
int connect_connect(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, krsi_hook_socket_connect, ARG(context, 0, struct socket *), ARG(context, 1, void *),
		      context[2]);
}

SEC("lsm/socket_sendmsg")
int connect_sendmsg(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide_message(context, ARG(context, 0, struct socket *), ARG(context, 1, struct msghdr *));
}

/* Where LSM programs cannot be had, but tracing the functions that ask them can. */
SEC("fentry/security_socket_connect")
int connect_observed(u64 *context)
{
	decide(context, krsi_hook_socket_connect, ARG(context, 0, struct socket *), ARG(context, 1, void *),
	       context[2]);
	return 0;
}

SEC("fentry/security_socket_sendmsg")
int connect_sendmsg_observed(u64 *context)
{
	decide_message(context, ARG(context, 0, struct socket *), ARG(context, 1, struct msghdr *));
	return 0;
}
