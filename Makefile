# SPDX-License-Identifier: GPL-2.0-only
# For people; what kbuild reads is Kbuild. DKMS and kbuild never get here: DKMS calls the kernel's
# makefile (dkms.conf), and kbuild prefers a Kbuild file to this one.

KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
PREFIX ?= /usr/local
DESTDIR ?=
# kernels of "make check-all", and more words for tests/run of "make check"
KERNELS ?= 6.1 6.12 uml-debug uml-smp
RUN ?=

.PHONY: all modules tools install modules-install tools-install uninstall clean distclean help
.PHONY: deb check check-all check-failover check-static check-platforms check-fresh check-packages demo demo-failover
.PHONY: bench bench-check
.DELETE_ON_ERROR:

all: modules tools ## the module for the running kernel (or KVER=, KDIR=), and lbadm

modules: ## bpflb.ko
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

tools: ## lbadm
	$(MAKE) -C tools

install: modules-install tools-install ## module and lbadm; knows DESTDIR= and PREFIX=

modules-install:
	$(MAKE) -C $(KDIR) M=$(CURDIR) $(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) modules_install
	$(if $(DESTDIR),:,depmod -a $(KVER))

tools-install:
	$(MAKE) -C tools install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)

uninstall: ## removes what install has put there
	find $(DESTDIR)/lib/modules/$(KVER)/updates $(DESTDIR)/lib/modules/$(KVER)/extra \
		-name 'bpflb.ko*' -delete 2>/dev/null || :
	$(if $(DESTDIR),:,depmod -a $(KVER))
	$(MAKE) -C tools uninstall DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)

deb: ## Debian packages, in build/deb
	tests/lab/need deb
	dist/build-deb build/deb

check: ## unit tests, and the shorter part of the others in a 6.1 guest: under 10 minutes
	tests/lab/need build lab tests
	tests/run --kernel 6.1 --subset -j 2 $(RUN)

check-all: ## every test on every kernel (KERNELS="6.12" for just one)
	tests/lab/need build lab tests failover metrics static fuzz
	tests/run $(addprefix --kernel ,$(KERNELS))

check-failover: ## balancers die under traffic, beside real BIRD and keepalived; of check-all (KERNELS="6.12" for just one)
	tests/lab/need build lab tests failover
	tests/run $(addprefix --kernel ,$(KERNELS)) failover

check-static: ## sparse, W=1, checkpatch, shellcheck, DKMS
	tests/lab/need build lab static
	tests/run static

check-platforms: ## does it build for -rt, -cloud and arm64? six builds; downloads Debian's headers for these
	tests/lab/need build lab platforms
	tests/static/platforms

check-fresh: ## "make demo" and "make check" on a fresh debootstrap of Debian 12; as root
	tests/lab/need fresh
	tests/run fresh

check-packages: ## the Debian packages in guests of Debian 12 and 13, from apt install to purge (DEBIAN=12 for one); as root
	tests/lab/need deb packages
	tests/run packages

demo: ## a small cluster in one guest, and what bpflb does in it
	tests/lab/need build lab tests
	tests/lab/build 6.1
	$(MAKE) -C tools
	tests/demo/run

demo-failover: ## a thousand connections, and a balancer that dies and comes back: by BGP and by VRRP
	tests/lab/need build lab tests failover
	tests/lab/build uml-up
	$(MAKE) -C tools
	tests/lab/run uml-up tests/failover/show

bench: ## what packets cost, beside routing, IPVS and nftables, and if budgets are met: 20 minutes, BENCH=quick 3
	tests/lab/need build lab bench
	tests/bench/run

bench-check: ## does a packet cost more instructions than recorded, of established flows and of new ones? Two minutes
	tests/lab/need build lab bench
	tests/bench/check

clean: ## what was built; kernels stay
	rm -rf build/kmod build/test build/log build/run build/bench build/deb build/packages
	$(if $(wildcard tools/Makefile),$(MAKE) -C tools clean)
	$(if $(wildcard tests/unit/Makefile),$(MAKE) -C tests/unit clean)
	find Kbuild kmod \( -name '*.o' -o -name '.*.cmd' -o -name '.*.d' \) -delete
	rm -f *.o *.ko *.mod *.mod.c .*.cmd Module.symvers modules.order

distclean: clean ## and the links to kernels; the kernels themselves are in ~/.cache/bpflb
	rm -rf build

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
