/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * file_ioctl: an open file is being told to do something that has no system call of its own (ioctl).
 *
 * Hooks: file_ioctl (fs/ioctl.c, ioctl(2)) and file_ioctl_compat (the same by 32-bit programs; Linux 6.8, and older kernels that were
 * mended; where there is none, file_ioctl is asked about those too). Nothing has been done. A refusal makes the call fail with the errno.
 *
 * What a command is, is for the file to say: each driver numbers its own, and the same number may be another command
 * elsewhere. So a rule about commands is best one about files, too. The known ones are listed below under their names, as
 * 64-bit programs have them; a 32-bit program may have another number for the same, which `group` and `number` find all the same.
 *
 * The kernel compares 32 bits of the command, and so does this.
 *
 * Not seen: what the argument points to, since the task could change it after it was looked at; what a driver does without
 * ioctl (write, mmap, netlink, io_uring's own commands).
 *
 * Trouble (a path that cannot be read) allows, unless the probe says otherwise.
 */
enum krsi_hook {
	krsi_hook_file_ioctl,
	krsi_hook_file_ioctl_compat,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"
#include "include/krsi_file_types.bpf.h"

/* As X(name, command, bit of the param). */
#define COMMANDS(X)                                                                                        \
	X("TIOCSTI", 21522, 1)                                                                             \
	X("TIOCLINUX", 21532, 2)                                                                           \
	X("TIOCSCTTY", 21518, 4)                                                                           \
	X("TIOCCONS", 21533, 8)                                                                            \
	X("TIOCSETD", 21539, 16)                                                                           \
	X("FS_IOC_SETFLAGS", 1074292226, 32)                                                               \
	X("FS_IOC_FSSETXATTR", 1075599392, 64)                                                             \
	X("FIFREEZE", 3221510263, 128)                                                                     \
	X("FITHAW", 3221510264, 256)                                                                       \
	X("FITRIM", 3222820985, 512)                                                                       \
	X("FICLONE", 1074041865, 1024)                                                                     \
	X("FICLONERANGE", 1075876877, 2048)                                                                \
	X("FIDEDUPERANGE", 3222836278, 4096)                                                               \
	X("FIBMAP", 1, 8192)                                                                               \
	X("BLKDISCARD", 4727, 16384)                                                                       \
	X("BLKSECDISCARD", 4733, 32768)                                                                    \
	X("BLKZEROOUT", 4735, 65536)                                                                       \
	X("BLKROSET", 4701, 131072)                                                                        \
	X("BLKRRPART", 4703, 262144)                                                                       \
	X("SG_IO", 8837, 524288)                                                                           \
	X("LOOP_SET_FD", 19456, 1048576)                                                                   \
	X("LOOP_CONFIGURE", 19466, 2097152)                                                                \
	X("LOOP_CTL_GET_FREE", 19586, 4194304)                                                             \
	X("TUNSETIFF", 1074025674, 8388608)                                                                \
	X("KVM_CREATE_VM", 44545, 16777216)                                                                \
	X("UFFDIO_API", 3222841919, 33554432)                                                              \
	X("PERF_EVENT_IOC_SET_BPF", 1074013192, 67108864)                                                  \
	X("FS_IOC_ADD_ENCRYPTION_KEY", 3226494487, 134217728)                                              \
	X("FS_IOC_ENABLE_VERITY", 1082156677, 268435456)                                                   \
	X("EVIOCGRAB", 1074021776, 536870912)                                                              \
	X("SIOCSIFFLAGS", 35092, 1073741824)                                                               \
	X("SIOCSIFHWADDR", 35108, 2147483648)                                                              \
	X("TCGETS", 21505, 4294967296)                                                                     \
	X("FIONREAD", 21531, 8589934592)

#define VALUE(name, value, bit) name "=" #value " "
#define BIT(name, value, bit) name "=" #bit " "

/* include/uapi/asm-generic/ioctl.h */
#define DIRECTIONS "none=0 write=1 read=2 both=3"

struct params {
	KRSI_PATH_PARAMS
	krsi_flags command KRSI_DOC("Only these commands. TIOCSTI types into a terminal; FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR are what "
				    "chattr does; BLK… commands erase disks. For others: a filter on `command`, or on `group` and `number`.")
		KRSI_DEFAULT("every command") KRSI_BITS(COMMANDS(BIT));
	krsi_flags file_type KRSI_DOC("Kinds of files that it is said to.") KRSI_DEFAULT("every kind") KRSI_FILE_TYPE_BITS;
};

struct event {
	struct krsi_header header;
	u64 argument KRSI_DOC("The argument as it is given: a number, or an address in the task's memory.");
	u64 inode KRSI_DOC("Inode of the file.");
	u32 command KRSI_DOC("The command: its name if it is one of those that the param has, else its number.") KRSI_NAMES(COMMANDS(VALUE));
	u32 group KRSI_DOC("Bits 8 to 15 of it: by these, drivers keep their commands apart.");
	u32 number KRSI_DOC("Bits 0 to 7 of it: the number within the group.");
	u32 direction KRSI_DOC("Bits 30 and 31 of it: whether the argument is the address of something the file reads (write), "
			       "fills in (read), or both; older commands have none of it.")
		KRSI_NAMES(DIRECTIONS);
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	krsi_device node KRSI_DOC("The device that a char or block file stands for; 0:0 for all else.")
		KRSI_UNIT("major:minor");
	u32 file_type KRSI_DOC("What kind of file it is.") KRSI_FILE_TYPE_NAMES;
	KRSI_FILE_MEMBERS("")
	struct krsi_path path KRSI_DOC("The file, from the task's root; socket:[…], pipe:[…] and the like for what is in no tree.")
		KRSI_SUBJECT;
} KRSI_TEMPLATE("file_ioctl", "ioctl commands to devices and files: allow, deny or kill by command, path and kind of file",
		"T1222.002 T1561 T1674")
KRSI_EXAMPLE("probe(\"file_ioctl\", #{command: [\"TIOCSTI\", \"TIOCLINUX\"]}).scope(#{not_uid: 0})"
	     ".deny(\"EPERM\").everywhere().lease(\"8h\").attach();")
KRSI_NOT_SEEN("What the argument points to. What a driver does without ioctl: by write, mmap, netlink or io_uring. The same number may "
	      "be another command of another driver: ask for the path or the kind of file as well.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_paths.bpf.h"
#include "include/krsi_path_params.bpf.h"

#define CASE(name, value, bit)                                                                             \
	case value:                                                                                        \
		return bit;

static __always_inline u64 bit_of(u32 command)
{
	switch (command) {
		COMMANDS(CASE)
	default:
		return 0;
	}
}

static __always_inline int decide(u64 *context, enum krsi_hook hook)
{
	struct file *file = ARG(context, 0, struct file *);
	u32 command = context[1];
	u64 argument = context[2];
	volatile struct settings *settings = krsi_enter();
	struct scratch *scratch;
	struct inode *inode;
	u64 commands;
	int result;

	if (!settings)
		return 0;
	commands = settings->params.command;
	inode = READ(file, f_inode);
	if ((commands && !(commands & bit_of(command))) ||
	    !krsi_has_file_type(settings->params.file_type, krsi_file_type(READ(inode, i_mode))) ||
	    krsi_rules_out_file(settings, file))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;

	struct event *event = &scratch->event;
	struct super_block *super = READ(inode, i_sb);

	/* d_path is not for programs of this hook on every kernel. */
	if (krsi_tells_path(settings) || krsi_names_files(settings))
		krsi_gather_name(scratch, READ(file, f_path.mnt), READ(file, f_path.dentry));
	event->argument = argument;
	event->inode = READ(inode, i_ino);
	event->command = command;
	event->group = command >> 8 & 0xff;
	event->number = command & 0xff;
	event->direction = command >> 30;
	event->device = READ(super, s_dev);
	event->node = READ(inode, i_rdev);
	event->file_type = krsi_file_type(READ(inode, i_mode));
	KRSI_GATHER_FILE(event, inode);
	return krsi_decide(context, scratch, hook, krsi_match_path(settings, scratch, inode));
}

SEC("lsm/file_ioctl")
int file_ioctl_ioctl(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_file_ioctl);
}

SEC("lsm/file_ioctl_compat")
int file_ioctl_compat(u64 *context)
{
	int refused = KRSI_REFUSED(context);

	return refused ? refused : decide(context, krsi_hook_file_ioctl_compat);
}
