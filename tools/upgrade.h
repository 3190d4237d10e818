/* SPDX-License-Identifier: GPL-2.0-only */
/* Another module in the place of the one that is loaded; see upgrade.c. */
#ifndef LBADM_UPGRADE_H
#define LBADM_UPGRADE_H

#include <sys/types.h>

#include "objects.h"
#include "snapshot.h"

#define UPGRADE_DIR	"/run/bpflb"
#define UPGRADE_STATE	UPGRADE_DIR "/upgrade"
#define PATH_ROOM	512

/**
 * struct ghost - a backend that was removed, and has connections still
 * @service: whose it was
 * @proto: of that
 * @backend: address and port
 */
struct ghost {
	char service[BPFLB_NAME_MAX];
	uint8_t proto;
	struct endpoint backend;
};

/**
 * struct space - a network namespace that has a configuration
 * @name: for people
 * @fd: the namespace
 * @inode: its number, as long as it lives
 * @context: with a socket in it, whose transaction keeps others from changing it
 * @status: as it was found
 * @gated: its packets are dropped
 * @snapshot: its configuration
 * @known: of each backend service and address, sorted, as "SERVICE ADDRESS"
 * @known_count: of @known
 * @known_room: of @known
 * @ghosts: its removed backends
 * @ghost_count: of @ghosts
 * @ghost_room: of @ghosts
 */
struct space {
	char name[64];
	int fd;
	ino_t inode;
	struct context context;
	struct status status;
	bool gated;
	struct snapshot snapshot;
	char **known;
	size_t known_count;
	size_t known_room;
	struct ghost *ghosts;
	size_t ghost_count;
	size_t ghost_room;
};

/** struct spaces - all of them */
struct spaces {
	struct space **space;
	size_t count;
	size_t room;
	uint32_t active;	/* as the module counts them; 0: it does not say */
};

/* upgrade_space.c */
int spaces_find(struct spaces *spaces, bool module);
void spaces_free(struct spaces *spaces);
void space_path(const struct space *space, const char *dir, const char *kind,
		char path[PATH_ROOM]);
bool space_has(const struct space *space, const char *dir, const char *kind);
int space_run(const struct space *space, const char *const *argv, const char *output);

/* upgrade_save.c */
int space_read(struct space *space);
int space_save(const struct space *space, const char *dir);
int space_save_flows(const struct space *space, const char *dir);
int space_restore(const struct space *space, const char *dir, bool *lost);

/* upgrade_gate.c */
int gate_close(struct space *space, const char *dir);
void gate_open(struct space *space);

/**
 * struct module - what is loaded, and what shall be
 * @version: of the loaded one
 * @mark: srcversion of the loaded one, or empty
 * @parameters: of the loaded one, as NAME=VALUE
 * @parameter_count: of @parameters
 * @new_file: to be loaded
 * @old_file: to go back to; empty: none is known
 */
struct module {
	char version[VERSION_ROOM];
	char mark[VERSION_ROOM];
	char parameters[16][128];
	unsigned int parameter_count;
	char new_file[PATH_ROOM];
	char old_file[PATH_ROOM];
};

/* upgrade_module.c */
int module_examine(struct module *module, const char *file, const char *old, bool *same);
void module_prepare(const char *file);
int module_unload(void);
int module_load(const struct module *module, const char *file);
bool module_is_loaded(void);
void module_version(char version[VERSION_ROOM]);
int module_write(const struct module *module, const char *dir);
int module_read(struct module *module, const char *dir);
bool module_keep(const char *file);
int module_keep_installed(void);

#endif /* LBADM_UPGRADE_H */
