// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer"
 * (NSDI 2016), with the hashes, the seeds and the way of weights that Cilium has:
 * nodes of both choose alike.
 */
#include <asm/byteorder.h>
#include <linux/bitops.h>
#include <linux/jhash.h>
#include <linux/math64.h>
#include <linux/netfilter.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "maglev.h"
#include "tuple.h"

/* Of Cilium's default seed, "JLfvgnHc2kaSUFaI". */
#define SEED_NAME	0x24b7ef82
#define SEED_IPV4	0x71dcda46
#define SEED_IPV6	0x92505688

/* No entry yet. */
#define FREE		U16_MAX

/**
 * bpflb_maglev_size_is_good() - may a table have so many entries?
 * @size: how many
 */
bool bpflb_maglev_size_is_good(u32 size)
{
	static const u32 good[] = { 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		if (size == good[i])
			return true;
	return false;
}

static u64 load(const char *text)
{
	__le64 word;

	memcpy(&word, text, sizeof(word));
	return le64_to_cpu(word);
}

static u64 murmur_mix(u64 k)
{
	k ^= k >> 33;
	k *= 0xff51afd7ed558ccdULL;
	k ^= k >> 33;
	k *= 0xc4ceb9fe1a85ec53ULL;
	return k ^ k >> 33;
}

static u64 murmur_word1(u64 k)
{
	return rol64(k * 0x87c37b91114253d5ULL, 31) * 0x4cf5ad432745937fULL;
}

static u64 murmur_word2(u64 k)
{
	return rol64(k * 0x4cf5ad432745937fULL, 33) * 0x87c37b91114253d5ULL;
}

/* MurmurHash3_x64_128: public domain, by Austin Appleby. */
static void murmur(const char *text, size_t len, u64 h[2])
{
	size_t n = len;

	h[0] = SEED_NAME;
	h[1] = SEED_NAME;
	for (; n >= 16; n -= 16, text += 16) {
		h[0] ^= murmur_word1(load(text));
		h[0] = (rol64(h[0], 27) + h[1]) * 5 + 0x52dce729;
		h[1] ^= murmur_word2(load(text + 8));
		h[1] = (rol64(h[1], 31) + h[0]) * 5 + 0x38495ab5;
	}
	if (n) {
		char rest[16] = {};

		memcpy(rest, text, n);
		h[0] ^= murmur_word1(load(rest));
		h[1] ^= murmur_word2(load(rest + 8));
	}
	h[0] ^= len;
	h[1] ^= len;
	h[0] += h[1];
	h[1] += h[0];
	h[0] = murmur_mix(h[0]);
	h[1] = murmur_mix(h[1]);
	h[0] += h[1];
	h[1] += h[0];
}

static int compare(const void *a, const void *b)
{
	const struct bpflb_maglev_member *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* What all weights add up to; 0 if they are alike. Cilium leaves weights that are
 * less than 2 in the mean out of account; here they count, as so many times 100.
 */
static u64 sum_up(struct bpflb_maglev_member *member, u32 n)
{
	bool alike = true;
	u64 all = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		all += member[i].weight;
		alike &= member[i].weight == member[0].weight;
	}
	if (alike || div_u64(all, n) > 1)
		return alike ? 0 : all;
	for (i = 0; i < n; i++)
		member[i].weight *= 100;
	return all * 100;
}

/* In an order that does not depend on who sorts; and where each would like to begin. */
static void prepare(struct bpflb_maglev_member *member, u32 n, u32 size)
{
	u64 h[2], rest;
	u32 i;

	sort(member, n, sizeof(*member), compare, NULL);
	for (i = 0; i < n; i++) {
		struct bpflb_maglev_member *m = &member[i];

		murmur(m->name, strlen(m->name), h);
		div64_u64_rem(h[0], size, &rest);
		m->place = rest;
		div64_u64_rem(h[1], size - 1, &rest);
		m->skip = rest + 1;
		m->turns = m->weight / n;
	}
}

static void take_place(u16 *table, u32 size, struct bpflb_maglev_member *m)
{
	while (table[m->place] != FREE)
		m->place = (m->place + m->skip) % size;
	table[m->place] = m->slot;
}

/**
 * bpflb_maglev_fill() - who gets which entry of a table
 * @table: the result: of each entry a member's slot
 * @size: of the table, see bpflb_maglev_size_is_good()
 * @member: name, slot (below 65535) and weight are given; in any order
 * @n: how many, above 0
 *
 * One after the other they take the free entry that they like best. Who has less
 * than its share of weight misses turns. With all weights alike each has as many
 * entries as any other, or one more; if one goes, hardly an entry changes but its own.
 *
 * Context: process; takes about 10 ns for each entry, and lets others run.
 */
void bpflb_maglev_fill(u16 *table, u32 size, struct bpflb_maglev_member *member, u32 n)
{
	u64 all = sum_up(member, n);
	u32 turn, i;

	prepare(member, n, size);
	memset(table, 0xff, size * sizeof(*table));
	for (turn = 0; turn < size; turn++) {
		for (i = turn % n; all; i = (i + 1) % n) {
			if ((turn + 1ULL) * member[i].weight < member[i].turns)
				continue;
			member[i].turns += all;
			break;
		}
		take_place(table, size, &member[i]);
		if (turn % 1024 == 1023)
			cond_resched();
	}
}

/* Words as they are in the packet, on machines of either byte order. */
static u32 word(__be32 w)
{
	return le32_to_cpu((__force __le32)w);
}

static u32 ports(const struct bpflb_tuple *t, bool any_port)
{
	u16 dst = le16_to_cpu((__force __le16)t->dst.port);

	return (u32)dst << 16 | (any_port ? 0 : le16_to_cpu((__force __le16)t->src.port));
}

static u32 hash6(const struct bpflb_tuple *t, bool any_port)
{
	const __be32 *client = t->src.addr.ip6;
	u32 a = word(client[0]), b = word(client[1]), c = word(client[2]);

	__jhash_mix(a, b, c);
	a += word(client[3]);
	b += ports(t, any_port);
	c += t->proto;
	__jhash_mix(a, b, c);
	a += SEED_IPV6;
	__jhash_final(a, b, c);
	return c;
}

/**
 * bpflb_maglev_hash() - where a packet looks into a table, modulo its size
 * @t: the packet's tuple, as the client has sent it
 * @any_port: all ports of a client go to one backend
 *
 * The service's address does not count, its port does: a service's addresses
 * are one to a client.
 *
 * Context: any.
 */
u32 bpflb_maglev_hash(const struct bpflb_tuple *t, bool any_port)
{
	if (t->family == NFPROTO_IPV6)
		return hash6(t, any_port);
	return jhash_3words(word(t->src.addr.ip), ports(t, any_port), t->proto, SEED_IPV4);
}
