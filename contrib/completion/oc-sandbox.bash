# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# bash completion of oc-sandbox.  The options are written out: a shell that completes must not start programs of a
# directory that somebody else may write to.  tests/integration/options.bats holds them against the program's own table.

_oc_sandbox_layers='user mount pid ipc uts cgroup-namespace net rootfs proc dev masks nested capabilities securebits
	no-new-privs landlock seccomp keyring descriptors rlimits cgroup'
_oc_sandbox_classes='loopback private cgnat link-local unique-local site-local documentation benchmark nat64 tunnel'

_oc_sandbox() {
	local cur prev word i command='' options
	COMPREPLY=()
	cur=${COMP_WORDS[COMP_CWORD]}
	prev=${COMP_WORDS[COMP_CWORD - 1]}

	local plan='--profile --profile-file --config --no-config --agent --session --scope --workspace --access --rootfs
		--bind --tmpfs --workdir --sysfs --user --hostname --env --env-pass --tty --no-tty --timeout --memory --swap
		--pids --cpus --disk --idle --max-age --ulimit --seccomp --allow-missing --require --egress --allow --deny
		--allow-private --help'
	local call='--workdir --env --env-pass --timeout --memory --pids --cpus --tty --no-tty --result --outlive-caller
		--background --no-input --quiet --help'
	local with_value=' --profile --profile-file --config --agent --session --scope --workspace --access --rootfs --bind
		--tmpfs --workdir --user --hostname --env --env-pass --timeout --memory --swap --pids --cpus --disk --idle
		--max-age --ulimit --seccomp --allow-missing --require --egress --allow --deny --allow-private --result
		--ready-fd --state-dir --entry '
	with_value=${with_value//[$'\n\t']/ }
	# Their words are no program.
	local others=' ps inspect stop rm prune recreate attach logs kill diff apply discard '

	# Where the sub-command is, and whether the command to run has begun: from there on it is somebody else's turn.
	local sandbox=''
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ -z $command ]]; then
			[[ $word == -* ]] || command=$word
		elif [[ $command == net && $word != -* ]]; then
			command="net $word"
		elif [[ $command == net* && $word != -* ]]; then
			continue # a name, a sandbox, a rule
		elif [[ $others == *" $command "* && $word != -* ]]; then
			continue # sandboxes, calls, paths
		elif [[ $command == exec && -z $sandbox && $word != -* ]]; then
			sandbox=$word
		elif [[ $word == -- || $word != -* ]]; then
			[[ $word == -- ]] && ((i++))
			if declare -F _command_offset >/dev/null; then
				_command_offset "$i"
			else
				mapfile -t COMPREPLY < <(compgen -A file -A command -- "$cur")
			fi
			return
		elif [[ $with_value == *" $word "* ]]; then
			((i++))
		fi
	done

	if [[ -z $command ]]; then
		mapfile -t COMPREPLY < <(compgen -W 'run exec attach logs kill start ps inspect stop rm prune recreate
			diff apply discard mcp explain verify doctor net recover --help --version' -- "$cur")
		return
	fi

	case $prev in
	--profile) mapfile -t COMPREPLY < <(compgen -W 'default strict build' -- "$cur") ;;
	--scope) mapfile -t COMPREPLY < <(compgen -W 'session agent shared' -- "$cur") ;;
	--access) mapfile -t COMPREPLY < <(compgen -W 'none ro rw overlay' -- "$cur") ;;
	--rootfs) mapfile -t COMPREPLY < <(compgen -W host -A directory -- "$cur") ;;
	--seccomp) mapfile -t COMPREPLY < <(compgen -W 'default strict build' -A file -- "$cur") ;;
	--allow-missing | --require) mapfile -t COMPREPLY < <(compgen -W "$_oc_sandbox_layers" -- "$cur") ;;
	--egress) mapfile -t COMPREPLY < <(compgen -W 'none allowlist open' -- "$cur") ;;
	--allow-private) mapfile -t COMPREPLY < <(compgen -W "$_oc_sandbox_classes" -- "$cur") ;;
	--env-pass) mapfile -t COMPREPLY < <(compgen -A export -- "$cur") ;;
	--workspace | --workdir | --state-dir) mapfile -t COMPREPLY < <(compgen -A directory -- "$cur") ;;
	--config | --profile-file | --result | --bind) mapfile -t COMPREPLY < <(compgen -A file -- "$cur") ;;
	--agent | --session | --tmpfs | --user | --hostname | --env | --timeout | --memory | --swap | --pids | --cpus | --disk | --idle | --max-age | --ready-fd | --ulimit | --entry | --allow | --deny) ;;
	*)
		case $command in
		run) options="$plan --keep --verify --result --quiet --outlive-caller" ;;
		exec) options=$call ;;
		start) options="$plan --ready-fd --join-only --recreate --quiet" ;;
		mcp) options="$plan --quiet" ;;
		explain) options="$plan --json" ;;
		verify) options="$plan --keep --json" ;;
		ps) options='--all --json --help' ;;
		inspect) options='--json --help' ;;
		stop) options='--all --agent --session --help' ;;
		rm) options='--force --help' ;;
		prune) options='--idle --max-age --dry-run --json --help' ;;
		recreate) options='--all --agent --session --force --help' ;;
		attach) options='--no-input --help' ;;
		logs) options='--follow --help' ;;
		kill) options='--help' ;;
		diff) options='--agent --session --scope --workspace --config --no-config --names --json --help' ;;
		apply) options='--agent --session --scope --workspace --config --no-config --accept-risky --skip-risky --dry-run --json --help' ;;
		discard) options='--agent --session --scope --workspace --config --no-config --force --json --help' ;;
		doctor) options='--json --help' ;;
		recover) options='--state-dir --entry --help' ;;
		net) options='test list log allow deny --help' ;;
		'net test') options="$plan --json" ;;
		'net list') options='--json --help' ;;
		'net log') options='--follow --json --agent --session --config --help' ;;
		'net allow' | 'net deny') options='--remove --json --help' ;;
		*) return ;;
		esac
		if [[ $cur == -* || $command != run && $command != explain ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -A command -- "$cur")
		fi
		;;
	esac
}
complete -o filenames -F _oc_sandbox oc-sandbox
