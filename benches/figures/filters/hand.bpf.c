/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * The conditions that `cases.rs` has as closures, written by hand as the author of a template would: typed
 * loads, the compiler's memcmp, a bounded loop where a text is searched. Each stands in a section of its own and
 * takes the slot's place, so it is called as a filter is.
 */
#include "../../../ebpf-templates/file_open.bpf.c"

/* A filter is given the record: where the event comes from stands before it. */
#define BY_HAND(name)                                                                                      \
	static __always_inline u64 of_event_##name(struct event *event);                                   \
	__attribute__((section("hand/" #name), used)) u64 by_hand_##name(struct krsi_record *record)       \
	{                                                                                                  \
		return of_event_##name(&record->event);                                                    \
	}                                                                                                  \
	static __always_inline u64 of_event_##name(struct event *event)
#define SAME(text, word) (__builtin_memcmp(text, word, sizeof(word) - 1) == 0)
/* Texts of an event begin at multiples of 4, which saves the compiler from going byte by byte. */
#define WORDS(text) __builtin_assume_aligned(text, 4)
/* With the NUL that ends it. */
#define IS(text, word) (__builtin_memcmp(text, word, sizeof(word)) == 0)

BY_HAND(one_number)
{
	return event->header.uid == 1000;
}

BY_HAND(numbers)
{
	u32 uid = event->header.uid;

	return uid >= 1000 && uid < 60000 && (event->file_mode & 0111) != 0 && (event->access & 2) != 0;
}

/* With the meaning that numbers have in a script: signed, and beyond 64 bits there is no answer. */
BY_HAND(arithmetic)
{
	s64 size = event->size, sum;

	if (__builtin_add_overflow(size, (s64)4095, &sum))
		return 2;
	return sum / 4096 > 256 && size % 512 != 0;
}

BY_HAND(set)
{
	switch (event->header.uid) {
	case 0: case 7: case 33: case 101: case 109: case 250: case 404: case 998:
	case 1000: case 1004: case 1010: case 1050: case 1100: case 1203: case 1500: case 1999:
	case 2001: case 2500: case 3000: case 3100: case 4000: case 4242: case 5000: case 6001:
	case 7000: case 8080: case 9000: case 10000: case 20000: case 30000: case 60000: case 65534:
		return 1;
	}
	return 0;
}

/* What a path says first: that it could not be read. */
#define READABLE(event) ((event)->path.length != 0 || !((event)->header.notes & 4))

BY_HAND(texts)
{
	const char *comm = WORDS(event->header.comm);

	if (!READABLE(event))
		return 2;
	return SAME(WORDS(event->path.text), "/etc/") || IS(comm, "bash") || IS(comm, "zsh") || IS(comm, "dash") ||
	       IS(comm, "sh");
}

static __always_inline u64 searched(struct event *event)
{
	const char *exe = event->header.exe;

	for (u32 at = 0; at < sizeof(event->header.exe) - sizeof("memfd:"); at++) {
		if (exe[at] == '\0')
			return 0;
		if (SAME(exe + at, "memfd:"))
			return 1;
	}
	return 0;
}

BY_HAND(search)
{
	return searched(event);
}

BY_HAND(searches)
{
	const char *exe = event->header.exe;

	for (u32 at = 0; at < sizeof(event->header.exe) - sizeof("/.ssh/"); at++) {
		if (exe[at] == '\0')
			break;
		/* Letters of either case at once. */
		if (exe[at] == '/' && exe[at + 1] == '.' && (exe[at + 2] | 0x20) == 's' &&
		    (exe[at + 3] | 0x20) == 's' && (exe[at + 4] | 0x20) == 'h' && exe[at + 5] == '/')
			return 1;
	}
	return searched(event);
}
