# SPDX-License-Identifier: Apache-2.0
"""Every fault of the laboratory, one row each."""
import connect_rows
import dns_rows
import identity_rows
import message_rows
import path_rows
import policy_rows
import reply_rows
import session_rows
import tls_rows
import well_rows

QUICK = """healthy-plain healthy-tls healthy-domain-tls healthy-secure healthy-both v6-only v6-lacking-here
one-mx-refused one-mx-busy expired-unlooked-at teaser helo-only masked-but-passing
dns-nxdomain dns-nodata null-mx mx-dangling mx-private dns-servfail dnssec-bogus dnssec-expired resolver-refuses
smart-host-unknown one-name-server-fails
conn-refused conn-dropped rejected-by-reset host-unreachable admin-prohibited no-way-out own-filter-rejects
source-not-here greeting-closed greeting-reset greeting-cut greeting-busy greeting-554 not-smtp
ehlo-close starttls-close tls-reset auth-close mail-close mail-silent rcpt-reset data-close body-reset dot-close
auth-wrong auth-not-offered starttls-missing starttls-masked tls-clear-text tls-too-old tls-no-cipher cert-expired
cert-name cert-self greylist-postgrey throttle dnsbl ptr-demanded user-unknown mailbox-full relay-denied
listed list-refuses-us ptr-lacking spf-forbids dane-matches dane-fails dane-fails-unlooked-at
size-announced resource-full answered-by-firewall mail-healthy mail-reset-words mail-reset-once
limits-recipients wait-then-unknown wait-not-needed
far-and-well refused-on-the-way redirected reset-by-device""".split()

ROWS = (well_rows.ROWS + dns_rows.ROWS + connect_rows.ROWS + session_rows.ROWS + tls_rows.ROWS + reply_rows.ROWS
        + path_rows.ROWS + identity_rows.ROWS + policy_rows.ROWS + message_rows.ROWS)
assert len({row.name for row in ROWS}) == len(ROWS), "a name stands twice"
assert not set(QUICK) - {row.name for row in ROWS}, "a quick scenario that is none"
