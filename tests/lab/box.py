# SPDX-License-Identifier: Apache-2.0
"""Devices in the path that take a TCP connection apart and put it together again, differently.

asa       masks the greeting, the EHLO keywords that it does not know, and verbs that it does not know
strip     takes STARTTLS out of the EHLO answer
content   answers for the server when a word of the message displeases it, and resets
offset    resets after so many bytes of a message
hello     resets when the first message of a TLS handshake is longer than `limit`
tls-1.3   resets when the first message of a TLS handshake offers TLS 1.3
one-way   passes what the server says, and after so many bytes nothing that the client says
line      resets a message in whose header a line is longer than `limit`
header    resets a message whose header is longer than `limit`
rcpts     resets at the recipient after the first `limit`
data      resets a message that is sent by DATA
packets   takes each packet for a command, and knows no RCPT
pix       loses a final dot that shares its packet with something else
"""
import contextlib
import re
import socket
import threading
import time

ASA_KNOWS = ("AUTH", "SIZE", "8BITMIME", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES")
ASA_VERBS = (b"HELO", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"NOOP", b"QUIT", b"AUTH", b"VRFY", b"HELP")

HELLO_KINDS = ("hello", "tls-1.3")
OFFERS_1_3 = re.compile(rb"\x00\x2b\x00[\x03-\x0b][\x02-\x0a](?:\x03[\x00-\x03])*\x03\x04", re.S)


class Box:
    def __init__(self, door, inside, kind, offset=20000, limit=255, word=b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE",
                 reply=b"541 5.4.1 Content blocked by Palo Alto Networks Firewall\r\n"):
        self.inside, self.kind, self.offset, self.word, self.reply = inside, kind, offset, word, reply
        self.is_open, self.limit = True, limit
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(door)
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.is_open = False
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while self.is_open:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=Passage(self, client).run, daemon=True).start()


class Passage:
    def __init__(self, box, client):
        self.box, self.client = box, client
        self.is_body, self.n_body, self.is_first = False, 0, True
        self.is_header, self.n_rcpts = False, 0

    def run(self):
        with contextlib.suppress(OSError):
            self.server = socket.create_connection(self.box.inside, 5)
            self.server.settimeout(None)
            threading.Thread(target=self._back, daemon=True).start()
            {"pix": self._forth_by_packets, "packets": self._commands_by_packets}.get(self.box.kind, self._forth)()
        self.client.close()

    def _reset(self):
        for end in (self.client, self.server):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            end.close()

    # --- what the client says ---

    def _forth(self):
        reader = self.client.makefile("rb")
        while True:
            line = reader.readline(65536)
            if not line:
                self.server.shutdown(socket.SHUT_WR)
                return
            if self.is_body:
                if not self._body(line):
                    return
                if line == b".\r\n":
                    self.is_body = False
                    self.server.sendall(line)
                    continue
            else:
                line = self._command(line)
            self.server.sendall(line)
            if self.box.kind in HELLO_KINDS and line.strip().upper() == b"STARTTLS":
                return self._hello(reader)
            self.is_body = self.is_body or line[:4].upper() == b"DATA"

    def _hello(self, reader):
        head = reader.read(5)
        hello = reader.read(int.from_bytes(head[3:5], "big"))
        too_large = self.box.kind == "hello" and len(hello) > self.box.limit
        if too_large or self.box.kind == "tls-1.3" and OFFERS_1_3.search(hello):
            return self._reset()
        self.server.sendall(head + hello)
        while piece := reader.read1(65536):
            self.server.sendall(piece)
        return self.server.shutdown(socket.SHUT_WR)

    def _forth_by_packets(self):
        while True:
            packet = self.client.recv(65536)
            if not packet:
                self.server.shutdown(socket.SHUT_WR)
                return
            if packet.endswith(b"\r\n.\r\n"):
                packet = packet[:-3]
            self.server.sendall(packet)

    def _commands_by_packets(self):
        while packet := self.client.recv(65536):
            if b"RCPT" in packet.upper():
                return self._reset()
            if not packet.endswith(b"\r\n"):
                self.client.sendall(b"500 5.5.1 Command unrecognized\r\n")
            else:
                self.server.sendall(packet)
        return self.server.shutdown(socket.SHUT_WR)

    def _command(self, line):
        verb = line.split()[0].upper() if line.split() else b""
        self.n_rcpts = 0 if verb == b"MAIL" else self.n_rcpts + (verb == b"RCPT")
        if self.box.kind == "rcpts" and self.n_rcpts > self.box.limit:
            self._reset()
            raise OSError("too many")
        if verb == b"DATA":
            self.is_header, self.n_body = True, 0
        if self.box.kind == "asa" and verb not in ASA_VERBS:
            return b"X" * len(line.rstrip()) + b"\r\n"
        return line

    def _body(self, line):
        self.n_body += len(line)
        if self.box.kind == "content" and self.box.word in line:
            if self.box.reply:
                self.client.sendall(self.box.reply)
                time.sleep(0.1)
            self._reset()
            return False
        self.is_header = self.is_header and line != b"\r\n"
        if self.is_header and (self.box.kind == "line" and len(line) - 2 > self.box.limit
                               or self.box.kind == "header" and self.n_body > self.box.limit):
            self._reset()
            return False
        if self.box.kind == "data" or self.box.kind == "offset" and self.n_body > self.box.offset:
            self._reset()
            return False
        if self.box.kind == "one-way" and self.n_body > self.box.offset:
            time.sleep(600)
        return True

    # --- what the server says ---

    def _back(self):
        with contextlib.suppress(OSError):
            reader = self.server.makefile("rb")
            serial = 0
            while True:
                line = reader.read1(65536) if self.box.kind in HELLO_KINDS else reader.readline(65536)
                if not line:
                    break
                if self.box.kind == "asa":
                    line, serial = self._mask(line, serial)
                if self.box.kind == "strip" and line[4:].strip().upper() == b"STARTTLS":
                    continue
                self.client.sendall(line)
            self.client.shutdown(socket.SHUT_WR)

    def _mask(self, line, serial):
        if self.is_first:
            self.is_first = False
            return line[:4] + b"*" * len(line[4:].rstrip()) + b"\r\n", serial
        words = line[4:].split()
        if line[:3] != b"250" or line[3:4] != b"-" and b"HELP" not in line or not words:
            return line, serial
        keyword = words[0].decode("latin-1").upper()
        if "." in keyword or keyword in ASA_KNOWS:
            return line, serial
        masked = b"X" * (len(line[4:].rstrip()) - 1) + bytes([ord("A") + serial])
        return line[:4] + masked + b"\r\n", serial + 1
