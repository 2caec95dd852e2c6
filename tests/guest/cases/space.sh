# Discard and write zeroes: what reads back, and what the host gets back.
. "$(dirname "$0")/lib.sh"
mib=16
queue() { cat "/sys/block/${disk#/dev/}/queue/$1"; }
has_discard() { [ "$(queue discard_max_bytes)" -gt 0 ]; }
zero() { echo 1 >/proc/sys/vm/drop_caches && cmp -n $((mib << 20)) "$disk" /dev/zero; }
fill() { head -c ${mib}M /dev/urandom | dd of="$disk" bs=1M oflag=direct status=none; }
allocated() { host run sh -c 'stat -c %b "$RIG_RUN/disk1.img"'; }
discard() { fill && blkdiscard -l ${mib}M "$disk" && zero; }
zeroout() { fill && blkdiscard -z -l ${mib}M "$disk" && zero; }
# The file on the host shrinks by about what was discarded (512-byte blocks).
given_back() {
    local before after
    fill && sync && before=$(allocated) && blkdiscard -l ${mib}M "$disk" && after=$(allocated) &&
        echo "blocks of the file: $before, then $after" &&
        [ $((before - after)) -ge $((mib * 2048 * 9 / 10)) ]
}
trim() {
    mkfs.ext4 -q -F -E nodiscard "$disk" && mount "$disk" /mnt &&
        head -c 32M /dev/urandom >/mnt/f && sync && rm /mnt/f && fstrim -v /mnt && umount /mnt &&
        e2fsck -f -n "$disk"
}
mounted_discard() {
    mkfs.ext4 -q -F "$disk" && mount -o discard "$disk" /mnt && cp -r /etc /mnt/ &&
        sync && rm -rf /mnt/etc && cp -r /usr/share/common-licenses /mnt/ && sync &&
        umount /mnt && e2fsck -f -n "$disk"
}
t "discovery"                 found
t "login"                     up
t "disk offers discard"       has_discard
t "blkdiscard reads zeroes"   discard
t "blkdiscard -z"             zeroout
t "space is given back"       given_back
t "fstrim on ext4"            trim
t "ext4 mounted -o discard"   mounted_discard
t "logout"                    logout "$target"
exit $((fails > 0))
