/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * bpflb - the generic netlink interface. This header is its manual.
 *
 * Family "bpflb", version 1. Everything is per network namespace: a socket
 * sees and changes the namespace that it was opened in. Writing needs
 * CAP_NET_ADMIN in the user namespace that owns the network namespace; so do
 * FLOW_GET, AFFINITY_GET, EXPLAIN and listening to events, which name clients. All else
 * can be read by everybody.
 *
 * Rules that hold for every message
 *
 * - Ports and addresses are in network byte order, all other numbers in host
 *   byte order. An address attribute is binary, 4 bytes (IPv4) or 16 (IPv6). A
 *   prefix is an address and one more byte, its length in bits; the address has
 *   none set beyond these.
 * - Unknown attributes and unknown flag bits are refused. An error carries an
 *   extended ack: a sentence, and the offset of the attribute it is about.
 * - ADD makes what does not exist (else EEXIST), SET changes what does (else
 *   ENOENT) and leaves what is not mentioned as it is, DEL removes it (else
 *   ENOENT), GET reads one, GET with NLM_F_DUMP reads all that match.
 * - Every successful change raises the namespace's configuration generation
 *   by one, however many objects it is about. Replies, dumps and events carry
 *   the generation that they show (BPFLB_*_A_GENERATION).
 * - An attribute that only a reply has is marked "reply". It is refused in a
 *   request.
 * - What is added later gets new numbers at the end; numbers never change.
 *
 * Transactions
 *
 * BPFLB_CMD_TXN_BEGIN binds a transaction to the socket. Every service,
 * backend, node and settings message that the socket sends from then on is
 * checked against the state that the transaction would leave, and refused or
 * staged; no packet sees any of it. BPFLB_CMD_TXN_COMMIT makes all of it true
 * at once; it may still be refused (ENOMEM, ENOSPC, E2BIG), and then nothing has
 * changed. If it is for a service, the extended ack has a cookie: 4 bytes, the number
 * (nlmsg_seq) of the message of the transaction that added or set this service last.
 * After a refused message the transaction can only be aborted. Closing the
 * socket aborts it. A namespace has one transaction at a time: a second BEGIN,
 * and a change by another socket, are refused with EBUSY. A transaction that
 * got no message for BPFLB_TXN_IDLE_SECONDS is ended when another socket wants to
 * write; what its owner still sends is refused (ECANCELED) until it aborts.
 *
 * With BPFLB_TXN_F_REPLACE the transaction begins from an empty configuration
 * and default settings. What it then adds and what existed before are one
 * object, with its flows, counters and identity, if the key is the same.
 *
 * With BPFLB_TXN_F_CHECK the COMMIT does all but the change: it is refused as a
 * commit would be, or succeeds, and then the transaction is as if it had been aborted.
 */
#ifndef _UAPI_LINUX_BPFLB_H
#define _UAPI_LINUX_BPFLB_H

#include <linux/types.h>

#define BPFLB_GENL_NAME		"bpflb"
#define BPFLB_GENL_VERSION	1

/* Multicast groups: changes of the configuration, flows made and gone. */
#define BPFLB_MCGRP_CONFIG	"config"
#define BPFLB_MCGRP_FLOW	"flow"

/* NAMESPACE/NAME:PORT of Kubernetes, and NUL */
#define BPFLB_NAME_MAX		144	/* of a service */
#define BPFLB_FRONTENDS_MAX	64	/* of one service */
#define BPFLB_SOURCES_MAX	1024	/* of one service */
#define BPFLB_SNAT_ADDRS_MAX	16
#define BPFLB_DSR_DEVICES_MAX	16
#define BPFLB_NODEPORT_ADDRS_MAX	32
#define BPFLB_PODS_MAX		16
#define BPFLB_RANGES_MAX	256
#define BPFLB_WEIGHT_MAX	65535
#define BPFLB_AFFINITY_SECONDS_MAX	86400
#define BPFLB_TXN_IDLE_SECONDS	30

/**
 * enum bpflb_cmd - what a message asks for, or (in an event) what has happened
 *
 * Events have the command of the request that would have caused them: a
 * SERVICE_ADD, SERVICE_SET or SERVICE_DEL event tells that a service was made,
 * changed or removed, however that came about, and carries the object as a GET
 * would. SNAT_FULL exists only as an event, in the group of the configuration: a new
 * flow was dropped because no SNAT port towards its backend is free. It tells of the
 * flow, and comes once a second at most.
 */
enum bpflb_cmd {
	BPFLB_CMD_UNSPEC,
	BPFLB_CMD_STATUS_GET,		/* enum bpflb_status_attr */
	BPFLB_CMD_SETTINGS_GET,		/* enum bpflb_settings_attr */
	BPFLB_CMD_SETTINGS_SET,
	BPFLB_CMD_SERVICE_ADD,		/* enum bpflb_service_attr */
	BPFLB_CMD_SERVICE_SET,
	BPFLB_CMD_SERVICE_DEL,
	BPFLB_CMD_SERVICE_GET,
	BPFLB_CMD_BACKEND_ADD,		/* enum bpflb_backend_attr */
	BPFLB_CMD_BACKEND_SET,
	BPFLB_CMD_BACKEND_DEL,
	BPFLB_CMD_BACKEND_GET,
	BPFLB_CMD_NODE_ADD,		/* enum bpflb_node_attr */
	BPFLB_CMD_NODE_DEL,
	BPFLB_CMD_NODE_GET,
	BPFLB_CMD_FLOW_ADD,		/* enum bpflb_flow_attr */
	BPFLB_CMD_FLOW_DEL,
	BPFLB_CMD_FLOW_GET,		/* dump only */
	BPFLB_CMD_STATS_GET,		/* enum bpflb_stats_attr */
	BPFLB_CMD_TXN_BEGIN,		/* enum bpflb_txn_attr */
	BPFLB_CMD_TXN_COMMIT,
	BPFLB_CMD_TXN_ABORT,
	BPFLB_CMD_SNAT_FULL,		/* enum bpflb_flow_attr; event only */
	BPFLB_CMD_AFFINITY_ADD,		/* enum bpflb_affinity_attr */
	BPFLB_CMD_AFFINITY_GET,		/* dump only */
	BPFLB_CMD_EXPLAIN,		/* enum bpflb_explain_attr, dump only */
	BPFLB_CMD_FLOW_SET,		/* enum bpflb_flow_attr; event only */
	__BPFLB_CMD_MAX,
};
#define BPFLB_CMD_MAX (__BPFLB_CMD_MAX - 1)

/**
 * enum bpflb_mode - how a packet for a backend on another node gets there
 * @BPFLB_MODE_SNAT: source rewritten to this node; replies come back here
 * @BPFLB_MODE_DSR: source kept; the backend's node answers the client directly
 * @BPFLB_MODE_HYBRID: TCP as in DSR, everything else as in SNAT
 */
enum bpflb_mode {
	BPFLB_MODE_SNAT,
	BPFLB_MODE_DSR,
	BPFLB_MODE_HYBRID,
	__BPFLB_MODE_MAX,
};
#define BPFLB_MODE_MAX (__BPFLB_MODE_MAX - 1)

/* A service's mode is that of the settings, whatever it becomes */
#define BPFLB_SERVICE_MODE_DEFAULT	255

