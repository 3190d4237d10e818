/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is wrong around the module: each doctor_*.c knows one kind of trouble.
 *
 * A check looks at the configuration in force and at the system, and calls
 * finding() for what it finds. What works as it is must give none.
 */
#ifndef LBADM_DOCTOR_H
#define LBADM_DOCTOR_H

#include "rt.h"
#include "snapshot.h"

/* What a client's packets are large at most, nearly everywhere. */
#define USUAL_MTU 1500

struct rules;

/** enum severity - what happens if nothing is done */
enum severity {
	ERROR,		/* packets are lost, or would be */
	WARNING,	/* some may be, or something is open that need not be */
	NOTE,		/* it works, but not as well; or something could not be looked at */
};

/** enum where - on which machine the mending command is to be run */
enum where {
	HERE,
	ON_ROUTER,
	ON_NODES,
};

/**
 * struct finding - one thing that is wrong
 * @severity: how bad
 * @id: short and stable
 * @sentence: what is wrong with what
 * @mend: the command that mends it; empty if none can be known
 * @where: where that is to be run
 */
struct finding {
	enum severity severity;
	const char *id;
	char *sentence;
	char *mend;
	enum where where;
};

/**
 * struct machine - an address that backends have, and the way to it
 * @address: theirs
 * @node: the node that they are on; of length 0: a machine without bpflb, or this node
 * @here: they are on this node
 * @route: the way to it
 * @service: of one of the backends
 * @port: of that one; 0: any
 * @dsr: packets of some of their services come by DSR
 * @snat: of some by SNAT
 * @noted: of some with a note as an IP option
 * @l2: of some, without bpflb, as frames
 * @grows: bytes that a packet of the largest size grows by, at most
 * @outer: the way that it takes then
 */
struct machine {
	struct address address;
	struct address node;
	bool here;
	struct rt_route route;
	const char *service;
	uint16_t port;
	bool dsr;
	bool snat;
	bool noted;
	bool l2;
	uint32_t grows;
	struct rt_route outer;
};

/**
 * struct peer - another node
 * @address: its address
 * @backends: how many name it
 * @route: the way to it
 */
struct peer {
	struct address address;
	uint32_t backends;
	struct rt_route route;
};

/**
 * struct doctor - what the checks look at, and what they have found
 * @context: with its socket open
 * @snapshot: the configuration
 * @rt: links and routes
 * @machines: where backends are, each address once
 * @machine_count: how many
 * @peers: the other nodes
 * @peer_count: how many
 * @takes_dsr: of each family, IPv4 first: other nodes send packets here by DSR
 * @takes_notes: and notes as IP options
 * @anywhere: of each family: the way to clients that no route names
 * @watch: seconds to look at counters for
 * @findings: what was found
 * @count: how many
 */
struct doctor {
	struct context *context;
	struct snapshot snapshot;
	struct rt rt;
	struct machine *machines;
	size_t machine_count, machine_room;
	struct peer *peers;
	size_t peer_count, peer_room;
	bool takes_dsr[2];
	bool takes_notes[2];
	struct rt_route anywhere[2];
	uint32_t watch;
	struct finding *findings;
	size_t count, room;
};

void finding(struct doctor *doctor, enum severity severity, const char *id,
	     const char *mend, const char *format, ...) __attribute__((format(printf, 5, 6)));
void finding_elsewhere(struct doctor *doctor, enum where where);

/* doctor_look.c: what is there */
int doctor_look(struct doctor *doctor);
void doctor_forget(struct doctor *doctor);
bool doctor_is_dsr(const struct doctor *doctor, const struct service *service);
bool sysctl_read(long *value, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sysctl_text(char *text, size_t room, const char *path);
const char *sysctl_command(char *text, size_t room, const char *path, const char *device,
			   const char *value);

/* the checks */
void doctor_forwarding(struct doctor *doctor);
void doctor_rp_filter(struct doctor *doctor);
void doctor_mtu(struct doctor *doctor);
void doctor_dispatch(struct doctor *doctor);
void doctor_ports(struct doctor *doctor);
void doctor_localnet(struct doctor *doctor);
void doctor_nodes(struct doctor *doctor);
void doctor_sender(struct doctor *doctor);
void doctor_addresses(struct doctor *doctor);
void doctor_flows(struct doctor *doctor);
void doctor_drops(struct doctor *doctor);
void doctor_nat(struct doctor *doctor);
void doctor_forward(struct doctor *doctor, const struct rules *rules);
void doctor_ipvs(struct doctor *doctor);

#define MEND_ROOM 1024

static inline int family_index(const struct address *address)
{
	return address->length == 16;
}

#endif /* LBADM_DOCTOR_H */
