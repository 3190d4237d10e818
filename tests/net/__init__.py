# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of the module share: namespaces, the cluster in them, captures."""
