# The target dies, hangs or cannot be reached in the middle of I/O, and comes back:
# the kernel must log in again and the I/O must go on without an error.
. "$(dirname "$0")/lib.sh"
frozen() { host freeze && sleep 6 && host thaw; }
cut() { host link 0 down && sleep 6 && host link 0 up; }
recovered() { [ "$(connection_errors)" -gt 0 ]; }
again_and_again() { for _ in 1 2 3 4; do host restart && sleep 2 || return; done; }
# A file system that is being written to while the server is killed.
journal() {
    local pid
    mkfs.ext4 -q -F "$disk" && mount "$disk" /mnt || return
    (for i in $(seq 1 40); do
        head -c 1M /dev/urandom >"/mnt/$i" && sync "/mnt/$i" && md5sum "/mnt/$i" || exit
    done >/tmp/sums) &
    pid=$!
    sleep 1
    host restart
    wait $pid || return
    umount /mnt && e2fsck -f -n "$disk" && mount "$disk" /mnt || return
    md5sum --quiet -c /tmp/sums && umount /mnt
}
t "discovery"                         found
patient
t "login"                             up
t "I/O through kill -9 and restart at once" through host restart
t "the kernel saw a connection error" recovered
t "I/O through kill -9, 3 s of nothing" through host restart 3
t "I/O through four kills"            through again_and_again
t "ext4 through kill -9"              journal
t "I/O through a target hung for 6 s" through frozen
t "I/O through a link cut for 6 s"    through cut
t "still logged in"                   negotiated 'iSCSI Session State' LOGGED_IN
t "logout"                            logout "$target"
echo "note: connection errors seen: $(connection_errors)"
exit $((fails > 0))
