# SPDX-License-Identifier: Apache-2.0
# What scripts about scheduler programs can say besides; PROGRAM_DIGEST is the one of tests/programs/scheduler.c.
programs=/usr/libexec/fleetsched-test
children=$group/program

# program_request NAME DEADLINE_MS PATH DIGEST ARGUMENT...
program_request() {
	name=$1 deadline=$2 path=$3 digest=$4
	shift 4
	arguments=
	for argument; do arguments="$arguments${arguments:+,}\"$argument\""; done
	try_request "{\"policy\":\"$name\",\"variant\":\"default\",\"digest\":\"$digest\",\"parameters\":{}}" "$deadline" \
		",\"program\":{\"path\":\"$path\",\"args\":[$arguments]}"
}

# try_program NAME DEADLINE_MS OBJECT OPTION...: the scheduler that attaches this object; its head tells the options.
try_program() {
	name=$1 deadline=$2 object=$3
	shift 3
	ask "$(program_request "$name" "$deadline" $programs/program "$PROGRAM_DIGEST" --object "$programs/$object.o" "$@")"
}

# signal_program SIGNAL: to all of its processes.
signal_program() { kill -"$1" $(cat $children/cgroup.procs); }

freeze_program() { echo 1 >$children/cgroup.freeze; }

# replace_program: by another version, as a package manager does it.
replace_program() {
	cp $programs/program $programs/program.new
	echo >>$programs/program.new
	mv $programs/program.new $programs/program
	sync
}

# in_program PERL: as one more process of the program's cgroup.
in_program() { sh -c 'echo $$ >"$1" && exec perl -e "$2"' - $children/cgroup.procs "$1"; }
