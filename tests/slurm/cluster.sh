#!/bin/bash
# A real single-node SLURM on loopback for tests, without systemd: munge, MariaDB, slurmdbd, slurmctld, slurmd. Debian 12, as root.
#   cluster.sh install     the packages (apt)
#   cluster.sh start       all daemons (idempotent), then wait until the node is idle
#   cluster.sh start-one NAME | kill-one NAME    one daemon, for faults
#   cluster.sh stop        the daemons that start started, and its links in /etc/slurm
# LAB: state folder · GPUS: fake ones (character devices, so that CUDA_VISIBLE_DEVICES is set) · CPUS may exceed the real cores
set -euo pipefail
LAB=${LAB:-/tmp/mmdino-slurm}; GPUS=${GPUS:-2}; CPUS=${CPUS:-8}
HOST=$(hostname -s)
HERE=$(cd "$(dirname "$0")" && pwd)
DAEMONS="munged mariadbd slurmdbd slurmctld slurmd"  # and slurmd-b, the second node, for tests that need one
PACKAGES="slurm-wlm slurmdbd munge mariadb-server"
SQL="mariadb --no-defaults --socket=$LAB/run/mysqld.sock --user=root"

stop_with() { echo "Error: $1" >&2; exit 2; }
pid_of() { case "$1" in slurmd) set -- "slurmd-$HOST" ;; slurmd-b) set -- "slurmd-$HOST-b" ;; esac; cat "$LAB/run/$1.pid" 2>/dev/null || true; }
alive() { local pid; pid=$(pid_of "$1"); [ -n "$pid" ] && [ "$(ps -o comm= -p "$pid" 2>/dev/null)" = "${1%-b}" ]; }
wait_for() { for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done; stop_with "waited 30 s for: $*; see $LAB/log"; }

install() {
  for daemon in $DAEMONS; do command -v "$daemon" >/dev/null || missing=1; done
  [ -z "${missing:-}" ] && return
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -o DPkg::Lock::Timeout=120 -y -qq --no-install-recommends $PACKAGES >/dev/null
}

configure() {
  local mine
  for name in slurm gres cgroup slurmdbd; do
    mine=/etc/slurm/$name.conf
    [ ! -e "$mine" ] || [ "$(readlink "$mine")" = "$LAB/etc/$name.conf" ] || stop_with "$mine is another cluster's; this script leaves it alone"
  done
  mkdir -p "$LAB"/{etc,state,log,run,spool,dev,db} /etc/slurm
  for ((gpu = 0; gpu < GPUS; gpu++)); do [ -e "$LAB/dev/nvidia$gpu" ] || mknod "$LAB/dev/nvidia$gpu" c 1 3 || ln -s /dev/null "$LAB/dev/nvidia$gpu"; done
  local memory; memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.85)}' /proc/meminfo)
  for name in slurm gres cgroup slurmdbd; do
    sed -e "s#@LAB@#$LAB#g; s#@HOST@#$HOST#g; s#@GPUS@#$GPUS#g; s#@LAST@#$((GPUS - 1))#g; s#@CPUS@#$CPUS#g; s#@MEMORY@#$memory#g" \
      "$HERE/conf/$name.conf.in" > "$LAB/etc/$name.part$$"
    [ "$name" != slurmdbd ] || chmod 600 "$LAB/etc/$name.part$$"  # its password
    mv "$LAB/etc/$name.part$$" "$LAB/etc/$name.conf"  # whole at once: tests beside this one read it
    # The Snakemake plugin strips SLURM_* from the environment, so that the configuration must lie where SLURM looks by itself.
    [ "$(readlink "/etc/slurm/$name.conf")" = "$LAB/etc/$name.conf" ] || ln -sfn "$LAB/etc/$name.conf" "/etc/slurm/$name.conf"
  done
  [ -s "$LAB/etc/munge.key" ] || { dd if=/dev/urandom of="$LAB/etc/munge.key" bs=1024 count=1 2>/dev/null; chmod 400 "$LAB/etc/munge.key"; }
}

start_munged() {
  munged --key-file="$LAB/etc/munge.key" --socket="$LAB/run/munge.socket" --pid-file="$LAB/run/munged.pid" \
    --log-file="$LAB/log/munged.log" --seed-file="$LAB/run/munge.seed" --num-threads=4
}

start_mariadbd() {
  [ -d "$LAB/db/mysql" ] ||
    mariadb-install-db --no-defaults --user=root --datadir="$LAB/db" --auth-root-authentication-method=normal --skip-test-db >"$LAB/log/mariadb-install.log" 2>&1
  setsid mariadbd --no-defaults --user=root --datadir="$LAB/db" --socket="$LAB/run/mysqld.sock" --pid-file="$LAB/run/mariadbd.pid" \
    --bind-address=127.0.0.1 --port=23306 --innodb-buffer-pool-size=128M --innodb-lock-wait-timeout=900 --skip-log-bin </dev/null >"$LAB/log/mariadbd.out" 2>&1 &
  wait_for $SQL -e 'select 1'
  $SQL -e "create database if not exists slurm_acct_db"
  for from in 127.0.0.1 localhost; do
    $SQL -e "create user if not exists 'slurm'@'$from' identified by 'loopback'; grant all on slurm_acct_db.* to 'slurm'@'$from'"
  done
}

start_slurmdbd() {
  setsid slurmdbd </dev/null >"$LAB/log/slurmdbd.out" 2>&1
  wait_for sacctmgr --noheader show cluster
  sacctmgr --noheader show cluster format=cluster | grep -qw lab || {
    { sacctmgr --immediate --quiet add cluster lab
      sacctmgr --immediate --quiet add account lab Description=lab Organization=lab
      sacctmgr --immediate --quiet add user root account=lab; } >/dev/null
  }
}

start_slurmctld() { setsid slurmctld </dev/null >"$LAB/log/slurmctld.out" 2>&1; wait_for scontrol ping; }
start_slurmd() { setsid slurmd -N "$HOST" </dev/null >"$LAB/log/slurmd.out" 2>&1; }
start_slurmd-b() { setsid slurmd -N "$HOST-b" </dev/null >"$LAB/log/slurmd-b.out" 2>&1; }
start_one() { alive "$1" || "start_$1"; }

start() {
  install
  configure
  for daemon in $DAEMONS; do start_one "$daemon"; done
  wait_for node_is_up
  sinfo --Node --format="%N %P %T %G %c"
}

node_is_up() {
  sinfo --noheader --format=%T | grep -qE '^(idle|mixed|allocated)' || { scontrol update nodename="$HOST" state=resume; false; }
}

kill_one() { alive "$1" && kill "${2:--TERM}" "$(pid_of "$1")"; wait_for gone "$1"; }
gone() { ! alive "$1"; }

stop() {
  alive slurmctld && timeout 5 scancel --user=root 2>/dev/null && sleep 1
  for daemon in slurmd-b slurmd slurmctld slurmdbd mariadbd munged; do
    if alive "$daemon"; then kill_one "$daemon"; echo "stopped $daemon"; fi
  done
  for name in slurm gres cgroup slurmdbd; do
    [ "$(readlink "/etc/slurm/$name.conf")" != "$LAB/etc/$name.conf" ] || rm "/etc/slurm/$name.conf"  # or every client waits for a controller
  done
  rm -rf "$LAB"/{etc,state,run,spool,dev,db}  # the logs stay
}

case "${1:-}" in
  install | start | stop) "$1" ;;
  start-one) start_one "$2" ;;
  kill-one) kill_one "$2" "${3:-}" ;;
  *) sed -n '2,7s/^# \?//p' "$0"; exit 2 ;;
esac
