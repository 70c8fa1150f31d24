# SPDX-License-Identifier: Apache-2.0
"""Every fault of the laboratory, one row each."""
import connect_rows
import dns_rows
import path_rows
import reply_rows
import session_rows
import tls_rows
import well_rows

ROWS = (well_rows.ROWS + dns_rows.ROWS + connect_rows.ROWS + session_rows.ROWS + tls_rows.ROWS + reply_rows.ROWS
        + path_rows.ROWS)
assert len({row.name for row in ROWS}) == len(ROWS), "a name stands twice"