/**
 * enum bpflb_dispatch - how DSR brings a packet, and the service's address, to a backend
 * @BPFLB_DISPATCH_OPT: with an IP option (IPv6: a destination option), to a node's backend
 * @BPFLB_DISPATCH_GENEVE: in Geneve with an option of that, to the backend's node
 * @BPFLB_DISPATCH_IPIP: the client's own packet in IPv4 (IPv6), to the backend
 * @BPFLB_DISPATCH_L2: the client's own packet in a frame to the backend's MAC
 *
 * Backends without a node are machines without bpflb that have the service's address
 * themselves: IPIP and L2 are for them, if they listen at the service's port; all others
 * without a node are reached by SNAT. L2 does not bring packets to a node, which
 * would balance them again: those go by OPT.
 */
enum bpflb_dispatch {
	BPFLB_DISPATCH_OPT,
	BPFLB_DISPATCH_GENEVE,
	BPFLB_DISPATCH_IPIP,
	BPFLB_DISPATCH_L2,
	__BPFLB_DISPATCH_MAX,
};
#define BPFLB_DISPATCH_MAX (__BPFLB_DISPATCH_MAX - 1)

/* A service's dispatch is that of the settings, whatever it becomes */
#define BPFLB_SERVICE_DISPATCH_DEFAULT	255

/** enum bpflb_mode_origin - who chose the mode that is in force */
enum bpflb_mode_origin {
	BPFLB_MODE_ORIGIN_MODULE,	/* the module's parameter, or its default */
	BPFLB_MODE_ORIGIN_SET,		/* BPFLB_CMD_SETTINGS_SET */
};

/**
 * enum bpflb_policy - which backends answer: BPFLB_SERVICE_A_POLICY for who asks at a
 *	service's external addresses and node ports, BPFLB_SERVICE_A_INTERNAL_POLICY
 *	for who asks at those that are INTERNAL
 *
 * @BPFLB_POLICY_CLUSTER: all backends
 * @BPFLB_POLICY_LOCAL: backends on this node only, source address kept; where
 *	there is none the packet is dropped and counted. This node itself and its pods
 *	(BPFLB_SETTINGS_A_POD), asking at an external address, get all backends
 */
enum bpflb_policy {
	BPFLB_POLICY_CLUSTER,
	BPFLB_POLICY_LOCAL,
	__BPFLB_POLICY_MAX,
};
#define BPFLB_POLICY_MAX (__BPFLB_POLICY_MAX - 1)

/**
 * enum bpflb_backend_state - what a backend may be used for
 *
 * @BPFLB_BACKEND_ACTIVE: new flows and those that exist
 * @BPFLB_BACKEND_DRAINING: those that exist only
 * @BPFLB_BACKEND_DOWN: nothing. The next packet of a TCP client is answered by
 *	a RST as if from the service; a UDP client's goes to another backend
 * @BPFLB_BACKEND_TERMINATING: as DRAINING; but where there is no active backend
 *	of weight above 0 in the set that is chosen from (all, or those on this
 *	node, each for itself) new flows too
 */
enum bpflb_backend_state {
	BPFLB_BACKEND_ACTIVE,
	BPFLB_BACKEND_DRAINING,
	BPFLB_BACKEND_DOWN,
	BPFLB_BACKEND_TERMINATING,
	__BPFLB_BACKEND_STATE_MAX,
};
#define BPFLB_BACKEND_STATE_MAX (__BPFLB_BACKEND_STATE_MAX - 1)

/** enum bpflb_scheduler - how a new flow's backend is chosen; all by weight */
enum bpflb_scheduler {
	BPFLB_SCHEDULER_RANDOM,
	BPFLB_SCHEDULER_RR,		/* one after the other, the heavier more often */
	BPFLB_SCHEDULER_LC,		/* that with the fewest flows for its weight */
	BPFLB_SCHEDULER_MAGLEV,		/* by the client's address and port: alike on all nodes */
	__BPFLB_SCHEDULER_MAX,
};
#define BPFLB_SCHEDULER_MAX (__BPFLB_SCHEDULER_MAX - 1)

/**
 * enum bpflb_dsr_sender - whose DSR notes this node believes
 *
 * A note in an IP option travels in a packet with the client's source address,
 * so its sender can only be told by where it came in. In each case the note
 * must also name a service of this namespace that has the packet's destination
 * as a backend on this node.
 *
 * @BPFLB_DSR_SENDER_MAC: the frame's source MAC is that of a configured node,
 *	by the neighbour table of the device that it came in by
 * @BPFLB_DSR_SENDER_DEVICE: it came in by one of BPFLB_SETTINGS_A_DSR_DEVICE
 * @BPFLB_DSR_SENDER_ANY: everybody's
 */
enum bpflb_dsr_sender {
	BPFLB_DSR_SENDER_MAC,
	BPFLB_DSR_SENDER_DEVICE,
	BPFLB_DSR_SENDER_ANY,
	__BPFLB_DSR_SENDER_MAX,
};
#define BPFLB_DSR_SENDER_MAX (__BPFLB_DSR_SENDER_MAX - 1)

/**
 * enum bpflb_refused_notes - what becomes of a packet whose DSR note is not believed
 *
 * On a packet for a service's address a note is the client's own doing: it is taken off in
 * either case, and the packet balanced.
 *
 * @BPFLB_REFUSED_NOTES_DROP: it is dropped, and counted by reason
 * @BPFLB_REFUSED_NOTES_STRIP: it goes on without the note
 */
enum bpflb_refused_notes {
	BPFLB_REFUSED_NOTES_DROP,
	BPFLB_REFUSED_NOTES_STRIP,
	__BPFLB_REFUSED_NOTES_MAX,
};
#define BPFLB_REFUSED_NOTES_MAX (__BPFLB_REFUSED_NOTES_MAX - 1)

/**
 * enum bpflb_no_backend - a packet to a service that has no backend anywhere
 *
 * That is none that may take a new flow: with policy local, none on any node.
 * Where there is one, though not on this node, the packet is dropped in either
 * case.
 *
 * @BPFLB_NO_BACKEND_REJECT: it is answered by an ICMP "port unreachable" (IPv4: 3/3,
 *	IPv6: 1/4) from the service's address, some 100 a second for a client; a
 *	program of this node gets ECONNREFUSED
 * @BPFLB_NO_BACKEND_DROP: it is dropped without a word
 */
enum bpflb_no_backend {
	BPFLB_NO_BACKEND_REJECT,
	BPFLB_NO_BACKEND_DROP,
	__BPFLB_NO_BACKEND_MAX,
};
#define BPFLB_NO_BACKEND_MAX (__BPFLB_NO_BACKEND_MAX - 1)

/**
 * enum bpflb_unknown_ports - TCP, UDP and SCTP to a service's address where no
 *	service has the port
 *
 * An address that this node has itself, or a configured node, is never closed:
 * what listens there is reached.
 *
 * @BPFLB_UNKNOWN_PORTS_PASS: such a packet goes on as if bpflb were not there
 * @BPFLB_UNKNOWN_PORTS_DROP: it is dropped without a word
 * @BPFLB_UNKNOWN_PORTS_REJECT: it is answered from the service's address, as a
 *	host does where nobody listens: TCP by a RST, all else by an ICMP "port
 *	unreachable", some 100 a second for a client; a program of this node gets
 *	ECONNREFUSED
 */
