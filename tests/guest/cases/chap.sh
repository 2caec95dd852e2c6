# CHAP as open-iscsi does it: each algorithm that it knows, both ways, wrong secrets on either side,
# discovery. ringlund runs in the guest; users come and go by `ringlun` while it serves.
. "$(dirname "$0")/lib.sh"
export RINGLUN_SOCKET=/run/ringlund/api.sock
base=iqn.2026-11.io.ringlun
log=/tmp/ringlund.log
auth=24     # ISCSI_ERR_LOGIN_AUTH_FAILED

ringlun() { timeout 60 "$RINGLUN" "$@"; }
started() {
    local tries=0
    (
        umask 077
        echo alices-secret-1 >/tmp/alice
        echo targets-secret-4 >/tmp/host
        echo scouts-secret-5 >/tmp/scout
        echo alices-secret-2 >/tmp/newer
    )
    "$RINGLUND" --listen 127.0.0.1 --memory 64M --state /var/lib/ringlun --runtime /run/ringlund \
        >>$log 2>&1 &
    server=$!
    until ringlun volume list >/tmp/list 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] && kill -0 $server || { cat /tmp/list; tail -n 20 $log; return 1; }
        sleep 0.1
    done
}
made() {
    local name
    for name in oneway both nobody; do ringlun volume create $name --size 32M || return; done
    ringlun target chap oneway --user alice --secret-file /tmp/alice &&
        ringlun target chap both --user alice --secret-file /tmp/alice \
            --mutual-user host --mutual-secret-file /tmp/host &&
        ringlun target list
}
known() {
    local name
    discover 127.0.0.1 >/tmp/found || return
    for name in oneway both nobody; do grep -q "$base:$name" /tmp/found || return; done
    plain nobody
}
# auth TARGET NAME VALUE
auth() { setting "$base:$1" "node.session.auth.$2" "$3"; }
# as TARGET USER SECRET ALGORITHMS [TARGET'S-USER TARGET'S-SECRET]
as() {
    auth "$1" authmethod CHAP && auth "$1" username "$2" && auth "$1" password "$3" &&
        auth "$1" chap_algs "$4" && auth "$1" username_in "${5-}" && auth "$1" password_in "${6-}"
}
plain() { auth "$1" authmethod None; }
# in_by TARGET [USER ALGORITHM]: in, a disk that works, out; and the log says how
in_by() {
    local begin rc
    begin=$(($(wc -l <$log) + 1))
    up 127.0.0.1 "$base:$1" || return
    head -c 1M /dev/urandom >/tmp/pattern
    dd if=/tmp/pattern of="$disk" bs=64k oflag=direct status=none &&
        dd if="$disk" bs=64k count=16 iflag=direct status=none | cmp - /tmp/pattern
    rc=$?
    logout "$base:$1" >/dev/null && [ $rc -eq 0 ] || return
    logged "$begin" "logged in to $base:$1.*${2+CHAP user $2 ($3)}"
}
# logged LINE PATTERN: from that line on; the server writes its log when it has time
logged() {
    local tries=0
    until tail -n "+$1" $log | grep "$2"; do
        tries=$((tries + 1))
        [ $tries -lt 50 ] || { tail -n "+$1" $log; return 1; }
        sleep 0.1
    done
}
# out TARGET [STATUS]: no session, and open-iscsi knows why
out() {
    local rc=0
    timeout 60 iscsiadm -m node -T "$base:$1" -p 127.0.0.1 --login || rc=$?
    echo "iscsiadm: $rc"
    [ $rc -eq "${2-$auth}" ] && [ -z "$(disks "$base:$1")" ] &&
        ! iscsiadm -m session 2>/dev/null | grep -q "$base:$1"
}
one_way() { as oneway alice alices-secret-1 "$1" && in_by oneway alice "$2"; }
both_ways() {
    as both alice alices-secret-1 "$1" host targets-secret-4 && in_by both alice "$1"
}
refused() { as "$@" && out "$1"; }
without() { plain oneway && out oneway; }
# The target cannot or must not prove itself: open-iscsi refuses it (19: login failed), or we do.
target_is_wrong() {
    as both alice alices-secret-1 SHA256 "$1" "$2" && ! out both 0 &&
        [ -z "$(disks "$base:both")" ] && ! iscsiadm -m session 2>/dev/null | grep -q "$base:both"
}
# discovery_as [USER SECRET [TARGET'S-USER TARGET'S-SECRET]]
discovery_as() {
    sed -i '/^discovery.sendtargets.auth/d' /etc/iscsi/iscsid.conf
    [ $# -gt 0 ] || return 0
    printf 'discovery.sendtargets.auth.%s\n' "authmethod = CHAP" "username = $1" "password = $2" \
        >>/etc/iscsi/iscsid.conf
    [ $# -lt 4 ] || printf 'discovery.sendtargets.auth.%s\n' "username_in = $3" \
        "password_in = $4" >>/etc/iscsi/iscsid.conf
}
found_by() { discover 127.0.0.1 | tee /dev/stderr | grep -q "$base:oneway"; }
found_nothing() { ! discover 127.0.0.1 >/tmp/found && ! grep -q iqn /tmp/found; }
discovery_chap() {
    ringlun discovery chap --user scout --secret-file /tmp/scout \
        --mutual-user host --mutual-secret-file /tmp/host &&
        discovery_as && found_nothing
}
discovery_one_way() {   # by MD5, all that open-iscsi 2.1.8 offers there
    discovery_as scout scouts-secret-5 && found_by && logged 1 'logged in to discovery.*CHAP user scout'
}
discovery_both_ways() { discovery_as scout scouts-secret-5 host targets-secret-4 && found_by; }
discovery_wrong() { discovery_as "$@" && found_nothing; }
discovery_off() { ringlun discovery chap --off && discovery_as && found_by; }
# A session lives on while its user's secret changes; it comes back, or not, by the new one.
changed() {
    as oneway alice alices-secret-1 SHA256 && up 127.0.0.1 "$base:oneway" || return
    ringlun target chap oneway --user alice --secret-file /tmp/newer &&
        dd if="$disk" of=/dev/null bs=64k count=8 iflag=direct status=none &&
        logout "$base:oneway" >/dev/null && out oneway &&
        as oneway alice alices-secret-2 SHA256 && in_by oneway alice SHA256
}
killed() {
    kill -KILL $server
    started && in_by oneway alice SHA256 && as oneway alice alices-secret-1 SHA256 && out oneway
}
nobody_asks() { ringlun target chap oneway --off && plain oneway && in_by oneway; }
kept_secret() {
    ! grep -r -l -E 'secret-[0-9]' $log /run/ringlund || return
    ringlun target show oneway >/tmp/shown && ringlun state >>/tmp/shown || return
    ! grep -E 'secret-[0-9]' /tmp/shown
}

t "ringlund"                                started
t "volumes, targets, users"                 made
t "discovery, and a target without users"   known
t "no CHAP"                                 without
for algorithm in MD5 SHA1 SHA256 SHA3-256; do
    t "one way, $algorithm"                 one_way $algorithm $algorithm
    t "both ways, $algorithm"               both_ways $algorithm
    t "wrong secret, $algorithm"            refused oneway alice another-secret $algorithm
done
t "all are offered"                         one_way SHA3-256,SHA256,SHA1,MD5 SHA3-256
t "the weakest is offered first"            one_way MD5,SHA1,SHA256 SHA256
t "wrong user"                              refused oneway eve alices-secret-1 SHA256
t "the target's user and secret"            refused both host targets-secret-4 SHA256
t "wrong secret of the target"              target_is_wrong host another-secret
t "wrong user of the target"                target_is_wrong another targets-secret-4
t "wrong secret, and it asks us, too"       refused both alice another-secret SHA256 host targets-secret-4
t "we cannot prove ourselves"               refused oneway alice alices-secret-1 SHA256 host targets-secret-4
t "still in with the right one"             both_ways SHA256
t "discovery wants to know, too"            discovery_chap
t "discovery, one way"                      discovery_one_way
t "discovery, both ways"                    discovery_both_ways
t "discovery, wrong secret"                 discovery_wrong scout another-secret
t "discovery, a target's user"              discovery_wrong alice alices-secret-1
t "discovery, wrong target"                 discovery_wrong scout scouts-secret-5 host another
t "discovery for all again"                 discovery_off
t "another secret under a session"          changed
t "kill -9 keeps the users"                 killed
t "no users any more"                       nobody_asks
t "no secret was shown"                     kept_secret
t "SIGTERM ends it"                         served_to_the_end
[ $fails -eq 0 ] || tail -n 30 $log | sed 's/^/      /'
exit $((fails > 0))
