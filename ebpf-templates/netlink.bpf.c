/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * netlink: a message is sent by a netlink socket: to the kernel's network configuration, firewall, IPsec, audit, devices.
 *
 * Hook: netlink_send (net/netlink/af_netlink.c, netlink_sendmsg), by sendmsg, sendto, write and io_uring. The message has
 * been copied out of the task's memory, and is in nobody's hands yet: what is told of it cannot change any more. A refusal
 * makes the call fail with the errno, and none of it is done.
 *
 * One call may carry many messages, one behind the other, and the kernel does all of them; the first sixteen types are told, and
 * whether there are more: a rule about a type is a rule about each of them, or what it is about hides behind a harmless
 * one. What protocols call a type is their own affair: those of `route` have names (route), `netfilter` has subsystem and
 * message in the upper and the lower byte (nf_tables is 10), `generic` the number of a family, which differs from boot to
 * boot, with the command behind it.
 *
 * Most of what netlink can do to the system needs CAP_NET_ADMIN, which is asked for behind this hook, where the message is
 * understood; in a user namespace of its own everybody has it, and reaches that code.
 *
 * Not seen: what is in a message, and what comes of it; messages that the kernel makes. Protocols that have no such header
 * (kobject_uevent, some of usersock) are told by their first bytes, as if they had.
 */
enum krsi_hook {
	krsi_hook_netlink_send,
};

#include "include/krsi.bpf.h"
#include "include/krsi_socket_names.bpf.h"

/* include/uapi/linux/rtnetlink.h */
#define ROUTE_TYPES                                                                                        \
	"RTM_NEWLINK=16 RTM_DELLINK=17 RTM_GETLINK=18 RTM_SETLINK=19 RTM_NEWADDR=20 "                      \
	"RTM_DELADDR=21 RTM_GETADDR=22 RTM_NEWROUTE=24 RTM_DELROUTE=25 RTM_GETROUTE=26 "                   \
	"RTM_NEWNEIGH=28 RTM_DELNEIGH=29 RTM_GETNEIGH=30 RTM_NEWRULE=32 RTM_DELRULE=33 "                   \
	"RTM_GETRULE=34 RTM_NEWQDISC=36 RTM_DELQDISC=37 RTM_GETQDISC=38 RTM_NEWTCLASS=40 "                 \
	"RTM_DELTCLASS=41 RTM_GETTCLASS=42 RTM_NEWTFILTER=44 RTM_DELTFILTER=45 "                           \
	"RTM_GETTFILTER=46 RTM_NEWACTION=48 RTM_DELACTION=49 RTM_GETACTION=50 "                            \
	"RTM_NEWPREFIX=52 RTM_NEWNEIGHTBL=64 RTM_GETNEIGHTBL=66 RTM_SETNEIGHTBL=67 "                       \
	"RTM_NEWNDUSEROPT=68 RTM_NEWADDRLABEL=72 RTM_DELADDRLABEL=73 RTM_GETADDRLABEL=74 "                 \
	"RTM_GETDCB=78 RTM_SETDCB=79 RTM_NEWNETCONF=80 RTM_DELNETCONF=81 RTM_GETNETCONF=82 "               \
	"RTM_NEWMDB=84 RTM_DELMDB=85 RTM_GETMDB=86 RTM_NEWNSID=88 RTM_DELNSID=89 "                         \
	"RTM_GETNSID=90 RTM_NEWSTATS=92 RTM_DELSTATS=93 RTM_GETSTATS=94 RTM_SETSTATS=95 "                  \
	"RTM_NEWCHAIN=100 RTM_DELCHAIN=101 RTM_GETCHAIN=102 RTM_NEWNEXTHOP=104 "                           \
	"RTM_DELNEXTHOP=105 RTM_GETNEXTHOP=106 RTM_NEWLINKPROP=108 RTM_DELLINKPROP=109 "                   \
	"RTM_GETLINKPROP=110 RTM_NEWVLAN=112 RTM_DELVLAN=113 RTM_GETVLAN=114 "                             \
	"RTM_NEWNEXTHOPBUCKET=116 RTM_DELNEXTHOPBUCKET=117 RTM_GETNEXTHOPBUCKET=118 "                      \
	"RTM_NEWTUNNEL=120 RTM_DELTUNNEL=121 RTM_GETTUNNEL=122"

#define TYPES 16

struct params {
	krsi_flags netlink_protocol KRSI_DOC("Protocols: what part of the kernel is talked to.")
		KRSI_DEFAULT("every protocol") KRSI_BITS(KRSI_NETLINKS(KRSI_BIT));
};

