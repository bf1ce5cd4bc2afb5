/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * module: the kernel is about to be given code or data that it takes without doubting it.
 *
 * Three hooks, one for each way there:
 *
 *   kernel_module_request  The kernel wants a module that it does not have, and is about to start modprobe for it
 *                          (kernel/module/kmod.c, __request_module), in the task whose operation needs it: a socket of a family
 *                          nobody has registered (net-pf-38), a file system (fs-xfs), a device (char-major-10-200). `name`
 *                          is what is asked for, an alias as often as not. Any user can cause most of these, and so bring in
 *                          code with bugs that the system never needed. A refusal is as if modprobe had found nothing: the operation
 *                          fails with its own errno (EAFNOSUPPORT, ENODEV …).
 *   kernel_read_file       A file is about to be read into the kernel: a module (finit_module), firmware, a kernel to execute
 *                          (kexec_file_load), a policy of IMA's, a certificate. Nothing of it has been looked at. A refusal makes the
 *                          call fail with the errno.
 *   kernel_load_data       The same from the task's memory, which no path can be told of: init_module, kexec_load; firmware
 *                          that user space hands over. modprobe of kmod uses files; what comes by this way comes from elsewhere. A
 *                          refusal makes the call fail with the errno.
 *
 * A module that is compressed is a module: from 6.19 on the kernel numbers it apart, and here it is not.
 *
 * modprobe, once started, is a task of its own, a child of the kernel's: it is asked about again, as whoever reads a file.
 *
 * Not seen: modules that are part of the kernel; what is loaded already; unloading (delete_module), for which there is no hook;
 * programs of eBPF, of which the template bpf tells; and that modprobe's request comes to nothing. Firmware is mostly read by a
 * worker of the kernel's, whoever has caused it.
 */
enum krsi_hook {
	krsi_hook_kernel_module_request,
	krsi_hook_kernel_read_file,
	krsi_hook_kernel_load_data,
};

#include "include/krsi.bpf.h"
#include "include/krsi_file.bpf.h"

#define FROMS(X) X(FROM_REQUEST, "request", 1) X(FROM_FILE, "file", 2) X(FROM_MEMORY, "memory", 4)

/* The kernel's numbers (enum kernel_read_file_id, kernel_load_data_id) as powers of two, from 5.10 on; 0: it does not say. */
#define KINDS(X)                                                                                           \
	X(KIND_UNKNOWN, "unknown", 1)                                                                      \
	X(KIND_FIRMWARE, "firmware", 2)                                                                    \
	X(KIND_MODULE, "module", 4)                                                                        \
	X(KIND_KEXEC_IMAGE, "kexec_image", 8)                                                              \
	X(KIND_KEXEC_INITRAMFS, "kexec_initramfs", 16)                                                     \
	X(KIND_POLICY, "policy", 32)                                                                       \
	X(KIND_CERTIFICATE, "certificate", 64)

enum module_from { FROMS(KRSI_MEMBER) };
enum module_kind { KINDS(KRSI_MEMBER) };

struct params {
	krsi_flags kind KRSI_DOC("What it is that the kernel is given. A request is for a module.")
		KRSI_DEFAULT("every kind") KRSI_BITS(KINDS(KRSI_NAME));
	krsi_flags from KRSI_DOC("request: the kernel is about to start modprobe; file: it reads a file; memory: a task hands it "
				 "over without a file, which beside params about names and files has to be said here.")
		KRSI_DEFAULT("every way") KRSI_BITS(FROMS(KRSI_NAME));
	krsi_names name KRSI_DOC("Modules as they are requested, byte by byte: `net-pf-38` (AF_ALG), `xfrm-type-2-50`, `fs-cramfs`. "
				 "Beside params about files, a match of either kind is enough.")
		KRSI_DEFAULT("every request") KRSI_LONGEST("55");
	krsi_name_prefixes name_prefix KRSI_DOC("Requests that start with one of these: `net-pf-`, `crypto-`. Of name and "
						"name_prefix one match is enough.")
		KRSI_DEFAULT("every request") KRSI_LONGEST("55");
	KRSI_PATH_PARAMS
};

