// SPDX-License-Identifier: GPL-2.0-only
// SOURCES:
// KERNEL
/* Checksums follow a rewrite, in whichever state the packet is: compared with sums that are made anew. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>

#include <linux/compiler.h>
#ifndef __always_inline
#define __always_inline inline
#endif
#include "rewrite.h"

#define DATA_MAX 64
#define ROUNDS 20000

/** struct packet - room for headers and data of either family */
struct packet {
	struct sk_buff skb;
	bool ipv6;
	bool tcp;
	bool summed;	/* UDP with a checksum */
	u32 head;	/* bytes of the IP header */
	u32 len;	/* of all */
	u8 data[sizeof(struct ipv6hdr) + sizeof(struct tcphdr) + DATA_MAX] __attribute__((aligned(8)));
};

static u32 sum_of(const void *data, u32 len, u32 sum)
{
	const u8 *p = data;
	u32 i;

	for (i = 0; i < len; i++)
		sum += i % 2 ? p[i] : p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static u32 pseudo_of(const struct packet *p)
{
	u32 at = p->ipv6 ? 8 : 12, n = p->ipv6 ? 32 : 8;

	return sum_of(p->data + at, n, (p->tcp ? IPPROTO_TCP : IPPROTO_UDP) + p->len - p->head);
}

static u8 *check_of(struct packet *p)
{
	return p->data + p->head + (p->tcp ? offsetof(struct tcphdr, check) :
					     offsetof(struct udphdr, check));
}

static void put_check(struct packet *p)
{
	u8 *check = check_of(p);
	u32 sum;

	memset(check, 0, 2);
	if (p->skb.ip_summed == CHECKSUM_PARTIAL) {
		sum = pseudo_of(p);
	} else if (p->summed) {
		sum = ~sum_of(p->data + p->head, p->len - p->head, pseudo_of(p)) & 0xffff;
		sum = sum ?: 0xffff;
	} else {
		return;
	}
	check[0] = sum >> 8;
	check[1] = sum;
}

static void put_head_check(struct packet *p)
{
	u32 sum;

	if (p->ipv6)
		return;
	memset(p->data + 10, 0, 2);
	sum = ~sum_of(p->data, p->head, 0);
	p->data[10] = sum >> 8;
	p->data[11] = sum;
}

static struct packet some_packet(u8 ip_summed)
{
	struct packet p = { .skb = { .ip_summed = ip_summed } };
	u32 i;

	p.ipv6 = rand() % 2;
	p.tcp = rand() % 2;
	p.summed = p.tcp || rand() % 4;
	p.head = p.ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	p.len = p.head + (p.tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr)) +
		rand() % DATA_MAX;
	for (i = 0; i < p.len; i++)
		p.data[i] = rand() % 3 ? rand() : rand() % 2 ? 0 : 0xff;
	p.data[p.ipv6 ? 7 : 8] = 2 + rand() % 254;	/* it is forwarded only with hops left */
	put_head_check(&p);
	put_check(&p);
	p.skb.csum = htons(sum_of(p.data, p.len, 0));
	return p;
}

static void rewrite(struct packet *p, bool hop)
{
	struct in6_addr src, dst;
	u32 i;

	for (i = 0; i < sizeof(src); i++) {
		src.s6_addr[i] = rand() % 3 ? rand() : 0xff;
		dst.s6_addr[i] = rand() % 3 ? rand() : 0;
	}
	if (p->ipv6) {
		struct bpflb_ends6 to = { .saddr = &src, .daddr = &dst, .ports = rand() };

		bpflb_rewrite6(&p->skb, (struct ipv6hdr *)p->data, p->data + p->head, p->tcp, hop,
			       &to);
	} else {
		struct bpflb_ends4 to = { .saddr = src.s6_addr32[0], .daddr = dst.s6_addr32[0],
					  .ports = rand() };

		bpflb_rewrite4(&p->skb, (struct iphdr *)p->data, p->data + p->head, p->tcp, hop,
			       &to);
	}
}

static bool same_sum(u32 a, u32 b)
{
	return a % 0xffff == b % 0xffff;
}

/* Its checksums are what they would be if they were made now. */
static void assert_is_right(struct packet *p)
{
	u8 *check = check_of(p);
	u32 got = check[0] << 8 | check[1];

	if (!p->ipv6)
		assert_true(same_sum(sum_of(p->data, p->head, 0), 0));
	if (p->skb.ip_summed == CHECKSUM_PARTIAL) {
		assert_true(same_sum(got, pseudo_of(p)));
		return;
	}
	if (!p->summed) {
		assert_int_equal(got, 0);
		return;
	}
	assert_true(same_sum(sum_of(p->data + p->head, p->len - p->head, pseudo_of(p)), 0));
	if (!p->tcp)
		assert_int_not_equal(got, 0);
}

static void in_state(u8 ip_summed)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		struct packet p = some_packet(ip_summed);

		rewrite(&p, rand() % 2);
		assert_is_right(&p);
	}
}

static void none(void **state)
{
	(void)state;
	in_state(CHECKSUM_NONE);
}

static void unnecessary(void **state)
{
	(void)state;
	in_state(CHECKSUM_UNNECESSARY);
}

static void partial(void **state)
{
	(void)state;
	in_state(CHECKSUM_PARTIAL);
}

/* The sum of all that a device has given is that of what there is now, a hop counted apart:
 * what is forwarded has none any more.
 */
static void complete(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		struct packet p = some_packet(CHECKSUM_COMPLETE);

		rewrite(&p, false);
		assert_is_right(&p);
		assert_true(same_sum(ntohs((u16)~csum_fold(p.skb.csum)), sum_of(p.data, p.len, 0)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none),
		cmocka_unit_test(unnecessary),
		cmocka_unit_test(partial),
		cmocka_unit_test(complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
