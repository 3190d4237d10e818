/* SPDX-License-Identifier: GPL-2.0-only */
/* The words for the numbers of the netlink interface; each list ends with NULL. */
#ifndef LBADM_NAMES_H
#define LBADM_NAMES_H

#include <stddef.h>

/* Room for a number that has no name. */
#define NAME_ROOM 16

extern const char *const mode_names[];
extern const char *const service_mode_names[];
extern const char *const dispatch_names[];
extern const char *const service_dispatch_names[];
extern const char *const mode_origin_names[];
extern const char *const policy_names[];
extern const char *const backend_state_names[];
extern const char *const scheduler_names[];
extern const char *const dsr_sender_names[];
extern const char *const refused_notes_names[];
extern const char *const no_backend_names[];
extern const char *const unknown_ports_names[];
extern const char *const sources_names[];
extern const char *const masquerade_names[];
extern const char *const switch_names[];
extern const char *const bypass_names[];
extern const char *const state_names[];
extern const char *const kind_names[];
extern const char *const end_names[];
extern const char *const proto_names[];
extern const unsigned char proto_numbers[];

const char *name_of(const char *const *names, unsigned int value, char room[NAME_ROOM]);
const char *proto_name(unsigned char proto, char room[NAME_ROOM]);
void names_join(const char *const *names, char *text, size_t room);

#endif /* LBADM_NAMES_H */