struct event {
	struct krsi_header header;
	u32 net_ns KRSI_DOC("Inode of the socket's network namespace.");
	u32 size KRSI_DOC("Size of all that is sent.") KRSI_UNIT("bytes");
	u16 netlink_protocol KRSI_DOC("Protocol: what part of the kernel is talked to.")
		KRSI_NAMES("none=65535 " KRSI_NETLINKS(KRSI_VALUE)) KRSI_SUBJECT;
	u16 route KRSI_DOC("Type of the first message, of the protocol `route`.") KRSI_NAMES("none=0 " ROUTE_TYPES);
	u16 subsystem KRSI_DOC("What part of the firewall it is for, of the protocol `netfilter`: the first upper byte of a type "
			       "that is none of a batch's own.")
		KRSI_NAMES("none=0 ctnetlink=1 ctnetlink_exp=2 queue=3 ulog=4 osf=5 ipset=6 acct=7 cttimeout=8 "
			   "cthelper=9 nftables=10 nft_compat=11 hook=12");
	u16 command KRSI_DOC("Command of the first message, of the protocol `generic`; the family is its type.");
	u16 flags KRSI_DOC("Flags of the first message; some mean one thing to a request that asks, and another to one that makes.")
		KRSI_BITS("NLM_F_REQUEST=1 NLM_F_MULTI=2 NLM_F_ACK=4 NLM_F_ECHO=8 NLM_F_DUMP_INTR=16 "
			  "NLM_F_DUMP_FILTERED=32 NLM_F_ROOT/REPLACE=256 NLM_F_MATCH/EXCL=512 NLM_F_ATOMIC/CREATE=1024 NLM_F_APPEND=2048");
	bool more KRSI_DOC("Whether there are more messages than types.");
	u32 messages KRSI_DOC("Messages whose types are told: the first 16.");
	u16 types[TYPES] KRSI_DOC("Types of the messages, in their order.") KRSI_COUNT("messages");
} KRSI_TEMPLATE("netlink", "Netlink messages to the kernel: allow, deny or kill by protocol and message type",
		"T1562.004 T1068 T1016 T1557")
KRSI_EXAMPLE("probe(\"netlink\", #{netlink_protocol: \"netfilter\"}).scope(#{not_uid: 0})"
	     ".when(|e| e.more || e.types.any(|t| t >= 2560 && t < 2816)).everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_NOT_SEEN("What is in a message behind its type. Of more than sixteen messages in one call the first sixteen types are told, "
	      "and `more` says so. Messages that the kernel makes, and those of protocols that have no such header, are told by "
	      "their first bytes or not at all.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_socket_kind.bpf.h"

struct sk_buff {
	u32 len;
	u8 *data;
} __relocated;

/* include/uapi/linux/netlink.h: struct nlmsghdr */
struct message_header {
	u32 length; /* with this */
	u16 type;
	u16 flags;
	u32 sequence;
	u32 port;
};

#define NETLINK_ROUTE 0
#define NETLINK_NETFILTER 12
#define NETLINK_GENERIC 16
/* A type that is no protocol's own is below. */
#define NLMSG_MIN_TYPE 16

/* As the kernel goes through them (netlink_rcv_skb). Gives whether there are more. */
static __always_inline bool gather_types(struct event *event, const u8 *data, u32 size)
{
	u32 at = 0;

	for (u32 i = 0; i <= TYPES; i++) {
		struct message_header header = {};
		bool whole;

		if (at > size || size - at < sizeof(header) ||
		    bpf_probe_read_kernel(&header, sizeof(header), data + at))
			return false;
		whole = header.length >= sizeof(header) && header.length <= size - at;
		/* The kernel stops at one that is cut off. The first is told as it is: not every protocol goes by its length. */
		if (i && !whole)
			return false;
		if (i == TYPES)
			return true;
		event->types[i] = header.type;
		event->messages = i + 1;
		if (!i)
			event->flags = header.flags;
		if (event->netlink_protocol == NETLINK_NETFILTER && !event->subsystem)
			event->subsystem = header.type >> 8;
		if (!whole)
			return false;
		at += (header.length + 3) & ~3U;
	}
	return false;
}

static __always_inline void gather(struct event *event, const u8 *data, u32 size)
{
	u8 command = 0;

	event->more = gather_types(event, data, size);
	if (event->netlink_protocol == NETLINK_ROUTE)
		event->route = event->types[0];
	if (event->netlink_protocol == NETLINK_GENERIC && size > sizeof(struct message_header) &&
	    event->types[0] >= NLMSG_MIN_TYPE &&
	    !bpf_probe_read_kernel(&command, sizeof(command), data + sizeof(struct message_header)))
		event->command = command;
}

static __always_inline int decide(void *context, struct sock *sock, struct sk_buff *buffer)
{
	volatile struct settings *settings = krsi_enter();
	struct scratch *scratch;
	u16 protocol;
	int result;

	if (!settings)
		return 0;
	protocol = READ(sock, sk_protocol);
	if (!krsi_has(settings->params.netlink_protocol, protocol))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.net_ns = krsi_net_of(sock);
	scratch->event.netlink_protocol = protocol;
	scratch->event.size = READ(buffer, len);
	gather(&scratch->event, READ(buffer, data), READ(buffer, len));
	return krsi_decide(context, scratch, krsi_hook_netlink_send, KRSI_MATCH);
}

SEC("lsm/netlink_send")
int netlink_send(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	if (refused)
		return refused;
	return decide(context, ARG(context, 0, struct sock *), ARG(context, 1, struct sk_buff *));
}

/* Where LSM programs cannot be had, but tracing the function that asks them can. */
SEC("fentry/security_netlink_send")
int netlink_send_observed(u64 *context)
{
	decide(context, ARG(context, 0, struct sock *), ARG(context, 1, struct sk_buff *));
	return 0;
}
