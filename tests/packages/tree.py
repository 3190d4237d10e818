# SPDX-License-Identifier: GPL-2.0-only
"""Trees to build packages of: this one, and a newer one."""
import os
import re
import subprocess

from net.ktap import Failure

OWN = re.search(r'^PACKAGE_VERSION="(.*)"', open(f"{os.path.dirname(__file__)}/../../dkms.conf", encoding="utf-8").read(),
                re.M)[1]
NEWER = "0.2.0"


def expect(line, **options):
    """What the shell's @line wrote; it must not fail."""
    p = subprocess.run(["bash", "-euc", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       check=False, stdin=subprocess.DEVNULL, **options)
    if p.returncode:
        raise Failure(f"exit status {p.returncode} of {line}", p.stdout.splitlines()[-40:])
    return p.stdout


def copy(tree, to):
    """What git knows of @tree, as it is now, without git."""
    os.makedirs(to)
    expect(f"git -c safe.directory='*' ls-files -z --deduplicate | xargs -0 ls -d 2>/dev/null | tar -c -T - | tar -x -C {to}",
           cwd=tree)


def newer(tree):
    """Makes @tree, a copy, the one of a later version."""
    expect(f"""
        sed -i 's/^PACKAGE_VERSION=.*/PACKAGE_VERSION="{NEWER}"/' dkms.conf
        sed -i 's/\\(define BPFLB_VERSION\\s*\\).*/\\1"{NEWER}"/' kmod/main.h
        sed -i 's/\\(define LBADM_VERSION\\s*\\).*/\\1"{NEWER}"/' tools/lbadm.h
        sed -i '1s/(.*)/({NEWER})/' debian/changelog
    """, cwd=tree)


def build(tree, out):
    expect(f"dist/build-deb {out}", cwd=tree)
