# SPDX-License-Identifier: GPL-2.0-or-later
#
# avcli/avcli.bash - completion; 'avcli completion bash' prints the same
# avcli itself says what may come next; names come from the local console.
_avcli()
{
	local IFS=$'\n'

	COMPREPLY=($(avcli complete-words "$COMP_CWORD" "${COMP_WORDS[@]}" 2>/dev/null))
}
complete -o default -F _avcli avcli
