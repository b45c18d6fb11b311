#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# The course that a policy goes over: light load while it comes up, stress, a moment to recover, and, when asked, light
# load for longer. It is started before the policy is attached and begins when the kernel says that it is: from then on
# nothing depends on who looks from outside, nor on how fast that computer is.
#
# Real-time, and asleep but for moments: a policy that starves everything does not starve the judge. Its children are
# ordinary tasks (reset on fork). What it sees it appends to its report, one fact a line; course.py reads that.
use strict;
use warnings;
use POSIX ();

use constant { CLOCK_BOOTTIME => 7, SCHED_FIFO => 1, RESET_ON_FORK => 0x40000000 };
use constant { SYS_SCHED_SETSCHEDULER => 144, SYS_SCHED_SETAFFINITY => 203, SYS_CLOCK_GETTIME => 228 }; # on x86-64
# The watchdog is given the time to speak first (three seconds at the most).
use constant { LOOK_S => 0.1, RESTART_S => 3, STARVED_S => 3.5 };

my ($folder, $attach_s, $stress_s, $tail_s, $soak_s) = @ARGV;
my $sched = "/sys/kernel/sched_ext";
my $group = "/sys/fs/cgroup/course";
open(my $report, ">", "$folder/report") or die "$folder/report: $!\n";
$report->autoflush(1);

# Time::HiRes is no part of Debian's smallest perl.
sub now {
    my $time = pack("qq", 0, 0);
    syscall(SYS_CLOCK_GETTIME, CLOCK_BOOTTIME, $time) == 0 or die "clock_gettime: $!\n";
    my ($s, $ns) = unpack("qq", $time);
    return $s + $ns / 1e9;
}

sub pause { select(undef, undef, undef, $_[0]) }

sub note { print $report join(" ", @_), "\n" }

sub value_of {
    my ($path) = @_;
    open(my $file, "<", $path) or return "";
    my $text = do { local $/; <$file> } // "";
    $text =~ s/\s+$//;
    return $text;
}

# The kernel refuses at times what is fine a moment later: a CPU is busy, a task has gone.
sub try_write {
    my ($path, $text) = @_;
    open(my $file, ">", $path) or return 0;
    return defined syswrite($file, $text);
}

sub set_fifo {
    my ($priority, $flags) = @_;
    syscall(SYS_SCHED_SETSCHEDULER, 0, SCHED_FIFO | $flags, pack("i", $priority)) == 0
        or die "sched_setscheduler: $!\n";
}

# Fails when none of these CPUs is there now.
sub may_run_on {
    my ($pid, $mask) = @_;
    return syscall(SYS_SCHED_SETAFFINITY, $pid, 8, pack("Q", $mask)) == 0;
}

# --- tasks; each writes how often it got something done into a file of its own ---

sub counter {
    my ($name) = @_;
    open(my $file, "+>", "$folder/$name") or die "$folder/$name: $!\n";
    my $count = 0;
    return sub { sysseek($file, 0, 0); syswrite($file, pack("Q", ++$count)) };
}

sub count_of {
    my ($name) = @_;
    open(my $file, "<", "$folder/$name") or return 0;
    my $read = sysread($file, my $bytes, 8) // 0;
    return $read == 8 ? unpack("Q", $bytes) : 0;
}

sub work { my $sum = 0; $sum += $_ for 1 .. 300; return $sum }

sub spawn {
    my ($life) = @_;
    my $pid = fork() // return;
    return $pid if $pid;
    eval { $life->(); };
    POSIX::_exit(0);
}

sub child {
    my ($name, $life) = @_;
    my $pid = spawn(sub { $0 = "course-$name"; $life->(counter($name)) });
    note("no-fork", now(), $!) if !defined $pid;
    return $pid;
}

sub hog { my ($did) = @_; while (1) { work(); $did->() } }

sub waker { my ($did, $pause_s) = @_; while (1) { $did->(); pause($pause_s) } }

# Short lives, four at a time, as those of a shell's pipeline.
sub storm {
    my ($did, $pause_s) = @_;
    while (1) {
        my @pids = grep { defined } map { spawn(\&work) } 1 .. 4;
        for my $pid (@pids) { waitpid($pid, 0); $did->() }
        pause($pause_s);
    }
}

# Two tasks that wake each other.
sub ping {
    my ($did) = @_;
    pipe(my $to_first, my $from_second) && pipe(my $to_second, my $from_first) or die "pipe: $!\n";
    spawn(sub { syswrite($from_second, "x") while sysread($to_second, my $byte, 1) });
    while (1) {
        syswrite($from_first, "x");
        sysread($to_first, my $byte, 1);
        $did->();
        pause(0.0005);
    }
}

# Sends tasks from CPU to CPU, while they run and while they sleep.
sub moved {
    my ($did) = @_;
    my @victims = map { my $pause_s = $_; spawn(sub { while (1) { work(); pause($pause_s) if $pause_s } }) } 0, 0.001, 0.005;
    for (my $turn = 0; ; $turn++) {
        may_run_on($victims[$turn % 3], (1, 2, 3)[int($turn / 3) % 3]);
        $did->();
        pause(0.004);
    }
}