enum bpflb_unknown_ports {
	BPFLB_UNKNOWN_PORTS_PASS,
	BPFLB_UNKNOWN_PORTS_DROP,
	BPFLB_UNKNOWN_PORTS_REJECT,
	__BPFLB_UNKNOWN_PORTS_MAX,
};
#define BPFLB_UNKNOWN_PORTS_MAX (__BPFLB_UNKNOWN_PORTS_MAX - 1)

/**
 * enum bpflb_masquerade - to whom a client's packets have this node's source address
 *
 * Where the mode is DSR for a protocol it goes by that. Where a service's policy is
 * local, nobody but a remote machine without bpflb sees this node for a client.
 * Who is chosen to serve its own request always sees this node.
 *
 * @BPFLB_MASQUERADE_REMOTE: to backends on other machines. The packets of this node's
 *	pods (BPFLB_SETTINGS_A_POD) keep theirs even to other nodes with bpflb
 * @BPFLB_MASQUERADE_ALL: to backends on this node too, but for those in its own
 *	network
 */
enum bpflb_masquerade {
	BPFLB_MASQUERADE_REMOTE,
	BPFLB_MASQUERADE_ALL,
	__BPFLB_MASQUERADE_MAX,
};
#define BPFLB_MASQUERADE_MAX (__BPFLB_MASQUERADE_MAX - 1)

/**
 * enum bpflb_timeout_attr - BPFLB_SETTINGS_A_TIMEOUTS, each a u32, in seconds
 *
 * A flow that saw no packet for its state's timeout is removed.
 */
enum bpflb_timeout_attr {
	BPFLB_TIMEOUT_A_UNSPEC,
	BPFLB_TIMEOUT_A_TCP_SYN_SENT,		/* 60 */
	BPFLB_TIMEOUT_A_TCP_SYN_RECEIVED,	/* 60 */
	BPFLB_TIMEOUT_A_TCP_ESTABLISHED,	/* 8000 */
	BPFLB_TIMEOUT_A_TCP_FIN,		/* 60 */
	BPFLB_TIMEOUT_A_TCP_TIME_WAIT,		/* 60 */
	BPFLB_TIMEOUT_A_TCP_CLOSED,		/* 10 */
	BPFLB_TIMEOUT_A_UDP_UNREPLIED,		/* 30 */
	BPFLB_TIMEOUT_A_UDP_REPLIED,		/* 180 */
	BPFLB_TIMEOUT_A_SCTP_INIT,		/* 60 */
	BPFLB_TIMEOUT_A_SCTP_COOKIE,		/* 60 */
	BPFLB_TIMEOUT_A_SCTP_ESTABLISHED,	/* 8000 */
	BPFLB_TIMEOUT_A_SCTP_SHUTDOWN,		/* 60 */
	BPFLB_TIMEOUT_A_SCTP_CLOSED,		/* 10 */
	__BPFLB_TIMEOUT_A_MAX,
};
#define BPFLB_TIMEOUT_A_MAX (__BPFLB_TIMEOUT_A_MAX - 1)

/** enum bpflb_flow_state - as shown by FLOW_GET; each has the timeout of that name */
enum bpflb_flow_state {
	BPFLB_STATE_TCP_SYN_SENT,
	BPFLB_STATE_TCP_SYN_RECEIVED,
	BPFLB_STATE_TCP_ESTABLISHED,
	BPFLB_STATE_TCP_FIN,
	BPFLB_STATE_TCP_TIME_WAIT,
	BPFLB_STATE_TCP_CLOSED,
	BPFLB_STATE_UDP_UNREPLIED,
	BPFLB_STATE_UDP_REPLIED,
	BPFLB_STATE_SCTP_INIT,		/* not answered */
	BPFLB_STATE_SCTP_COOKIE,	/* INIT ACK was seen */
	BPFLB_STATE_SCTP_ESTABLISHED,
	BPFLB_STATE_SCTP_SHUTDOWN,
	BPFLB_STATE_SCTP_CLOSED,	/* ABORT or SHUTDOWN COMPLETE was seen */
	__BPFLB_STATE_MAX,
};

/** enum bpflb_range_attr - a range of ports, both ends in it, host byte order */
enum bpflb_range_attr {
	BPFLB_RANGE_A_UNSPEC,
	BPFLB_RANGE_A_FIRST,		/* u16 */
	BPFLB_RANGE_A_LAST,		/* u16, not below FIRST */
	__BPFLB_RANGE_A_MAX,
};
#define BPFLB_RANGE_A_MAX (__BPFLB_RANGE_A_MAX - 1)

/**
 * enum bpflb_status_attr - STATUS_GET (request: no attribute; all are "reply")
 */
enum bpflb_status_attr {
	BPFLB_STATUS_A_UNSPEC,
	BPFLB_STATUS_A_PAD,
	BPFLB_STATUS_A_VERSION,		/* string, the module's */
	BPFLB_STATUS_A_GENERATION,	/* u64 */
	BPFLB_STATUS_A_MODE,		/* u8, enum bpflb_mode */
	BPFLB_STATUS_A_MODE_ORIGIN,	/* u8, enum bpflb_mode_origin */
	BPFLB_STATUS_A_SERVICES,	/* u32, how many there are */
	BPFLB_STATUS_A_BACKENDS,	/* u32 */
	BPFLB_STATUS_A_NODES,		/* u32 */
	BPFLB_STATUS_A_FLOWS,		/* u32 */
	BPFLB_STATUS_A_FLOWS_MAX,	/* u32 */
	BPFLB_STATUS_A_FLOW_BUCKETS,	/* u32, of the table that all namespaces share */
	BPFLB_STATUS_A_DROPS,		/* u64, packets, all reasons */
	BPFLB_STATUS_A_ACTIVE,		/* flag: packets of this namespace come by here */
	BPFLB_STATUS_A_NAMESPACES,	/* u32, how many of all namespaces are ACTIVE */
	BPFLB_STATUS_A_FLOW_EVENTS_LOST,	/* u64, as in enum bpflb_stats_attr */
	__BPFLB_STATUS_A_MAX,
};
#define BPFLB_STATUS_A_MAX (__BPFLB_STATUS_A_MAX - 1)

/**
 * enum bpflb_settings_attr - SETTINGS_GET, SETTINGS_SET
 *
 * SET changes what is given. The lists (SNAT_ADDR, DSR_DEVICE, NODEPORT_ADDR, POD,
 * IPIP_SOURCE) are repeated attributes and are replaced as a whole; to empty one, set its bit
 * in BPFLB_SETTINGS_A_CLEAR.
 */
