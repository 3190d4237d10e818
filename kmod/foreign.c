// SPDX-License-Identifier: GPL-2.0-only
#include <linux/percpu_counter.h>

#include "flow.h"
#include "foreign.h"
#include "settings.h"

/* Of each processor, not yet in the sum. */
#define BATCH	(16 * 1024)

static struct percpu_counter charged;

/**
 * bpflb_foreign_charge() - such a namespace has taken memory, or given it back
 * @bytes: how much; negative: given back
 *
 * Context: any.
 */
void bpflb_foreign_charge(long bytes)
{
	percpu_counter_add_batch(&charged, bytes, BATCH);
}

/**
 * bpflb_foreign_is_full() - have they all that they may have?
 *
 * That is what as many IPv4 flows take as one namespace of the machine's own has by default.
 *
 * Context: any.
 */
bool bpflb_foreign_is_full(void)
{
	s64 bound = (s64)bpflb_settings_flows_max() * sizeof(struct bpflb_flow);

	return __percpu_counter_compare(&charged, bound, BATCH) >= 0;
}

int bpflb_foreign_init(void)
{
	return percpu_counter_init(&charged, 0, GFP_KERNEL);
}

/* After the last RCU callback has run. */
void bpflb_foreign_exit(void)
{
	WARN_ON_ONCE(percpu_counter_sum(&charged));
	percpu_counter_destroy(&charged);
}
