#!/bin/busybox sh
# PID 1 of the lab's guest: makes the place habitable, runs one command, tells
# its exit code, powers off. Its ports, as `lab::machine` lays them:
#
#   ttyS0  the kernel's log, and what goes wrong in this script
#   ttyS1  the command's standard output; its terminal if it is interactive
#   ttyS2  its standard error
#   ttyS3  for the host: "ready" before the command, "exit N" after it; from it, "ROWS COLUMNS" when its terminal has
#          changed its size
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root LANG=C.UTF-8
umask 022

mount -t devtmpfs dev /dev
mkdir /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 pts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=755 run /run
mount -t securityfs security /sys/kernel/security
mount -t tracefs tracing /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup /sys/fs/cgroup
hostname lab
ifconfig lo up
# Before 5.11 what BPF maps take is charged against this limit, even root's.
ulimit -l unlimited

# Written by the host: `mode`, and for a terminal TERM and its size.
. /etc/lab/settings

if [ "$mode" = interactive ]; then
  # Open before the host hears of it: what is typed at a closed port is lost.
  exec 9<>/dev/ttyS1
  stty 115200 sane rows "$rows" cols "$cols" <&9
  stty -F /dev/ttyS3 raw -echo
  # What has the terminal hears of it by SIGWINCH.
  while read -r rows cols; do
    stty rows "$rows" cols "$cols" <&9
  done </dev/ttyS3 &
  sizes=$!
  echo ready >/dev/ttyS3
  (
    cd /lab || exit 125
    exec setsid -c sh /etc/lab/command
  ) <&9 >&9 2>&9 9>&-
  code=$?
  exec 9>&-
  # Or the last close of its port would not be this script's.
  kill "$sizes"
  wait "$sizes"
else
  # Raw, so that what is written arrives byte for byte.
  stty -F /dev/ttyS1 115200 raw -echo
  stty -F /dev/ttyS2 115200 raw -echo
  # The command writes to pipes, as it would in a script: it sees no terminal,
  # and a burst of output waits for the slow port in the pipe, not in the command.
  mkfifo /run/out /run/err
  cat /run/out >/dev/ttyS1 &
  out=$!
  cat /run/err >/dev/ttyS2 &
  err=$!
  echo ready >/dev/ttyS3
  (
    cd /lab || exit 125
    . /etc/lab/command
  ) </etc/lab/stdin >/run/out 2>/run/err
  code=$?
  # The pipes end with their last writer. Whatever the command left running may
  # hold them open; that is not waited for.
  (
    sleep 2
    kill "$out" "$err"
  ) 2>/dev/null &
  wait "$out" "$err"
fi

# The last close of a port waits until it is drained, so the verdict comes after
# all output.
echo "exit $code" >/dev/ttyS3
poweroff -f