enum bpflb_settings_attr {
	BPFLB_SETTINGS_A_UNSPEC,
	BPFLB_SETTINGS_A_PAD,
	BPFLB_SETTINGS_A_GENERATION,	/* u64, reply */
	BPFLB_SETTINGS_A_MODE,		/* u8, enum bpflb_mode */
	BPFLB_SETTINGS_A_MODE_ORIGIN,	/* u8, enum bpflb_mode_origin, reply */
	BPFLB_SETTINGS_A_FLOWS_MAX,	/* u32, flows of this namespace, at least 1 */
	BPFLB_SETTINGS_A_TIMEOUTS,	/* nest, enum bpflb_timeout_attr */
	BPFLB_SETTINGS_A_SNAT_ADDR,	/* address, repeated; none: the outgoing device's */
	BPFLB_SETTINGS_A_SNAT_PORTS,	/* nest, enum bpflb_range_attr; 1024 to 65535 */
	BPFLB_SETTINGS_A_NODEPORTS,	/* nest, enum bpflb_range_attr; 30000 to 32767 */
	BPFLB_SETTINGS_A_DSR_SENDER,	/* u8, enum bpflb_dsr_sender; mac */
	BPFLB_SETTINGS_A_DSR_DEVICE,	/* string, repeated: names of devices */
	BPFLB_SETTINGS_A_CLEAR,		/* u32, enum bpflb_settings_clear, request only */
	BPFLB_SETTINGS_A_FLOWS_MAX_DEFAULT,	/* u32, reply: by parameter or memory */
	BPFLB_SETTINGS_A_BYPASS,	/* u8, 0 or 1; 1: packets may go past the stack */
	BPFLB_SETTINGS_A_NO_BACKEND,	/* u8, enum bpflb_no_backend; reject */
	BPFLB_SETTINGS_A_UNKNOWN_PORTS,	/* u8, enum bpflb_unknown_ports; pass */
	BPFLB_SETTINGS_A_PING,		/* u8, 0 or 1; 0. 1: service addresses answer to ping */
	BPFLB_SETTINGS_A_NODEPORT_ADDR,	/* prefix, repeated; none: all addresses of the node */
	BPFLB_SETTINGS_A_POD,		/* prefix, repeated: this node's pods; none: not known */
	BPFLB_SETTINGS_A_MASQUERADE,	/* u8, enum bpflb_masquerade; remote */
	BPFLB_SETTINGS_A_REFUSED_NOTES,	/* u8, enum bpflb_refused_notes; drop */
	BPFLB_SETTINGS_A_DISPATCH,	/* u8, enum bpflb_dispatch; opt */
	BPFLB_SETTINGS_A_IPIP_SOURCE,	/* prefix, repeated, one of a family: where IPIP takes
					 * sources from, one for each flow; none: this node's
					 */
	BPFLB_SETTINGS_A_FLOW_ACCOUNTING,	/* u8, 0 or 1; 0. 1: new flows count packets */
	BPFLB_SETTINGS_A_FLOW_EVENTS,	/* u32, events of flows in a second, at most; 10000 */
	__BPFLB_SETTINGS_A_MAX,
};
#define BPFLB_SETTINGS_A_MAX (__BPFLB_SETTINGS_A_MAX - 1)

enum bpflb_settings_clear {
	BPFLB_SETTINGS_CLEAR_SNAT_ADDR	= 1 << 0,
	BPFLB_SETTINGS_CLEAR_DSR_DEVICE	= 1 << 1,
	BPFLB_SETTINGS_CLEAR_NODEPORT_ADDR	= 1 << 2,
	BPFLB_SETTINGS_CLEAR_POD	= 1 << 3,
	BPFLB_SETTINGS_CLEAR_IPIP_SOURCE	= 1 << 4,
};

/**
 * enum bpflb_counters_attr - what was counted, in a nest; all "reply"
 *
 * Bytes are those of the IPv4 or IPv6 packet, from its header on, as it came
 * in. "In" is from clients to backends, "out" is from backends to clients. A
 * node sees no "out" of a DSR flow that it has sent to another node.
 */
enum bpflb_counters_attr {
	BPFLB_COUNTERS_A_UNSPEC,
	BPFLB_COUNTERS_A_PAD,
	BPFLB_COUNTERS_A_FLOWS,		/* u64, flows made so far */
	BPFLB_COUNTERS_A_PACKETS_IN,	/* u64 */
	BPFLB_COUNTERS_A_BYTES_IN,	/* u64 */
	BPFLB_COUNTERS_A_PACKETS_OUT,	/* u64 */
	BPFLB_COUNTERS_A_BYTES_OUT,	/* u64 */
	BPFLB_COUNTERS_A_DROPS,		/* u64, packets for a service, in its nest only */
	__BPFLB_COUNTERS_A_MAX,
};
#define BPFLB_COUNTERS_A_MAX (__BPFLB_COUNTERS_A_MAX - 1)

/**
 * enum bpflb_frontend_attr - BPFLB_SERVICE_A_FRONTEND, one address of a service
 *
 * Without ADDR it is a node port: it stands for every address of the node
 * itself, of those in BPFLB_SETTINGS_A_NODEPORT_ADDR if there are any, and never for
 * 127.0.0.0/8 nor ::1.
 */
enum bpflb_frontend_attr {
	BPFLB_FRONTEND_A_UNSPEC,
	BPFLB_FRONTEND_A_ADDR,		/* address */
	BPFLB_FRONTEND_A_PORT,		/* be16, not 0; of a range the first */
	BPFLB_FRONTEND_A_OPEN,		/* flag: everybody may ask here, whatever SOURCES says */
	BPFLB_FRONTEND_A_INTERNAL,	/* flag: the cluster's own, so INTERNAL_POLICY holds;
					 * not without ADDR
					 */
	BPFLB_FRONTEND_A_LAST_PORT,	/* be16, above PORT: a range; not without ADDR. No two
					 * of an address and PROTO overlap, but for all ports
					 */
	__BPFLB_FRONTEND_A_MAX,
};
#define BPFLB_FRONTEND_A_MAX (__BPFLB_FRONTEND_A_MAX - 1)

/**
 * enum bpflb_sources_rule - which clients may ask a service
 *
 * By the source address, in all modes, at all of a service's addresses and node ports
 * but those that are OPEN. It is a packet of no flow that is looked at: flows that
 * exist go on whatever the rule becomes. What is not allowed is dropped.
 *
 * @BPFLB_SOURCES_ANY: all
 * @BPFLB_SOURCES_ALLOW: those of SOURCE, and nobody else: of a family that no SOURCE
 *	is of, nobody
 * @BPFLB_SOURCES_DENY: all but those of SOURCE
 */
enum bpflb_sources_rule {
	BPFLB_SOURCES_ANY,
	BPFLB_SOURCES_ALLOW,
	BPFLB_SOURCES_DENY,
	__BPFLB_SOURCES_RULE_MAX,
};
#define BPFLB_SOURCES_RULE_MAX (__BPFLB_SOURCES_RULE_MAX - 1)

/**
 * enum bpflb_service_attr - SERVICE_ADD, SERVICE_SET, SERVICE_DEL, SERVICE_GET
 *
 * A service or backend that has its FLOWS_MAX gets no new flow until one has ended: the
 * service's are dropped, the backend's go to others. Processors that make flows at the
 * same moment may exceed it by some. Of a service those flows count that were made
 * while it had a FLOWS_MAX.
 *
 * NAME is the key. ADD needs PROTO and at least one FRONTEND; SET cannot
 * change PROTO, and given FRONTENDs replace all that the service had, as given SOURCES
 * do with its SOURCEs. DEL
 * removes its backends too; TCP flows that exist go on.
 *
 * With AFFINITY all flows of a client's address, to whichever of the service's
 * addresses, go to one backend, until so many seconds have passed since it began the
 * last one. A backend that may not have new flows loses its clients to the others.
 *
 * With ONE_PACKET, of UDP only and not with AFFINITY, a backend is chosen for each
 * datagram; the client has a flow with each that it was sent to, and gets the answers of
 * all. Flows that it had before stay until they end.
 *
 * With MODE or DISPATCH its new flows go by that and not by the settings'.
 */
