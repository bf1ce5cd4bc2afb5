/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * unix_connect: a unix socket is about to reach another one, which is known.
 *
 * Hooks:
 *
 *   unix_stream_connect  a stream or seqpacket socket connects (net/unix/af_unix.c, unix_stream_connect): the name has
 *                        been looked up, permissions to it are settled, and the other one listens.
 *   unix_may_send        a datagram socket connects, or sends: for each datagram, whether the socket is connected or not, and
 *                        for each of a pair's as well.
 *
 * A refusal makes connect or send fail with the errno; nothing has been sent, and the other side hears nothing.
 *
 * Other than in template connect, what is told is the socket at the other end: the file that it was bound to, by inode, and by
 * its path from the task's root, whatever name the task wrote, through links, relative or by /proc/PID/root. So a
 * rule about /run/docker.sock holds for every way to that socket, also for the one that a container has mounted elsewhere.
 * Path and inode are those of the file at the bind: a socket that is renamed has its new path, one whose file is removed can
 * only be reached by those who are connected.
 *
 * `name` is what the other one wrote at its bind: for an abstract name, `@name`, all that there is. Sockets of a
 * socketpair have neither. `peer_pid` is the process that called listen; after a restart of the service it is a new one, and
 * if systemd listens for it, systemd.
 *
 * Not seen: connections that are there already, inherited or passed; and a proxy that is connected and passes on (a socket
 * given to a container by another program).
 */
enum krsi_hook {
	krsi_hook_unix_stream_connect,
	krsi_hook_unix_may_send,
};

#include "include/krsi.bpf.h"
#include "include/krsi_socket_names.bpf.h"

/* `@` or `./`, a name, a NUL: in whole words. */
#define SOCKET_NAME_SIZE 112

