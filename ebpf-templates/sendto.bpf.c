/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * sendto: a message is sent to an address that it brings along.
 *
 * Hook: socket_sendmsg (net/socket.c, sock_sendmsg), by sendto, sendmsg, sendmmsg and io_uring. It is asked about every
 * message of every socket; one without an address of its own leaves at once, and is in no books, as do messages of stream
 * and seqpacket sockets, which have no use for an address, but for SCTP's. What is left are datagrams of sockets that need
 * not be connected: DNS by a resolver of its own, tunnels, scans, raw packets, frames, netlink. Nothing has been
 * sent. A refusal makes the call fail with the errno.
 *
 * The address is the kernel's copy. Where the kernel goes by the socket's family and not by what the address says of
 * itself, so does this: IPv4 sockets take AF_UNSPEC for AF_INET. A raw socket that writes its own headers (IP_HDRINCL) may
 * write another destination into them; packet sockets send whatever they like to an interface.
 *
 * sendmmsg asks once for all messages in a row that go to the same address.
 *
 * Not seen: what is sent through a connected socket (template connect has asked about that), what a send without an address
 * goes to, and TCP Fast Open, which is a connect.
 */
enum krsi_hook {
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
				 "8000..=9000, 1024..). All but 53: [0..53, 54..]. address, not_address and port must "
				 "all hold.")
		KRSI_DEFAULT("every port");
	krsi_names path KRSI_DOC("Names of unix sockets as the task gives them, byte by byte: `/dev/log`, `@x` for an "
				 "abstract one. Beside params about IP addresses, a match of either kind is enough.")
		KRSI_DEFAULT("every name") KRSI_BEGINS("/@") KRSI_LONGEST("108");
	krsi_name_prefixes path_prefix KRSI_DOC("Names of unix sockets that start with one of these: `/run/`, `@`. Of "
						"path and path_prefix one match is enough.")
		KRSI_DEFAULT("every name") KRSI_BEGINS("/@") KRSI_LONGEST("108");
	KRSI_SOCKET_PARAMS
};

struct event {
	struct krsi_header header;
	u32 net_ns KRSI_DOC("Inode of the socket's network namespace.");
	struct krsi_address address KRSI_DOC("Where to: the IP address, IPv4 in its own form also where it was given as "
					     "::ffff:10.0.0.1; empty if it is none of IP's. 0.0.0.0 and :: reach the host's own "
					     "loopback, as which they are in cidr(…) too.") KRSI_SUBJECT;
	u16 port KRSI_DOC("Port of an IP address; 0 if it is none.") KRSI_UNIT("port");
	KRSI_SOCKET_FIELDS
	KRSI_DEVICE_FIELDS
	KRSI_VSOCK_FIELDS
	KRSI_NETLINK_FIELDS
	u32 size KRSI_DOC("Size of the message.") KRSI_UNIT("bytes");
	struct krsi_path path KRSI_DOC("Name of the unix socket, as the task gave it; `@name` for an abstract one, a NUL "
				       "in it being an @ too.");
} KRSI_TEMPLATE("sendto", "Datagrams sent to an explicit address: allow, deny or kill by address, port, protocol or interface",
		"T1071.004 T1048 T1095 T1498")
KRSI_EXAMPLE("probe(\"sendto\", #{port: 53, not_address: [\"127.0.0.53\", \"10.0.0.2\"]}).scope(#{not_uid: 0})"
	     ".everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_NOT_SEEN("What goes through a connected socket: connect has asked about that. A raw socket that writes its own IP header "
	      "may send to another address than the one told, and a packet socket writes whole frames. sendmmsg asks once for "
	      "messages in a row to one address. The name of a unix socket is what the task wrote.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_names.bpf.h"
#include "include/krsi_socket.bpf.h"

static __always_inline bool gather(struct scratch *scratch, const struct krsi_socket_kind *kind, const void *address,
				   u32 length)
{
	struct event *event = &scratch->event;
	struct krsi_other_address other = {};

	switch (kind->family) {
	case AF_UNIX:
		return krsi_gather_socket_name(scratch, address, length);
	case AF_INET:
	case AF_INET6:
		return true;
	}
	if (!krsi_read_other(kind->family, address, length, &other))
		return false;
	switch (kind->family) {
	case AF_NETLINK:
		KRSI_TELL_NETLINK(event, &other);
		break;
	case AF_VSOCK:
		KRSI_TELL_VSOCK(event, &other);
		break;
	case AF_PACKET:
		if (kind->type != SOCK_PACKET)
			KRSI_TELL_DEVICE(event, &other, true);
		break;
	case AF_CAN:
	case AF_XDP:
		KRSI_TELL_DEVICE(event, &other, false);
		break;
	}
	return true;
}

static __always_inline int decide(void *context, struct socket *socket, const void *address, u32 length, u32 size)
{
	volatile struct settings *settings = krsi_enter();
	struct sock *sock;
	struct krsi_socket_kind kind = {};
	struct krsi_destination to = {};
	struct scratch *scratch;
	int result;

	if (!settings)
		return 0;
	sock = READ(socket, sk);
	krsi_read_kind(sock, &kind);
	if (!KRSI_WANTS_SOCKET(settings, &kind))
		return krsi_filtered();
	if (!krsi_read_by_socket(&kind, address, length, &to))
		return krsi_failed();
	if (!krsi_wants_address(&to, settings->params.address, settings->params.not_address, settings->params.port,
				KRSI_ABOUT_NAMES(settings), true))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.net_ns = krsi_net_of(sock);
	scratch->event.address = to.address;
	scratch->event.port = to.port;
	scratch->event.size = size;
	KRSI_TELL_SOCKET(&scratch->event, &kind);
	if (!gather(scratch, &kind, address, length))
		scratch->event.header.notes |= KRSI_NOTE_NO_PATH;
	return krsi_decide(context, scratch, krsi_hook_socket_sendmsg,
			   KRSI_MATCH_NAME(settings, scratch, kind.family == AF_UNIX));
}

/* Whether the address, which is there, says where the message goes. */
static __always_inline bool is_addressed(struct socket *socket)
{
	s16 type = READ(socket, type);
	struct sock *sock;

	if (type != SOCK_STREAM && type != SOCK_SEQPACKET)
		return true;
	sock = READ(socket, sk);
	return READ(sock, sk_protocol) == IPPROTO_SCTP;
}

/* What has no address of its own leaves here, and is most of what is sent. */
static __always_inline int decide_message(void *context, struct socket *socket, struct msghdr *message, u32 size)
{
	void *address = READ(message, msg_name);

	if (!address || !is_addressed(socket))
		return 0;
	return decide(context, socket, address, READ(message, msg_namelen), size);
}

SEC("lsm/socket_sendmsg")
int sendto_sendmsg(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide_message(context, ARG(context, 0, struct socket *), ARG(context, 1, struct msghdr *), context[2]);
}

/* Where LSM programs cannot be had, but tracing the function that asks them can. */
SEC("fentry/security_socket_sendmsg")
int sendto_observed(u64 *context)
{
	decide_message(context, ARG(context, 0, struct socket *), ARG(context, 1, struct msghdr *), context[2]);
	return 0;
}
