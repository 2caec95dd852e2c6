# The server's disk stops answering for longer than sd waits: the kernel aborts, is
# answered in time, tries again, and keeps its session; nothing is lost or mixed up.
. "$(dirname "$0")/lib.sh"
errors_before=0
stalled() {
    host stall && sleep 12 && host unstall
}
timeouts() { dmesg | grep -i -E 'abort|timing out|task management|LUN reset' | tail -n 20; }
no_error_between() {
    timeouts
    [ "$(connection_errors)" -eq "$errors_before" ]
}
other_disk() {      # the other volume and the pings do not notice
    local slow
    host stall || return
    (sleep 6; dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct status=none) &
    dd if=/dev/urandom of="$disk" bs=64k count=32 oflag=direct status=none &
    sleep 1
    slow=$(fio --name=other --filename="$second" --direct=1 --rw=randwrite --bs=4k --fsync=1 \
        --size=64M --time_based --runtime=5 --ioengine=psync --output-format=json |
        jq '.jobs[0].sync.lat_ns.max / 1000000 | floor')
    host unstall
    wait
    echo "longest flush of the other volume: $slow ms"
    [ -n "$slow" ] && [ "$slow" -lt 1000 ]
}
t "discovery"                          found
patient
t "login"                              up
first=$disk
t "login to the other volume"          up "$HOST_IP" "$target2"
second=$disk disk=$first
echo 5 >"/sys/block/${disk#/dev/}/device/timeout"
errors_before=$(connection_errors)
t "I/O through a disk stalled for 12 s" through stalled
t "the session was never dropped"      no_error_between
t "another volume's flushes meanwhile" other_disk
t "fio verify afterwards"              verify "$disk"
t "logout"                             logout "$target"
t "logout of the other"                logout "$target2"
exit $((fails > 0))
