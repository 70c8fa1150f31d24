#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# icmp_test.sh TARGET: a failed connect tells which ICMP message ended it. In a network namespace of
# its own, behind a second one that is the router and says no in several ways. Skipped (77) where
# namespaces cannot be made.
set -u
if [ "${2:-}" != inside ]; then
    for tool in ip nsenter unshare; do
        command -v $tool >/dev/null || exit 77
    done
    unshare -n true 2>/dev/null && exec unshare -n "$0" "$1" inside
    unshare -rn true 2>/dev/null && exec unshare -rn "$0" "$1" inside
    exit 77
fi
unshare -n sleep 30 &
router=$!
trap 'kill $router' EXIT
sleep 0.3
(
    set -e
    ip link set lo up
    ip link add near type veth peer name far
    ip link set far netns $router
    ip addr add 10.0.0.1/24 dev near
    ip -6 addr add fd01::1/64 dev near nodad
    ip link set near up
    nsenter -t $router -n sh -e -c '
        ip addr add 10.0.0.2/24 dev far
        ip -6 addr add fd01::2/64 dev far nodad
        ip link set far up
        echo 1 >/proc/sys/net/ipv4/ip_forward
        echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
        ip route add unreachable 10.9.0.0/24
        ip route add prohibit 10.8.0.0/24
        ip -6 route add prohibit fd08::/64
        ip route add 10.6.0.0/24 via 10.0.0.1
        ip -6 route add fd06::/64 via fd01::1'
    ip route add default via 10.0.0.2
    ip -6 route add default via fd01::2
) 2>/dev/null || exit 77
seen=$("$1" 10.9.0.1 10.8.0.1 10.7.0.1 fd08::1 10.0.0.2 10.6.0.1/1 fd06::1/1)
# The last two end after one hop.
# EHOSTUNREACH 113, ENETUNREACH 101, EACCES 13, ECONNREFUSED 111; status 4 is IO_ERROR.
wanted="10.9.0.1 status 4 errno 113 icmp 3/1 10.0.0.2
10.8.0.1 status 4 errno 113 icmp 3/13 10.0.0.2
10.7.0.1 status 4 errno 101 icmp 3/0 10.0.0.2
fd08::1 status 4 errno 13 icmp 1/1 fd01::2
10.0.0.2 status 4 errno 111 icmp -1/-1 -
10.6.0.1/1 status 4 errno 113 icmp 11/0 10.0.0.2
fd06::1/1 status 4 errno 113 icmp 3/0 fd01::2"
[ "$seen" = "$wanted" ] && exit 0
printf 'seen:\n%s\nwanted:\n%s\n' "$seen" "$wanted"
exit 1
