# Two portals on two networks under dm-multipath; one disk, two sessions of one initiator.
. "$(dirname "$0")/lib.sh"
cat >/etc/multipath.conf <<'CONF'
defaults {
    user_friendly_names yes
    find_multipaths no
    path_grouping_policy failover
    path_checker tur
    polling_interval 2
    no_path_retry 30
}
CONF
paths() { multipath -ll mpatha | grep -c "$1"; }
wait_paths() {      # wait_paths PATTERN COUNT SECONDS
    local end=$((SECONDS + $3))
    until [ "$(paths "$1")" -eq "$2" ]; do
        [ $SECONDS -lt $end ] || { multipath -ll; return 1; }
        sleep 0.2
    done
}
both() {
    found && discover 10.77.1.1 >/dev/null || return
    setting "$target" 'node.conn[0].timeo.noop_out_interval' 2
    setting "$target" 'node.conn[0].timeo.noop_out_timeout' 2
    setting "$target" node.session.timeo.replacement_timeout 4
    # (there are two IPv6 portals, too)
    login "$target" 10.77.0.1 && login "$target" 10.77.1.1 && wait_disks "$target" 2
}
map() {
    modprobe -a dm_multipath dm_round_robin dm_service_time
    multipathd && wait_paths 'active ready running' 2 20 && udevadm settle &&
        [ -b /dev/mapper/mpatha ]
}
fail_each() {
    for net in 0 1; do
        host link $net down
        wait_paths 'failed faulty' 1 20 || return
        host link $net up
        wait_paths 'active ready running' 2 30 || return
    done
}
# Both paths lose their server at once, and the map has to wait for it.
killed() { host restart && sleep 2 && wait_paths 'active ready running' 2 30; }
mounted() {
    [ -b /dev/mapper/mpatha ] && mkfs.ext4 -q -F /dev/mapper/mpatha &&
        mount /dev/mapper/mpatha /mnt &&
        head -c 20M /dev/urandom >/mnt/f && umount /mnt && e2fsck -f -n /dev/mapper/mpatha
}
t "login on both portals"      both
t "two paths, one map"         map
t "ext4 on the map"            mounted
disk=/dev/mapper/mpatha
t "I/O while each path fails"  through fail_each
t "I/O through kill -9"        through killed
multipath -ll | sed 's/^/      /'
multipath -F
t "logout"                     logout "$target"
exit $((fails > 0))
