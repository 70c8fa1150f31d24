# SPDX-License-Identifier: Apache-2.0
"""What can be broken: each function breaks one thing at one scenario's place."""
import ssl

import dns_server
import server
import world


def smtp(site, addresses=None, tls=None, highest=None, lowest=None, ciphers=None, **arguments):
    """An SMTP server that follows a script; `tls` is the kind of its certificate."""
    arguments.setdefault("name", site.mx)
    context = site.lab.pki.context(tls, site.mx, lowest, highest, ciphers) if tls else None
    with world.inside(site.them):
        made = server.Server(addresses and [site.fill(a) for a in addresses] or [site.address, site.address6],
                             tls=context, **arguments)
    site.servers.append(site.keep(made))


def router_drops(site, what="ip daddr {a} tcp dport 25"):
    site.lab.internet.rule("forward", site.fill(what) + " drop")


def router_rejects(site, how, what="ip daddr {a} tcp dport 25"):
    site.lab.internet.rule("forward", site.fill(what) + " reject with " + how)


def no_route(site, kind="unreachable", address="{a}"):
    """The router answers for this address with ICMP: unreachable (host), prohibit."""
    world.run("ip", "route", "add", kind, site.fill(address) + "/32")


def our_filter(site, rule):
    """A packet filter on the sending machine itself."""
    with world.inside(site.us):
        world.run("nft", "-f", "-", text="table inet own { chain output { type filter hook output priority 0; "
                                         + site.fill(rule) + "; } }")


def our_network(site, *commands, **arguments):
    for line in commands or arguments["commands"]:
        world.run("ip", "-n", site.us, *site.fill(line).split())


def name_server(site, how, addresses=("{c}",)):
    with world.inside(site.them):
        site.keep(dns_server.NameServer([site.fill(a) for a in addresses], how))


def own_resolver(site, address, how=None):
    """The sender asks this resolver alone; `how` as of NameServer, None: nobody answers there."""
    site.resolver = site.fill(address)
    if how is not None:
        name_server(site, how, (address,))


V1_0, V1_1, V1_2, V1_3 = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2,
                          ssl.TLSVersion.TLSv1_3)
