# SPDX-License-Identifier: Apache-2.0
"""What can be broken: each function breaks one thing at one scenario's place."""
import contextlib
import os
import ssl

import box as box_module
import dns_server
import exim
import names
import opensmtpd
import postfix
import server
import web_server
import world


def smtp(site, addresses=None, tls=None, highest=None, ciphers=None, wants_certificate=False, **arguments):
    """An SMTP server that follows a script; `tls` is the kind of its certificate."""
    arguments.setdefault("name", site.mx)
    script = arguments.get("script", {})
    arguments["script"] = {step: site.fill(what) if isinstance(what, str) else what for step, what in script.items()}
    context = site.lab.pki.context(tls, site.mx, highest, ciphers) if tls else None
    if wants_certificate:
        context.load_verify_locations(site.lab.pki.path)
        context.verify_mode = ssl.CERT_REQUIRED
    with world.inside(site.them):
        made = server.Server(addresses and [site.fill(a) for a in addresses] or [site.address, site.address6],
                             tls=context, **arguments)
    site.servers.append(site.keep(made))


def web(site, paths, port=80, tls=None):
    """A web server at the receiver's: {path: text, an authority whose certificate it is ("!unknown"), or a redirect
    (">/there")}; `tls` is the kind of its certificate."""
    def answer(what):
        if what[0] == "!":
            return site.lab.pki.issuer(what[1:])
        what = what.replace("{d}", site.domain)
        return (302, {"Location": what[1:]}, b"") if what[0] == ">" else what.encode("ascii")
    context = site.lab.pki.context(tls, site.mx) if tls else None
    files = {path.replace("{d}", site.domain): answer(what) for path, what in paths.items()}
    with world.inside(site.them):
        site.keep(web_server.WebServer((site.address, port), files, context))


def policy(site, text, status=200, kind="text/plain", tls="good", redirect=None):
    """The domain's MTA-STS policy (RFC 8461 3.3) at the receiver's; `text` with LF."""
    fields = {"Content-Type": kind} | ({"Location": redirect} if redirect else {})
    files = {"/.well-known/mta-sts.txt": (status, fields, site.fill(text).replace("\n", "\r\n").encode("ascii"))}
    context = site.lab.pki.context(tls, "mta-sts." + site.domain)
    with world.inside(site.them):
        site.keep(web_server.WebServer((site.address, 443), files, context))


def router_drops(site, what="ip daddr {a} tcp dport 25"):
    site.lab.internet.rule("forward", site.fill(what) + " drop")


def egress_blocked(site):
    """The first router lets nothing to port 25 through, whoever is called."""
    for chain in ("input", "forward"):
        site.lab.internet.rule(chain, f"ip saddr {world.network(1, site.number)}.0/24 tcp dport 25 drop")


def router_rejects(site, how, what="ip daddr {a} tcp dport 25"):
    site.lab.internet.rule("forward", site.fill(what) + " reject with " + how)


def _filter(space, chain, rule):
    """A packet filter in the namespace of a router or host."""
    with world.inside(space):
        world.run("nft", "-f", "-", text="table inet filter { chain c { type " + chain + "; " + rule + "\n}\n}")


def far_router(site, rule, router=2):
    """The packet filter of one of the routers behind the first (Scenario.routers)."""
    _filter(site.routers[router - 1], "filter hook forward priority 0", site.fill(rule))


def redirected(site, port=25, router=0, family=4, **arguments):
    """Calls to the port are answered by a server of the network in between: router 0 is the first one."""
    space = site.routers[router - 1] if router else None
    door = 21000 + site.number
    source = f"ip saddr {world.network(1, site.number)}.0/24" if family == 4 else f"ip6 saddr 2a0f:1:{site.number}::/64"
    rule = f"{source} tcp dport {port} redirect to :{door}"
    with world.inside(space) if space else contextlib.nullcontext():
        site.servers.append(site.keep(server.Server(["0.0.0.0" if family == 4 else "::"], port=door,
                                                     name="proxy.provider.example", **arguments)))
    if space:
        _filter(space, "nat hook prerouting priority -100", rule)
    else:
        site.lab.internet.rule("rewrite", rule)


def round_and_round(site):
    """Two routers that send our packets to each other."""
    theirs, lines = world.network(2, site.number), world.network(3, site.number)
    world.run("ip", "-n", site.routers[1], "route", "replace", f"{theirs}.0/24", "via", f"{lines}.5")


def no_route(site, kind="unreachable", address="{a}"):
    """The router answers for this address with ICMP: unreachable (host), prohibit."""
    world.run("ip", "route", "add", kind, site.fill(address) + "/32")


