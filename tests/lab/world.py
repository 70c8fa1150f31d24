# SPDX-License-Identifier: Apache-2.0
"""The ground of the laboratory: namespaces, links, routes, packet filters.

The laboratory runs in namespaces of its own for network, mounts and processes. The one that it starts in
is the internet: a router. Each scenario has two more, joined to it: `us`, where the sender runs, and
`them`, where the receiver runs. All of it ends with the first process, however that ends.
"""
import contextlib
import ctypes
import os
import subprocess
import threading

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
ROOT_SERVER, RESOLVER = "45.0.0.1", "45.0.0.53"  # the names of the lab; the resolver that works
NOTICES = ("45.0.0.25", "45.0.0.26", "45.0.0.27")  # a server that takes notices, and every call
RESOLVER6 = "2a0f:0:53::53"


def network(side, number):
    """The first three numbers of a leaf's IPv4 network; `side` as of add_leaf, 3 for lines in between."""
    return f"45.{side + 10 * (number // 250)}.{number % 250}"


def lacking():
    """Why the laboratory cannot be built here, or None."""
    if os.geteuid() != 0:
        return "namespaces are made by root"
    with open("/proc/self/uid_map", encoding="ascii") as handle:
        if sum(int(line.split()[2]) for line in handle) < 65536:
            return "this root is alone in a namespace of users, and servers change theirs"
    for program in ("unshare", "ip", "nft", "nsd", "unbound", "openssl", "cc", "ldns-signzone"):
        if not any(os.access(os.path.join(folder, program), os.X_OK)
                   for folder in os.environ.get("PATH", "").split(":") + ["/usr/sbin", "/sbin"]):
            return f"the program {program} is not installed"
    done = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "ip", "link",
                           "add", "name", "lab0", "type", "veth", "peer", "name", "lab1"],
                          capture_output=True, text=True, check=False)
    return f"namespaces are not permitted here ({done.stderr.strip()})" if done.returncode else None


def run(*arguments, text=None):
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, text, done.stderr)
    return done.stdout


def _enter(descriptor):
    if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(name):
    """What this thread does, and the programs and threads that it starts, happen in that namespace."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open("/run/netns/" + name, os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(here)
        os.close(here)
        os.close(there)


def sysctl(key, value):
    """Of the namespace in which this thread is."""
    with open("/proc/sys/net/" + key, "w", encoding="ascii") as handle:
        handle.write(value)


class Internet:
    """The router, and how sites are joined to it."""

    def __init__(self):
        self.lock = threading.Lock()
        run("ip", "link", "set", "lo", "up")
        for address in (ROOT_SERVER, RESOLVER, *NOTICES):
            run("ip", "address", "add", address + "/32", "dev", "lo")
        run("ip", "-6", "address", "add", RESOLVER6 + "/128", "dev", "lo", "nodad")
        for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            sysctl(key, "1")
        for key in ("ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"):  # ICMP answers are what is measured
            sysctl(key, "0")
        sysctl("ipv4/icmp_msgs_per_sec", "100000")
        sysctl("ipv6/conf/default/accept_dad", "0")
        run("nft", "-f", "-", text="""
table inet path {
    chain input { type filter hook input priority 0; }
    chain forward { type filter hook forward priority 0; }
    chain output { type filter hook output priority 0; }
    chain rewrite { type nat hook prerouting priority -100; }
}""")

    def add_leaf(self, name, number, side, mtu=1500):
        """A namespace with one way out, to the router. `side` 1 is the sender's, 2 the receiver's."""
        v4, v6 = network(side, number), f"2a0f:{side}:{number}:"
        with self.lock:
            run("ip", "netns", "add", name)
            run("ip", "link", "add", name, "mtu", str(mtu), "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "-batch", "-", text=f"""
link set {name} up
address add {v4}.1/24 dev {name}
-6 address add {v6}:1/64 dev {name} nodad
""".replace("-6 ", ""))
        more = "".join(f"address add {v4}.{n}/24 dev eth0\naddress add {v6}:{n}/64 dev eth0 nodad\n"
                       for n in (2, 3, 4))
        run("ip", "-n", name, "-batch", "-", text=f"""
link set lo up
link set eth0 up
{more}route add default via {v4}.1
""")
        run("ip", "-n", name, "-6", "route", "add", "default", "via", f"{v6}:1")
        with inside(name):
            sysctl("ipv4/ip_unprivileged_port_start", "0")

    def add_road(self, routers, name, number):
        """A receiver's namespace behind routers of its own: 45.3.NUMBER.2, .6, .10 and so on."""
        line, own = network(3, number), network(2, number)
        above = None
        for place, router in enumerate(routers, 1):
            down = f"line{number}" if above is None else "line"
            with self.lock:
                run("ip", "netns", "add", router)
            with inside(router):
                sysctl("ipv6/conf/default/accept_dad", "0")  # a new link may speak at once
            self._join(above, down, router, f"{line}.{4 * place - 3}", f"{line}.{4 * place - 2}", 30)
            self._join6(above, down, router, f"2a0f:3:{number}:{place}::")
            above = router
        with self.lock:
            run("ip", "netns", "add", name)
        self._join(above, "line", name, f"{own}.1", f"{own}.2", 24)
        self._join6(above, "line", name, f"2a0f:2:{number}::")
        run("ip", "-n", name, "-batch", "-", text="".join(
            f"address add {own}.{n}/24 dev eth0\naddress add 2a0f:2:{number}::{n}/64 dev eth0 nodad\n"
            for n in (3, 4)))
        for place, router in enumerate([None, *routers[:-1]], 1):
            self._ip(router, f"route add {own}.0/24 via {line}.{4 * place - 2}")
            self._ip(router, f"-6 route add 2a0f:2:{number}::/64 via 2a0f:3:{number}:{place}::2")
        for router in routers:
            with inside(router):
                for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                    sysctl(key, "1")
                for key in ("ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"):
                    sysctl(key, "0")
        with inside(name):
            sysctl("ipv4/ip_unprivileged_port_start", "0")

    @staticmethod
    def _ip(space, line):
        run("ip", *(["-n", space] if space else []), *line.split())

    def _join(self, above, down, below, high, low, prefix):
        """A line between two namespaces; the lower one's way out. `above` None: the internet's router."""
        with self.lock:
            self._ip(above, f"link add {down} type veth peer name eth0 netns {below}")
        self._ip(above, f"link set {down} up")
        self._ip(above, f"address add {high}/{prefix} dev {down}")
        for line in ("link set lo up", "link set eth0 up", f"address add {low}/{prefix} dev eth0",
                     f"route add default via {high}"):
            self._ip(below, line)

    def _join6(self, above, down, below, network):
        self._ip(above, f"-6 address add {network}1/64 dev {down} nodad")
        self._ip(below, f"-6 address add {network}2/64 dev eth0 nodad")
        self._ip(below, f"-6 route add default via {network}1")

    def rule(self, chain, text):
        """A rule of the router's packet filter."""
        with self.lock:
            run("nft", "add", "rule", "inet", "path", chain, *text.split())

    def remove_leaf(self, name):
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
