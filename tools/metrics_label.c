// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "metrics.h"

/**
 * metrics_label - one more label of a sample
 * @labels: those so far, ended by NUL
 * @room: of @labels
 * @name: the label's
 * @value: any text; what would end it early is quoted
 *
 * A label for which there is no room is left out as a whole.
 */
void metrics_label(char *labels, size_t room, const char *name, const char *value)
{
	size_t used = strlen(labels);
	size_t at = used + snprintf(labels + used, room - used, "%s%s=\"", used ? "," : "", name);

	/* Room for a quoted character, the closing quote, and the NUL. */
	for (; *value && at + 4 <= room; value++) {
		if (*value == '\\' || *value == '"' || *value == '\n')
			labels[at++] = '\\';
		labels[at++] = *value == '\n' ? 'n' : *value;
	}
	if (*value || at + 2 > room)
		at = used;
	else
		labels[at++] = '"';
	labels[at] = '\0';
}
