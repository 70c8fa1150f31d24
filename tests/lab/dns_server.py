# SPDX-License-Identifier: Apache-2.0
"""A name server that fails in the way it is told: a code, silence, or words that are no answer."""
import socket
import struct
import threading

NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


class NameServer:
    """`how` is a response code, "lame" (knows nothing of the zone: points to the root) or "garbage"."""

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
        asked = question[12:end + 5]
        if self.how == "lame":
            name = b"\x02ns\x03lab\x07example\0"
            root = b"\0" + struct.pack(">HHIH", 2, 1, 3600, len(name)) + name
            return question[:2] + struct.pack(">HHHHH", 0x8000, 1, 0, 1, 0) + asked + root
        return question[:2] + struct.pack(">HHHHH", 0x8000 | self.how, 1, 0, 0, 0) + asked

    def close(self):
        for asked in self.sockets:
            asked.close()
