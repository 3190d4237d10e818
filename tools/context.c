// SPDX-License-Identifier: GPL-2.0-only
/* What commands need for what they say: refusals, and the frame of their JSON. */
#include "objects.h"

/**
 * context_refused - show what the kernel has said about our request
 * @context: whose request it was; still the one that was refused
 * @why: what the kernel said
 *
 * Return: LBADM_REFUSED
 */
int context_refused(const struct context *context, const struct refusal *why)
{
	unsigned int word = NO_WORD;
	char room[REFUSAL_ROOM];

	if (why->has_offset)
		word = request_word(&context->request, why->offset);
	return report_at(LBADM_REFUSED, &context->line, word, "%s",
			 refusal_sentence(why, room, sizeof(room)));
}

/**
 * json_schema - what the JSON's keys mean, by number; the first key of all there is
 * @json: where to
 * @version: of the module, NULL if it was not asked
 */
void json_schema(struct json *json, const char *version)
{
	json_open(json, "bpflb", '{');
	json_u64(json, "schema", LBADM_SCHEMA);
	if (version)
		json_string(json, "version", version);
	json_close(json);
}

/**
 * context_json_begin - begin the JSON of a command
 * @context: with its socket open; its request is used up
 * @json: what to set up
 * @generation: that is shown; 0: the one now in force
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int context_json_begin(struct context *context, struct json *json, uint64_t generation)
{
	struct status status;
	int code = status_get(context, &status);

	if (code)
		return code;
	json_init(json, stdout, context->options.pretty);
	json_open(json, NULL, '{');
	json_schema(json, status.version);
	json_u64(json, "generation", generation ? generation : status.generation);
	return LBADM_OK;
}

/**
 * context_json_list - the JSON of a command that lists something
 * @context: with its socket open; its request is used up
 * @generation: that the list is of
 * @messages: what is listed
 * @list: prints these as an array
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int context_json_list(struct context *context, uint64_t generation,
		      const struct messages *messages,
		      void (*list)(struct json *json, const struct messages *messages))
{
	struct json json;
	int code = context_json_begin(context, &json, generation);

	if (code)
		return code;
	list(&json, messages);
	context_json_end(&json);
	return LBADM_OK;
}

/**
 * context_json_end - end it
 * @json: what context_json_begin() has set up
 */
void context_json_end(struct json *json)
{
	json_close(json);
}
