# Guest script: serve a disk with LIO, and have the host run a command against it:
#   guest-run.sh --no-udev --ctl ctl-none.sh --mem 2048 lio-serve.sh MIB COMMAND...
# The disk's URL is appended to the command, whose exit status says nothing here.
. "$RIG_LIB"
. "$(dirname "$RIG_SCRIPT")/lio.sh"
iqn=iqn.2026-11.io.ringlun.test:lio
mib=$1
shift
lio_start && lio_file disk0 "$mib" && lio_serve "$iqn" disk0 || exit 125
echo "kernel $(uname -r)"
echo "attributes: $(cd $lio/core/fileio_0/disk0/attrib && grep -s . emulate_* unmap_* max_* block_size | tr '\n' ' ')"
host run "$@" "iscsi://$GUEST_IP/$iqn/0"
echo "status $?"
