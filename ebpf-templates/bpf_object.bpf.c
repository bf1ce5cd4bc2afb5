/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * bpf_object: a task gets hold of a map or a program of eBPF.
 *
 *   bpf_map   it is about to get a descriptor for a map (kernel/bpf/syscall.c, bpf_map_new_fd): of one that it has just made, of
 *             another's by its id, or of one that is pinned in a file system.
 *   bpf_prog  the same for a program (bpf_prog_new_fd). One that is being loaded is verified and compiled by then, and has its id.
 *
 * Whether the task may is settled. A refusal makes bpf(2) fail with the errno, and what was new is freed.
 *
 * Other people's maps are what tools of security keep their policy in: who can write to them can turn it off. `id` and `name`
 * say which one it is; the calls themselves are what the template bpf is about.
 *
 * Not seen: links and types (BTF), for which there are no such hooks; descriptors that are inherited or passed over a socket;
 * what is done by way of one; and programs of the kernel's own.
 */
enum krsi_hook {
	krsi_hook_bpf_map,
	krsi_hook_bpf_prog,
};

#include "include/krsi.bpf.h"
#include "include/krsi_bpf_types.bpf.h"

#define OBJECTS(X) X(OBJECT_MAP, "map", 1) X(OBJECT_PROGRAM, "prog", 2)
#define ACCESSES(X) X(ACCESS_READ, "read", 1) X(ACCESS_WRITE, "write", 2)

enum bpf_object { OBJECTS(KRSI_MEMBER) };
enum map_access { ACCESSES(KRSI_MEMBER) };

struct params {
	krsi_flags object KRSI_DOC("Maps, programs.") KRSI_DEFAULT("both") KRSI_BITS(OBJECTS(KRSI_NAME));
	krsi_flags access KRSI_DOC("Maps to which the descriptor gives at least one of these, and no programs.")
		KRSI_DEFAULT("every access") KRSI_BITS(ACCESSES(KRSI_NAME));
	krsi_names name KRSI_DOC("Names of maps and programs, byte by byte; the kernel keeps 15 of them.")
		KRSI_DEFAULT("every name") KRSI_LONGEST("15");
	krsi_name_prefixes name_prefix KRSI_DOC("Names that start with one of these: `krsi_`. Of name and name_prefix one match is enough.")
		KRSI_DEFAULT("every name") KRSI_LONGEST("15");
};

struct event {
	struct krsi_header header;
	u32 object KRSI_DOC("Map or program.") KRSI_NAMES(OBJECTS(KRSI_NAME));
	u32 id KRSI_DOC("Its id, as bpftool(8) has it.");
	u32 map_type KRSI_DOC("Type of the map.") KRSI_NAMES("none=0 " KRSI_MAP_TYPES(KRSI_TYPE_VALUE));
	u32 prog_type KRSI_DOC("Type of the program.") KRSI_NAMES("none=0 " KRSI_PROG_TYPES(KRSI_TYPE_VALUE));
	u32 access KRSI_DOC("What the descriptor of a map is good for; a map's own flags may leave less.")
		KRSI_BITS(ACCESSES(KRSI_NAME));
	char name[16] KRSI_DOC("Its name.") KRSI_SUBJECT;
	char function[64] KRSI_DOC("Programs for tracing and LSM: the kernel's function they are for; cut after 63 bytes.")
		KRSI_CUT("63");
} KRSI_TEMPLATE("bpf_object", "eBPF maps and programs obtained by a task: newly created, or opened by id or pinned file",
		"T1014 T1562.001")
KRSI_EXAMPLE("probe(\"bpf_object\", #{access: \"write\", name_prefix: [\"krsi_\", \"cilium_\"]}).scope(#{not_uid: 0}).everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_NOT_SEEN("Links and types (BTF): the kernel has no such hooks for them. Descriptors that are inherited or passed over a socket, and "
	      "what is done by way of one.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_names.bpf.h"

/* By name only: a field is relocated if it is an enumeration as the kernel's is. */
enum bpf_map_type { KRSI_SOME_MAP_TYPE };
enum bpf_prog_type { KRSI_SOME_PROG_TYPE };

struct bpf_map {
	enum bpf_map_type map_type;
	u32 id;
	char name[16];
} __relocated;

struct bpf_prog_aux {
	u32 id;
	const char *attach_func_name;
	char name[16];
} __relocated;

struct bpf_prog {
	enum bpf_prog_type type;
	struct bpf_prog_aux *aux;
} __relocated;

static __always_inline bool wanted(volatile struct settings *settings, enum bpf_object object, u32 access)
{
	u64 objects = settings->params.object, accesses = settings->params.access;

	return (!objects || objects & object) && (!accesses || accesses & access);
}

static __always_inline enum krsi_match match_name(volatile struct settings *settings, struct scratch *scratch)
{
	if ((!settings->params.name && !settings->params.name_prefix) ||
	    KRSI_IS_NAMED(settings, scratch, name, scratch->event.name) ||
	    KRSI_IS_NAMED(settings, scratch, name_prefix, scratch->event.name))
		return KRSI_MATCH;
	return KRSI_NO_MATCH;
}

SEC("lsm/bpf_map")
int bpf_object_map(u64 *context)
{
	struct bpf_map *map = ARG(context, 0, struct bpf_map *);
	u32 access = context[1] & (ACCESS_READ | ACCESS_WRITE); /* FMODE_READ, FMODE_WRITE */
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (!wanted(settings, OBJECT_MAP, access))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.object = OBJECT_MAP;
	scratch->event.access = access;
	scratch->event.id = READ(map, id);
	scratch->event.map_type = READ(map, map_type);
	bpf_probe_read_kernel_str(scratch->event.name, sizeof(scratch->event.name),
				  __builtin_preserve_access_index(&map->name));
	return krsi_decide(context, scratch, krsi_hook_bpf_map, match_name(settings, scratch));
}

SEC("lsm/bpf_prog")
int bpf_object_prog(u64 *context)
{
	struct bpf_prog *program = ARG(context, 0, struct bpf_prog *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (!wanted(settings, OBJECT_PROGRAM, 0))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;

	struct bpf_prog_aux *aux = READ(program, aux);

	scratch->event.object = OBJECT_PROGRAM;
	scratch->event.id = READ(aux, id);
	scratch->event.prog_type = READ(program, type);
	bpf_probe_read_kernel_str(scratch->event.name, sizeof(scratch->event.name),
				  __builtin_preserve_access_index(&aux->name));
	/* NULL for programs of other kinds. */
	bpf_probe_read_kernel_str(scratch->event.function, sizeof(scratch->event.function), READ(aux, attach_func_name));
	return krsi_decide(context, scratch, krsi_hook_bpf_prog, match_name(settings, scratch));
}