enum bpflb_service_attr {
	BPFLB_SERVICE_A_UNSPEC,
	BPFLB_SERVICE_A_PAD,
	BPFLB_SERVICE_A_GENERATION,	/* u64, reply */
	BPFLB_SERVICE_A_NAME,		/* string: a letter or digit, then also . _ - / : */
	BPFLB_SERVICE_A_PROTO,		/* u8, IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
	BPFLB_SERVICE_A_FRONTEND,	/* nest, repeated, enum bpflb_frontend_attr */
	BPFLB_SERVICE_A_SCHEDULER,	/* u8, enum bpflb_scheduler; random */
	BPFLB_SERVICE_A_POLICY,		/* u8, enum bpflb_policy; cluster */
	BPFLB_SERVICE_A_BACKENDS,	/* u32, how many there are, reply */
	BPFLB_SERVICE_A_BACKENDS_LOCAL,	/* u32, of these on this node, reply */
	BPFLB_SERVICE_A_COUNTERS,	/* nest, enum bpflb_counters_attr, reply */
	BPFLB_SERVICE_A_BYPASS,		/* u8, 0 or 1; 1: if the settings allow it too */
	BPFLB_SERVICE_A_SOURCES,	/* u8, enum bpflb_sources_rule; any */
	BPFLB_SERVICE_A_SOURCE,		/* prefix, repeated; goes with SOURCES */
	BPFLB_SERVICE_A_TABLE_SIZE,	/* u32, of maglev, a prime of Cilium's; 16381 */
	BPFLB_SERVICE_A_INTERNAL_POLICY,	/* u8, enum bpflb_policy; cluster */
	BPFLB_SERVICE_A_AFFINITY,	/* u32, seconds, at most 86400; 0, which is none */
	BPFLB_SERVICE_A_FLOWS_MAX,	/* u32, flows on this node, about; 0, the default: any */
	BPFLB_SERVICE_A_ONE_PACKET,	/* u8, 0 or 1; 0 */
	BPFLB_SERVICE_A_MODE,		/* u8, enum bpflb_mode or BPFLB_SERVICE_MODE_DEFAULT */
	BPFLB_SERVICE_A_DISPATCH,	/* u8, enum bpflb_dispatch or that default */
	__BPFLB_SERVICE_A_MAX,
};
#define BPFLB_SERVICE_A_MAX (__BPFLB_SERVICE_A_MAX - 1)

/**
 * enum bpflb_backend_attr - BACKEND_ADD, BACKEND_SET, BACKEND_DEL, BACKEND_GET
 *
 * SERVICE, ADDR and PORT are the key. A dump may be limited to one SERVICE.
 *
 * Where a backend runs decides how packets get to it. LOCAL, or a NODE or ADDR
 * that is an address of this node: here, the source is kept. Another NODE (one
 * that NODE_ADD has made known): by the mode. Neither: on a machine without
 * bpflb, by SNAT, or as enum bpflb_dispatch says. SET with LOCAL, NODE or PLAIN replaces
 * what was said.
 */
enum bpflb_backend_attr {
	BPFLB_BACKEND_A_UNSPEC,
	BPFLB_BACKEND_A_PAD,
	BPFLB_BACKEND_A_GENERATION,	/* u64, reply */
	BPFLB_BACKEND_A_SERVICE,	/* string */
	BPFLB_BACKEND_A_ADDR,		/* address */
	BPFLB_BACKEND_A_PORT,		/* be16; 0: that which the client has asked at */
	BPFLB_BACKEND_A_WEIGHT,		/* u32, 0 to 65535; 1. 0: no new flows */
	BPFLB_BACKEND_A_LOCAL,		/* flag */
	BPFLB_BACKEND_A_NODE,		/* address of a node */
	BPFLB_BACKEND_A_HERE,		/* flag, reply: counts as being on this node */
	BPFLB_BACKEND_A_FLOWS,		/* u32, flows there are now, reply */
	BPFLB_BACKEND_A_COUNTERS,	/* nest, enum bpflb_counters_attr, reply */
	BPFLB_BACKEND_A_PLAIN,		/* flag, request only: neither LOCAL nor NODE */
	BPFLB_BACKEND_A_STATE,		/* u8, enum bpflb_backend_state; active */
	BPFLB_BACKEND_A_FLOWS_MAX,	/* u32, flows on this node, about; 0, the default: any */
	__BPFLB_BACKEND_A_MAX,
};
#define BPFLB_BACKEND_A_MAX (__BPFLB_BACKEND_A_MAX - 1)

/**
 * enum bpflb_node_attr - NODE_ADD, NODE_DEL, NODE_GET
 *
 * A node that runs bpflb: DSR packets are sent to it, and its notes believed.
 * One that a backend names can't be removed (EBUSY).
 */
enum bpflb_node_attr {
	BPFLB_NODE_A_UNSPEC,
	BPFLB_NODE_A_PAD,
	BPFLB_NODE_A_GENERATION,	/* u64, reply */
	BPFLB_NODE_A_ADDR,		/* address, the key */
	BPFLB_NODE_A_SELF,		/* flag, reply: it is an address of this node */
	BPFLB_NODE_A_BACKENDS,		/* u32, backends that name it, reply */
	__BPFLB_NODE_A_MAX,
};
#define BPFLB_NODE_A_MAX (__BPFLB_NODE_A_MAX - 1)

/**
 * enum bpflb_flow_kind - what this node does for a flow
 * @BPFLB_FLOW_LOCAL: balances it to a backend on this node
 * @BPFLB_FLOW_SNAT: balances it to another node, as its client
 * @BPFLB_FLOW_DSR_OUT: balances it to another node, which answers the client
 * @BPFLB_FLOW_DSR_IN: delivers what another node has balanced here by DSR
 * @BPFLB_FLOW_DIRECT: balances a pod of its own to another node, as itself
 */
enum bpflb_flow_kind {
	BPFLB_FLOW_LOCAL,
	BPFLB_FLOW_SNAT,
	BPFLB_FLOW_DSR_OUT,
	BPFLB_FLOW_DSR_IN,
	BPFLB_FLOW_DIRECT,
	__BPFLB_FLOW_KIND_MAX,
};

/** enum bpflb_flow_bypass - whose packets go past the stack */
enum bpflb_flow_bypass {
	BPFLB_FLOW_BYPASS_CLIENT	= 1 << 0,
	BPFLB_FLOW_BYPASS_BACKEND	= 1 << 1,
};

/** enum bpflb_flow_closed - of TCP: who has sent its FIN */
enum bpflb_flow_closed {
	BPFLB_FLOW_CLOSED_CLIENT	= 1 << 0,
	BPFLB_FLOW_CLOSED_BACKEND	= 1 << 1,
};

