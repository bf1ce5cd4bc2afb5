/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * socket: a socket is being made.
 *
 * Hook: socket_create (net/socket.c, __sock_create), by socket(2), socketpair(2) (twice, once for each end) and io_uring.
 * Family and type are known to be in range, and nothing else has happened: a module for the family (`net-pf-38`) has not
 * been asked for yet. So a family that is refused here is not even loaded, and its code is not reached. A refusal makes the
 * call fail with the errno; EAFNOSUPPORT is what a kernel without the family says.
 *
 * The protocol of an IP socket is the one that it will have: 0, which leaves it to the kernel, is tcp for a stream, udp for
 * datagrams, sctp for seqpacket. `number` is what the program wrote.
 *
 * This is the place to shut a family whose code cannot be trusted, tonight and without a reboot, but for the programs that
 * need it: by scope, `not_exe`. Sockets that are there already, or that a program gets passed, go on to work.
 *
 * Not seen: sockets that the kernel makes for itself, those that accept(2) makes, and those that are there already:
 * inherited, passed over a unix socket, taken by pidfd_getfd.
 */
enum krsi_hook {
	krsi_hook_socket_create,
};

#include "include/krsi.bpf.h"
#include "include/krsi_socket_names.bpf.h"

struct params {
	KRSI_SOCKET_PARAMS
};

struct event {
	struct krsi_header header;
	u32 net_ns KRSI_DOC("Inode of the network namespace that it is made in: the task's.");
	s32 number KRSI_DOC("Protocol as the program gave it: of IP, of netlink, of whatever the family is.");
	u16 family KRSI_DOC("Family of the socket.") KRSI_NAMES(KRSI_FAMILIES(KRSI_VALUE)) KRSI_SUBJECT;
	u16 socket_type KRSI_DOC("Type of the socket.") KRSI_NAMES(KRSI_SOCKET_TYPES(KRSI_VALUE));
	u16 protocol KRSI_DOC("Protocol that an IP socket will have, where the program leaves it to the kernel, too.")
		KRSI_NAMES("none=0 " KRSI_IP_PROTOCOLS(KRSI_VALUE));
	u16 netlink_protocol KRSI_DOC("Protocol of a netlink socket.") KRSI_NAMES("none=65535 " KRSI_NETLINKS(KRSI_VALUE));
} KRSI_TEMPLATE("socket", "Socket creation: allow, deny or kill by family (alg, packet, netlink, …), type and protocol",
		"T1068 T1095 T1040")
KRSI_EXAMPLE("probe(\"socket\", #{family: \"alg\"}).scope(#{not_exe: [\"/usr/sbin/cryptsetup\", \"/usr/bin/kcapi-hasher\"]})"
	     ".everywhere().lease(\"8h\").deny(\"EAFNOSUPPORT\").attach();")
KRSI_NOT_SEEN("Sockets that are there already go on to work: inherited ones, those passed over a unix socket, those that "
	      "accept(2) gives. What the kernel makes for itself is not asked about.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_socket_kind.bpf.h"

struct nsproxy___net {
	struct net *net_ns;
} __relocated;

/* What inet_create takes for a protocol of 0: the first one that is registered for the type. */
static __always_inline u16 protocol_of_type(u16 type)
{
	switch (type) {
	case SOCK_STREAM:
		return IPPROTO_TCP;
	case SOCK_DGRAM:
		return IPPROTO_UDP;
	case SOCK_SEQPACKET:
		return IPPROTO_SCTP;
	case SOCK_DCCP:
		return IPPROTO_DCCP;
	default:
		return 0;
	}
}

static __always_inline u32 net_of_task(void)
{
	struct nsproxy___net *namespaces = (struct nsproxy___net *)READ_TASK(krsi_current(), nsproxy);
	struct net *net = READ(namespaces, net_ns);

	return READ(net, ns.inum);
}

static __always_inline int decide(void *context, u32 family, u32 type, s32 number)
{
	volatile struct settings *settings = krsi_enter();
	struct krsi_socket_kind kind = { .family = family, .type = type };
	struct scratch *scratch;
	int result;

	if (!settings)
		return 0;
	krsi_sort_protocol(number, &kind);
	if (!number && (kind.family == AF_INET || kind.family == AF_INET6))
		kind.protocol = protocol_of_type(type);
	if (!KRSI_WANTS_SOCKET(settings, &kind))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.net_ns = net_of_task();
	scratch->event.number = number;
	KRSI_TELL_SOCKET(&scratch->event, &kind);
	return krsi_decide(context, scratch, krsi_hook_socket_create, KRSI_MATCH);
}

SEC("lsm/socket_create")
int socket_create(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	if (ARG(context, 3, int))
		return 0; /* the kernel's own */
	return decide(context, context[0], context[1], context[2]);
}

/* Where LSM programs cannot be had, but tracing the function that asks them can. */
SEC("fentry/security_socket_create")
int socket_create_observed(u64 *context)
{
	if (!ARG(context, 3, int))
		decide(context, context[0], context[1], context[2]);
	return 0;
}
