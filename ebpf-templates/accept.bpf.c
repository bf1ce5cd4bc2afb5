/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * accept: a connection is being taken from a listening socket.
 *
 * Hooks:
 *
 *   socket_accept  accept(2), accept4, io_uring: before anything is taken (net/socket.c, do_accept). Which connection it
 *                  will be, or whether there is one, is not known: the call may wait for it yet, and other threads may take
 *                  the one that waits now. A refusal makes the call fail with the errno; the connection stays in the queue,
 *                  made by the kernel before, and its other end knows nothing.
 *   sock_graft     the connection has been taken, and its socket is given to the call (inet_accept, unix_accept, …). The
 *                  peer is known, and nothing can be refused any more: a denial is a SIGKILL before the call is back.
 *
 * Which of them decides, the params say. As they are, it is socket_accept: an event is a call that was made, its peer is
 * empty, and a call that fails, or finds nothing to take, is one too. With `with_peer`, or params about the peer, it is
 * sock_graft: an event is a connection that was taken, with its peer, and a call that comes back with nothing is in no
 * books. That is what to observe with. To keep a peer out it is the wrong place, as the process that serves everybody would
 * be killed: that is a firewall's matter, or the program's.
 *
 * The peer is the address that the kernel's connection has: of the machine next to us, if that is a proxy.
 *
 * Not seen: what the kernel accepts for itself (NFS); connections that were accepted before, or passed; datagrams, which
 * have no connection; and with a peer, families that do not ask sock_graft (tipc). Of vsock and bluetooth, whose types are a
 * module's, addresses are not told.
 */
enum krsi_hook {
	krsi_hook_socket_accept,
	krsi_hook_sock_graft,
};

#include "include/krsi.bpf.h"
#include "include/krsi_socket_names.bpf.h"

struct params {
	krsi_flag with_peer KRSI_DOC("true: decide when the connection has been taken and its peer is known. Without it an "
				     "event tells of the call alone, and a denial refuses it.")
		KRSI_DEFAULT("false") KRSI_LATE("sock_graft");
	krsi_addresses peer KRSI_DOC("Peers in one of these networks: `10.0.0.0/8`, `2001:db8::/32`, or one address.")
		KRSI_DEFAULT("every peer") KRSI_LATE("sock_graft");
	krsi_not_addresses not_peer KRSI_DOC("Peers with an IP address in none of these networks, also where `peer` has them "
					     "in it.")
		KRSI_DEFAULT("no exception") KRSI_LATE("sock_graft");
	krsi_ports port KRSI_DOC("Ports that the listening socket has: numbers and ranges (22, 8000..9000, which ends with "
				 "8999, 8000..=9000, 1024..).")
		KRSI_DEFAULT("every port");
	KRSI_SOCKET_PARAMS
};

struct event {
	struct krsi_header header;
	u32 net_ns KRSI_DOC("Inode of the socket's network namespace.");
	struct krsi_address peer KRSI_DOC("IP address of the peer, IPv4 in its own form also on a socket of IPv6; empty without "
					  "`with_peer` and params about peers, and of other families.") KRSI_SUBJECT;
	struct krsi_address address KRSI_DOC("IP address of the host's own that it is for; of a call alone, the one that the "
					     "socket listens at: 0.0.0.0 and :: are every one.");
	u16 peer_port KRSI_DOC("Port of the peer; 0 if its address is empty.") KRSI_UNIT("port");
	u16 port KRSI_DOC("Port of the host's own that it is for; 0 if it is none of IP's.") KRSI_UNIT("port");
	KRSI_SOCKET_FIELDS
	u32 peer_pid KRSI_DOC("unix: process that connected, in the initial pid namespace; 0 where the peer is not known.");
	struct krsi_path path KRSI_DOC("unix: name of the listening socket, as it was bound; `@name` for an abstract one, a NUL in it "
				       "being an @ too.");
} KRSI_TEMPLATE("accept", "Accepted connections, with the peer: deny the accept call, or kill by peer",
		"T1021 T1071 T1571 T1205")
KRSI_EXAMPLE("probe(\"accept\", #{with_peer: true, port: 22, not_peer: \"10.0.0.0/8\"})"
	     ".on_event(|e| alert(`ssh from ${e.peer}`)).attach();")
