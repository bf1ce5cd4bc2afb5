/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * file_open: a file is being opened.
 *
 * Hook: file_open (fs/open.c, do_dentry_open). Name and permissions are
 * settled, the file is not usable yet. A refusal makes open(2) fail with the
 * errno. A file that this open has just created stays behind, empty: creation
 * itself is asked about in other hooks.
 *
 * O_PATH opens are not asked about; nor are files that exist already as open
 * descriptors (inherited, passed over a socket). An execution opens the program
 * too, with `exec` among the access bits. On overlayfs one open is asked about
 * twice, as the overlay's file and as the one beneath, both times as the task's own (the kernel opens the latter as
 * whoever mounted the overlay, and that is told nowhere). io_uring opens are asked about
 * in the context of the worker, which has the submitter's credentials.
 *
 * Not seen: path_prefix, path_suffix and filters on the path are about a name, the one by which the task reaches the
 * file from its root. A hard link, a bind mount, a mount namespace or open_tree(2), a rename, and the chroot of an
 * unprivileged user namespace give the same file another name. `path` holds the file itself under each of them, and
 * one that is renamed over it within a second. A copy is another file.
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_file_open,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"

#define ACCESSES(X)                                                                                        \
	X(ACCESS_READ, "read", 1)                                                                          \
	X(ACCESS_WRITE, "write", 2)                                                                        \
	X(ACCESS_APPEND, "append", 4)                                                                      \
	X(ACCESS_CREATE, "create", 8)                                                                      \
	X(ACCESS_TRUNCATE, "truncate", 16)                                                                 \
	X(ACCESS_EXEC, "exec", 32)

enum file_access { ACCESSES(KRSI_MEMBER) };

struct params {
	KRSI_PATH_PARAMS
	krsi_flags access KRSI_DOC("Opens that ask for at least one of these. `create` means that this open made "
				   "the file.")
		KRSI_DEFAULT("every access") KRSI_BITS(ACCESSES(KRSI_NAME));
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file.");
	u64 size KRSI_DOC("Size of the file, as it is before the open.") KRSI_UNIT("bytes");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 access KRSI_DOC("What the open asks for.") KRSI_BITS(ACCESSES(KRSI_NAME));
	u32 flags KRSI_DOC("Flags of open(2).")
		KRSI_BITS("O_WRONLY=1 O_RDWR=2 O_CREAT=64 O_EXCL=128 O_NOCTTY=256 O_TRUNC=512 O_APPEND=1024 "
			  "O_NONBLOCK=2048 O_DSYNC=4096 FASYNC=8192 O_DIRECT=16384 O_LARGEFILE=32768 "
			  "O_DIRECTORY=65536 O_NOFOLLOW=131072 O_NOATIME=262144 O_CLOEXEC=524288 "
			  "__O_SYNC=1048576 O_PATH=2097152 __O_TMPFILE=4194304");
	KRSI_FILE_MEMBERS("")
	struct krsi_path path KRSI_DOC("The file, from the task's root.") KRSI_SUBJECT;
} KRSI_TEMPLATE("file_open", "File opens: allow, deny or kill by path, file and access mode",
		"T1005 T1083 T1552.001 T1565.001")
KRSI_EXAMPLE("probe(\"file_open\", #{path: \"/etc/shadow\"}).scope(#{uid: 33}).deny(\"EACCES\").attach();")
KRSI_NOT_SEEN("O_PATH opens, and files that are open already: inherited or passed over a socket. A copy is another file, and "
	      "a rule about names (path_prefix, path_suffix, filters on the path) does not know a file's other names.");

KRSI_PACKED_FROM(path);

/* That it grows makes it no other file. */
#define KRSI_PASSING size
/* A file that this open has just made is there already when it is opened again: O_EXCL would fail, and O_TMPFILE make another. */
#define KRSI_CANNOT_HOLD(event) ((event)->access & ACCESS_CREATE || (event)->flags & 020000000 /* __O_TMPFILE */)
#include "include/krsi_engine.bpf.h"
#include "include/krsi_path_params.bpf.h"

/* include/linux/fs.h; unchanged since 4.19 */
#define FMODE_READ 0x1
#define FMODE_WRITE 0x2
#define FMODE_EXEC 0x20
#define FMODE_CREATED 0x100000
#define O_TRUNC 01000
#define O_APPEND 02000

static __always_inline u32 access_of(struct file *file)
{
	u32 mode = file->f_mode, flags = file->f_flags;
	u32 access = 0;

	if (mode & FMODE_READ)
		access |= ACCESS_READ;
	if (mode & FMODE_WRITE)
		access |= ACCESS_WRITE;
	if (mode & FMODE_CREATED)
		access |= ACCESS_CREATE;
	/* The kernel marks the open for an execution in the flags. */
	if ((mode | flags) & FMODE_EXEC)
		access |= ACCESS_EXEC;
	if (flags & O_APPEND)
		access |= ACCESS_APPEND;
	if (flags & O_TRUNC)
		access |= ACCESS_TRUNCATE;
	return access;
}

/* Everything behind the scope; gives the verdict. */
static __always_inline int decide(void *context, struct file *file)
{
	volatile struct settings *settings = krsi_enter();
	struct scratch *scratch;
	int result;

	if (!settings)
		return 0;

	u64 wanted = settings->params.access;

	if ((wanted && !(access_of(file) & wanted)) || krsi_rules_out_file(settings, file))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;

	struct event *event = &scratch->event;
	struct inode *inode = READ(file, f_inode);
	struct super_block *super = READ(inode, i_sb);

	krsi_gather_file(settings, scratch, file);
	event->inode = READ(inode, i_ino);
	event->size = READ(inode, i_size);
	event->device = READ(super, s_dev);
	event->access = access_of(file);
	event->flags = file->f_flags;
	KRSI_GATHER_FILE(event, inode);
	return krsi_decide(context, scratch, krsi_hook_file_open, krsi_match_path(settings, scratch, inode));
}

SEC("lsm/file_open")
int file_open_open(u64 *context)
{
	struct file *file = ARG(context, 0, struct file *);
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, file);
}

/* Where LSM programs cannot be had, but tracing the function that asks them can. */
SEC("fentry/security_file_open")
int file_open_observed(u64 *context)
{
	decide(context, ARG(context, 0, struct file *));
	return 0;
}
