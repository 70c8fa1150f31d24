# SPDX-License-Identifier: Apache-2.0
"""Every fault of the laboratory, one row each."""
import connect_rows

ROWS = connect_rows.ROWS
assert len({row.name for row in ROWS}) == len(ROWS)
