/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: flows made and gone, packets dropped. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bpflb

#if !defined(_BPFLB_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BPFLB_TRACE_H

#include <linux/tracepoint.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>

#include "flow.h"
#include "stats.h"

#ifndef _BPFLB_TRACE_ADDR
#define _BPFLB_TRACE_ADDR
/* 16 bytes for either family: an IPv4 address as an IPv6 one has it (::ffff:192.0.2.1). */
static inline void bpflb_trace_addr(u8 *to, const struct bpflb_flow *flow, unsigned int which)
{
	union nf_inet_addr addr = bpflb_flow_addr(flow, which);
	struct in6_addr mapped;

	ipv6_addr_set_v4mapped(addr.ip, &mapped);
	memcpy(to, bpflb_flow_is_ipv6(flow) ? &addr.in6 : &mapped, sizeof(mapped));
}
#endif

DECLARE_EVENT_CLASS(bpflb_flow_template,
	TP_PROTO(const struct net *net, const struct bpflb_flow *flow),
	TP_ARGS(net, flow),
	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__field(u8, proto)
		__field(u8, kind)
		__field(u8, state)
		__array(u8, client, 16)
		__array(u8, service, 16)
		__array(u8, backend, 16)
		__field(u16, cport)
		__field(u16, vport)
		__field(u16, bport)
	),
	TP_fast_assign(
		__entry->netns = net->ns.inum;
		__entry->proto = bpflb_flow_proto(flow);
		__entry->kind = flow->kind;
		__entry->state = flow->state;
		bpflb_trace_addr(__entry->client, flow, BPFLB_ADDR_CLIENT);
		bpflb_trace_addr(__entry->service, flow, BPFLB_ADDR_SERVICE);
		bpflb_trace_addr(__entry->backend, flow, BPFLB_ADDR_BACKEND);
		__entry->cport = ntohs(flow->cport);
		__entry->vport = ntohs(flow->vport);
		__entry->bport = ntohs(flow->bport);
	),
	TP_printk("netns=%u proto=%u kind=%u state=%u client=[%pI6c]:%u service=[%pI6c]:%u backend=[%pI6c]:%u",
		  __entry->netns, __entry->proto, __entry->kind, __entry->state,
		  __entry->client, __entry->cport, __entry->service, __entry->vport,
		  __entry->backend, __entry->bport)
);

DEFINE_EVENT(bpflb_flow_template, bpflb_flow_new,
	TP_PROTO(const struct net *net, const struct bpflb_flow *flow),
	TP_ARGS(net, flow));

DEFINE_EVENT(bpflb_flow_template, bpflb_flow_gone,
	TP_PROTO(const struct net *net, const struct bpflb_flow *flow),
	TP_ARGS(net, flow));

TRACE_EVENT(bpflb_drop,
	TP_PROTO(const struct net *net, const struct sk_buff *skb, u8 reason),
	TP_ARGS(net, skb, reason),
	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__field(const void *, skbaddr)
		__field(u8, reason)
	),
	TP_fast_assign(
		__entry->netns = net->ns.inum;
		__entry->skbaddr = skb;
		__entry->reason = reason;
	),
	TP_printk("netns=%u skbaddr=%p reason=%u", __entry->netns, __entry->skbaddr,
		  __entry->reason)
);

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
