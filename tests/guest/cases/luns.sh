# Several volumes behind one target, none of them LUN 0: the kernel finds each, by the number
# that the manual tells, and mixes none up.
. "$(dirname "$0")/lib.sh"
target=iqn.2026-11.io.ringlun:many
declare -A mib=([7]=48 [255]=32 [256]=40 [16383]=24) shown=([7]=7 [255]=255 [256]=16640 [16383]=32767)
start() {
    local lun tries=0 args=()
    for lun in "${!mib[@]}"; do
        args+=(--volume "v$lun,path=memory:,size=${mib[$lun]}M,target=many,lun=$lun")
    done
    [ -z "${RINGLUN_TEST_ENGINE-}" ] || args+=(--engine "$RINGLUN_TEST_ENGINE")
    "$RINGLUND" --listen 127.0.0.1 --memory 64M "${args[@]}" >/tmp/ringlund.log 2>&1 &
    server=$!
    until grep -q -w ready /tmp/ringlund.log; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] && kill -0 $server || { cat /tmp/ringlund.log; return 1; }
        sleep 0.1
    done
}
disk_of() {     # LUN: its device, found by the number that the kernel gives it
    local at
    at=$(echo /sys/class/scsi_disk/*:"${shown[$1]}"/device/block/*)
    [ -e "$at" ] && echo "/dev/${at##*/}"
}
all_found() {
    local lun disk tries=0
    login "$target" 127.0.0.1 >/dev/null || return
    until [ "$(find /sys/class/scsi_disk -mindepth 1 | wc -l)" -ge ${#mib[@]} ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || break
        sleep 0.1
    done
    ls /sys/class/scsi_disk
    [ "$(find /sys/class/scsi_disk -mindepth 1 | wc -l)" -eq ${#mib[@]} ] || return
    for lun in "${!mib[@]}"; do
        disk=$(disk_of "$lun") || return
        [ "$(blockdev --getsize64 "$disk")" -eq $((mib[$lun] << 20)) ] || return
    done
}
each_its_own() {
    local lun
    for lun in "${!mib[@]}"; do
        yes "this is unit $lun" | head -c 4M >"/tmp/pattern$lun"
        dd if="/tmp/pattern$lun" of="$(disk_of "$lun")" bs=1M oflag=direct status=none || return
    done
    for lun in "${!mib[@]}"; do
        dd if="$(disk_of "$lun")" bs=1M count=4 iflag=direct status=none |
            cmp - "/tmp/pattern$lun" || return
    done
}
rescanned() {   # a second look finds no more and loses none
    iscsiadm -m session --rescan >/dev/null && sleep 1 &&
        [ "$(find /sys/class/scsi_disk -mindepth 1 | wc -l)" -eq ${#mib[@]} ] && each_its_own
}
t "ringlund serves them"    start
t "discovery"               discover 127.0.0.1
t "all are found"           all_found
t "each has its own"        each_its_own
t "rescan"                  rescanned
export SIZE=20M
t "fio verify on the last"  verify_for 2 "$(disk_of 16383)"
t "logout"                  logout "$target"
t "SIGTERM ends it"         served_to_the_end
exit $((fails > 0))