struct event {
	struct krsi_header header;
	u64 inode KRSI_DOC("Inode of the file; 0 without one.");
	u64 size KRSI_DOC("Size of the file.") KRSI_UNIT("bytes");
	krsi_device device KRSI_DOC("Device of the file system the file is on, as the kernel has it.")
		KRSI_UNIT("major:minor");
	u32 kind KRSI_DOC("What it is that the kernel is given.") KRSI_NAMES(KINDS(KRSI_NAME));
	u32 from KRSI_DOC("How: modprobe is to find it, a file is read, or it comes from a task's memory.")
		KRSI_NAMES(FROMS(KRSI_NAME));
	KRSI_FILE_MEMBERS("")
	char name[64] KRSI_DOC("The module that is requested, often by an alias; empty otherwise.");
	struct krsi_path path KRSI_DOC("The file, from the task's root; empty without one.") KRSI_SUBJECT;
} KRSI_TEMPLATE("module", "Code loaded into the kernel: modules requested and loaded, firmware, kexec images",
		"T1547.006 T1014 T1068")
KRSI_EXAMPLE("probe(\"module\", #{from: \"request\", name_prefix: [\"net-pf-\", \"xfrm-type-\"]}).scope(#{not_uid: 0}).everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_CANNOT_ASK("the kernel asks for modules in the midst of other work, which then fails in ways of its own")
KRSI_NOT_SEEN("Modules that are part of the kernel or loaded already; unloading, for which there is no hook; whether a request comes to "
	      "anything. Firmware is mostly read by a worker of the kernel's, and not by the task that has caused it. "
	      "Programs of eBPF: template bpf.");

KRSI_PACKED_FROM(path);

#include "include/krsi_engine.bpf.h"
#include "include/krsi_names.bpf.h"
#include "include/krsi_path_params.bpf.h"

#define READING_MODULE 2
#define READING_MODULE_COMPRESSED 7

static __always_inline u32 kind_of(u32 id)
{
	if (id == READING_MODULE_COMPRESSED)
		id = READING_MODULE;
	return id > 6 ? KIND_UNKNOWN : 1 << id;
}

static __always_inline bool names_requests(volatile struct settings *settings)
{
	return settings->params.name || settings->params.name_prefix;
}

/* Whether the params have it in view, as far as kind and way tell. */
static __always_inline bool wanted(volatile struct settings *settings, enum module_from from, u32 kind)
{
	u64 kinds = settings->params.kind, ways = settings->params.from;
	bool requests = names_requests(settings), files = krsi_names_files(settings);

	if ((kinds && !(kinds & kind)) || (ways && !(ways & from)))
		return false;
	/* Params that are about the other way only are not about this one. */
	if (from == FROM_REQUEST)
		return requests || !files;
	if (from == FROM_FILE)
		return files || !requests;
	return (!requests && !files) || ways;
}

static __always_inline enum krsi_match match_name(volatile struct settings *settings, struct scratch *scratch)
{
	if (!names_requests(settings) || KRSI_IS_NAMED(settings, scratch, name, scratch->event.name) ||
	    KRSI_IS_NAMED(settings, scratch, name_prefix, scratch->event.name))
		return KRSI_MATCH;
	return KRSI_NO_MATCH;
}

SEC("lsm/kernel_module_request")
int module_request(u64 *context)
{
	const char *name = ARG(context, 0, const char *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (!wanted(settings, FROM_REQUEST, KIND_MODULE))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.kind = KIND_MODULE;
	scratch->event.from = FROM_REQUEST;
	bpf_probe_read_kernel_str(scratch->event.name, sizeof(scratch->event.name), name);
	return krsi_decide(context, scratch, krsi_hook_kernel_module_request, match_name(settings, scratch));
}

SEC("lsm/kernel_read_file")
int module_read(u64 *context)
{
	struct file *file = ARG(context, 0, struct file *);
	u32 kind = kind_of(context[1]);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (!wanted(settings, FROM_FILE, kind) || krsi_rules_out_file(settings, file))
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
	event->kind = kind;
	event->from = FROM_FILE;
	KRSI_GATHER_FILE(event, inode);
	return krsi_decide(context, scratch, krsi_hook_kernel_read_file, krsi_match_path(settings, scratch, inode));
}

SEC("lsm/kernel_load_data")
int module_load(u64 *context)
{
	u32 kind = kind_of(context[0]);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (!wanted(settings, FROM_MEMORY, kind))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.kind = kind;
	scratch->event.from = FROM_MEMORY;
	return krsi_decide(context, scratch, krsi_hook_kernel_load_data, KRSI_MATCH);
}
