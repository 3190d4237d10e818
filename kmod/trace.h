/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: flows made and gone, packets dropped. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bpflb

#if !defined(_BPFLB_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BPFLB_TRACE_H

#include <linux/tracepoint.h>
#include <net/net_namespace.h>

#include "flow.h"
#include "stats.h"

DECLARE_EVENT_CLASS(bpflb_flow_template,
	TP_PROTO(const struct net *net, const struct bpflb_flow *flow),
	TP_ARGS(net, flow),
	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__field(u8, proto)
		__field(u8, kind)
		__field(u8, state)
		__array(u8, client, 4)
		__array(u8, service, 4)
		__array(u8, backend, 4)
		__field(u16, cport)
		__field(u16, vport)
		__field(u16, bport)
	),
	TP_fast_assign(
		__entry->netns = net->ns.inum;
		__entry->proto = bpflb_flow_proto(flow);
		__entry->kind = flow->kind;
		__entry->state = flow->state;
		memcpy(__entry->client, &flow->addr[BPFLB_ADDR_CLIENT], 4);
		memcpy(__entry->service, &flow->addr[BPFLB_ADDR_SERVICE], 4);
		memcpy(__entry->backend, &flow->addr[BPFLB_ADDR_BACKEND], 4);
		__entry->cport = ntohs(flow->cport);
		__entry->vport = ntohs(flow->vport);
		__entry->bport = ntohs(flow->bport);
	),
	TP_printk("netns=%u proto=%u kind=%u state=%u client=%pI4:%u service=%pI4:%u backend=%pI4:%u",
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
