# Common start of the cases. The controller serves two volumes, a target each.
. "$RIG_LIB"
target=iqn.2026-11.io.ringlun:disk1
target2=iqn.2026-11.io.ringlun:disk2
seconds=${IO_SECONDS:-10}

# found [PORTAL [AS]]: discovery lists both targets at that portal (which reads AS)
found() {
    local portal=${1-$HOST_IP} name out
    out=$(discover "$portal") || return
    echo "$out"
    for name in "$target" "$target2"; do
        grep -q -F "${2-$portal}:3260,1 $name" <<<"$out" || return
    done
}
# up [PORTAL [TARGET]]: log in and set $disk to its first disk
up() {
    local name=${2-$target}
    login "$name" "${1-$HOST_IP}" >/dev/null || return
    disk=/dev/$(wait_disks "$name" 1 | head -n 1) && [ -b "$disk" ]
}
# fio with a checksum in every block, all blocks read back and compared
verify() {
    local file=$1
    shift
    # fio would make a plain file of a device that is not there, and pass
    [ -b "$file" ] || [ -f "$file" ] || return
    fio --name=verify --filename="$file" --direct=1 --ioengine=libaio --iodepth=16 \
        --rw=randrw --bsrange=4k-64k --size="${SIZE-64M}" --verify=crc32c \
        --verify_fatal=1 --do_verify=1 --randseed="$RANDOM" --minimal "$@"
}
# filesystem TYPE DEVICE: make, mount, fio in a file, copy, unmount, check, compare
filesystem() {
    local type=$1 device=$2 sum rc
    [ -b "$device" ] || return
    case $type in
    ext4) mkfs.ext4 -q -F "$device" ;;
    xfs) mkfs.xfs -q -f "$device" ;;
    esac || return
    mount -t "$type" "$device" /mnt || return
    mkdir /mnt/d
    for i in $(seq 1 100); do
        head -c $((i * 3000)) /dev/urandom >"/mnt/d/$i"
    done
    sum=$(cat /mnt/d/* | md5sum)
    fallocate -l 48M /mnt/f && SIZE=48M verify /mnt/f
    rc=$?
    umount /mnt && [ $rc -eq 0 ] || return
    echo 3 >/proc/sys/vm/drop_caches
    case $type in
    ext4) e2fsck -f -n "$device" ;;
    xfs) xfs_repair -n "$device" ;;
    esac || return
    mount -t "$type" "$device" /mnt || return
    [ "$(cat /mnt/d/* | md5sum)" = "$sum" ]
    rc=$?
    umount /mnt && wipefs -q -a "$device"
    return $rc
}
# verify_for SECONDS DEVICE: such runs, one after the other. (One run with
# --time_based would call blocks bad that it has itself written again since.)
verify_for() {
    local end=$((SECONDS + $1))
    while verify "$2" && [ $SECONDS -lt $end ]; do :; done
    [ $SECONDS -ge $end ]
}
# through COMMAND...: run the command in the middle of verified I/O on $disk
through() {
    local pid rc=0
    rm -f /tmp/stop
    (until [ -e /tmp/stop ]; do
        verify "$disk" --rate_iops=800,800 || exit
    done) >/tmp/fio.out 2>&1 &
    pid=$!
    sleep 3
    "$@" || rc=$?
    sleep 2
    touch /tmp/stop
    wait $pid || { tail -n 20 /tmp/fio.out; dmesg | tail -n 20; return 1; }
    return $rc
}
# The initiator notices soon that the target is away, and does not give up early.
patient() {
    setting "$target" 'node.conn[0].timeo.noop_out_interval' 2
    setting "$target" 'node.conn[0].timeo.noop_out_timeout' 2
    setting "$target" node.session.timeo.replacement_timeout 60
}
negotiated() { iscsiadm -m session -P2 | grep -q "$1: *$2"; }
connection_errors() { dmesg | grep -c 'detected conn error'; }

# --- ringlund in the guest itself, on logical volumes --------------------------------
server=''
# volumes MIB NAME...: a volume group "inner" with these, on a loop device over tmpfs
volumes() {
    local mib=$1 name file=/dev/shm/inner.img
    shift
    modprobe -a loop dm_mod && [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
    truncate -s $((mib * $# + 32))M $file && vgcreate -q -y inner "$(losetup -f --show $file)" &&
        for name; do
            lvcreate -q -y -n "$name" -L "${mib}M" inner && [ -b "/dev/inner/$name" ] || return
        done
}
# serve NAME...: these volumes on 127.0.0.1; its log is /tmp/ringlund.log
serve() {
    local begin name tries=0 args=()
    for name; do args+=(--volume "$name,path=/dev/inner/$name"); done
    [ -z "${RINGLUN_TEST_ENGINE-}" ] || args+=(--engine "$RINGLUN_TEST_ENGINE")
    touch /tmp/ringlund.log
    begin=$(($(wc -l </tmp/ringlund.log) + 1))
    "$RINGLUND" --listen 127.0.0.1 --memory 64M "${args[@]}" >>/tmp/ringlund.log 2>&1 &
    server=$!
    until tail -n "+$begin" /tmp/ringlund.log | grep -q -w ready; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] && kill -0 $server || { cat /tmp/ringlund.log; return 1; }
        sleep 0.1
    done
}
served_to_the_end() {
    local rc=0
    kill -TERM $server
    wait $server || rc=$?
    [ $rc -eq 0 ] || { tail /tmp/ringlund.log; return 1; }
}
