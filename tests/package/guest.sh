#!/bin/bash
# In the guest: systemd of the fresh root in namespaces of its own, as a container's; the guest's
# initiator logs in to what it serves.
. "$(dirname "$0")/../guest/cases/lib.sh"
target=iqn.2026-11.io.ringlun:disk1
disk='' fails=0
box=/mnt/box

boot() {        # the root is the host's, read-only: what is written goes to memory
    local tries=0
    mkdir -p /mnt/boxtmp && mount -t tmpfs tmpfs /mnt/boxtmp && mkdir /mnt/boxtmp/up /mnt/boxtmp/work $box &&
        mount -t overlay -o "lowerdir=$PACKAGE_ROOT,upperdir=/mnt/boxtmp/up,workdir=/mnt/boxtmp/work" \
            overlay $box || return
    mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
    mount -t tmpfs tmpfs $box/run && mkdir $box/run/lock && mount --rbind /dev $box/dev || return
    # shellcheck disable=SC2016
    unshare --pid --mount --uts --ipc --cgroup --fork --kill-child sh -c '
        mount -t proc proc '$box'/proc && mount -t sysfs sysfs '$box'/sys &&
        mount -t cgroup2 cgroup2 '$box'/sys/fs/cgroup &&
        exec chroot '$box' /usr/bin/env -i container=test PATH=/usr/sbin:/usr/bin \
            /lib/systemd/systemd --log-target=console --log-level=notice' >/tmp/systemd.log 2>&1 &
    until manager=$(pgrep -f -x -n '/lib/systemd/systemd --log-target.*') && inside systemctl is-active multi-user.target; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || { tail -n 40 /tmp/systemd.log; inside systemctl --failed --no-pager; return 1; }
        sleep 0.2
    done
}
inside() { nsenter -t "$manager" -p -m -u -i -C -r -w -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C "$@"; }
serves() {
    local tries=0
    until inside ringlun volume list >/tmp/list 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { cat /tmp/list; journal; return 1; }
        sleep 0.1
    done
    inside systemctl is-active ringlund
}
journal() { inside journalctl -u ringlund --no-pager | tail -n 30; }
as_its_user() {
    local pid
    pid=$(inside systemctl show -p MainPID --value ringlund)
    inside sh -c "grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/$pid/status" >/tmp/status || return
    cat /tmp/status
    grep -q "^Uid:.*$(inside id -u ringlun)" /tmp/status && grep -q -x 'CapBnd:.0*' /tmp/status &&
        grep -q '^NoNewPrivs:.1' /tmp/status && grep -q '^Seccomp:.2' /tmp/status
}
on_the_ring() { inside journalctl -u ringlund --no-pager | tee /tmp/journal | grep -q 'ready: .*io_uring' || { cat /tmp/journal; return 1; }; }
made() { inside ringlun volume create disk1 --size 256M; }
served_volume() { inside ringlun volume list | tee /tmp/list | grep -q disk1 || { cat /tmp/list; return 1; }; }
upgrade() {
    local before after
    before=$(inside systemctl show -p MainPID --value ringlund)
    inside dpkg -i /root/newer.deb || return
    after=$(inside systemctl show -p MainPID --value ringlund)
    [ "$before" != "$after" ] && inside dpkg -s ringlun | grep -q '^Version: .*-2$'
}
# the drop-in for pools on volume groups, word for word as the manual has it
drop_in() {
    local dir=$box/etc/systemd/system/ringlund.service.d
    modprobe -a loop dm_mod && [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
    truncate -s 256M /dev/shm/group.img &&
        inside vgcreate -q -y group "$(losetup -f --show /dev/shm/group.img)" && mkdir -p "$dir" &&
        zcat $box/usr/share/man/man8/ringlund.8.gz | sed -n '/^\[Service\]/,/^\.Ed/{/^\.Ed/!p}' \
            >"$dir/lvm.conf" && cat "$dir/lvm.conf" && grep -q mapper "$dir/lvm.conf" || return
    # what its commands complain of, though they end well
    sed -i 's,^log {,&\nfile = "/run/lvm-complaints"\nlevel = 4,' $box/etc/lvm/lvm.conf
    grep -A2 '^log {' $box/etc/lvm/lvm.conf && inside lvs || return
    inside systemctl daemon-reload && inside systemctl restart ringlund && serves && served_volume
}
lv_bytes() { inside lvs --noheadings --units b --nosuffix -o lv_size group | tr -d ' '; }
lv_lives() {
    inside ringlun pool create lv /var/lib/ringlun/lv --volume-group group &&
        inside ringlun volume create lv1 --size 32M --pool lv && [ "$(lv_bytes)" = $((32 << 20)) ] &&
        inside ringlun volume resize lv1 64M && [ "$(lv_bytes)" = $((64 << 20)) ] &&
        inside systemctl restart ringlund && serves &&
        inside ringlun volume show lv1 && inside ringlun volume delete lv1 && [ -z "$(lv_bytes)" ]
}
# but for their priority, which they take as it is
lv_quietly() {
    [ -s $box/run/lvm-complaints ] &&
        ! grep -v -F setpriority $box/run/lvm-complaints | grep -i -E 'warn|fail|error|cannot|denied|not permitted' &&
        ! journal | grep -i -E 'warn|error:|denied'
}
# of CAP_SYS_ADMIN alone
as_root_with_little() {
    local pid
    pid=$(inside systemctl show -p MainPID --value ringlund)
    inside cat "/proc/$pid/status" | tee /dev/stderr | grep -q -x 'CapBnd:.0*200000'
}
no_errors() { ! dmesg | grep -E 'I/O error|rejecting I/O|Buffer I/O'; }
removed() {
    inside dpkg -r ringlun && ! pgrep -x ringlund && [ -e $box/var/lib/ringlun/state.json ]
}
purged() {
    inside dpkg -P ringlun && [ -e $box/var/lib/ringlun/state.json ] && [ ! -e $box/etc/default/ringlund ]
}
t "systemd boots in the fresh root"        boot
t "the service runs"                       serves
t "as a user without capabilities"         as_its_user
t "on io_uring, within its system calls"   on_the_ring
t "ringlun makes a volume"                 made
t "discovery"                              discover 127.0.0.1
patient
t "login"                                  up 127.0.0.1
t "ext4"                                   filesystem ext4 "$disk"
t "I/O through an upgrade"                 through upgrade
t "no I/O error in the kernel's log"       no_errors
t "the volume is there afterwards"         served_volume
t "logout"                                 logout "$target"
t "the manual's drop-in for volume groups" drop_in
t "as root with one capability"            as_root_with_little
t "a logical volume comes, grows and goes" lv_lives
t "and nothing is refused meanwhile"       lv_quietly
t "removal stops it, and keeps data"       removed
t "purge keeps data, too"                  purged
[ $fails -eq 0 ] || journal | sed 's/^/      /'
exit $((fails > 0))