struct params {
	krsi_paths path KRSI_DOC("Exact paths of sockets at the other end. The one there also matches by inode: under any name, "
				 "link, mount or root. One that is bound anew is followed within a second. Of path, path_prefix, "
				 "path_suffix, name and name_prefix any one match is enough.")
		KRSI_DEFAULT("every socket");
	krsi_prefixes path_prefix KRSI_DOC("Paths that start with one of these, byte by byte: `/run/user/`. It is a rule about "
					   "names, as the task's root has them.")
		KRSI_DEFAULT("every socket");
	krsi_suffixes path_suffix KRSI_DOC("Paths that end with one of these, byte by byte: `/docker.sock`.")
		KRSI_DEFAULT("every socket");
	krsi_names name KRSI_DOC("Names that the other end wrote at its bind, byte by byte: `@x`, an abstract name, of which this "
				 "is the param; for files, path says more.")
		KRSI_DEFAULT("every socket") KRSI_BEGINS("/@") KRSI_LONGEST("108");
	krsi_name_prefixes name_prefix KRSI_DOC("Names that start with one of these: `@` is every abstract one.")
		KRSI_DEFAULT("every socket") KRSI_BEGINS("/@") KRSI_LONGEST("108");
	krsi_flags socket_type KRSI_DOC("Types of the socket.") KRSI_DEFAULT("every type")
		KRSI_BITS(KRSI_SOCKET_TYPES(KRSI_BIT));
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the other end's file; 0: it has none, as an abstract name.");
	krsi_device device KRSI_DOC("Device of the file system that the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 net_ns KRSI_DOC("Inode of the network namespace of the other end, by which abstract names are told apart.");
	u32 peer_pid KRSI_DOC("Process that listens, in the initial pid namespace: the one that called listen(2). 0 of datagrams.");
	u16 socket_type KRSI_DOC("Type of the socket.") KRSI_NAMES(KRSI_SOCKET_TYPES(KRSI_VALUE));
	char name[SOCKET_NAME_SIZE] KRSI_DOC("Name that the other end wrote at its bind; `@name` for an abstract one, a NUL in it "
					     "being an @ too. Empty: none.");
	struct krsi_path path KRSI_DOC("File of the other end, from the task's root; empty if it has none.") KRSI_SUBJECT;
} KRSI_TEMPLATE("unix_connect", "Connections to Unix sockets: allow, deny or kill by the socket's file, path or name",
		"T1611 T1610 T1559 T1552.007")
KRSI_EXAMPLE("probe(\"unix_connect\", #{path: [\"/run/docker.sock\", \"/run/containerd/containerd.sock\"]})"
	     ".scope(#{not_exe: \"/usr/bin/docker\"}).everywhere().lease(\"8h\").deny(\"EACCES\").attach();")
KRSI_NOT_SEEN("Connections that are there already go on to work, inherited or passed to another process. What a service does "
	      "for those that it serves is its own: who talks to a proxy of the socket reaches the proxy. A path is told as the "
	      "connecting task's root has it.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_names.bpf.h"
#include "include/krsi_path_params.bpf.h"
#include "include/krsi_socket.bpf.h"

/* As krsi_gather_socket_name does it, into a text that is empty before. */
static __always_inline bool gather_name(struct event *event, struct sock *peer)
{
	const void *from = NULL;
	u32 length = krsi_find_socket_name(peer, &from);
	u32 size = krsi_name_size(length - KRSI_SUN_OFFSET);
	char *text = event->name;
	char first = 0;

	if (length <= KRSI_SUN_OFFSET)
		return true;
	from += KRSI_SUN_OFFSET;
	if (bpf_probe_read_kernel(&first, sizeof(first), from))
		return false;
	if (!first)
		return krsi_gather_abstract(text, from, size);
	if (first == '@') {
		text[0] = '.';
		text[1] = '/';
		text += 2;
	}
	return bpf_probe_read_kernel_str(text, size + 1, from) > 0;
}

static __always_inline enum krsi_match match(volatile struct settings *settings, struct scratch *scratch,
					     struct inode *inode)
{
	bool names = settings->params.name || settings->params.name_prefix;

	if (!names && !krsi_names_files(settings))
		return KRSI_MATCH;
	if (KRSI_IS_NAMED(settings, scratch, name, scratch->event.name) ||
	    KRSI_IS_NAMED(settings, scratch, name_prefix, scratch->event.name))
		return KRSI_MATCH;
	return inode && krsi_names_files(settings) ? krsi_match_path(settings, scratch, inode) : KRSI_NO_MATCH;
}

/* `peer` is the other end. */
static __always_inline int decide(void *context, enum krsi_hook hook, struct sock *peer)
{
	volatile struct settings *settings = krsi_enter();
	struct unix_sock *unix_peer = (struct unix_sock *)peer;
	struct dentry *dentry;
	struct inode *inode;
	struct scratch *scratch;
	u16 type;
	int result;

	if (!settings)
		return 0;
	type = READ(peer, sk_type);
	if (!krsi_has(settings->params.socket_type, type))
		return krsi_filtered();
	dentry = READ(unix_peer, path.dentry);
	inode = dentry ? READ(dentry, d_inode) : NULL;
	/* Only an inode can be, and there is none. */
	if (!inode && krsi_names_files(settings) && !settings->params.name && !settings->params.name_prefix)
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;

	struct event *event = &scratch->event;

	event->net_ns = krsi_net_of(peer);
	event->socket_type = type;
	if (hook == krsi_hook_unix_stream_connect) {
		struct pid *pid = READ(peer, sk_peer_pid);

		event->peer_pid = READ(pid, numbers[0].nr);
	}
	if (!gather_name(event, peer))
		event->header.notes |= KRSI_NOTE_NO_PATH;
	if (inode) {
		struct super_block *super = READ(inode, i_sb);

		event->inode = READ(inode, i_ino);
		event->device = READ(super, s_dev);
		if (krsi_tells_path(settings) || krsi_names_files(settings))
			krsi_gather_name(scratch, READ(unix_peer, path.mnt), dentry);
	}
	return krsi_decide(context, scratch, hook, match(settings, scratch, inode));
}

SEC("lsm/unix_stream_connect")
int unix_connect_stream(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_unix_stream_connect, ARG(context, 1, struct sock *));
}

static __always_inline int decide_datagram(void *context, struct socket *other)
{
	return decide(context, krsi_hook_unix_may_send, READ(other, sk));
}

SEC("lsm/unix_may_send")
int unix_connect_may_send(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide_datagram(context, ARG(context, 1, struct socket *));
}

/* Where LSM programs cannot be had, but tracing the functions that ask them can. */
SEC("fentry/security_unix_stream_connect")
int unix_connect_observed(u64 *context)
{
	decide(context, krsi_hook_unix_stream_connect, ARG(context, 1, struct sock *));
	return 0;
}

SEC("fentry/security_unix_may_send")
int unix_connect_send_observed(u64 *context)
{
	decide_datagram(context, ARG(context, 1, struct socket *));
	return 0;
}
