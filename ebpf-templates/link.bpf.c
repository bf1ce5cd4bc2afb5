/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * link: a hard or a symbolic link is about to be made.
 *
 * Hooks: path_link (fs/namei.c: link(2), linkat(2)) and path_symlink (symlink(2), symlinkat(2)), also by io_uring. The new name
 * is settled, and nothing has been made. A refusal makes the call fail with the errno. The kernel asks before it looks at most
 * permissions, so an event may be about a link that is not made all the same.
 *
 * A hard link is another name for a file, and what is done under one is done to the file: rules about the names of files miss
 * it, except for `path`, which holds the file itself. A file that was made without a name (O_TMPFILE) gets its first one by such a
 * link: then `links` is 0.
 *
 * A symbolic link holds a text. `target` is this text as the task wrote it, relative or absolute, and nothing need be there; it is
 * the kernel's own copy. What it leads to is found when somebody follows it.
 *
 * The params about paths are about both sides: the new name, and the file that a hard link leads to, or the text in a
 * symbolic one. `name` narrows them to one side.
 *
 * Not seen: bind mounts, renames, and links that the kernel's own servers (NFS, SMB) make.
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_path_link,
	krsi_hook_path_symlink,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"
#include "include/krsi_file_types.bpf.h"

#define KINDS(X) X(KIND_HARD, "hard", 1) X(KIND_SYMBOLIC, "symbolic", 2)
#define SIDES(X) X(SIDE_NEW, "new", 1) X(SIDE_TARGET, "target", 2)

enum link_kind { KINDS(KRSI_MEMBER) };
enum side { SIDES(KRSI_MEMBER) };

struct params {
	KRSI_PATH_PARAMS
	krsi_flags name KRSI_DOC("What path, path_prefix and path_suffix are about. `new`: the name that is made; `target`: "
				 "the file a hard link leads to, or the text in a symbolic link.")
		KRSI_DEFAULT("either") KRSI_BITS(SIDES(KRSI_NAME));
	krsi_flags kind KRSI_DOC("Hard links, symbolic links.") KRSI_DEFAULT("both") KRSI_BITS(KINDS(KRSI_NAME));
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file that a hard link leads to; 0 for a symbolic link.");
	krsi_device device KRSI_DOC("Device of the file system the link is made on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 kind KRSI_DOC("Which kind of link.") KRSI_NAMES(KINDS(KRSI_NAME));
	KRSI_FILE_MEMBERS(" that a hard link leads to")
	u32 links KRSI_DOC("Names that file has so far; 0 for one without a name (O_TMPFILE), and for a symbolic link.");
	struct krsi_path path KRSI_DOC("The name that is made, from the task's root.") KRSI_SUBJECT;
	char target[KRSI_PATH_SIZE] KRSI_DOC("What it leads to: a hard link's file, from the task's root; the text in a symbolic link, "
					     "as the task wrote it.")
		KRSI_UNREADABLE("no-target") KRSI_CUT("4095");
} KRSI_TEMPLATE("link", "Hard and symbolic links created: allow, deny or kill by name and target",
		"T1036 T1543.002 T1547.009 T1574")
KRSI_EXAMPLE("probe(\"link\", #{path: [\"/etc/shadow\", \"/etc/sudoers\"], name: \"target\"}).scope(#{not_uid: 0})"
	     ".deny(\"EPERM\").everywhere().lease(\"8h\").attach();")
KRSI_NOT_SEEN("Other ways to give a file another name: bind mounts and renames. What the kernel's own file servers (NFS, SMB) link. The "
	      "text in a symbolic link is compared as it is written, relative or with `..` in it, and not what it leads to.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_entries.bpf.h"

/* What the hooks are asked about; of target and text one is NULL. */
struct linking {
	struct path *directory;
	struct dentry *entry;
	struct dentry *target;
	const char *text;
};

static __always_inline void gather(struct scratch *scratch, const struct linking *linking)
{
	struct event *event = &scratch->event;
	struct path *place = linking->directory;
	struct dentry *parent = READ(place, dentry);
	struct inode *directory = READ(parent, d_inode);
	struct super_block *super = READ(directory, i_sb);
	struct inode *inode;

	event->device = READ(super, s_dev);
	event->kind = linking->target ? KIND_HARD : KIND_SYMBOLIC;
	if (!linking->target)
		return;
	inode = krsi_inode_of(linking->target);
	event->inode = READ(inode, i_ino);
	KRSI_GATHER_FILE(event, inode);
	event->links = READ(inode, i_nlink);
}

/* The text of a symbolic link behind the path. */
static __always_inline void gather_text(struct scratch *scratch, const struct linking *linking)
{
	char *to = krsi_tail(scratch, KRSI_PATH_SIZE);
	long length;

	if (!to)
		return; /* the path's length is never more */
	to[0] = '\0';
	length = bpf_probe_read_kernel_str(to, KRSI_PATH_SIZE, linking->text);
	if (length <= 1)
		scratch->event.header.notes |= KRSI_NOTE_NO_TARGET;
	scratch->used += length > 0 && length <= KRSI_PATH_SIZE ? length : 1;
}

/* Whether what it leads to is among what the params name. */
static __always_inline enum krsi_match match_target(volatile struct settings *settings, struct scratch *scratch,
						    const struct linking *linking)
{
	long length;

	if (linking->target) {
		krsi_gather_name(scratch, krsi_mount_of(linking->directory), linking->target);
		return krsi_match_other(settings, scratch, krsi_inode_of(linking->target));
	}
	length = bpf_probe_read_kernel_str(scratch->event.path.text, KRSI_PATH_SIZE, linking->text);
	krsi_set_path_length(scratch, length > 1 && length <= KRSI_PATH_SIZE ? length - 1 : 0);
	return krsi_match_other(settings, scratch, NULL);
}

static __always_inline int decide(u64 *context, enum krsi_hook hook, const struct linking *linking)
{
	volatile struct settings *settings = krsi_enter();
	u32 kind = linking->target ? KIND_HARD : KIND_SYMBOLIC;
	enum krsi_match match = KRSI_NO_MATCH;
	struct scratch *scratch;
	u64 kinds, name;
	bool named;
	int result;

	if (!settings)
		return 0;
	kinds = settings->params.kind;
	if (kinds && !(kinds & kind))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	name = settings->params.name;
	named = krsi_names_files(settings);
	if (named && name != SIDE_NEW)
		match = match_target(settings, scratch, linking);
	krsi_gather_new_entry(settings, scratch, linking->directory, linking->entry);
	if (!named || name != SIDE_TARGET)
		match = krsi_either(match, krsi_match_path(settings, scratch, NULL));
	gather(scratch, linking);
	if (linking->target)
		krsi_gather_other(scratch, krsi_mount_of(linking->directory), linking->target);
	else
		gather_text(scratch, linking);
	return krsi_decide(context, scratch, hook, match);
}

SEC("lsm/path_link")
int link_hard(u64 *context)
{
	struct linking linking = {
		.target = ARG(context, 0, struct dentry *),
		.directory = ARG(context, 1, struct path *),
		.entry = ARG(context, 2, struct dentry *),
	};
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_path_link, &linking);
}

SEC("lsm/path_symlink")
int link_symbolic(u64 *context)
{
	struct linking linking = {
		.directory = ARG(context, 0, struct path *),
		.entry = ARG(context, 1, struct dentry *),
		.text = ARG(context, 2, const char *),
	};
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_path_symlink, &linking);
}
