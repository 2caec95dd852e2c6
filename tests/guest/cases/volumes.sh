# Volumes that come, grow and go while the guest's initiator is logged in: logical volumes of a pool
# on a volume group, and files; the server killed meanwhile; logins sent to another one. ringlund runs
# in the guest; `ringlun` tells it what to do.
. "$(dirname "$0")/lib.sh"
target=iqn.2026-11.io.ringlun:one
export RINGLUN_SOCKET=/run/ringlun/api.sock

bytes() { blockdev --getsize64 "$disk"; }
has_lv() { lvs --noheadings -o lv_name inner 2>/dev/null | grep -c .; }
started() {
    serve_pools && ringlun pool create vg /var/lib/vg --volume-group inner && ringlun pool list
}
created() {
    ringlun volume create one --size 128M --pool vg && [ "$(has_lv)" = 1 ] &&
        ringlun volume list && ringlun volume show one --json | grep -q '"lv"'
}
in_use() { ringlun volume list | tee /dev/stderr | grep -q 'in-use'; }
# growth: what was written stays, the initiator sees the size after a rescan
grown() {
    local before after
    head -c 4M /dev/urandom >/tmp/pattern
    dd if=/tmp/pattern of="$disk" bs=1M oflag=direct status=none || return
    before=$(bytes)
    # extents have 4 MiB: the volume has what its logical volume has, and says so
    ringlun volume resize one 190M && iscsiadm -m session --rescan >/dev/null || return
    ringlun volume show one --json | tee /dev/stderr | grep -q "\"size\": *$((192 << 20))" || return
    after=$(bytes)
    echo "$before -> $after bytes"
    [ "$before" = $((128 << 20)) ] && [ "$after" = $((192 << 20)) ] &&
        dd if="$disk" bs=1M count=4 iflag=direct status=none | cmp - /tmp/pattern &&
        dd if=/tmp/pattern of="$disk" bs=1M seek=188 oflag=direct status=none
}
# CAPACITY DATA HAS CHANGED, as the kernel's log tells it
told() { dmesg | grep -q 'Capacity data has changed'; }
shrunk() { ! ringlun volume resize one 64M 2>/tmp/err && cat /tmp/err && [ -s /tmp/err ]; }
# a second unit behind the same target: found by a rescan, no session ends
second_lun() {
    ringlun volume create two --size 64M --target "$target" --lun 5 &&
        iscsiadm -m session --rescan >/dev/null && wait_disks "$target" 2 >/tmp/disks && [ "$(wc -l </tmp/disks)" = 2 ] || return
    second=/dev/$(tail -n 1 /tmp/disks)
    [ "$(blockdev --getsize64 "$second")" = $((64 << 20)) ] && SIZE=32M verify "$second"
}
told_of_luns() { dmesg | grep -q 'LUN assignments on this target have changed'; }
refused_in_use() {
    ! ringlun volume delete two 2>/tmp/err || return
    cat /tmp/err
    grep -q two /tmp/err && [ -b "$second" ]
}
# Forced: I/O on it fails, the other unit does not notice.
second_gone() {
    ringlun volume delete two --force || return
    ! timeout 20 dd if="$second" of=/dev/null bs=4k count=1 iflag=direct 2>/tmp/err || return
    ! ringlun volume list | grep -q -w two
}
busy_while() { through "$@"; }
dropped() {
    local id
    id=$(ringlun session list --json | grep -o '"id": *[0-9]*' | head -n 1 | grep -o '[0-9]*$')
    [ -n "$id" ] && ringlun session drop "$id" "$@" && sleep 3 &&
        ringlun session list --json | grep -q -F "\"$target\""
}
comes_and_goes() {
    for i in 1 2 3 4 5; do
        ringlun volume create "extra$i" --size 16M && ringlun volume expose "extra$i" --target "$target" &&
            ringlun target allow "extra$i" --initiator 'iqn.x:*' && ringlun volume resize "extra$i" 32M &&
            ringlun volume unexpose "extra$i" --target "$target" --force && ringlun volume delete "extra$i" || return
    done
}
killed() { kill -KILL $server && serve_pools; }
kept() {     # behind what fio has written
    ringlun volume list | tee /dev/stderr | grep -q -w one &&
    dd if="$disk" bs=1M skip=188 count=4 iflag=direct status=none | cmp - /tmp/pattern
}
deleted() {
    logout "$target" >/dev/null && ringlun volume delete one && [ "$(has_lv)" = 0 ] && ! ringlun volume show one
}
# --- kill -9 in the middle of what lvm2 does -------------------------------------------------
# LVs and the pool agree, nothing is half made: name and size of each, no tag of a creation
agrees() {
    lvs --noheadings --units b --nosuffix -o lv_size,lv_tags inner >/tmp/lvs && ringlun volume list --json >/tmp/volumes &&
        python3 - <<'END' && return
import json
lvs = [line.split() for line in open("/tmp/lvs")]
volumes = json.load(open("/tmp/volumes"))
volumes = volumes["volumes"] if isinstance(volumes, dict) else volumes
assert sorted(int(lv[0]) for lv in lvs) == sorted(v["size"] for v in volumes if v["kind"] == "lv")
assert not any("ringlun.new" in tags for lv in lvs for tags in lv[1:])
assert all(v["state"] == "available" for v in volumes), volumes
END
    cat /tmp/lvs
    ringlun volume list
    tail -n 20 /tmp/ringlund.log
    return 1
}
# killed_in SECONDS COMMAND...: the server dies that long after it was told
killed_in() {
    local after=$1 asked
    shift
    ringlun "$@" >/tmp/killed.out 2>&1 &
    asked=$!
    sleep "$after"
    kill -KILL $server
    wait $asked
    serve_pools
}
moments='0.02 0.06 0.1 0.15 0.2 0.3 0.45'
killed_while() {    # killed_while MAKE-READY COMMAND...: {} is a name of its own
    local ready=$1 after n=0
    shift
    for after in $moments; do
        n=$((n + 1))
        $ready "k$n" >/dev/null && killed_in "$after" "${@//\{\}/k$n}" && agrees || { echo "after $after s: $*"; return 1; }
        ! ringlun volume show "k$n" >/dev/null 2>&1 || ringlun volume delete "k$n" && agrees || return
    done
}
nothing() { :; }
small() { ringlun volume create "$1" --size 16M --pool vg --no-expose; }

