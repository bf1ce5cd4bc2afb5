/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/* IP addresses, in the one form that they have in events (struct krsi_address). */
#ifndef KRSI_ADDRESSES_BPF_H
#define KRSI_ADDRESSES_BPF_H

#include "krsi.bpf.h"

/* A port, between the network's order and the other. */
#define KRSI_SWAPPED(number) ((u16)((number) << 8 | (number) >> 8))

/* 1 for each byte of the prefix that IPv4 addresses have as IPv6 ones. */
#define KRSI_MAPPED_PREFIX 12

static __always_inline bool krsi_is_mapped(const u8 *bytes)
{
	for (int i = 0; i < 10; i++)
		if (bytes[i])
			return false;
	return bytes[10] == 0xff && bytes[11] == 0xff;
}

static __always_inline void krsi_set_v4(struct krsi_address *address, const u8 *bytes)
{
	address->version = 4;
	for (int i = 0; i < 10; i++)
		address->bytes[i] = 0;
	address->bytes[10] = address->bytes[11] = 0xff;
	for (int i = 0; i < 4; i++)
		address->bytes[KRSI_MAPPED_PREFIX + i] = bytes[i];
}

static __always_inline void krsi_set_v6(struct krsi_address *address, const u8 *bytes)
{
	address->version = krsi_is_mapped(bytes) ? 4 : 6;
	__builtin_memcpy(address->bytes, bytes, sizeof(address->bytes));
}

static __always_inline void krsi_read_v4(const u32 *from, struct krsi_address *address)
{
	u32 bytes = 0;

	bpf_probe_read_kernel(&bytes, sizeof(bytes), from);
	krsi_set_v4(address, (const u8 *)&bytes);
}

/* In place: the stack has little room left. */
static __always_inline void krsi_read_v6(const struct in6_addr *from, struct krsi_address *address)
{
	bpf_probe_read_kernel(address->bytes, sizeof(address->bytes), from);
	address->version = krsi_is_mapped(address->bytes) ? 4 : 6;
}

#endif
