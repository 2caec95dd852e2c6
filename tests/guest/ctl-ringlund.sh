#!/bin/bash
# Controller for guest-run.sh: ringlund on the host, in the namespace, with two
# volumes of $VOLUME_MIB (default 512) MiB, one target each, on every network.
#   start | stop          stop: SIGTERM, which must end with status 0
#   kill | up             SIGKILL; start again on the same files
#   restart [SECONDS]     both, with that pause in between (default: none at all)
#   freeze | thaw         SIGSTOP, SIGCONT
#   stall | unstall       the first volume's disk stops answering, and goes on
#   log                   the server's log
#   run COMMAND...        any command, on the host inside the namespace
# $RINGLUND is the server; $STALLABLE=1 puts the first volume on a disk that can stall.
set -u
run=$RIG_RUN        # this run's private folder
size=${VOLUME_MIB:-512}M
first=$run/disk1.img

up() {
    local i tries=0 begin args=()
    for ((i = 0; i < RIG_NETS; i++)); do
        args+=(--listen "10.77.$i.1" --listen "[fd77:$i::1]")
    done
    begin=$(($(wc -l <"$run/ringlund.log") + 1))
    (
        "$RINGLUND" "${args[@]}" --open --state "$run/state" --runtime "$run/runtime" \
            --volume "disk1,path=$first,size=$size" \
            --volume "disk2,path=$run/disk2.img,size=$size" >>"$run/ringlund.log" 2>&1 &
        pid=$!
        echo $pid >"$run/ringlund.pid"
        wait $pid
        echo $? >"$run/ringlund.status.$pid"
    ) </dev/null >/dev/null 2>&1 &
    until tail -n "+$begin" "$run/ringlund.log" | grep -q -w ready; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { tail -n 20 "$run/ringlund.log"; return 1; }
        sleep 0.05
    done
}
signal() { kill "-$1" "$(cat "$run/ringlund.pid")"; }
stop() {
    local pid tries=0
    pid=$(cat "$run/ringlund.pid")
    kill -TERM "$pid" || return
    until [ -e "$run/ringlund.status.$pid" ]; do
        tries=$((tries + 1))
        [ $tries -lt 400 ] || { echo "still there 20 s after SIGTERM"; return 1; }
        sleep 0.05
    done
    [ "$(cat "$run/ringlund.status.$pid")" = 0 ]
}
# A disk that can stall: the volume's file is served over FUSE by another process,
# which can be stopped. Nothing is left behind when that dies.
stallable() {
    local tries=0
    truncate -s "$size" "$run/disk1.raw"
    : >"$run/disk1.img"
    qemu-storage-daemon --blockdev "driver=file,node-name=f,filename=$run/disk1.raw" \
        --export "type=fuse,id=e,node-name=f,mountpoint=$run/disk1.img,writable=on" \
        >"$run/stall.log" 2>&1 &
    echo $! >"$run/stall.pid"
    until [ "$(stat -c %s "$run/disk1.img" 2>/dev/null)" -gt 0 ] 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { cat "$run/stall.log"; return 1; }
        sleep 0.05
    done
}

verb=$1
shift
case $verb in
start)   touch "$run/ringlund.log"
         [ -z "${STALLABLE-}" ] || stallable || exit
         up ;;
stop)    stop ;;
kill)    signal KILL ;;
up)      up ;;
restart) signal KILL
         [ $# -eq 0 ] || sleep "$1"
         up ;;
freeze)  signal STOP ;;
thaw)    signal CONT ;;
stall)   kill -STOP "$(cat "$run/stall.pid")" ;;
unstall) kill -CONT "$(cat "$run/stall.pid")" ;;
log)     cat "$run/ringlund.log" ;;
run)     "$@" ;;
*)       echo "ctl-ringlund: unknown $verb"; exit 2 ;;
esac
