/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * listen: a socket is about to take connections.
 *
 * Hook: socket_listen (net/socket.c, __sys_listen), by listen(2), from Linux 6.11 on by io_uring too. A refusal makes the call
 * fail with the errno, and nobody can connect. It is asked again when a socket that listens already is given another
 * backlog.
 *
 * The address is the one that the socket has been bound to, before: so, other than in bind, a port that the kernel chose is
 * known here. Port 0 means that there was no bind; the kernel chooses one behind this hook. 0.0.0.0 and :: are every address
 * of the host, and to the params they are themselves: a rule about one of the host's addresses does not have them in it.
 *
 * Datagram sockets do not listen: who receives at a UDP port has bound it (template bind).
 *
 * Not seen: sockets that listen already and are inherited or passed, as by systemd; listening by the kernel itself (NFS);
 * where a socket of vsock or bluetooth listens, whose types are a module's.
 */
enum krsi_hook {
	krsi_hook_socket_listen,
};

#include "include/krsi.bpf.h"
#include "include/krsi_socket_names.bpf.h"

struct params {
	krsi_addresses address KRSI_DOC("Addresses in one of these networks: `10.0.0.0/8`, `2001:db8::/32`, or one "
					"address. `0.0.0.0` and `::` are every address of the host, and in no network but "
					"those that have them in it.")
		KRSI_DEFAULT("every address");
	krsi_not_addresses not_address KRSI_DOC("IP addresses in none of these networks: `[\"127.0.0.0/8\", \"::1\"]` leaves "
						"what can be reached from elsewhere, 0.0.0.0 and :: with it.")
		KRSI_DEFAULT("no exception");
	krsi_ports port KRSI_DOC("Ports of IP addresses: numbers and ranges (443, 8000..9000, which ends with 8999, "
				 "8000..=9000, 1024..). 0: not bound, the kernel will choose. address, not_address and port "
				 "must all hold.")
		KRSI_DEFAULT("every port");
	krsi_names path KRSI_DOC("Names of unix sockets as they were bound, byte by byte: `/run/x.sock`, `@x` for an "
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
	struct krsi_address address KRSI_DOC("The IP address that it is bound to; 0.0.0.0 and :: are every address of the "
					     "host (and in cidr(…) the loopback, too). Empty if it is none of IP's.")
		KRSI_SUBJECT;
	u16 port KRSI_DOC("Port of an IP address; 0: not bound, the kernel chooses one, or it is none.") KRSI_UNIT("port");
	KRSI_SOCKET_FIELDS
	u32 backlog KRSI_DOC("Connections that may wait to be accepted: what the task asks for, or net.core.somaxconn, if that is "
			     "less or the task asks for less than 0.");
	struct krsi_path path KRSI_DOC("Name of the unix socket, as it was bound; `@name` for an abstract one, a NUL in it being "
				       "an @ too.");
} KRSI_TEMPLATE("listen", "Sockets that start to listen: allow, deny or kill by address, port or socket name",
		"T1571 T1205 T1090 T1559")
KRSI_EXAMPLE("probe(\"listen\", #{not_address: [\"127.0.0.0/8\", \"::1\"], protocol: \"tcp\"})"
	     ".scope(#{not_uid: 0}).everywhere().lease(\"8h\").deny(\"EACCES\").attach();")
KRSI_NOT_SEEN("A socket that listens already and is inherited or passed, as by systemd, is not asked about. Datagram sockets do "
	      "not listen: see bind. The port is 0 where the task has bound none. The name of a unix socket is what the task "
	      "wrote, relative to its directory.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_names.bpf.h"
#include "include/krsi_socket.bpf.h"

static __always_inline int decide(void *context, struct socket *socket, u32 backlog)
{
	volatile struct settings *settings = krsi_enter();
	struct sock *sock;
	struct krsi_socket_kind kind = {};
	struct krsi_destination own = {};
	const void *name = NULL;
	struct scratch *scratch;
	u32 length;
	int result;

	if (!settings)
		return 0;
	sock = READ(socket, sk);
	krsi_read_kind(sock, &kind);
	krsi_read_own(sock, kind.family, &own);
	if (!KRSI_WANTS_SOCKET(settings, &kind) ||
	    !krsi_wants_address(&own, settings->params.address, settings->params.not_address, settings->params.port,
				KRSI_ABOUT_NAMES(settings), false))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.net_ns = krsi_net_of(sock);
	scratch->event.address = own.address;
	scratch->event.port = own.port;
	scratch->event.backlog = backlog;
	KRSI_TELL_SOCKET(&scratch->event, &kind);
	if (kind.family == AF_UNIX) {
		length = krsi_find_socket_name(sock, &name);
		if (!krsi_gather_socket_name(scratch, name, length))
			scratch->event.header.notes |= KRSI_NOTE_NO_PATH;
	}
	return krsi_decide(context, scratch, krsi_hook_socket_listen,
			   KRSI_MATCH_NAME(settings, scratch, kind.family == AF_UNIX));
}

SEC("lsm/socket_listen")
int listen_listen(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, ARG(context, 0, struct socket *), context[1]);
}

/* Where LSM programs cannot be had, but tracing the function that asks them can. */
SEC("fentry/security_socket_listen")
int listen_observed(u64 *context)
{
	decide(context, ARG(context, 0, struct socket *), context[1]);
	return 0;
}
