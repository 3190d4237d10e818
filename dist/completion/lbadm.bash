# SPDX-License-Identifier: GPL-2.0-only
# Completion of lbadm's words for bash: lbadm knows them, and the names of what there is.

_lbadm()
{
	local line=${COMP_LINE:0:COMP_POINT} current kept word
	local -a words

	# bash splits words at the colons that addresses have; lbadm does not.
	read -ra words <<<"$line"
	[[ $line != *[[:space:]] ]] || words+=('')
	current=${words[-1]}
	# what stands before its last colon is there already, and not to be put there again
	kept=
	[[ $COMP_WORDBREAKS != *:* || $current != *:* ]] || kept=${current%:*}:
	COMPREPLY=()
	while read -r word; do
		if [[ $word = '<file>' ]]; then
			compopt -o filenames
			mapfile -t -O ${#COMPREPLY[@]} COMPREPLY <<<"$(compgen -f -- "$current")"
		elif [[ $word ]]; then
			COMPREPLY+=("${word#"$kept"}")
		fi
	done <<<"$("$1" complete "${words[@]:1}" 2>/dev/null)"
}

complete -F _lbadm lbadm
