/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: flows made and gone, packets dropped. docs/tracing.md has each field. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bpflb

#if !defined(_BPFLB_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BPFLB_TRACE_H

#include <linux/tracepoint.h>
#include <net/net_namespace.h>

#include "flow.h"
#include "flow_account.h"
#include "stats.h"
#include "trace_read.h"

#define BPFLB_TRACE_FLOW_FIELDS			\
	__field(u32, netns)			\
	__field(u8, family)			\
	__field(u8, proto)			\
	__field(u8, kind)			\
	__field(u8, state)			\
	__array(u8, client, 16)			\
	__array(u8, service, 16)		\
	__array(u8, backend, 16)		\
	__field(u16, cport)			\
	__field(u16, sport)			\
	__field(u16, bport)

#define BPFLB_TRACE_FLOW_ASSIGN						\
	do {								\
		__entry->netns = net->ns.inum;				\
		__entry->family = bpflb_trace_family(bpflb_flow_is_ipv6(flow));	\
		__entry->proto = bpflb_flow_proto(flow);		\
		__entry->kind = flow->kind;				\
		__entry->state = READ_ONCE(flow->state);		\
		bpflb_trace_addr(__entry->client, flow, BPFLB_ADDR_CLIENT);	\
		bpflb_trace_addr(__entry->service, flow, BPFLB_ADDR_SERVICE);	\
		bpflb_trace_addr(__entry->backend, flow, BPFLB_ADDR_BACKEND);	\
		__entry->cport = ntohs(flow->cport);			\
		__entry->sport = ntohs(flow->vport);			\
		__entry->bport = ntohs(flow->bport);			\
	} while (0)

#define BPFLB_TRACE_FLOW_FORMAT						\
	"netns=%u family=%u proto=%u kind=%s state=%u client=[%pI6c]:%u service=[%pI6c]:%u backend=[%pI6c]:%u"

#define BPFLB_TRACE_FLOW_KINDS				\
	{ BPFLB_FLOW_LOCAL,	"local" },		\
	{ BPFLB_FLOW_SNAT,	"snat" },		\
	{ BPFLB_FLOW_DSR_OUT,	"dsr-out" },		\
	{ BPFLB_FLOW_DSR_IN,	"dsr-in" },		\
	{ BPFLB_FLOW_DIRECT,	"direct" }

#define BPFLB_TRACE_FLOW_VALUES						\
	__entry->netns, __entry->family, __entry->proto,		\
	__print_symbolic(__entry->kind, BPFLB_TRACE_FLOW_KINDS), __entry->state,	\
	__entry->client, __entry->cport, __entry->service, __entry->sport,	\
	__entry->backend, __entry->bport

#define BPFLB_TRACE_FLOW_ENDS				\
	{ BPFLB_FLOW_END_TIMEOUT,	"timeout" },	\
	{ BPFLB_FLOW_END_FIN,		"fin" },	\
	{ BPFLB_FLOW_END_RST,		"rst" },	\
	{ BPFLB_FLOW_END_FLUSHED,	"flushed" },	\
	{ BPFLB_FLOW_END_BACKEND,	"backend" },	\
	{ BPFLB_FLOW_END_EVICTED,	"evicted" },	\
	{ BPFLB_FLOW_END_REPLACED,	"replaced" },	\
	{ BPFLB_FLOW_END_SOURCE,	"source" },	\
	{ BPFLB_FLOW_END_NAMESPACE,	"namespace" }

/* What user space is to print names by, and not enumerators that it does not know. */
TRACE_DEFINE_ENUM(BPFLB_FLOW_LOCAL);
TRACE_DEFINE_ENUM(BPFLB_FLOW_SNAT);
TRACE_DEFINE_ENUM(BPFLB_FLOW_DSR_OUT);
TRACE_DEFINE_ENUM(BPFLB_FLOW_DSR_IN);
TRACE_DEFINE_ENUM(BPFLB_FLOW_DIRECT);
TRACE_DEFINE_ENUM(BPFLB_FLOW_END_TIMEOUT);
TRACE_DEFINE_ENUM(BPFLB_FLOW_END_FIN);
TRACE_DEFINE_ENUM(BPFLB_FLOW_END_RST);
TRACE_DEFINE_ENUM(BPFLB_FLOW_END_FLUSHED);
TRACE_DEFINE_ENUM(BPFLB_FLOW_END_BACKEND);
TRACE_DEFINE_ENUM(BPFLB_FLOW_END_EVICTED);
TRACE_DEFINE_ENUM(BPFLB_FLOW_END_REPLACED);
TRACE_DEFINE_ENUM(BPFLB_FLOW_END_SOURCE);
TRACE_DEFINE_ENUM(BPFLB_FLOW_END_NAMESPACE);

