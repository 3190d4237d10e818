# SPDX-License-Identifier: GPL-2.0-only
"""A guest that is a machine with a disk, and boots from it as often as wished."""
import os
import re
import shutil
import subprocess
import tempfile
import time

from tree import copy, expect, newer

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
START = 900     # seconds from power on to the tests, after which it is tried once more
STAGE = 5400    # seconds for all tests of a boot

# What the machine at 192.168.0.11 of the README would have saved.
CONFIG = """\
node add 192.168.0.11
node add 192.168.0.12
service add web tcp 203.0.113.10:80 nodeport:30080
backend add web 10.0.2.11:8080 node 192.168.0.12
backend add web 10.0.2.12:8080 node 192.168.0.12
"""

UNIT = """\
[Unit]
Description=tests
RequiresMountsFor=/mnt/tests
After=basic.target network.target
SuccessAction=poweroff
FailureAction=poweroff

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/usr/bin/python3 /mnt/tests/guest.py
StandardOutput=file:/dev/ttyS1
StandardError=inherit

[Install]
WantedBy=multi-user.target
"""

# A root file system on top of the one in the cache, and in it what $4 says; then a disk of it.
#   $1 the cached one   $2 a directory of ours   $3 the disk
ASSEMBLE = r"""
mount --make-rprivate /
mount -t tmpfs tmpfs "$2"
mkdir "$2"/{upper,work,root}
mount -t overlay -o "lowerdir=$1/root,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
root=$2/root
enter() {
	for d in proc sys dev; do mount --rbind "/$d" "$root/$d"; done
	mount -t tmpfs run "$root/run"
	chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -euc "$1" </dev/null
	for d in run proc sys dev; do umount -l "$root/$d"; done
}
eval "$4"
if [ "$3" ]; then
	rm -f "$3"
	mke2fs -q -t ext4 -d "$root" "$3" 6G
fi
"""

# DKMS builds for every kernel that it finds, where the one that runs is none of them.
INSTALLED = r"""
cp "$tests"/build/deb/*.deb "$root/tmp"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
enter 'apt-get -y install /tmp/bpflb-dkms_*.deb /tmp/lbadm_*.deb && systemctl enable bpflb'
rm "$root"/tmp/*.deb "$root/usr/sbin/policy-rc.d"
cp "$tests/bpflb.conf" "$root/etc/bpflb/bpflb.conf"
echo options bpflb mode=hybrid >"$root/etc/modprobe.d/bpflb.conf"
"""

DRIVER = r"""
mkdir -p "$root/mnt/tests" "$root/root/bpflb"
cp "$tests/guest-tests.service" "$root/etc/systemd/system"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../guest-tests.service "$root/etc/systemd/system/multi-user.target.wants"
echo '/dev/vdb /mnt/tests ext4 ro,x-systemd.device-timeout=1h 0 0' >>"$root/etc/fstab"
# a busy machine's guest is slow to find its disks
mkdir -p "$root/etc/systemd/system.conf.d"
printf '[Manager]\nDefaultTimeoutStartSec=1h\n' >"$root/etc/systemd/system.conf.d/patience.conf"
# what would wake up on its own
for t in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim man-db; do
	ln -sf /dev/null "$root/etc/systemd/system/$t.timer"
done
# where the reader of the README is
cp -r "$tests/build" "$root/root/bpflb"
"""

# make deb, as the README has it; and for a later version
BUILD = r"""
for tree in own newer; do
	[ -d "$tests/$tree-tree" ] || continue
	cp -r "$tests/$tree-tree" "$root/root/tree"
	enter 'cd /root/tree && make deb'
	mkdir -p "$tests/$tree"
	mv "$root"/root/tree/build/deb/*.deb "$tests/$tree"
	rm -rf "$root/root/tree"
done
enter 'true'
"""


# DKMS runs whole in the guest, but there a compiler takes half an hour for what it is asked; so it is asked
# here before, and a guest's compiler is ccache.
COMPILER = r"""
mkdir -p "$root/var/cache/ccache"
printf '%s\n' 'cache_dir = /var/cache/ccache' 'compiler_check = content' \
	'sloppiness = include_file_ctime,include_file_mtime' >"$root/etc/ccache.conf"
echo 'DPkg::Path "/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin";' >"$root/etc/apt/apt.conf.d/ccache"
if [ -d "$tests/ccache" ]; then cp -r "$tests/ccache/." "$root/var/cache/ccache"; fi
"""

# An upgrade of the module, then of the kernel: it comes with its headers, in one transaction.
COMPILED = r"""
cp -r "$tests/own" "$tests/newer" "$tests/kernel" "$root/tmp"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
for what in own/bpflb-dkms_ newer/bpflb-dkms_ kernel/linux-; do
	enter "apt-get -y install /tmp/$what*.deb"
done
enter 'dkms status' >"$tests/dkms-status"
cp -r "$root/var/cache/ccache" "$tests/ccache"
"""