# Cgroups come, change their weight, lose their task to another, and go.
sub regrouped {
    my ($did) = @_;
    my @weights = (1, 10_000, 100, 37);
    for (my $turn = 0; ; $turn++) {
        my ($one, $other) = map { "$group/churn-$turn$_" } "a", "b";
        mkdir($one) && mkdir($other) or die "mkdir: $!\n";
        my $pid = spawn(sub { while (1) { work(); pause(0.002) } });
        if (defined $pid) {
            try_write("$one/cgroup.procs", $pid);
            try_write("$one/cpu.weight", $weights[$turn % 4]);
            pause(0.02);
            try_write("$other/cpu.weight", $weights[($turn + 1) % 4]);
            try_write("$other/cgroup.procs", $pid);
            rmdir($one);
            pause(0.02);
            kill("KILL", $pid);
            waitpid($pid, 0);
        }
        rmdir($one);
        rmdir($other);
        $did->();
    }
}

# A quarter of one CPU. With all of it, kernels before 7.0 eject innocent policies.
sub real_time {
    my ($did) = @_;
    may_run_on($$, 1);
    set_fifo(10, 0);
    while (1) {
        my $until = now() + 0.0025;
        1 while now() < $until;
        $did->();
        pause(0.0075);
    }
}

# CPU 1 goes, long enough for the watchdog to see who is forgotten, then for a moment. The kernel takes as long as the
# policy lets its threads take; so this is a task of its own.
sub hotplug {
    my ($stress_s) = @_;
    set_fifo(15, 0);
    for my $share (0.32, 0.03) {
        note("no-hotplug", $!) if !set_online(0);
        pause($stress_s * $share);
        note("no-hotplug", $!) if !set_online(1);
        pause($stress_s * 0.03);
    }
}

# --- the judge ---

my ($part, %seen, %longest, $missing) = ("");

# How long a task that wakes again and again has not run.
sub look_at {
    my ($name, $now) = @_;
    my $count = count_of($name);
    $seen{$name} = [$count, $now] if !$seen{$name} || $seen{$name}[0] != $count;
    my $gap = $now - $seen{$name}[1];
    $longest{$name} = $gap if $gap >= ($longest{$name} // 0);
    return $gap;
}

# The end of one part of the course and the beginning of the next.
sub part {
    my ($next, @tasks) = @_;
    note("gap", $part, $_, $longest{$_}) for sort keys %longest;
    note("did", $part, $_, count_of($_)) for @tasks;
    ($part, %longest) = ($next);
    note("part", $part, now(), map { value_of("$sched/$_") || "-" } qw(state root/ops enable_seq));
    note("event", $part, $_) for split(/\n/, value_of("$sched/root/events"));
}

# Lets time pass. Without a scheduler for longer than it takes to start one again, there is nothing to judge any more;
# with one that lets somebody run no more, nobody else could end it.
sub until_ {
    my ($end, @wakers) = @_;
    while (now() < $end) {
        pause(LOOK_S);
        my $now = now();
        for my $waker (@wakers) {
            next if look_at($waker, $now) < STARVED_S;
            try_write("/proc/sysrq-trigger", "S");
            over("starved");
        }
        if (value_of("$sched/state") eq "enabled") {
            undef $missing;
        } else {
            $missing //= $now;
            over("gone") if $now - $missing > RESTART_S;
        }
    }
}

sub set_online { return try_write("/sys/devices/system/cpu/cpu1/online", $_[0]) }

sub kill_all { try_write("$group/cgroup.kill", 1) }

sub over {
    my ($how) = @_;
    kill_all();
    part($how);
    exit(0);
}

sub enter { my ($pid, $name) = @_; try_write("$group/$name/cgroup.procs", $pid) if defined $pid }

set_fifo(20, RESET_ON_FORK);
mkdir($group) or die "$group: $!\n";
try_write("$group/cgroup.subtree_control", "+cpu");
mkdir("$group/$_") or die "$group/$_: $!\n" for "usual", "light";
try_write("$group/light/cpu.weight", 1);
# Where time is counted in instructions, a machine with nothing to do would be hours ahead at once.
child("pace", sub { waker($_[0], 0.002) });
note("ready", now());
pause(0.02) until value_of("$sched/state") eq "enabled";

my $at = now();
part("attach");
until_($at += $attach_s, "pace");

my %life = (
    (map { ("hog-$_" => \&hog) } 1 .. 3),
    "nice" => sub { POSIX::nice(19); hog(@_) },
    "light" => \&hog,
    "probe" => sub { waker($_[0], 0.01) },
    "storm" => sub { storm($_[0], 0.002) },
    "ping" => \&ping,
    "moved" => \&moved,
    "regrouped" => \&regrouped,
    "real-time" => \&real_time,
);
my @tasks = sort keys %life;
part("stress");
for my $name (@tasks) {
    enter(child($name, $life{$name}), $name eq "light" ? "light" : "usual");
}
my @wakers = ("probe", "pace");
until_($at += $stress_s * 0.55, @wakers);

part("hotplug", @tasks);
enter(spawn(sub { hotplug($stress_s) }), "usual");
until_($at += $stress_s * 0.45, @wakers);
part("tail", @tasks);
kill_all();
until_($at += $tail_s, "pace");

if ($soak_s > 0) {
    part("soak");
    enter(child("soak-waker", sub { waker($_[0], 0.05) }), "usual");
    enter(child("soak-storm", sub { storm($_[0], 0.1) }), "usual");
    until_($at += $soak_s, "pace", "soak-waker", "soak-storm");
}
over("end");
