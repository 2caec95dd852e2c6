# Discovery, login, what the kernel sees, file systems, LVM, fio verify, logout.
. "$(dirname "$0")/lib.sh"
logged_in() {
    iscsiadm -m session -P3 | grep -q 'Session State: LOGGED_IN' &&
        iscsiadm -m session -P3 | grep -q "Attached scsi disk ${disk#/dev/}.*running"
}
partition() {
    printf 'label: gpt\nsize=64MiB\nsize=64MiB\n' | sfdisk -q "$disk" && udevadm settle &&
        [ -b "${disk}1" ] && [ -b "${disk}2" ] && wipefs -q -a "$disk"
}
lvm() {
    vgcreate -q -y vg "$disk" && lvcreate -q -y -n lv -L 100M vg &&
        mkfs.ext4 -q /dev/vg/lv && mount /dev/vg/lv /mnt && cp -r /etc/lvm /mnt/ &&
        lvextend -q -r -L +64M vg/lv && umount /mnt && vgremove -q -f vg
}
# A LOGICAL UNIT RESET and a TARGET WARM RESET end commands, no connection.
same_session() { [ "$(connection_errors)" -eq 0 ]; }
# The kernel must believe that there is a write cache: it then sends flushes.
write_cache() { [ "$(cat /sys/block/"${disk#/dev/}"/queue/write_cache)" = "write back" ]; }
t "discovery"            found
t "login"                up
t "session -P3"          logged_in
t "sg_inq"               sg_inq "$disk"
t "sg_vpd pages"         sg_vpd -p sv "$disk"
t "sg_vpd device id"     sg_vpd -p di "$disk"
t "sg_vpd block limits"  sg_vpd -p bl "$disk"
t "sg_vpd provisioning"  sg_vpd -p lbpv "$disk"
t "sg_readcap"           sg_readcap "$disk"
t "sg_readcap -16"       sg_readcap -16 "$disk"
t "sg_luns"              sg_luns "$disk"
t "sg_opcodes"           sg_opcodes "$disk"
t "sg_modes"             sg_modes -a "$disk"
t "sg_turs"              sg_turs -n 20 "$disk"
t "sg_sync"              sg_sync "$disk"
t "sg_requests"          sg_requests "$disk"
t "write cache"          write_cache
t "sg_reset lun"         sg_reset --no-esc --device "$disk"
t "sg_reset target"      sg_reset --no-esc --target "$disk"
t "the session is kept"  same_session
t "gpt partitions"       partition
t "ext4"                 filesystem ext4 "$disk"
t "xfs"                  filesystem xfs "$disk"
t "lvm"                  lvm
t "fio verify"           verify_for "$seconds" "$disk"
t "logout"               logout "$target"
t "discovery over IPv6"  found "[$HOST_IP6]" "[fd77::1]"
t "login over IPv6"      up "[$HOST_IP6]:3260"
t "fio verify over IPv6" verify "$disk"
t "logout"               logout "$target"
exit $((fails > 0))
