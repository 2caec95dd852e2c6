#!/bin/bash
# Controller for guest-run.sh: ringlund on the host, in the namespace, with two
# volumes of $VOLUME_MIB (default 512) MiB, one target each, on every network.
#   start | stop          stop: SIGTERM, which must end with status 0
#   kill | up             SIGKILL; start again on the same files
#   restart [SECONDS]     both, with that pause in between (default: none at all)
#   freeze | thaw         SIGSTOP, SIGCONT
#   log                   the server's log
#   run COMMAND...        any command, on the host inside the namespace
# $RINGLUND is the server.
set -u
run=$RIG_RUN        # this run's private folder
size=${VOLUME_MIB:-512}M

up() {
    local i tries=0 begin args=()
    [ -z "${RINGLUN_TEST_ENGINE-}" ] || args+=(--engine "$RINGLUN_TEST_ENGINE")
    for ((i = 0; i < RIG_NETS; i++)); do
        args+=(--listen "10.77.$i.1" --listen "[fd77:$i::1]")
    done
    begin=$(($(wc -l <"$run/ringlund.log") + 1))
    (
        "$RINGLUND" "${args[@]}" --open --state "$run/state" --runtime "$run/runtime" \
            --volume "disk1,path=$run/disk1.img,size=$size" \
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

verb=$1
shift
case $verb in
start)   touch "$run/ringlund.log"
         up ;;
stop)    stop ;;
kill)    signal KILL ;;
up)      up ;;
restart) signal KILL
         [ $# -eq 0 ] || sleep "$1"
         up ;;
freeze)  signal STOP ;;
thaw)    signal CONT ;;
log)     cat "$run/ringlund.log" ;;
run)     "$@" ;;
*)       echo "ctl-ringlund: unknown $verb"; exit 2 ;;
esac