/**
 * enum bpflb_flow_marks - what else a flow goes by
 * @BPFLB_FLOW_MARK_NOTED: of DSR_OUT: each packet has a note, not only the SYN
 * @BPFLB_FLOW_MARK_NOT_MID: of DSR_OUT by OPT: another flow has what its packets look like
 *	between client and backend
 * @BPFLB_FLOW_MARK_ONE_PACKET: one of several of a client, of a service with ONE_PACKET
 */
enum bpflb_flow_marks {
	BPFLB_FLOW_MARK_NOTED		= 1 << 0,
	BPFLB_FLOW_MARK_NOT_MID		= 1 << 1,
	BPFLB_FLOW_MARK_ONE_PACKET	= 1 << 2,
};

/**
 * enum bpflb_flow_end - why a flow has ended
 * @BPFLB_FLOW_END_TIMEOUT: no packet for as long as its state allows
 * @BPFLB_FLOW_END_FIN: closed by its ends: FIN of TCP, SHUTDOWN of SCTP
 * @BPFLB_FLOW_END_RST: broken off by an end: RST of TCP, ABORT of SCTP
 * @BPFLB_FLOW_END_FLUSHED: FLOW_DEL
 * @BPFLB_FLOW_END_BACKEND: its backend was removed, is down, or is on another node now
 * @BPFLB_FLOW_END_EVICTED: unanswered, and gave way to a new one where FLOWS_MAX is reached
 * @BPFLB_FLOW_END_REPLACED: its client began another connection that looks like it
 * @BPFLB_FLOW_END_SOURCE: this node had no source address and port for it, or has them no more
 * @BPFLB_FLOW_END_NAMESPACE: the network namespace has ended
 *
 * A flow that was closed or broken off ends when the timeout of that is over, or when the client
 * has a use for its port.
 */
enum bpflb_flow_end {
	BPFLB_FLOW_END_TIMEOUT,
	BPFLB_FLOW_END_FIN,
	BPFLB_FLOW_END_RST,
	BPFLB_FLOW_END_FLUSHED,
	BPFLB_FLOW_END_BACKEND,
	BPFLB_FLOW_END_EVICTED,
	BPFLB_FLOW_END_REPLACED,
	BPFLB_FLOW_END_SOURCE,
	BPFLB_FLOW_END_NAMESPACE,
	__BPFLB_FLOW_END_MAX,
};

/**
 * enum bpflb_flow_attr - FLOW_GET (a dump), FLOW_DEL, FLOW_ADD, and flow events
 *
 * In a request SERVICE, PROTO, CLIENT and BACKEND (with or without their
 * ports), KIND and STATE are filters: a flow must match all that are given.
 * FLOW_DEL removes all that match and answers with one message that has COUNT.
 *
 * FLOW_ADD makes one flow that a module had before this one was loaded, from what that
 * told of it: all but EXPIRES, COUNT and BYPASS, which are refused. DISPATCH, MARKS,
 * CLOSED, MID_PORT and IDLE may be left out for 0, or CLIENT_PORT. Without SNAT_ADDR a flow of SNAT
 * gets its source with its next packet. It has to be a flow that packets could have made here:
 * the service has that backend, no other flow looks like it, SNAT_ADDR is this
 * node's or one that is set, SNAT_PORT towards the backend is no other flow's and no
 * socket's, FLOWS_MAX of the settings is not reached, and IDLE is below the timeout
 * of STATE (ETIME). It has no account of what it carried before.
 *
 * Events are FLOW_ADD, when a flow begins; FLOW_SET, when one of SNAT has got its source, with
 * its first packet that leaves; FLOW_DEL, when it ends. The settings' FLOW_EVENTS bounds them for
 * each second; those beyond are counted, STATS_A_FLOW_EVENTS_LOST.
 *
 * Flows that were made while the settings had FLOW_ACCOUNTING tell PACKETS, BYTES and DURATION.
 */
enum bpflb_flow_attr {
	BPFLB_FLOW_A_UNSPEC,
	BPFLB_FLOW_A_PAD,
	BPFLB_FLOW_A_SERVICE,		/* string */
	BPFLB_FLOW_A_PROTO,		/* u8 */
	BPFLB_FLOW_A_KIND,		/* u8, enum bpflb_flow_kind */
	BPFLB_FLOW_A_STATE,		/* u8, enum bpflb_flow_state */
	BPFLB_FLOW_A_CLIENT_ADDR,	/* address */
	BPFLB_FLOW_A_CLIENT_PORT,	/* be16 */
	BPFLB_FLOW_A_SERVICE_ADDR,	/* address that the client knows, reply */
	BPFLB_FLOW_A_SERVICE_PORT,	/* be16, reply */
	BPFLB_FLOW_A_BACKEND_ADDR,	/* address */
	BPFLB_FLOW_A_BACKEND_PORT,	/* be16 */
	BPFLB_FLOW_A_SNAT_ADDR,		/* address, reply, SNAT only */
	BPFLB_FLOW_A_SNAT_PORT,		/* be16, reply: source port that the backend sees */
	BPFLB_FLOW_A_IDLE,		/* u32, seconds since its last packet, reply */
	BPFLB_FLOW_A_EXPIRES,		/* u32, seconds until it is removed if none comes, reply */
	BPFLB_FLOW_A_COUNT,		/* u32, flows removed, reply of FLOW_DEL */
	BPFLB_FLOW_A_BYPASS,		/* u8, enum bpflb_flow_bypass, reply */
	BPFLB_FLOW_A_DISPATCH,		/* u8, enum bpflb_dispatch, reply, DSR_OUT only */
	BPFLB_FLOW_A_MID_PORT,		/* be16, reply, SNAT only: client's port on the way through,
					 * if it isn't CLIENT_PORT
					 */
	BPFLB_FLOW_A_CLOSED,		/* u8, enum bpflb_flow_closed, reply, if not 0 */
	BPFLB_FLOW_A_MARKS,		/* u8, enum bpflb_flow_marks, reply, if not 0 */
	BPFLB_FLOW_A_PACKETS_IN,	/* u64, from the client, reply */
	BPFLB_FLOW_A_BYTES_IN,		/* u64, as in enum bpflb_counters_attr, reply */
	BPFLB_FLOW_A_PACKETS_OUT,	/* u64, from the backend, reply */
	BPFLB_FLOW_A_BYTES_OUT,		/* u64, reply */
	BPFLB_FLOW_A_DURATION,		/* u64, ms from its first packet to its last, reply */
	BPFLB_FLOW_A_END,		/* u8, enum bpflb_flow_end, event FLOW_DEL */
	__BPFLB_FLOW_A_MAX,
};
#define BPFLB_FLOW_A_MAX (__BPFLB_FLOW_A_MAX - 1)

/**
 * enum bpflb_affinity_attr - AFFINITY_GET (a dump), AFFINITY_ADD
 *
 * Which backend the clients of a service with AFFINITY are to have again. A dump may be
 * limited to one SERVICE. ADD needs all but IDLE and TIMEOUT; a client that the service
 * knows already is refused (EEXIST), and one whose time is over (ETIME).
 */
