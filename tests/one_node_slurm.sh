#!/bin/sh
# One-node Slurm on the loopback for the tests: 'one_node_slurm.sh start FOLDER' and 'stop FOLDER', as root.
# Everything lives in FOLDER: keys, configuration, state, logs and process numbers; system services are not touched.
set -eu

place=$2
host=$(hostname -s)

stop() {
    for name in slurmd slurmctld munged; do
        [ -f "$place/$name.pid" ] && kill "$(cat "$place/$name.pid")" 2>/dev/null || true
    done
}

begin() {
    chmod 755 "$place"
    mkdir -p "$place/munge" "$place/state" "$place/spool"
    chmod 700 "$place/munge"
    dd if=/dev/urandom of="$place/munge/key" bs=1024 count=1 2>/dev/null
    chmod 600 "$place/munge/key"
    # The socket's folder must be reachable for all; its parents lie in a temporary folder that need not be.
    munged --force --key-file="$place/munge/key" --socket="$place/munge.socket" --pid-file="$place/munged.pid" \
        --log-file="$place/munge/log" --seed-file="$place/munge/seed"
    cores=$(getconf _NPROCESSORS_ONLN)
    cat >"$place/slurm.conf" <<END
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$place/munge.socket
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmctldPort=26817
SlurmdPort=26818
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.pid
SlurmctldLogFile=$place/slurmctld.log
SlurmdLogFile=$place/slurmd.log
ReturnToService=2
SchedulerParameters=batch_sched_delay=1,sched_interval=5
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cores State=UNKNOWN
PartitionName=tests Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
    SLURM_CONF=$place/slurm.conf
    export SLURM_CONF
    slurmctld -c -f "$SLURM_CONF"
    slurmd -c -f "$SLURM_CONF" -N "$host"
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
        if sinfo -h -o '%T' 2>/dev/null | grep -q idle; then
            exit 0
        fi
        sleep 1
    done
    echo "the node did not become idle:" >&2
    sinfo >&2 || true
    tail -n 5 "$place/slurmctld.log" "$place/slurmd.log" >&2 || true
    exit 1
}

case $1 in
start) begin ;;
stop) stop ;;
esac