KRSI_NOT_SEEN("Without `with_peer` the peer is not known yet, and a call that finds no connection is an event too. With it "
	      "nothing can be refused: a denial kills the process that accepts. Either way the kernel has made the connection "
	      "before, and the peer of a proxied one is the proxy.");

KRSI_PACKED_FROM(path);

#include "include/krsi_late.bpf.h"
#include "include/krsi_socket.bpf.h"

/* ---- what is told -------------------------------------------------------- */

/* `side` is room for an address. */
static __always_inline void gather_socket(struct scratch *scratch, struct sock *sock, struct krsi_destination *side)
{
	struct event *event = &scratch->event;
	struct krsi_socket_kind kind = {};
	const void *name = NULL;
	u32 length;

	krsi_read_kind(sock, &kind);
	*side = (struct krsi_destination){};
	krsi_read_own(sock, kind.family, side);
	event->net_ns = krsi_net_of(sock);
	event->address = side->address;
	event->port = side->port;
	KRSI_TELL_SOCKET(event, &kind);
	if (kind.family == AF_UNIX) {
		length = krsi_find_socket_name(sock, &name);
		if (!krsi_gather_socket_name(scratch, name, length))
			event->header.notes |= KRSI_NOTE_NO_PATH;
	}
}

static __always_inline void gather_peer(struct event *event, struct sock *sock, struct krsi_destination *peer)
{
	*peer = (struct krsi_destination){};
	krsi_read_peer(sock, event->family, peer);
	event->peer = peer->address;
	event->peer_port = peer->port;
	if (event->family == AF_UNIX) {
		struct pid *pid = READ(sock, sk_peer_pid);

		event->peer_pid = READ(pid, numbers[0].nr);
	}
}

/* ---- what is wanted ------------------------------------------------------ */

static __always_inline bool decides_late(volatile struct settings *settings)
{
	return settings->params.with_peer || settings->params.peer || settings->params.not_peer;
}

static __always_inline bool wants_socket(volatile struct settings *settings, struct sock *sock,
					 struct krsi_destination *own)
{
	struct krsi_socket_kind kind = {};

	krsi_read_kind(sock, &kind);
	if (!KRSI_WANTS_SOCKET(settings, &kind))
		return false;
	if (!settings->params.port)
		return true;
	krsi_read_own(sock, kind.family, own);
	return krsi_wants_address(own, 0, 0, settings->params.port, false, false);
}

/* ---- hooks --------------------------------------------------------------- */

/* The new socket is the same object in both hooks, and the task's alone. */
static __always_inline int decide(void *context, struct socket *socket, u64 operation)
{
	volatile struct settings *settings = krsi_begin();
	struct krsi_destination own = {};
	struct sock *sock;
	struct scratch *scratch;
	bool late;
	int result;

	if (!settings)
		return 0;
	krsi_late_forget();
	late = decides_late(settings);
	if (!krsi_late_admits(settings, late))
		return 0;
	sock = READ(socket, sk);
	if (!wants_socket(settings, sock, &own))
		return krsi_filtered();
	if (late)
		return krsi_late_leave_all(operation);
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	gather_socket(scratch, sock, &own);
	return krsi_decide(context, scratch, krsi_hook_socket_accept, KRSI_MATCH);
}

SEC("lsm/socket_accept")
int accept_accept(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, ARG(context, 0, struct socket *), ADDRESS(ARG(context, 1, void *)));
}

SEC("lsm/sock_graft")
int accept_graft(u64 *context)
{
	struct sock *sock = ARG(context, 0, struct sock *);
	volatile struct settings *settings = krsi_late_enter(ADDRESS(ARG(context, 1, void *)));
	struct krsi_destination side = {};
	struct scratch *scratch;
	bool wanted;

	if (!settings)
		return 0;
	scratch = krsi_late_take();
	if (!scratch)
		return 0;
	gather_socket(scratch, sock, &side);
	gather_peer(&scratch->event, sock, &side);
	wanted = krsi_wants_address(&side, settings->params.peer, settings->params.not_peer, 0, false, false);
	krsi_gather_stacks(context, scratch);
	krsi_late_decide(scratch, krsi_hook_sock_graft, wanted ? KRSI_MATCH : KRSI_NO_MATCH);
	krsi_give_back(scratch);
	return 0;
}
