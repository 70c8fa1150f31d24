# SPDX-License-Identifier: Apache-2.0
"""SMTP servers that misbehave as they are told.

`script` maps a step (connect, ehlo, helo, starttls, tls, auth, mail, rcpt, data, body, dot, rset, quit)
to what is done there instead of the usual answer: a reply's text, a word with a mark in front (`!close`,
`!reset`, `!silent`, `!drip`), or a function of the session and the line that returns one of these or None.
"""
import base64
import contextlib
import socket
import ssl
import threading
import time

FOREVER = 600


class Over(Exception):
    """The session has ended as the script wanted it."""


class Server:
    def __init__(self, addresses, script=None, port=25, tls=None, name="mx.lab.example", slow=0,
                 extensions=("PIPELINING", "8BITMIME", "SIZE 10485760", "ENHANCEDSTATUSCODES"),
                 implicit_tls=False, login=None, body_after=20000):
        self.script, self.tls, self.name, self.slow = script or {}, tls, name, slow
        self.extensions, self.implicit_tls, self.login = extensions, implicit_tls, login
        self.body_after = body_after
        self.messages, self.listeners, self.is_open, self.sessions = [], [], True, 0
        self.lock = threading.Lock()
        for address in addresses:
            self._listen(address, port)

    def _listen(self, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(2048)
        self.listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self):
        self.is_open = False
        for listener in self.listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener):
        while self.is_open:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            with self.lock:
                self.sessions += 1
            threading.Thread(target=self._serve, args=(connection, peer[0]), daemon=True).start()

    def _serve(self, connection, peer):
        session = Session(self, connection, peer)
        try:
            session.run()
        except (Over, OSError, ValueError):
            pass
        finally:
            session.connection.close()


