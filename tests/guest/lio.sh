# Sourced in the guest: the kernel's own target (LIO), served to the host.
#   lio_start               load the modules
#   lio_file NAME MIB       a backstore: a sparse file in memory, with a write cache
#   lio_serve IQN NAME...   one target without authentication, LUN 0.. on these
lio=/sys/kernel/config/target

lio_start() {
    # without these folders persistent reservations fail as NOT READY
    mkdir -p /etc/target/pr /etc/target/alua
    modprobe configfs
    mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
    modprobe -a target_core_mod target_core_file iscsi_target_mod || return
    mkdir -p $lio/iscsi
}

lio_file() {
    local dev=$lio/core/fileio_0/$1 file=/dev/shm/$1.img
    truncate -s "$2M" "$file" && mkdir -p "$dev" || return
    # fd_buffered_io=1: the write cache is told (WCE=1), as it truly is one
    printf 'fd_dev_name=%s,fd_dev_size=%d,fd_buffered_io=1\n' "$file" $(($2 << 20)) \
        >"$dev/control" || return
    printf '%s' "$(printf %s "$1" | md5sum | cut -c1-32)" >"$dev/wwn/vpd_unit_serial" || return
    echo 1 >"$dev/enable" || return
    # thin provisioning, as the other targets have it
    echo 1 >"$dev/attrib/emulate_tpu" && echo 1 >"$dev/attrib/emulate_tpws"
}

lio_serve() {
    local tpg=$lio/iscsi/$1/tpgt_1 name i=0
    shift
    mkdir -p "$tpg/np/$GUEST_IP:3260" || return
    for name; do
        mkdir "$tpg/lun/lun_$i"
        ln -s $lio/core/*/"$name" "$tpg/lun/lun_$i/$name" || return
        i=$((i + 1))
    done
    echo 0 >"$tpg/attrib/authentication"
    echo 1 >"$tpg/attrib/generate_node_acls"
    echo 1 >"$tpg/attrib/cache_dynamic_acls"
    echo 0 >"$tpg/attrib/demo_mode_write_protect"
    echo 1 >"$tpg/enable"
}
