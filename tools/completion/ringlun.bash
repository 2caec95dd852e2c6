# bash completion of ringlun(1): commands, options, and the names that the server knows.
# All of it comes from the command itself: ringlun __complete WORD...
# shellcheck shell=bash

_ringlun()
{
	local line=${COMP_LINE:0:COMP_POINT} cur broken="" reply
	local -a words

	# by blanks alone: bash breaks words at the colons of target names, too
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	cur=${words[-1]}
	mapfile -t reply < <("$1" __complete "${words[@]:1}" 2>/dev/null)

	# it replaces what follows the last break only
	[[ $COMP_WORDBREAKS == *:* ]] && broken+=":"
	[[ $COMP_WORDBREAKS == *=* ]] && broken+="="
	[[ -n $broken ]] && broken=${cur%"${cur##*["$broken"]}"}

	COMPREPLY=()
	case ${reply[*]-} in
	:files)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "${cur##*=}")
		;;
	:folders)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "${cur##*=}")
		;;
	?*)
		COMPREPLY=("${reply[@]#"$broken"}")
		;;
	esac
}

complete -F _ringlun ringlun
