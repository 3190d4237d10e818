// SPDX-License-Identifier: GPL-2.0-only
/*
 * A CRC is linear: when some bits of a message flip, its CRC changes by the CRC
 * of a message that has only these bits set (without the inversions at both
 * ends). So the ports of an SCTP packet can be changed without a look at the
 * rest, a wrong CRC stays wrong by as much, and no other module is needed.
 *
 * Here a polynomial has the coefficient of x^0 in bit 31, as CRC32c has it
 * (RFC 9260, appendix A).
 */
#include "crc32c.h"

#define POLYNOMIAL 0x82f63b78U

/* x^(8 * 2^n): what 2^n bytes that follow multiply by. */
static const u32 shift[16] = {
	0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c,
	0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7,
	0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a,
	0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
};

/* The product of two polynomials, modulo that of the CRC. */
static u32 multiply(u32 a, u32 b)
{
	u32 product = 0;

	for (; a; a <<= 1) {
		if (a & 0x80000000)
			product ^= b;
		b = b & 1 ? b >> 1 ^ POLYNOMIAL : b >> 1;
	}
	return product;
}

/**
 * bpflb_crc32c_change() - how the CRC32c of a message follows its first four bytes
 * @bits: of these, as a little endian number, the bits that flip
 * @len: length of the message, bytes, at least 4
 *
 * Context: any. Return: the bits of the CRC that flip.
 */
u32 bpflb_crc32c_change(u32 bits, u16 len)
{
	int n;

	for (n = 0; n < 16; n++)
		if (len & 1 << n)
			bits = multiply(bits, shift[n]);
	return bits;
}
