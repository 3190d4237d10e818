# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # the variables are for the scripts which source this
# What the lab's scripts share: where things are, and what a kernel's name stands for.
lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
top=${lab%/tests/lab}
build=$top/build
# Kernels are large and the same for every checkout, so they are kept outside of it.
cache=${BPFLB_CACHE:-${HOME:-/root}/.cache/bpflb}
# The guests need the administrator's programs, a user's PATH often has not got them.
PATH=$PATH:/usr/sbin:/sbin

die() {
	echo "${0##*/}: $*" >&2
	exit 125
}

say() { echo "lab: $*" >&2; }

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# lookup NAME: sets kind, package and fragments from the list of kernels.
lookup() {
	read -r _ kind package fragments < <(grep -E "^$(printf %s "$1" | sed 's/\./\\./g')[[:space:]]" "$lab/kernels") ||
		die "no kernel '$1'; there are: $(awk '/^[^#]/{printf "%s ", $1}' "$lab/kernels")"
}

# missing PROGRAM...: ends with advice if one of the programs is not installed.
missing() {
	local p
	for p; do
		command -v "$p" >/dev/null || die "$p is not installed: run 'tests/lab/need build lab' first"
	done
}
