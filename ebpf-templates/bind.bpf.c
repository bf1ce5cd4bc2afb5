/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * bind: a socket is given an address of its own.
 *
 * Hook: socket_bind (net/socket.c, __sys_bind), by bind(2), from Linux 6.11 on by io_uring too. The address is the kernel's
 * copy; whether it is free, and the task may have it, is not known yet. A refusal makes the call fail with the errno.
 *
 * What a bind means depends on the family:
 *
 *   inet, inet6   where to be reached. 0.0.0.0 and :: are every address of the host, and to the params they are themselves:
 *                 a rule about one of the host's addresses does not have them in it. Port 0 leaves the port to the kernel, and
 *                 which one it takes is not known here.
 *   unix          a file is made, or an abstract name taken. The name is what the task wrote.
 *   packet        which frames to hear: all of an interface's, with the EtherType `all`. (Sockets of the type `packet` name
 *                 their interface by text, which is not told.) can and xdp take an interface as well.
 *   alg           which algorithm of the kernel's to use: the module that has it is loaded behind this hook. So an
 *                 algorithm whose code cannot be trusted is kept out here by its name, and all of them by template socket.
 *   vsock         a port at which the host, or a guest, can be reached past every firewall.
 *   netlink       which multicast groups to listen to.
 *
 * Where the kernel goes by the socket's family and not by what the address says of itself, so does this: IPv4 sockets take
 * AF_UNSPEC for AF_INET, and AF_ALG takes anything.
 *
 * Not seen: addresses that the kernel gives by itself (to a socket that connects, sends or listens without a bind), binds of
 * the kernel's own, further addresses of SCTP (SCTP_SOCKOPT_BINDX_ADD), and sockets that are bound already: inherited,
 * passed, made by systemd.
 */
enum krsi_hook {
	krsi_hook_socket_bind,
};

#include "include/krsi.bpf.h"
#include "include/krsi_socket_names.bpf.h"

#define ALG_TYPE_SIZE 16
#define ALG_NAME_SIZE 112

struct params {
	krsi_addresses address KRSI_DOC("Addresses in one of these networks: `10.0.0.0/8`, `2001:db8::/32`, or one "
					"address. `0.0.0.0` and `::` are every address of the host, and in no network but "
					"those that have them in it.")
		KRSI_DEFAULT("every address");
	krsi_not_addresses not_address KRSI_DOC("IP addresses in none of these networks: `[\"127.0.0.0/8\", \"::1\"]` leaves "
						"what can be reached from elsewhere, 0.0.0.0 and :: with it.")
		KRSI_DEFAULT("no exception");
	krsi_ports port KRSI_DOC("Ports of IP addresses: numbers and ranges (443, 8000..9000, which ends with 8999, "
				 "8000..=9000, 1024..). 0 leaves it to the kernel. address, not_address and port must all "
				 "hold.")
		KRSI_DEFAULT("every port");
	krsi_names path KRSI_DOC("Names of unix sockets as the task gives them, byte by byte: `/run/x.sock`, `@x` for an "
				 "abstract one. Beside params about IP addresses, a match of either kind is enough.")
		KRSI_DEFAULT("every name") KRSI_BEGINS("/@") KRSI_LONGEST("108");
	krsi_name_prefixes path_prefix KRSI_DOC("Names of unix sockets that start with one of these: `/run/`, `@`. Of "
						"path and path_prefix one match is enough.")
		KRSI_DEFAULT("every name") KRSI_BEGINS("/@") KRSI_LONGEST("108");
	krsi_names algorithm KRSI_DOC("alg: names of algorithms, as the kernel's crypto API has them: `sha256`, `gcm(aes)`. Beside "
				      "params about other addresses, a match of either kind is enough.")
		KRSI_DEFAULT("every algorithm") KRSI_LONGEST("104");
	krsi_name_prefixes algorithm_prefix KRSI_DOC("alg: names that start with one of these: `authencesn(`. Of algorithm and "
						     "algorithm_prefix one match is enough.")
		KRSI_DEFAULT("every algorithm") KRSI_LONGEST("104");
	KRSI_SOCKET_PARAMS
};

struct event {
	struct krsi_header header;
	u32 net_ns KRSI_DOC("Inode of the socket's network namespace.");
	struct krsi_address address KRSI_DOC("The IP address, IPv4 in its own form also where it was given as "
					     "::ffff:10.0.0.1; 0.0.0.0 and :: are every address of the host (and "
					     "in cidr(…) the loopback, too). Empty if it is none of IP's.") KRSI_SUBJECT;
	u16 port KRSI_DOC("Port of an IP address; 0: the kernel chooses one, or it is none.") KRSI_UNIT("port");
	KRSI_SOCKET_FIELDS
	KRSI_DEVICE_FIELDS
	KRSI_VSOCK_FIELDS
	KRSI_NETLINK_FIELDS
	char alg_type[ALG_TYPE_SIZE] KRSI_DOC("alg: type of the algorithm, as skcipher, aead, hash or rng.");
	char alg_name[ALG_NAME_SIZE] KRSI_DOC("alg: name of the algorithm: `authencesn(hmac(sha256),cbc(aes))`.");
	struct krsi_path path KRSI_DOC("Name of the unix socket, as the task gave it; `@name` for an abstract one, a NUL "
				       "in it being an @ too.");
} KRSI_TEMPLATE("bind", "Sockets bound to an address: allow, deny or kill by address, port or socket name; algorithms, interfaces",
		"T1205 T1571 T1040 T1559")
