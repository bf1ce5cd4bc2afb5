/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * fd_receive: a task is about to receive an open file from another one.
 *
 * Hook: file_receive (fs/file.c, receive_fd). Files come over a unix socket (SCM_RIGHTS), by pidfd_getfd(2), from seccomp's
 * supervisor (SECCOMP_IOCTL_NOTIF_ADDFD), and in binder's messages. The file is open already, with the access that its opener
 * had: nothing else is asked on this way, so this is where a rule about opening a file is evaded, and where it can be kept.
 *
 * A refusal makes pidfd_getfd(2) fail with the errno. A message over a socket arrives all the same, without this file and those
 * behind it, and says that something is missing (MSG_CTRUNC).
 *
 * Not seen: files that a child inherits, or an execution keeps; files that io_uring hands between rings, or has registered; files
 * in a message that is never received.
 */
enum krsi_hook {
	krsi_hook_file_receive,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"

#define ACCESSES(X) X(ACCESS_READ, "read", 1) X(ACCESS_WRITE, "write", 2)

enum file_access { ACCESSES(KRSI_MEMBER) };

struct params {
	KRSI_PATH_PARAMS
	krsi_flags access KRSI_DOC("Files that are open for at least one of these.")
		KRSI_DEFAULT("every access") KRSI_BITS(ACCESSES(KRSI_NAME));
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file.");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 access KRSI_DOC("What it is open for.") KRSI_BITS(ACCESSES(KRSI_NAME));
	KRSI_FILE_MEMBERS("")
	struct krsi_path path KRSI_DOC("The file, from the receiver's root; of sockets and the like what the kernel calls them.")
		KRSI_SUBJECT;
} KRSI_TEMPLATE("fd_receive", "File descriptors received from other processes: by path, file and access mode", "T1134 T1559 T1611")
KRSI_EXAMPLE("probe(\"fd_receive\", #{path: [\"/etc/shadow\", \"/var/run/docker.sock\"]}).scope(#{not_uid: 0}).everywhere().lease(\"8h\").deny(\"EACCES\").attach();")
KRSI_CANNOT_ASK("the message is taken from the socket by then, and its descriptors would be lost")
KRSI_NOT_SEEN("Files that a child inherits or an execution keeps, and those that io_uring has registered. Who sent the file.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_path_params.bpf.h"

SEC("lsm/file_receive")
int fd_receive_file(u64 *context)
{
	struct file *file = ARG(context, 0, struct file *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	u32 access;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	access = READ(file, f_mode) & (ACCESS_READ | ACCESS_WRITE); /* FMODE_READ, FMODE_WRITE */
	if ((settings->params.access && !(settings->params.access & access)) || krsi_rules_out_file(settings, file))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;

	struct event *event = &scratch->event;
	struct inode *inode = READ(file, f_inode);
	struct super_block *super = READ(inode, i_sb);

	if (krsi_tells_path(settings) || krsi_names_files(settings))
		krsi_gather_name(scratch, READ(file, f_path.mnt), READ(file, f_path.dentry));
	event->inode = READ(inode, i_ino);
	event->device = READ(super, s_dev);
	event->access = access;
	KRSI_GATHER_FILE(event, inode);
	return krsi_decide(context, scratch, krsi_hook_file_receive, krsi_match_path(settings, scratch, inode));
}
