# Login parameters: every way for a write's data to travel, digests, and the corners of
# tests/raw/matrix.py: all limits at their least and at our most.
. "$(dirname "$0")/lib.sh"
try() {     # try NAME=VALUE...: log in with these, do I/O
    local pair
    for pair; do setting "$target" "node.${pair%%=*}" "${pair#*=}" || return; done
    up || return
    iscsiadm -m session -P2 | grep -A12 'Negotiated iSCSI'
    for pair; do
        case $pair in
        *InitialR2T=Yes) negotiated InitialR2T Yes || return ;;
        *ImmediateData=No) negotiated ImmediateData No || return ;;
        *Digest=*)
            pair=${pair##*.}
            negotiated "${pair%%=*}" "${pair#*=}" || return ;;
        *MaxBurstLength=*) negotiated MaxBurstLength "${pair#*=}" || return ;;
        esac
    done
    SIZE=${SIZE-32M} verify "$disk" && logout "$target"
}
corner() {  # corner SIZE InitialR2T ImmediateData DIGESTS LIMIT [FIRSTBURST]
    SIZE=$1 try "$r2t=$2" "$imm=$3" "$head=$4" "$data=$4" \
        "session.iscsi.FirstBurstLength=${6-$5}" "session.iscsi.MaxBurstLength=$5" \
        "conn[0].iscsi.MaxRecvDataSegmentLength=$5"
}
r2t=session.iscsi.InitialR2T imm=session.iscsi.ImmediateData
t "discovery"                       found
t "InitialR2T, immediate data"      try $r2t=Yes $imm=Yes
t "InitialR2T, no immediate data"   try $r2t=Yes $imm=No
t "unsolicited, no immediate data"  try $r2t=No $imm=No
t "unsolicited and immediate data"  try $r2t=No $imm=Yes
t "small bursts" \
    try $r2t=No $imm=Yes session.iscsi.FirstBurstLength=4096 \
    session.iscsi.MaxBurstLength=16384 'conn[0].iscsi.MaxRecvDataSegmentLength=4096'
head='conn[0].iscsi.HeaderDigest' data='conn[0].iscsi.DataDigest'
big="session.iscsi.MaxBurstLength=1048576 session.iscsi.FirstBurstLength=65536"
big="$big conn[0].iscsi.MaxRecvDataSegmentLength=262144"
# shellcheck disable=SC2086
t "header digests"                  try $big $head=CRC32C $data=None
t "data digests"                    try $r2t=Yes $imm=No $head=None $data=CRC32C
t "both digests"                    try $r2t=No $imm=Yes $head=CRC32C $data=CRC32C
for i in Yes No; do
    for d in Yes No; do
        crc=CRC32C other=None
        [ $i = $d ] || crc=None other=CRC32C
        t "least: R2T $i, immediate $d, $crc" corner 512K $i $d $crc 512
        t "most: R2T $i, immediate $d, $other" corner 16M $i $d $other 1048576 65536
    done
done
exit $((fails > 0))