KRSI_EXAMPLE("probe(\"bind\", #{algorithm_prefix: \"authencesn(\"}).scope(#{not_exe: \"/usr/sbin/cryptsetup\"}).everywhere().lease(\"8h\").deny(\"ENOENT\").attach();")
KRSI_NOT_SEEN("A port that the kernel chooses is not known yet: it is 0. A socket that connects, sends or listens without a "
	      "bind is not asked about, nor is one that is bound already and passed on, as by systemd. The name of a unix "
	      "socket is what the task wrote, relative to its directory.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_names.bpf.h"
#include "include/krsi_socket.bpf.h"

/* include/uapi/linux/if_alg.h: struct sockaddr_alg */
#define SALG_TYPE 2
#define SALG_TYPE_SIZE 14
#define SALG_NAME 24

/* The kernel ends both texts by a NUL over their last byte. */
static __always_inline bool gather_algorithm(struct event *event, const void *address, u32 length)
{
	u32 size = length - SALG_NAME;
	long read;

	if (length <= SALG_NAME)
		return true; /* and the kernel takes none so short */
	if (size > ALG_NAME_SIZE)
		size = ALG_NAME_SIZE;
	asm volatile("%[size] &= 127" : [size] "+r"(size));
	if (size > ALG_NAME_SIZE)
		return false;
	read = bpf_probe_read_kernel_str(event->alg_type, SALG_TYPE_SIZE, address + SALG_TYPE);
	return read > 0 && bpf_probe_read_kernel_str(event->alg_name, size, address + SALG_NAME) > 0;
}

static __always_inline bool gather(struct scratch *scratch, const struct krsi_socket_kind *kind, const void *address,
				   u32 length)
{
	struct event *event = &scratch->event;
	struct krsi_other_address other = {};

	switch (kind->family) {
	case AF_UNIX:
		return krsi_gather_socket_name(scratch, address, length);
	case AF_ALG:
		return gather_algorithm(event, address, length);
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

static __always_inline bool about_algorithms(volatile struct settings *settings)
{
	return settings->params.algorithm || settings->params.algorithm_prefix;
}

/* Whether the params have the address in view, as far as numbers tell. */
static __always_inline bool wants_address(volatile struct settings *settings, const struct krsi_destination *to)
{
	u64 address = settings->params.address;
	u64 not_address = settings->params.not_address;
	u64 port = settings->params.port;
	bool names = KRSI_ABOUT_NAMES(settings);

	if (about_algorithms(settings)) {
		if (to->family == AF_ALG)
			return true;
		if (!address && !not_address && !port && !names)
			return false;
	}
	return krsi_wants_address(to, address, not_address, port, names, false);
}

/* The part of the decision that is left once names are known. */
static __always_inline enum krsi_match match(volatile struct settings *settings, struct scratch *scratch, u16 family)
{
	if (family != AF_ALG || !about_algorithms(settings))
		return KRSI_MATCH_NAME(settings, scratch, family == AF_UNIX);
	if (KRSI_IS_NAMED(settings, scratch, algorithm, scratch->event.alg_name) ||
	    KRSI_IS_NAMED(settings, scratch, algorithm_prefix, scratch->event.alg_name))
		return KRSI_MATCH;
	return KRSI_NO_MATCH;
}

/* Everything behind the earlier programs; gives the verdict. */
static __always_inline int decide(void *context, struct socket *socket, const void *address, u32 length)
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
	if (!wants_address(settings, &to))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.net_ns = krsi_net_of(sock);
	scratch->event.address = to.address;
	scratch->event.port = to.port;
	KRSI_TELL_SOCKET(&scratch->event, &kind);
	if (!gather(scratch, &kind, address, length))
		scratch->event.header.notes |= KRSI_NOTE_NO_PATH;
	return krsi_decide(context, scratch, krsi_hook_socket_bind, match(settings, scratch, kind.family));
}

SEC("lsm/socket_bind")
int bind_bind(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, ARG(context, 0, struct socket *), ARG(context, 1, void *), context[2]);
}

/* Where LSM programs cannot be had, but tracing the function that asks them can. */
SEC("fentry/security_socket_bind")
int bind_observed(u64 *context)
{
	decide(context, ARG(context, 0, struct socket *), ARG(context, 1, void *), context[2]);
	return 0;
}