class Session:
    def __init__(self, server, connection, peer):
        self.server, self.connection, self.peer = server, connection, peer
        self.reader = connection.makefile("rb")
        self.is_encrypted, self.sender, self.recipients = False, None, []
        self.is_logged_in = False

    # --- what may be done at a step ---

    def act(self, what):
        """Answers with `what`, or ends the session the way that it says."""
        if what == "!silent":
            time.sleep(FOREVER)
        if what == "!reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if what == "!cut":  # ends in order, and leaves unread what comes behind
            self.connection.shutdown(socket.SHUT_WR)
            time.sleep(0.3)
        if what in ("!reset", "!close", "!cut"):
            with contextlib.suppress(OSError):
                if what == "!close":
                    self.leave_gently()
            self.reader.close()
            self.connection.close()
        if what == "!watch":  # keeps its greeting back, and turns away who does not wait for it
            self.connection.recv(1)
            self.connection.sendall(b"554 5.5.1 You talk too soon\r\n")
        if what == "!drip":
            for _ in range(FOREVER):
                self.connection.sendall(b"2")
                time.sleep(1)
        if what[:1] == "!":
            raise Over
        text, _, then = what.rpartition("!") if what.endswith(("!hold", "!close")) else (what, "", "")
        if then:
            self.connection.sendall(text.encode("latin-1"))
            self.act("!silent" if then == "hold" else "!" + then)
        if self.server.slow:
            time.sleep(self.server.slow)
        self.connection.sendall(what.encode("latin-1") + b"\r\n")

    def leave_gently(self):
        """What still comes is read, so that no reset follows the end."""
        socket.socket.shutdown(self.connection, socket.SHUT_WR)
        self.connection.settimeout(1)
        while socket.socket.recv(self.connection, 65536):  # below any TLS
            pass

    def step(self, name, line, usual):
        """The scripted answer of a step, else the usual one; returns its first digit."""
        what = self.server.script.get(name)
        if callable(what):
            what = what(self, line)
        what = usual if what is None else what
        if what == "!reset":
            time.sleep(0.1)  # a reset takes along what was not read yet
        self.act(what)
        return what[:1]

    # --- the dialogue ---

    def run(self):
        if self.server.implicit_tls and not self.encrypt():
            return
        if self.step("connect", "", f"220 {self.server.name} ESMTP") in "45":
            time.sleep(0.2)
            return
        while True:
            line = self.reader.readline(70000)
            if not line:
                return
            text = line.decode("latin-1").strip()
            verb = text.split(" ")[0].split(":")[0].lower()
            self.verb(verb, text)
            if verb == "quit":
                return

    def verb(self, verb, text):
        if verb in ("ehlo", "helo"):
            self.step(verb, text, self.greeting() if verb == "ehlo" else f"250 {self.server.name}")
        elif verb == "starttls":
            self.starttls(text)
        elif verb == "auth":
            self.auth(text)
        elif verb == "mail":
            if self.step("mail", text, "250 2.1.0 ok") == "2":
                self.sender, self.recipients = text[10:].split(">")[0], []
        elif verb == "rcpt":
            if self.step("rcpt", text, "250 2.1.5 ok") == "2":
                self.recipients.append(text[9:].split(">")[0])
        elif verb == "data":
            usual = "354 go on" if self.recipients else "554 5.5.1 no valid recipients"
            if self.step("data", text, usual) == "3":
                self.body()
        elif verb == "bdat":
            self.chunk(text)
        elif verb in ("rset", "noop"):
            self.step(verb, text, "250 2.0.0 ok")
        elif verb == "quit":
            self.step("quit", text, "221 2.0.0 bye")
        else:
            self.step("unknown", text, "500 5.5.2 unknown command")

    def greeting(self):
        offered = list(self.server.extensions)
        if self.server.tls and not self.is_encrypted:
            offered.append("STARTTLS")
        if self.server.login and self.is_encrypted:
            offered.append("AUTH " + self.server.login[2])
        return "\r\n".join([f"250-{self.server.name}"] + [f"250-{word}" for word in offered] + ["250 HELP"])

    def starttls(self, text):
        if not self.server.tls and "starttls" not in self.server.script:
            return self.act("502 5.5.1 not implemented")
        if self.step("starttls", text, "220 2.0.0 go on") == "2" and not self.encrypt():
            raise Over
        return None

    def encrypt(self):
        what = self.server.script.get("tls")
        if what:
            self.connection.recv(4096)  # the ClientHello
            self.act(what)
            return False
        try:
            self.connection = self.server.tls.wrap_socket(self.connection, server_side=True,
                                                          do_handshake_on_connect=False)
            self.connection.do_handshake()
        except ssl.SSLError:
            self.leave_gently()
            return False
        self.reader, self.is_encrypted = self.connection.makefile("rb"), True
        return True

    def auth(self, text):
        words = text.split(" ")
        if "auth" in self.server.script:
            return self.step("auth", text, "235 2.7.0 in")
        if len(words) > 1 and words[1].upper() == "LOGIN":
            self.act("334 VXNlcm5hbWU6")
            name = self.reader.readline()
            self.act("334 UGFzc3dvcmQ6")
            given = (base64.b64decode(name).decode(), base64.b64decode(self.reader.readline()).decode())
        else:
            given = tuple(base64.b64decode(words[-1]).decode().split("\0")[1:])
        self.is_logged_in = given == tuple(self.server.login[:2])
        return self.act("235 2.7.0 in" if self.is_logged_in else "535 5.7.8 authentication failed")

    def chunk(self, text):
        """RFC 3030, in one piece; "bdat" of the script comes before its bytes are read."""
        what = self.server.script.get("bdat", "")
        if what[:1] == "!":
            self.act(what)
        body = self.reader.read(int(text.split(" ")[1]))
        if self.step("bdat", text, "250 2.0.0 taken") == "2":
            with self.server.lock:
                self.server.messages.append((self.sender, self.recipients, body))

    def body(self):
        body, cut = bytearray(), self.server.script.get("body")
        while True:
            piece = self.reader.readline()
            if not piece:
                raise Over
            if piece == b".\r\n":
                break
            body += piece
            if cut and len(body) > self.server.body_after:
                self.act(cut)
        body = bytes(body)
        if self.step("dot", body, "250 2.0.0 taken") == "2":
            with self.server.lock:
                self.server.messages.append((self.sender, self.recipients, body))