def our_filter(site, rule):
    """A packet filter on the sending machine itself."""
    with world.inside(site.us):
        world.run("nft", "-f", "-", text="table inet own { chain output { type filter hook output priority 0; "
                                         + site.fill(rule) + "\n}\n}")


def their_filter(site, rule):
    """A packet filter on the receiving machine, which the laboratory's resolver meets too."""
    with world.inside(site.them):
        world.run("nft", "-f", "-", text="table inet own { chain input { type filter hook input priority 0; "
                                         + site.fill(rule) + "\n}\n}")


def our_network(site, *commands, **arguments):
    for line in commands or arguments["commands"]:
        world.run("ip", "-n", site.us, *site.fill(line).split())


def name_server(site, how, addresses=("{c}",)):
    with world.inside(site.them):
        site.keep(dns_server.NameServer([site.fill(a) for a in addresses], how))


def zone_server(site, lines, addresses=("{c}",)):
    """A real name server that holds the scenario's own zone and nothing else."""
    site.keep(names.ZoneServer(site, [site.fill(a) for a in addresses], [site.fill(line) for line in lines]))


def own_resolver(site, address, how=None):
    """The sender asks this resolver alone; `how` as of NameServer, None: nobody answers there."""
    site.resolver = site.fill(address)
    if how is not None:
        name_server(site, how, (address,))


def box(site, kind, port=25, **arguments):
    """A device in the path of the connections to the receiver (box.py)."""
    door = 20000 + port
    site.keep(box_module.Box((site.router, door), (site.address, port), kind, **arguments))
    site.lab.internet.rule("rewrite", f"ip daddr {site.address} tcp dport {port} dnat ip to {site.router}:{door}")


def small_link(site, mtu=900, end="them"):
    """The hop to that end takes small packets only, and the word about it does not come back."""
    world.run("ip", "link", "set", getattr(site, end), "mtu", str(mtu))
    for message in ("icmp type destination-unreachable icmp code frag-needed", "icmpv6 type packet-too-big"):
        site.lab.internet.rule("output", message + " drop")


def letter(site, text="", n_bytes=60000):
    """The message that an operator cannot get delivered."""
    line = "what they wrote to us was long and is told here in full again and again\r\n"
    with open(os.path.join(site.folder, "letter"), "w", encoding="latin-1", newline="") as handle:
        handle.write("From: <sender@lab.example>\r\nSubject: a letter\r\n\r\n" + text + line * (n_bytes // len(line)))


def small_buffers(site):
    """The kernel keeps little, so that a receiver that stops reading is noticed early."""
    with world.inside(site.us):
        world.sysctl("ipv4/tcp_wmem", "4096 16384 32768")
    with world.inside(site.them):
        world.sysctl("ipv4/tcp_rmem", "4096 8192 16384")


def real(site, which, settings=None):
    """A real mail server behind port 25 of the receiver's address."""
    port, folder = 2525, os.path.join(site.folder, which)
    os.makedirs(folder)
    with world.inside(site.them):
        world.sysctl("ipv4/conf/all/route_localnet", "1")
        world.run("nft", "-f", "-", text="table ip in { chain p { type nat hook prerouting priority -100; "
                                         f"ip daddr {site.address} tcp dport 25 dnat to 127.0.0.1:{port}\n}}\n}}")
        if which == "postfix":
            settings = {key: site.fill(value) for key, value in
                        ({"smtpd_relay_restrictions": "reject_unauth_destination"} | (settings or {})).items()}
            server_ = postfix.Postfix(folder, port, settings, receiver=True).start()
        else:
            server_ = {"exim": exim.Exim, "opensmtpd": opensmtpd.OpenSmtpd}[which](folder, port).run()
    site.servers.append(site.keep(server_))


def secret(site, password="right"):
    """The connector's password file."""
    path = os.path.join(site.folder, "password")
    with open(path, "w", encoding="ascii") as handle:
        handle.write(password + "\n")
    os.chmod(path, 0o600)


def own_certificate(site, kind):
    """The certificate of the sender's own listeners."""
    for path, name in zip(site.lab.pki.make(kind, site.helo), ("own.pem", "own.key")):
        with open(path, encoding="ascii") as made, open(os.path.join(site.folder, name), "w",
                                                        encoding="ascii") as handle:
            handle.write(made.read())


V1_0, V1_1, V1_2, V1_3 = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2,
                          ssl.TLSVersion.TLSv1_3)