enum bpflb_affinity_attr {
	BPFLB_AFFINITY_A_UNSPEC,
	BPFLB_AFFINITY_A_SERVICE,	/* string */
	BPFLB_AFFINITY_A_CLIENT_ADDR,	/* address */
	BPFLB_AFFINITY_A_BACKEND_ADDR,	/* address */
	BPFLB_AFFINITY_A_BACKEND_PORT,	/* be16 */
	BPFLB_AFFINITY_A_IDLE,		/* u32, seconds since its last new flow; 0 */
	BPFLB_AFFINITY_A_TIMEOUT,	/* u32, seconds for which that holds; the service's */
	__BPFLB_AFFINITY_A_MAX,
};
#define BPFLB_AFFINITY_A_MAX (__BPFLB_AFFINITY_A_MAX - 1)

/**
 * enum bpflb_drop_reason - why a packet was dropped
 *
 * STATS_GET names each, so that a tool needs no list of its own.
 */
enum bpflb_drop_reason {
	BPFLB_DROP_NO_BACKEND,		/* no backend takes new flows; see NO_BACKEND_REJECT */
	BPFLB_DROP_NO_LOCAL_BACKEND,	/* policy local, and none on this node */
	BPFLB_DROP_TABLE_FULL,		/* flows_max reached */
	BPFLB_DROP_NO_MEMORY,
	BPFLB_DROP_NO_FLOW,		/* TCP, SCTP in mid-life, of no known flow; client told */
	BPFLB_DROP_NO_SNAT_PORT,	/* every port to this backend is taken */
	BPFLB_DROP_NO_SNAT_ADDRESS,	/* the outgoing device has no address */
	BPFLB_DROP_TUPLE_CLASH,		/* another flow to the same backend looks alike */
	BPFLB_DROP_NOTE_NO_ROOM,	/* no room among the IP options for the DSR note */
	BPFLB_DROP_NOTE_TOO_BIG,	/* with note or tunnel larger than the path; client told */
	BPFLB_DROP_NOTE_SENDER,		/* a DSR note from nobody that is trusted */
	BPFLB_DROP_NOTE_SERVICE,	/* a DSR note for no service of this backend */
	BPFLB_DROP_REROUTE,		/* no route to the backend from this node itself */
	BPFLB_DROP_BACKEND_DOWN,	/* TCP or SCTP, the flow's backend is down; client told */
	BPFLB_DROP_UNKNOWN_PORT,	/* a service's address, but no service's port */
	BPFLB_DROP_SOURCE,		/* a client that may not ask; see BPFLB_SOURCES_ALLOW */
	BPFLB_DROP_FLOWS_MAX,		/* the service or each backend has its FLOWS_MAX */
	BPFLB_DROP_DISPATCH_ROUTE,	/* no way to the backend, of L2 none without a router */
	BPFLB_DROP_TUNNEL_PACKET,	/* came in a tunnel, and can't be delivered */
	__BPFLB_DROP_MAX,
};

/** enum bpflb_drop_attr - BPFLB_STATS_A_DROP */
enum bpflb_drop_attr {
	BPFLB_DROP_A_UNSPEC,
	BPFLB_DROP_A_PAD,
	BPFLB_DROP_A_REASON,		/* u8, enum bpflb_drop_reason */
	BPFLB_DROP_A_NAME,		/* string, such as "no-backend" */
	BPFLB_DROP_A_PACKETS,		/* u64 */
	__BPFLB_DROP_A_MAX,
};
#define BPFLB_DROP_A_MAX (__BPFLB_DROP_A_MAX - 1)

/**
 * enum bpflb_stats_attr - STATS_GET: this namespace's totals (request: no
 * attribute; all are "reply"). Those of one service or backend are in its
 * GET as BPFLB_*_A_COUNTERS.
 */
enum bpflb_stats_attr {
	BPFLB_STATS_A_UNSPEC,
	BPFLB_STATS_A_PAD,
	BPFLB_STATS_A_GENERATION,	/* u64 */
	BPFLB_STATS_A_FLOWS,		/* u32, flows there are now */
	BPFLB_STATS_A_COUNTERS,		/* nest, enum bpflb_counters_attr */
	BPFLB_STATS_A_DROP,		/* nest, repeated, every reason: enum bpflb_drop_attr */
	BPFLB_STATS_A_NOTES_SENT,	/* u64, DSR notes put on packets */
	BPFLB_STATS_A_NOTES_TAKEN,	/* u64, DSR notes believed and taken off */
	BPFLB_STATS_A_BYPASSED,		/* u64, packets that went past the stack */
	BPFLB_STATS_A_ANSWERS,		/* u64, ICMP errors and RSTs sent in a service's name */
	BPFLB_STATS_A_AFFINITY_EVICTED,	/* u64, clients whose affinity was cut short for others */
	BPFLB_STATS_A_NOTES_REMOVED,	/* u64, DSR notes taken off unbelieved */
	BPFLB_STATS_A_FLOW_EVENTS_LOST,	/* u64, events of flows beyond FLOW_EVENTS in a second */
	__BPFLB_STATS_A_MAX,
};
#define BPFLB_STATS_A_MAX (__BPFLB_STATS_A_MAX - 1)

/** enum bpflb_txn_attr - TXN_BEGIN, TXN_COMMIT, TXN_ABORT */
enum bpflb_txn_attr {
	BPFLB_TXN_A_UNSPEC,
	BPFLB_TXN_A_PAD,
	BPFLB_TXN_A_FLAGS,		/* u32, enum bpflb_txn_flags; BEGIN only */
	BPFLB_TXN_A_GENERATION,		/* u64; BEGIN: refuse (ESTALE) unless it is in force;
					 * reply of COMMIT: the one that is now in force
					 */
	__BPFLB_TXN_A_MAX,
};
#define BPFLB_TXN_A_MAX (__BPFLB_TXN_A_MAX - 1)

enum bpflb_txn_flags {
	BPFLB_TXN_F_REPLACE	= 1 << 0,
	BPFLB_TXN_F_CHECK	= 1 << 1,
};

/** enum bpflb_verdict - what becomes of a packet */
enum bpflb_verdict {
	BPFLB_VERDICT_PASS,		/* it is none of bpflb's */
	BPFLB_VERDICT_FLOW,		/* it is of a flow that exists */
	BPFLB_VERDICT_BALANCE,		/* a flow is made for it */
	BPFLB_VERDICT_DROP,
};

/** enum bpflb_choice - who says which backend a new flow gets */
enum bpflb_choice {
	BPFLB_CHOICE_SCHEDULER,
	BPFLB_CHOICE_SINGLE,		/* there is one only */
	BPFLB_CHOICE_AFFINITY,		/* its client had it before */
};

/** enum bpflb_unfit - why a backend is none of those to choose from */
enum bpflb_unfit {
	BPFLB_FIT,
	BPFLB_UNFIT_FAMILY,		/* of the other family than the packet */
	BPFLB_UNFIT_STATE,		/* not active; or terminating, and others are active */
	BPFLB_UNFIT_WEIGHT,		/* it has none */
	BPFLB_UNFIT_ELSEWHERE,		/* only those on this node may be chosen */
	BPFLB_UNFIT_FULL,		/* may be chosen, but has its FLOWS_MAX */
};

