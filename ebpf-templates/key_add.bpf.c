/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * key_add: a key or a keyring is about to be made in the kernel's key store (keyrings(7)).
 *
 * Hook: key_alloc (security/keys/key.c), for add_key(2), request_key(2) that makes one, keyctl(2) that makes a keyring, and for
 * keyrings that the kernel makes when a task first needs them (_ses, _pid, _uid …). Its type, description and owner are settled,
 * its number and its payload are not. A refusal makes the call fail with the errno.
 *
 * A key that is there already and gets another payload (add_key with its description) is no new one, and is not asked about.
 * The hook that is (key_permission) names the key by a pointer of a kind that programs of eBPF may not read.
 *
 * Not seen: reading, changing, linking and revoking keys; what is in them.
 */
enum krsi_hook {
	krsi_hook_key_alloc,
};

#include "include/krsi.bpf.h"

struct params {
	krsi_names type KRSI_DOC("Types of keys: `user`, `keyring`, `logon`, `asymmetric`, `encrypted`.")
		KRSI_DEFAULT("every type");
	krsi_names name KRSI_DOC("Descriptions of keys, byte by byte.") KRSI_DEFAULT("every description");
	krsi_name_prefixes name_prefix KRSI_DOC("Descriptions that start with one of these. Of name and name_prefix one match is enough.")
		KRSI_DEFAULT("every description");
};

struct event {
	struct krsi_header header;
	u32 owner KRSI_DOC("User the key belongs to, in the initial user namespace.");
	u32 permissions KRSI_DOC("Its permissions, as keyctl(1) has them.");
	char key_type[32] KRSI_DOC("Type of the key.");
	char name[256] KRSI_DOC("Its description; cut after 255 bytes.") KRSI_CUT("255") KRSI_SUBJECT;
} KRSI_TEMPLATE("key_add", "Keys and keyrings added to the kernel's key store: by type and description", "T1552 T1556")
KRSI_EXAMPLE("probe(\"key_add\", #{type: [\"asymmetric\", \"logon\"]}).scope(#{not_uid: 0}).everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_CANNOT_ASK("the kernel makes keys in the midst of other work, which then fails in ways of its own")
KRSI_NOT_SEEN("Reading, changing, linking and revoking keys, another payload for one that is there, and what is in keys.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"
#include "include/krsi_names.bpf.h"

struct key_type {
	const char *name;
} __relocated;

struct keyring_index_key {
	struct key_type *type;
	const char *description;
} __relocated;

struct key {
	kuid_t uid;
	u32 perm;
	struct keyring_index_key index_key;
} __relocated;

static __always_inline enum krsi_match match_name(volatile struct settings *settings, struct scratch *scratch,
						  const char *description)
{
	if (settings->params.type && !KRSI_IS_NAMED(settings, scratch, type, scratch->event.key_type))
		return KRSI_NO_MATCH;
	if ((!settings->params.name && !settings->params.name_prefix) ||
	    KRSI_IS_NAMED(settings, scratch, name, description) ||
	    KRSI_IS_NAMED(settings, scratch, name_prefix, description))
		return KRSI_MATCH;
	return KRSI_NO_MATCH;
}

SEC("lsm/key_alloc")
int key_add_key(u64 *context)
{
	struct key *key = ARG(context, 0, struct key *);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;

	struct event *event = &scratch->event;
	struct key_type *type = READ(key, index_key.type);
	const char *description = READ(key, index_key.description);

	event->owner = READ(key, uid.val);
	event->permissions = READ(key, perm);
	bpf_probe_read_kernel_str(event->key_type, sizeof(event->key_type), READ(type, name));
	bpf_probe_read_kernel_str(event->name, sizeof(event->name), description);
	return krsi_decide(context, scratch, krsi_hook_key_alloc, match_name(settings, scratch, description));
}
