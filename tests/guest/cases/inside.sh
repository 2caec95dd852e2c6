# ringlund inside the guest, on Debian 12's own kernel and a real logical volume; the
# guest's initiator is its client, over loopback.
. "$(dirname "$0")/lib.sh"
target=iqn.2026-11.io.ringlun:lv
# Opened exclusively: neither a second server nor mkfs may have it.
exclusive() {
    timeout 30 "$RINGLUND" --listen 127.0.0.1:3261 --volume lv,path=/dev/inner/lv \
        >/tmp/second.log 2>&1 && return 1
    cat /tmp/second.log
    grep -q 'in use' /tmp/second.log && ! mkfs.ext4 -q /dev/inner/lv
}
killed() { kill -KILL $server && serve lv; }
zeroes() {
    head -c 8M /dev/urandom | dd of="$disk" bs=1M oflag=direct status=none &&
        blkdiscard -l 8M "$disk" && echo 1 >/proc/sys/vm/drop_caches &&
        cmp -n 8388608 "$disk" /dev/zero
}
same_bytes() {      # the logical volume has what the initiator wrote
    head -c 4M /dev/urandom >/tmp/pattern &&
        dd if=/tmp/pattern of="$disk" bs=1M oflag=direct status=none &&
        dd if=/dev/inner/lv bs=1M count=4 iflag=direct status=none | cmp - /tmp/pattern
}
t "a logical volume"             volumes 256 lv
t "ringlund serves it"           serve lv
t "nobody else gets the device"  exclusive
t "discovery"                    discover 127.0.0.1
patient
t "login"                        up 127.0.0.1
t "ext4"                         filesystem ext4 "$disk"
t "fio verify"                   verify_for "$seconds" "$disk"
t "same bytes on the volume"     same_bytes
t "blkdiscard reads zeroes"      zeroes
t "I/O through kill -9 and restart at once" through killed
t "logout"                       logout "$target"
t "SIGTERM ends it"              served_to_the_end
sed 's/^/      /' /tmp/ringlund.log | tail -n 12
exit $((fails > 0))