TRACE_EVENT(bpflb_flow_new,
	TP_PROTO(const struct net *net, const struct bpflb_flow *flow),
	TP_ARGS(net, flow),
	TP_STRUCT__entry(
		BPFLB_TRACE_FLOW_FIELDS
	),
	TP_fast_assign(
		BPFLB_TRACE_FLOW_ASSIGN;
	),
	TP_printk(BPFLB_TRACE_FLOW_FORMAT, BPFLB_TRACE_FLOW_VALUES)
);

TRACE_EVENT(bpflb_flow_gone,
	TP_PROTO(const struct net *net, const struct bpflb_flow *flow, u8 end),
	TP_ARGS(net, flow, end),
	TP_STRUCT__entry(
		BPFLB_TRACE_FLOW_FIELDS
		__field(u8, end)
		__field(u8, accounted)
		__field(u64, packets_in)
		__field(u64, bytes_in)
		__field(u64, packets_out)
		__field(u64, bytes_out)
		__field(u64, duration)
	),
	TP_fast_assign(
		struct bpflb_trace_account account;

		BPFLB_TRACE_FLOW_ASSIGN;
		bpflb_trace_read_account(flow, &account);
		__entry->end = end;
		__entry->accounted = account.there;
		__entry->packets_in = account.packets[0];
		__entry->bytes_in = account.bytes[0];
		__entry->packets_out = account.packets[1];
		__entry->bytes_out = account.bytes[1];
		__entry->duration = account.duration;
	),
	TP_printk(BPFLB_TRACE_FLOW_FORMAT
		  " end=%s accounted=%u packets_in=%llu bytes_in=%llu packets_out=%llu bytes_out=%llu duration=%llu",
		  BPFLB_TRACE_FLOW_VALUES,
		  __print_symbolic(__entry->end, BPFLB_TRACE_FLOW_ENDS), __entry->accounted,
		  __entry->packets_in, __entry->bytes_in, __entry->packets_out,
		  __entry->bytes_out, __entry->duration)
);

TRACE_EVENT(bpflb_drop,
	TP_PROTO(const struct net *net, const struct sk_buff *skb, u8 reason),
	TP_ARGS(net, skb, reason),
	TP_STRUCT__entry(
		__field(u32, netns)
		__field(u8, family)
		__field(u8, proto)
		__field(u8, reason)
		__array(char, name, BPFLB_TRACE_NAME)
		__array(u8, saddr, 16)
		__array(u8, daddr, 16)
		__field(u16, sport)
		__field(u16, dport)
		__field(u32, len)
		__field(const void *, skbaddr)
	),
	TP_fast_assign(
		struct bpflb_trace_packet packet;

		bpflb_trace_read_packet(skb, &packet);
		__entry->netns = net->ns.inum;
		__entry->family = packet.family;
		__entry->proto = packet.proto;
		__entry->reason = reason;
		strscpy(__entry->name, bpflb_drop_name(reason), BPFLB_TRACE_NAME);
		memcpy(__entry->saddr, packet.saddr, 16);
		memcpy(__entry->daddr, packet.daddr, 16);
		__entry->sport = packet.sport;
		__entry->dport = packet.dport;
		__entry->len = skb->len;
		__entry->skbaddr = skb;
	),
	TP_printk("netns=%u family=%u proto=%u reason=%u name=%s src=[%pI6c]:%u dst=[%pI6c]:%u len=%u skbaddr=%p",
		  __entry->netns, __entry->family, __entry->proto, __entry->reason,
		  __entry->name, __entry->saddr, __entry->sport, __entry->daddr, __entry->dport,
		  __entry->len, __entry->skbaddr)
);

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
