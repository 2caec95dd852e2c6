# Two volumes: two disks with names of their own, busy at once, not mixed up.
. "$(dirname "$0")/lib.sh"
first='' second=''
both() {
    up "$HOST_IP" "$target" && first=$disk && up "$HOST_IP" "$target2" && second=$disk &&
        [ "$first" != "$second" ]
}
naa() { sg_vpd -p di "$1" | grep -A4 NAA | grep -o -m 1 "0x[0-9a-f]\{16,32\}"; }
serial() { sg_vpd -p sn "$1" | sed -n 's/.*serial number: *//p'; }
names() {
    echo "naa $(naa "$first") $(naa "$second") serial $(serial "$first") $(serial "$second")"
    [ -n "$(naa "$first")" ] && [ "$(naa "$first")" != "$(naa "$second")" ] &&
        [ -n "$(serial "$first")" ] && [ "$(serial "$first")" != "$(serial "$second")" ]
}
at_once() {
    local pid
    verify_for "$seconds" "$first" >/tmp/fio.out 2>&1 &
    pid=$!
    verify_for "$seconds" "$second" || return
    wait $pid || { cat /tmp/fio.out; return 1; }
}
apart() {       # what is written to one is not on the other
    dd if=/dev/urandom of="$first" bs=1M count=8 oflag=direct status=none &&
        dd if=/dev/zero of="$second" bs=1M count=8 oflag=direct status=none &&
        cmp -n 8388608 "$second" /dev/zero && ! cmp -s -n 8388608 "$first" /dev/zero
}
# A volume takes one initiator name at a time: another one must not get in.
stranger() {
    iscsi-inq -i iqn.2026-11.io.ringlun.test:stranger "iscsi://$HOST_IP/$target/0" && return 1
    host log | grep -i 'iqn.2026-11.io.ringlun.test:stranger' | grep 'ringlun.test:guest'
}
t "discovery"               found
t "login to both"           both
t "names of their own"      names
t "fio verify on both"      at_once
t "ext4 on the second"      filesystem ext4 "$second"
t "not mixed up"            apart
t "another initiator is refused, the holder named" stranger
t "logout"                  logout "$target"
t "logout of the second"    logout "$target2"
exit $((fails > 0))