/** enum bpflb_why - why a flow to a backend is of its enum bpflb_flow_kind */
enum bpflb_why {
	BPFLB_WHY_HERE,			/* the backend is on this node */
	BPFLB_WHY_MASQUERADE,		/* it is, but MASQUERADE_ALL is set */
	BPFLB_WHY_HAIRPIN,		/* it is the client itself */
	BPFLB_WHY_PLAIN,		/* it is without bpflb, and DISPATCH is not for it */
	BPFLB_WHY_POD,			/* the client is a pod of this node */
	BPFLB_WHY_MODE,			/* as MODE says */
	BPFLB_WHY_OWN,			/* DSR could not answer the node at its own address */
};

/**
 * enum bpflb_explain_attr - EXPLAIN: what would become of a client's packet, and why
 *
 * Found out by what packets go by, without a trace of it: nothing is counted, made, or
 * remembered. A request has the PROTO, CLIENT and SERVICE of a packet as its client sends it. It
 * comes in by DEVICE, else by the device that leads to the client; if that is this
 * node itself and there is no DEVICE it is a program's of this node (LOCAL_OUT). It is the first
 * of a connection, but with MID_LIFE.
 *
 * The first message of the answer is about the packet. Each that follows has a
 * CANDIDATE, one for each of the service's backends, where a service was found and
 * there is no flow.
 */
enum bpflb_explain_attr {
	BPFLB_EXPLAIN_A_UNSPEC,
	BPFLB_EXPLAIN_A_PAD,
	BPFLB_EXPLAIN_A_GENERATION,	/* u64, reply */
	BPFLB_EXPLAIN_A_PROTO,		/* u8 */
	BPFLB_EXPLAIN_A_CLIENT_ADDR,	/* address */
	BPFLB_EXPLAIN_A_CLIENT_PORT,	/* be16 */
	BPFLB_EXPLAIN_A_SERVICE_ADDR,	/* address */
	BPFLB_EXPLAIN_A_SERVICE_PORT,	/* be16 */
	BPFLB_EXPLAIN_A_DEVICE,		/* string */
	BPFLB_EXPLAIN_A_MID_LIFE,	/* flag */
	BPFLB_EXPLAIN_A_VERDICT,	/* u8, enum bpflb_verdict; all that follow: reply */
	BPFLB_EXPLAIN_A_REASON,		/* string, why it is dropped, as in BPFLB_DROP_A_NAME */
	BPFLB_EXPLAIN_A_FLOW,		/* nest, enum bpflb_flow_attr: the flow that exists */
	BPFLB_EXPLAIN_A_FLOW_ENDS,	/* flag: the packet ends that, and gets another one */
	BPFLB_EXPLAIN_A_SERVICE,	/* string */
	BPFLB_EXPLAIN_A_FRONTEND,	/* nest, enum bpflb_frontend_attr: where it is asked */
	BPFLB_EXPLAIN_A_ADDRESS,	/* flag: some service has SERVICE_ADDR */
	BPFLB_EXPLAIN_A_LOCAL_OUT,	/* flag */
	BPFLB_EXPLAIN_A_POD,		/* flag: the client is a pod of this node */
	BPFLB_EXPLAIN_A_SOURCES,	/* u8, enum bpflb_sources_rule, of the service */
	BPFLB_EXPLAIN_A_POLICY,		/* u8, enum bpflb_policy, that holds there */
	BPFLB_EXPLAIN_A_ONLY_HERE,	/* flag: only backends on this node may be chosen */
	BPFLB_EXPLAIN_A_SCHEDULER,	/* u8, enum bpflb_scheduler */
	BPFLB_EXPLAIN_A_AFFINITY,	/* u32, seconds */
	BPFLB_EXPLAIN_A_ONE_PACKET,	/* u8 */
	BPFLB_EXPLAIN_A_CHOICE,		/* u8, enum bpflb_choice */
	BPFLB_EXPLAIN_A_CROWDED,	/* flag: of FLOWS_MAX of the settings; another flow has to
					 * end for a new one, which may fail
					 */
	BPFLB_EXPLAIN_A_SNAT_PORTS,	/* u32, repeated: first << 16 | last, to take from */
	BPFLB_EXPLAIN_A_CANDIDATE,	/* nest, enum bpflb_candidate_attr */
	__BPFLB_EXPLAIN_A_MAX,
};
#define BPFLB_EXPLAIN_A_MAX (__BPFLB_EXPLAIN_A_MAX - 1)

/**
 * enum bpflb_candidate_attr - BPFLB_EXPLAIN_A_CANDIDATE; all are "reply"
 *
 * SHARE is that of new flows of this kind, in millionths. Where the choice is certain, or
 * next in turn, one is CHOSEN. What comes after that is about who may be chosen: how a
 * flow would get there.
 */
enum bpflb_candidate_attr {
	BPFLB_CANDIDATE_A_UNSPEC,
	BPFLB_CANDIDATE_A_ADDR,		/* address */
	BPFLB_CANDIDATE_A_PORT,		/* be16; 0: that which is asked at */
	BPFLB_CANDIDATE_A_STATE,	/* u8, enum bpflb_backend_state */
	BPFLB_CANDIDATE_A_WEIGHT,	/* u32 */
	BPFLB_CANDIDATE_A_FLOWS,	/* u32 */
	BPFLB_CANDIDATE_A_FLOWS_MAX,	/* u32 */
	BPFLB_CANDIDATE_A_HERE,		/* flag: on this node */
	BPFLB_CANDIDATE_A_NODE,		/* address */
	BPFLB_CANDIDATE_A_UNFIT,	/* u8, enum bpflb_unfit */
	BPFLB_CANDIDATE_A_SHARE,	/* u32 */
	BPFLB_CANDIDATE_A_CHOSEN,	/* flag */
	BPFLB_CANDIDATE_A_KIND,		/* u8, enum bpflb_flow_kind */
	BPFLB_CANDIDATE_A_DISPATCH,	/* u8, enum bpflb_dispatch; of DSR_OUT */
	BPFLB_CANDIDATE_A_WHY,		/* u8, enum bpflb_why */
	BPFLB_CANDIDATE_A_REASON,	/* string, why the packet would be dropped then */
	BPFLB_CANDIDATE_A_NO_ROUTE,	/* flag: the stack would not forward it */
	BPFLB_CANDIDATE_A_DEVICE,	/* string, that it leaves by */
	BPFLB_CANDIDATE_A_GATEWAY,	/* address */
	BPFLB_CANDIDATE_A_MTU,		/* u32, of the route */
	BPFLB_CANDIDATE_A_HEAD,		/* u32, bytes that its note or tunnel adds */
	BPFLB_CANDIDATE_A_TUNNEL,	/* address, where that ends */
	BPFLB_CANDIDATE_A_SNAT_ADDR,	/* address, that the backend would see */
	BPFLB_CANDIDATE_A_SNAT_PORT,	/* be16; none if there is no free one */
	BPFLB_CANDIDATE_A_OTHER_PORT,	/* flag: another flow has this client's port towards it;
					 * but by SNAT and by opt, some port takes its place
					 */
	__BPFLB_CANDIDATE_A_MAX,
};
#define BPFLB_CANDIDATE_A_MAX (__BPFLB_CANDIDATE_A_MAX - 1)

#endif /* _UAPI_LINUX_BPFLB_H */
