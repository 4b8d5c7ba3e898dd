# In network and mount namespaces of its own: a root zone and three below it, signed by ldns, served
# by nsd, asked through unbound. Then logins by OpenSSH's client and ours with VerifyHostKeyDNS.
# Arguments: an empty folder with the keys "host", "other" and "user"; the program keyway.
set -eu
cd "$1"; chmod 755 .; keyway=$2
ip link set lo up
echo '127.0.0.1 a.signed b.signed alias.signed a.forged a.plain' >hosts
echo 'hosts: files' >nsswitch
mount --bind hosts /etc/hosts; mount --bind nsswitch /etc/nsswitch.conf
# The name server of a resolver that is not ours: it has the zones and nothing else.
zone() { # name, further records
    printf '%s 60 IN SOA ns. admin. 1 60 60 60 60\n%s 60 IN NS ns.\n' "$1" "$1"
}
fingerprints() { ssh-keygen -r "$1." -f "$2" | sed 's/ IN SSHFP/ 60 IN SSHFP/'; }
sign() { # name, file
    key=$(ldns-keygen -a ECDSAP256SHA256 -r /dev/urandom "$1"); ksk=$(ldns-keygen -k -a "$3" -b 2048 -r /dev/urandom "$1")
    ldns-signzone $4 -f "$2.signed" "$2" "$key" "$ksk"
    cat "$ksk.ds" >>delegations; grep -h DNSKEY "$ksk.key" >anchor; cp anchor "$2.ksk"
}
: >delegations
{ zone signed.; fingerprints a.signed host.pub; fingerprints b.signed other.pub
  echo 'alias.signed. 60 IN CNAME a.signed.'; } >signed
sign signed. signed ECDSAP256SHA256 -n
{ zone forged.; fingerprints a.forged other.pub; } >forged
sign forged. forged ED25519 ''
# Whoever changes the records cannot sign them.
fingerprints a.forged host.pub >now
sed -i '/SSHFP/{/RRSIG/!{/NSEC/!d}}' forged.signed; cat now >>forged.signed
{ zone plain.; fingerprints a.plain host.pub; } >plain.signed
{ zone .; echo 'ns. 60 IN A 127.0.0.2'
  for name in signed. forged. plain.; do echo "$name 60 IN NS ns."; done; cat delegations; } >root
sign . root RSASHA256 ''
{ printf 'server:\n ip-address: 127.0.0.2\n username: ""\n chroot: ""\n zonesdir: "%s"\n' "$PWD"
  printf ' pidfile: "%s/nsd.pid"\n database: ""\n xfrdfile: ""\n zonelistfile: "%s/zones"\n' "$PWD" "$PWD"
  printf ' logfile: "%s/nsd.log"\n server-count: 1\nremote-control:\n control-enable: no\n' "$PWD"
  for name in signed forged plain; do printf 'zone:\n name: %s\n zonefile: %s.signed\n' $name $name; done
  printf 'zone:\n name: "."\n zonefile: root.signed\n'; } >nsd.conf
printf '. 60 IN NS ns.\nns. 60 IN A 127.0.0.2\n' >hints
printf 'server:\n interface: 127.0.0.1\n username: ""\n chroot: ""\n directory: "%s"\n pidfile: ""\n use-syslog: no
 logfile: unbound.log\n root-hints: hints\n trust-anchor-file: anchor\n do-not-query-localhost: no\n do-daemonize: no
 val-log-level: 2\nremote-control:\n control-enable: no\n' "$PWD" >unbound.conf
printf 'nameserver 127.0.0.1\noptions trust-ad edns0\n' >resolv; mount --bind resolv /etc/resolv.conf
mkdir etc; cp -r /etc/ssh/. etc; cp anchor etc/dnssec_anchors; mount --bind etc /etc/ssh
mkdir -p /run/sshd; cp user.pub keys
printf '%s\n' 'ListenAddress 127.0.0.1' 'Port 4022' "HostKey $1/host" "AuthorizedKeysFile $1/keys" \
    'StrictModes no' "PidFile $1/pid" >config
printf '#!/bin/sh\necho "$1" >&2; echo no\n' >ask; chmod 755 ask
export SSH_ASKPASS="$PWD/ask" SSH_ASKPASS_REQUIRE=force
nsd -d -c nsd.conf & nsd=$!
unbound -c unbound.conf & dns=$!
/usr/sbin/sshd -f "$1/config"
trap 'kill $nsd $dns "$(cat pid)" 2>/dev/null' EXIT
set +e
ready() { for i in 1 2 3 4 5 6 7 8 9 10; do drill a.plain SSHFP | grep -q NOERROR && return; sleep 0.2; done; }
try() { # host, VerifyHostKeyDNS, StrictHostKeyChecking
    for ssh in /usr/bin/ssh "$keyway ssh"; do
        $ssh -F none -p 4022 -i user -o IdentitiesOnly=yes -o GlobalKnownHostsFile=none \
            -o UserKnownHostsFile=absent -o VerifyHostKeyDNS="$2" -o StrictHostKeyChecking="$3" \
            "$1" true >said 2>&1 </dev/null
        echo "$?"; tr -d '\r' <said; echo end
    done
}
ready
try a.signed yes yes
try alias.signed yes yes
try a.signed ask ask
try b.signed yes yes
try a.forged yes ask
try a.plain yes ask
# The keys of the built-in root did not sign this one.
rm etc/dnssec_anchors
try a.signed yes yes
# A zone may have a trusted key of its own; its other key is known by that alone.
cat signed.ksk >etc/dnssec_anchors
try a.signed yes yes
try a.plain yes yes
# A server that claims to have validated and passes no signatures on.
cp anchor etc/dnssec_anchors; kill -9 $dns; wait $dns 2>/dev/null
/usr/bin/python3 records.py 81a0 "$(ssh-keygen -r x -f host)" >up & dns=$!
for i in 1 2 3 4 5 6 7 8 9 10; do grep -q ready up && break; sleep 0.2; done
try a.signed yes yes
