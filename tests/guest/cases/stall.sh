# The server's disk stops answering for longer than sd waits: the kernel aborts, is
# answered in time, tries again, and keeps its session; nothing is lost or mixed up.
# ringlund runs in the guest, since there a logical volume can be suspended.
. "$(dirname "$0")/lib.sh"
target=iqn.2026-11.io.ringlun:a target2=iqn.2026-11.io.ringlun:b
stall() { dmsetup suspend --noflush --nolockfs inner-a; }
resume() { dmsetup resume inner-a; }
stalled() { stall && sleep 12 && resume; }
same_session() {
    grep -E 'task management|closed|logged' /tmp/ringlund.log | tail -n 12
    dmesg | tail -n 8
    [ "$(connection_errors)" -eq 0 ]
}
aborted() { grep -c 'task management' /tmp/ringlund.log; }
other_disk() {      # with writes stuck, the other volume's flushes do not notice
    local slow pids=()
    stall || return
    for i in $(seq 1 32); do
        dd if=/dev/zero of="$first" bs=64k count=1 seek="$i" oflag=direct status=none &
        pids+=($!)
    done
    sleep 1
    slow=$(fio --name=other --filename="$second" --direct=1 --rw=randwrite --bs=4k --fsync=1 \
        --size=64M --time_based --runtime=3 --ioengine=psync --output-format=json |
        jq '.jobs[0].sync.lat_ns.max / 1000000 | floor')
    resume
    wait "${pids[@]}" || return
    echo "longest flush of the other volume: $slow ms"
    [ -n "$slow" ] && [ "$slow" -lt 1000 ]
}
t "two logical volumes"                 volumes 128 a b
t "ringlund serves them"                serve a b
t "discovery"                           discover 127.0.0.1
patient
t "login"                               up 127.0.0.1
first=$disk
t "login to the other volume"           up 127.0.0.1 "$target2"
second=$disk disk=$first
echo 5 >"/sys/block/${disk#/dev/}/device/timeout"
t "I/O through a disk stalled for 12 s" through stalled
t "the kernel aborted commands"         aborted
t "the session was never dropped"       same_session
t "another volume's flushes meanwhile"  other_disk
t "fio verify afterwards"               verify "$disk"
t "logout"                              logout "$target"
t "logout of the other"                 logout "$target2"
t "SIGTERM ends it"                     served_to_the_end
exit $((fails > 0))
