#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Starts commands for the controller and carries their streams, all over one virtio-serial port.
#
# A frame: stream (4 bytes), kind (1), length (4), that many bytes; numbers are big-endian. fleetsched/lab/link.py
# is the other end and says what the kinds mean. It sleeps until something happens: a benchmark is not disturbed.
# An ordinary task: a policy that starves all silences it, too, but a real-time task would be no part of a plain host,
# and before 7.0 one can make the kernel eject an innocent policy.
use strict;
use warnings;
use Fcntl qw(O_RDWR O_NONBLOCK F_SETFL);
use POSIX ();

use constant { START => 1, INPUT => 2, END_OF_INPUT => 3, KILL => 4 };
use constant { READY => 10, OUTPUT => 11, ERRORS => 12, EXIT => 13 };
use constant { HEADER => 9, PIECE => 65536 };
use constant SYS_PIDFD_OPEN => 434; # on every architecture

$SIG{PIPE} = "IGNORE";

# The kernel makes it when it likes, and numbers the controller by the order of its drivers.
my $device;
for (my $tries = 0; !defined $device && $tries < 600; $tries++) {
    select(undef, undef, undef, 0.05) if $tries;
    ($device) = glob("/dev/vport*p1");
}
sysopen(my $port, $device // "/dev/vport", O_RDWR) or die "the port to the controller: $!\n";
my $received = "";
my %streams;

sub say_frame {
    my ($stream, $kind, $data) = @_;
    my $frame = pack("NCN", $stream, $kind, length $data) . $data;
    while (length $frame) {
        my $written = syswrite($port, $frame);
        defined $written or die "write to the port: $!\n";
        substr($frame, 0, $written) = "";
    }
}

sub start {
    my ($number, @command) = @_;
    pipe(my $child_in, my $in) && pipe(my $out, my $child_out) && pipe(my $errors, my $child_errors)
        or die "pipe: $!\n";
    my $pid = fork() // die "fork: $!\n";
    if (!$pid) {
        POSIX::setsid();
        POSIX::dup2(fileno($child_in), 0);
        POSIX::dup2(fileno($child_out), 1);
        POSIX::dup2(fileno($child_errors), 2);
        $SIG{PIPE} = "DEFAULT";
        { no warnings "exec"; exec { $command[0] } @command; }
        print STDERR "$command[0]: $!\n";
        POSIX::_exit(127);
    }
    my $handle = syscall(SYS_PIDFD_OPEN, $pid, 0);
    $handle >= 0 or die "pidfd_open: $!\n";
    open(my $end, "<&=", $handle) or die "pidfd: $!\n";
    fcntl($in, F_SETFL, O_NONBLOCK);
    fcntl($_, F_SETFL, O_NONBLOCK) for ($out, $errors);
    $streams{$number} = {
        pid => $pid, end => $end, in => $in, input => "", closing => 0, out => $out, errors => $errors
    };
}

# Passes on what a command has written; false at the end of its stream.
sub pass_on {
    my ($number, $name) = @_;
    my $count = sysread($streams{$number}{$name}, my $data, PIECE);
    return 1 if !defined $count;
    if ($count) {
        say_frame($number, $name eq "out" ? OUTPUT : ERRORS, $data);
        return 1;
    }
    delete $streams{$number}{$name};
    return 0;
}

sub feed {
    my ($stream) = @_;
    if ($stream->{in} && length $stream->{input}) {
        my $count = syswrite($stream->{in}, $stream->{input}, PIECE);
        if (defined $count) {
            substr($stream->{input}, 0, $count) = "";
        } elsif (!$!{EAGAIN}) {
            delete $stream->{in};
        }
    }
    delete $stream->{in} if $stream->{closing} && !length $stream->{input};
}

# What it wrote before its end is in the pipes; whoever it left running keeps them open, and is not waited for.
sub finish {
    my ($number) = @_;
    my $stream = $streams{$number};
    waitpid($stream->{pid}, 0);
    my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    for my $name ("out", "errors") {
        while ($stream->{$name}) {
            my $count = sysread($stream->{$name}, my $data, PIECE);
            last if !$count;
            say_frame($number, $name eq "out" ? OUTPUT : ERRORS, $data);
        }
    }
    delete $streams{$number};
    say_frame($number, EXIT, pack("N", $code));
}

sub obey {
    my ($number, $kind, $data) = @_;
    if ($kind == START) {
        start($number, split(/\0/, $data, -1));
        return;
    }
    my $stream = $streams{$number} or return; # it has ended meanwhile
    if ($kind == INPUT) {
        $stream->{input} .= $data;
    } elsif ($kind == END_OF_INPUT) {
        $stream->{closing} = 1;
    } elsif ($kind == KILL) {
        kill("KILL", -$stream->{pid});
    }
    feed($stream);
}

sub listen_to_port {
    my $count = sysread($port, $received, PIECE, length $received);
    defined $count or die "read from the port: $!\n";
    if (!$count) {
        # Nobody holds the other end; there is nothing that could be waited for.
        select(undef, undef, undef, 0.05);
        return;
    }
    while (length $received >= HEADER) {
        my ($number, $kind, $length) = unpack("NCN", $received);
        last if length $received < HEADER + $length;
        obey($number, $kind, substr($received, HEADER, $length));
        substr($received, 0, HEADER + $length) = "";
    }
}

say_frame(0, READY, "");
while (1) {
    my ($reading, $writing) = ("", "");
    vec($reading, fileno($port), 1) = 1;
    for my $stream (values %streams) {
        for my $name ("end", "out", "errors") {
            vec($reading, fileno($stream->{$name}), 1) = 1 if $stream->{$name};
        }
        vec($writing, fileno($stream->{in}), 1) = 1 if $stream->{in} && length $stream->{input};
    }
    select($reading, $writing, undef, undef) >= 0 or die "select: $!\n";
    for my $number (keys %streams) {
        my $stream = $streams{$number};
        for my $name ("out", "errors") {
            pass_on($number, $name) if $stream->{$name} && vec($reading, fileno($stream->{$name}), 1);
        }
        feed($stream) if $stream->{in} && vec($writing, fileno($stream->{in}), 1);
        finish($number) if vec($reading, fileno($stream->{end}), 1);
    }
    listen_to_port() if vec($reading, fileno($port), 1);
}
