#!/bin/bash
# Run a script inside a Linux guest that has a real kernel iSCSI initiator.
#
#   guest-run.sh [OPTION...] SCRIPT [ARG...]
#
#   --ctl FILE          controller of the target: an executable that is run on the
#                       host inside the network namespace, as  FILE start  before
#                       the guest boots and  FILE stop  at the end; the guest's
#                       script can run it too:  host WORD...  ->  FILE WORD...
#                       (the rig itself does  host link I up|down  for network I)
#   --target-netns NAME use this existing namespace (your target listens in it)
#                       instead of a fresh one; only gtapI and gbrI are added to it
#   --nets N            number of TAP networks (default 1)
#   --mtu N             default 1500
#   --mem MIB           guest memory (default 1024)
#   --limit SECONDS     time limit for everything (default 300)
#   --vm uml|qemu       default uml
#   --no-udev           do not start udevd in the guest (multipath needs it)
#   --env NAME=VALUE    set that in the guest's script and the controller
#   --logs DIR          copy console, dmesg, controller log and boot time there
#   -v                  show the guest's console too
#
# Network i is 10.77.i.0/24 and fd77:i::/64: .1 (::1) is the host's end, .2 (::2)
# the guest's. The script sees HOST_IP, GUEST_IP (network 0), RIG_LIB (shell
# helpers), RIG_VM and /rig (the run folder, shared with the host). All else it
# writes stays in the guest's memory.
# Exit status: the script's; 124 time limit; 125 the rig itself failed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
die() { echo "guest-run: $*" >&2; exit 125; }