class Machine:
    """@dkms: what dkms status said after upgrades of module and kernel; empty for a subset"""

    def __init__(self, release, directory, subset):
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        self._dir = directory
        self.console = f"{directory}/console.log"
        self.disk, self.tests = f"{directory}/disk", f"{directory}/tests.disk"
        built_here = subset and _here_is(release)
        self._cached = subprocess.run([f"{HERE}/root", *(["--subset"] if built_here else []), release],
                                      stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        self._process = None
        self.dkms = ""
        with tempfile.TemporaryDirectory(dir=directory) as tests:
            self._bring(tests, subset, built_here)
            self._assemble(tests, DRIVER + (INSTALLED if subset else COMPILER), self.disk)
            expect(f"rm -rf {tests}/*-tree {tests}/ccache && mke2fs -q -t ext4 -d {tests} {self.tests} 1G")

    def _assemble(self, tests, script, disk):
        with tempfile.TemporaryDirectory() as room:
            expect('unshare -m bash -euc "$ASSEMBLE" assemble "$CACHED" "$ROOM" "$DISK" "$SCRIPT"',
                   env=os.environ | {"ASSEMBLE": ASSEMBLE, "SCRIPT": script, "CACHED": self._cached, "ROOM": room,
                                     "DISK": disk, "tests": tests})

    def _bring(self, tests, subset, built_here):
        """What the tests need in the guest, in the directory @tests."""
        shutil.copytree(f"{TOP}/tests/net", f"{tests}/net", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("tests/packages/guest.py", "tests/packages/lan.py", "debian/tests/balances", "README.md",
                     "docs/install.md"):
            shutil.copy(f"{TOP}/{name}", tests)
        for name, text in ("bpflb.conf", CONFIG), ("guest-tests.service", UNIT):
            with open(f"{tests}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
        if built_here:
            shutil.copytree(f"{TOP}/build/packages/deb", f"{tests}/own")
        else:
            copy(TOP, f"{tests}/own-tree")
            if not subset:
                copy(TOP, f"{tests}/newer-tree")
                newer(f"{tests}/newer-tree")
            self._assemble(tests, BUILD, "")
        if not subset:
            expect("dpkg-scanpackages -m . >Packages", cwd=f"{tests}/newer")
            shutil.copytree(f"{self._cached}/debs", f"{tests}/kernel")
            self._assemble(tests, COMPILER + COMPILED, "")
            with open(f"{tests}/dkms-status", encoding="utf-8") as f:
                self.dkms = f.read()
        os.makedirs(f"{tests}/build")
        shutil.move(f"{tests}/own", f"{tests}/build/deb")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for name in self.disk, self.tests:
            if os.path.exists(name) and not os.environ.get("KEEP"):
                os.unlink(name)

    def _boot_files(self, stage):
        """Kernel and initramfs as they are on the disk, of the kernel that @stage is to run."""
        names = re.findall(r"vmlinuz-(\S+)", self._debugfs("ls -l /boot"))
        release = next(name for name in names if ("cloud" in name) == (stage == "cloud"))
        for name in "vmlinuz", "initrd.img":
            self._debugfs(f"dump /boot/{name}-{release} {self._dir}/{name}")
        return f"{self._dir}/vmlinuz", f"{self._dir}/initrd.img"

    def _debugfs(self, command):
        return expect(f'debugfs -R "{command}" {self.disk}')

    def boot(self, stage):
        """Lines of what the guest's tests wrote, until it powers off."""
        kernel, initrd = self._boot_files(stage)
        results = f"{self._dir}/{stage}.results"
        for attempt in 1, 2:
            with open(results, "wb"), open(self.console, "ab") as console:
                self._process = subprocess.Popen([
                    "qemu-system-x86_64", "-M", "q35,sata=off,smbus=off,usb=off", "-cpu", "max",
                    "-accel", "tcg,thread=multi", "-smp", "2", "-m", os.environ.get("MEM", "2G"),
                    "-kernel", kernel, "-initrd", initrd, "-nodefaults", "-no-user-config", "-display", "none",
                    "-no-reboot", "-serial", f"file:{self.console}.{stage}", "-serial", f"file:{results}",
                    "-drive", f"file={self.disk},format=raw,if=virtio,cache=unsafe",
                    "-drive", f"file={self.tests},format=raw,if=virtio,readonly=on",
                    "-append", "root=/dev/vda rw console=ttyS0 panic=-1 oops=panic mitigations=off "
                               f"guest.stage={stage}"],
                    stdin=subprocess.DEVNULL, stdout=console, stderr=console)
            begun = time.monotonic()
            with open(results, encoding="utf-8", errors="replace") as lines:
                yield from self._follow(lines, begun, attempt)
            if os.path.getsize(results):
                return
            yield f"# {stage}: once more, for it did not start in {START} seconds"

    def _follow(self, lines, begun, attempt):
        part, started = "", False
        while True:
            ended = self._process.poll() is not None
            part += lines.read()
            *whole, part = part.split("\n")
            for line in whole:
                if not started:
                    yield f"# booted in {time.monotonic() - begun:.0f} s"
                started = True
                yield line.rstrip("\r")
            if ended:
                return
            if time.monotonic() - begun > (STAGE if started or attempt == 2 else START):
                self._process.kill()
                self._process.wait()
            time.sleep(0.2)


def _here_is(release):
    with open("/etc/os-release", encoding="utf-8") as f:
        return f'VERSION_ID="{release}"' in f.read()
