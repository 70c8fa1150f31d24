# SPDX-License-Identifier: Apache-2.0
"""A name server that fails in the way it is told: a code, silence, or words that are no answer."""
import socket
import struct
import threading

NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


class NameServer:
    """`how` is a response code, "lame" (an empty answer without authority) or "garbage"."""

    def __init__(self, addresses, how):
        self.how, self.sockets = how, []
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            asked = socket.socket(family, socket.SOCK_DGRAM)
            asked.bind((address, 53))
            self.sockets.append(asked)
            threading.Thread(target=self._serve, args=(asked,), daemon=True).start()

    def _serve(self, asked):
        while True:
            try:
                question, peer = asked.recvfrom(4096)
                asked.sendto(self._answer(question), peer)
            except OSError:
                return

    def _answer(self, question):
        if self.how == "garbage":
            return question[:2] + b"\x84\0" + b"\xff" * 20
        end = 12
        while question[end]:
            end += question[end] + 1
        code = NOERROR if self.how == "lame" else self.how
        return question[:2] + struct.pack(">HHHHH", 0x8000 | code, 1, 0, 0, 0) + question[12:end + 5]

    def close(self):
        for asked in self.sockets:
            asked.close()