# --- second half: pid 1 of a private pid namespace; all ends when it ends --------
if [ "${1-}" = --inner ]; then
    run=$2
    . "$run/env"
    ctl() { [ -z "$RIG_CTL" ] || "$RIG_CTL" "$@"; }
    export RIG_RUN=$run
    # The TAP itself stays up: UML's driver does not survive its going down.
    link() {
        case $2 in
        up) ip link set "gtap$1" master "gbr$1" ;;
        down) ip link set "gtap$1" nomaster ;;
        esac
    }
    serve_requests() {
        local req base
        while sleep 0.05; do
            for req in "$run"/ctl/*.req; do
                [ -e "$req" ] || continue
                base=${req%.req}
                mapfile -t words <"$req"
                rm -f "$req"
                case ${words[0]-} in
                link) link "${words[1]}" "${words[2]}" ;;
                *) ctl "${words[@]}" ;;
                esac </dev/null >"$base.out" 2>&1
                echo $? >"$base.tmp"
                mv "$base.tmp" "$base.rc"
            done
        done
    }
    ctl start </dev/null >"$run/ctl.log" 2>&1 || {
        cat "$run/ctl.log" >&2
        die "the controller's start failed"
    }
    serve_requests &
    args=()
    if [ "$RIG_VM" = uml ]; then
        for ((i = 0; i < RIG_NETS; i++)); do
            args+=("vec$i:transport=tap,ifname=gtap$i,depth=128,gro=1")
        done
        linux.uml "mem=${RIG_MEM}M" root=none rootfstype=hostfs rootflags=/ ro \
            "init=$run/guest-init.sh" "rig=$run" "uml_dir=$run/uml" umid=guest \
            con=null con0=null,fd:1 ssl=null ssl0=null,fd:3 quiet \
            selinux=0 apparmor=0 log_buf_len=4M panic=-1 noreboot "${args[@]}" \
            </dev/null 3>&1 >"$run/console" 2>&1 | cat
    else
        for ((i = 0; i < RIG_NETS; i++)); do
            args+=(-netdev "tap,id=n$i,ifname=gtap$i,script=no,downscript=no"
                -device "virtio-net-pci,netdev=n$i,mac=52:54:00:77:00:0$i")
        done
        qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m "$RIG_MEM" \
            -display none -no-reboot -nodefaults -no-user-config \
            -kernel "$RIG_CACHE/vmlinuz" -initrd "$RIG_CACHE/initramfs.gz" \
            -append "console=ttyS1 quiet panic=-1 selinux=0 apparmor=0 log_buf_len=4M mitigations=off" \
            -serial stdio -serial "file:$run/console" \
            -virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
            -virtfs "local,path=$run,mount_tag=rig,security_model=none" \
            "${args[@]}" </dev/null 2>"$run/qemu.err" | cat
    fi
    ctl stop </dev/null >>"$run/ctl.log" 2>&1 || {
        tail -n 5 "$run/ctl.log" >&2
        die "the controller's stop failed"
    }
    [ -s "$run/status" ] || exit 125
    read -r rc <"$run/status"
    exit "$rc"
fi

# --- first half: options, namespace, run folder, clean-up -------------------------
usage() { sed -n '2,/^set -u/{/^set -u/d; s/^# \{0,1\}//; p}' "$0"; }
ctl= netns= nets=1 mtu=1500 mem=1024 limit=300 vm=uml udev=1 logs= verbose=
vars=()
while [ $# -gt 0 ]; do
    case $1 in
    --ctl) ctl=$(realpath "$2") || die "no controller $2"; shift 2 ;;
    --target-netns) netns=$2; shift 2 ;;
    --nets) nets=$2; shift 2 ;;
    --mtu) mtu=$2; shift 2 ;;
    --mem) mem=$2; shift 2 ;;
    --limit) limit=$2; shift 2 ;;
    --vm) vm=$2; shift 2 ;;
    --no-udev) udev=0; shift ;;
    --env) vars+=("$2"); shift 2 ;;
    --logs) logs=$2; shift 2 ;;
    -v) verbose=1; shift ;;
    -h | --help) usage; exit 0 ;;
    --) shift; break ;;
    -*) die "unknown option $1 (--help)" ;;
    *) break ;;
    esac
done
[ $# -gt 0 ] || { usage >&2; exit 125; }
script=$(realpath -e "$1") || die "no script $1"
shift
[ "$(id -u)" = 0 ] || die "must be root"
cache=${GUEST_CACHE:-/var/tmp/guest-kernel}
case $vm in
uml) command -v linux.uml >/dev/null || die "no linux.uml (tools/install-packages test)"
     modules=/usr/lib/uml/modules ;;
qemu) [ -e "$cache/initramfs.gz" ] || die "no qemu kernel in $cache (tests/guest/qemu-kernel)"
     modules=$cache/root/lib/modules ;;
*) die "--vm uml or qemu" ;;
esac

# What a guest-run that was killed with SIGKILL left behind.
tmp=${TMPDIR:-/tmp}
for name in $(ip netns list | sed -n 's/^guest-\([0-9]*\).*/\1/p'); do
    [ -e "/proc/$name" ] || ip netns del "guest-$name"
done
for name in "$tmp"/guest-run.*.*; do
    pid=${name%.*}
    [ -e "/proc/${pid##*.}" ] || rm -rf "$name"
done

run=$(mktemp -d "$tmp/guest-run.$$.XXXXXX") || die "no run folder"
own= pid= tailpid=
cleanup() {
    trap '' INT TERM HUP
    # timeout leads the process group; the pid namespace dies with it
    [ -z "$pid" ] || kill -KILL -- "-$pid" 2>/dev/null
    [ -z "$pid" ] || wait "$pid" 2>/dev/null
    [ -z "$tailpid" ] || kill "$tailpid" 2>/dev/null
    if [ -n "$own" ]; then
        ip netns del "$netns"
    elif [ -n "$netns" ]; then
        for ((i = 0; i < nets; i++)); do
            ip -n "$netns" link del "gtap$i" 2>/dev/null
            ip -n "$netns" link del "gbr$i" 2>/dev/null
        done
    fi
    if [ -n "$logs" ]; then
        mkdir -p "$logs"
        for f in console dmesg iscsid.log ctl.log ringlund.log boot-seconds qemu.err complaint; do
            [ ! -e "$run/$f" ] || cp "$run/$f" "$logs/"
        done
    fi
    rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -z "$netns" ]; then
    netns=guest-$$
    ip netns add "$netns" || die "cannot make a network namespace"
    own=1
    ip -n "$netns" link set lo up
fi
for ((i = 0; i < nets; i++)); do
    # the guest's TAP on a bridge that has the host's addresses
    ip -n "$netns" link add "gbr$i" type bridge forward_delay 0 &&
        ip -n "$netns" tuntap add "gtap$i" mode tap &&
        ip -n "$netns" link set "gtap$i" mtu "$mtu" master "gbr$i" up &&
        ip -n "$netns" link set "gbr$i" mtu "$mtu" up &&
        ip -n "$netns" addr add "10.77.$i.1/24" dev "gbr$i" &&
        ip -n "$netns" addr add "fd77:$i::1/64" dev "gbr$i" nodad ||
        die "cannot set up network $i in $netns"
done

mkdir "$run/ctl" "$run/uml"
cp "$here/guest-init.sh" "$here/guest-lib.sh" "$run/"
chmod 755 "$run/guest-init.sh"
{
    echo "export RIG_VM=$vm RIG_NETS=$nets RIG_MTU=$mtu RIG_MEM=$mem RIG_UDEV=$udev"
    echo "export RIG_MODULES=$modules RIG_CACHE=$cache RIG_LIB=/rig/guest-lib.sh"
    echo "export RIG_INITIATOR=${RIG_INITIATOR:-iqn.2026-11.io.ringlun.test:guest}"
    echo "export HOST_IP=10.77.0.1 GUEST_IP=10.77.0.2 HOST_IP6=fd77:0::1 GUEST_IP6=fd77:0::2"
    for var in "${vars[@]}"; do printf 'export %s=%q\n' "${var%%=*}" "${var#*=}"; done
    printf 'export RIG_CTL=%q RIG_SCRIPT=%q\n' "$ctl" "$script"
    printf 'RIG_ARGS=('
    [ $# -eq 0 ] || printf '%q ' "$@"
    printf ')\n'
} >"$run/env"
: >"$run/console"
if [ -n "$verbose" ]; then
    tail -f "$run/console" >&2 &
    tailpid=$!
fi

# each dies with its parent, so that even kill -9 of this script ends the guest
die_with_parent="setpriv --pdeathsig KILL"
$die_with_parent timeout -s KILL "$limit" $die_with_parent ip netns exec "$netns" \
    unshare --pid --fork --kill-child --mount-proc "$here/guest-run.sh" --inner "$run" &
pid=$!
{ wait "$pid"; } 2>/dev/null
rc=$?
pid=
if [ $rc -eq 137 ] && [ ! -s "$run/status" ]; then
    echo "guest-run: time limit of $limit s reached" >&2
    rc=124
fi
if [ $rc -eq 125 ] || [ $rc -eq 124 ]; then
    echo "guest-run: the console's last lines:" >&2
    tail -n 15 "$run/console" >&2
fi
# A complaint of the guest's kernel is worth knowing even when the script passed.
if grep -q -s -E 'BUG:|WARNING:|Oops|Kernel panic|hung task|Call Trace' "$run/dmesg" "$run/console"; then
    echo "guest-run: the guest's kernel complained (see dmesg with --logs)" >&2
    touch "$run/complaint"
fi
exit $rc