# --- sent elsewhere ---------------------------------------------------------------------------
moved=iqn.2026-11.io.ringlun:moved
elsewhere=''
other_server() {
    local tries=0
    truncate -s 32M /dev/shm/moved.img && mkdir -p /var/lib/other /run/other || return
    "$RINGLUND" --listen 127.0.0.1:3261 --memory 64M --state /var/lib/other --runtime /run/other \
        --volume moved,path=/dev/shm/moved.img >/tmp/other.log 2>&1 &
    elsewhere=$!
    until grep -q -w ready /tmp/other.log; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] && kill -0 $elsewhere || { cat /tmp/other.log; return 1; }
        sleep 0.1
    done
    ringlun volume create here --size 16M --target "$moved" && discover 127.0.0.1 | grep -F "$moved"
}
# The larger disk is the one elsewhere.
at_home() { up 127.0.0.1 "$moved" && [ "$(bytes)" = $((16 << 20)) ] && logout "$moved"; }
sent() {        # sent [--permanent]: I/O there, and again after its connection was lost
    ringlun target set moved --redirect 127.0.0.1:3261 "$@" && ringlun target show moved | grep -i redirect &&
        up 127.0.0.1 "$moved" && iscsiadm -m session -P1 | grep -A3 -F "$moved" &&
        [ "$(bytes)" = $((32 << 20)) ] && SIZE=16M verify "$disk" && logout "$moved" &&
        ringlun target set moved --no-redirect
}
other_ends() {
    kill -TERM $elsewhere && wait $elsewhere && ringlun volume delete here
}
serve_pools() {
    local tries=0
    "$RINGLUND" --listen 127.0.0.1 --memory 64M --state /var/lib/ringlun --runtime /run/ringlun \
        >>/tmp/ringlund.log 2>&1 &
    server=$!
    until ringlun volume list >/tmp/list 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] && kill -0 $server || { cat /tmp/list; tail -n 20 /tmp/ringlund.log; return 1; }
        sleep 0.1
    done
}
ringlun() { timeout 60 "$RINGLUN" "$@"; }
vg() {
    modprobe -a loop dm_mod && [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
    truncate -s 512M /dev/shm/inner.img &&
        vgcreate -q -y inner "$(losetup -f --show /dev/shm/inner.img)" && vgs inner
}

t "a volume group"                       vg
t "ringlund with a pool on it"           started
t "a logical volume is made"             created
t "discovery"                            discover 127.0.0.1
patient
t "login"                                up 127.0.0.1
t "the volume is in use"                 in_use
t "grown online, seen after a rescan"    grown
t "the kernel was told"                  told
t "a volume does not shrink"             shrunk
t "a second unit comes"                  second_lun
t "the kernel was told of it"            told_of_luns
t "deletion is refused while in use"     refused_in_use
t "forced, it goes"                      second_gone
t "units come and go beside I/O"         busy_while comes_and_goes
t "I/O through a dropped session"        busy_while dropped
t "I/O through a logout that was asked for" busy_while dropped --ask
t "I/O through kill -9 and restart"      busy_while killed
t "a volume is what it was"              kept
t "deleted, with its logical volume"     deleted
t "kill -9 while an LV is made"          killed_while nothing volume create {} --size 16M --pool vg --no-expose
t "kill -9 while an LV grows"            killed_while small volume resize {} 32M
t "kill -9 while an LV is deleted"       killed_while small volume delete {}
t "another server, with its target"      other_server
t "a login here"                         at_home
t "a login is sent there for now"        sent
t "and here again"                       at_home
t "a login is sent there for good"       sent --permanent
t "and here once more"                   at_home
t "the other server ends"                other_ends
t "SIGTERM ends it"                      served_to_the_end
[ $fails -eq 0 ] || tail -n 30 /tmp/ringlund.log | sed 's/^/      /'
exit $((fails > 0))
