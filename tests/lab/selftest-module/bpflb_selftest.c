// SPDX-License-Identifier: GPL-2.0-only
/* What tests/lab/run must notice, on demand. */
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

static char *how = "";
module_param(how, charp, 0);

static int __rcu *unlocked;
/* Not as kmemleak would recognize it. */
static unsigned long lost;

static int __init selftest_init(void)
{
	int i;

	if (!strcmp(how, "warn"))
		WARN_ON(1);
	else if (!strcmp(how, "oops"))
		WRITE_ONCE(*(int *)8, 1);
	else if (!strcmp(how, "panic"))
		panic("asked for");
	else if (!strcmp(how, "leak"))
		for (i = 0; i < 100; i++)
			lost = ~(unsigned long)kmalloc(77, GFP_KERNEL);
	else if (!strcmp(how, "rcu"))
		(void)rcu_dereference(unlocked);
	return 0;
}
module_init(selftest_init);

static void __exit selftest_exit(void)
{
}
module_exit(selftest_exit);

MODULE_DESCRIPTION("mistakes for the lab to notice");
MODULE_LICENSE("GPL");
