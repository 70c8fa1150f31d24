# SPDX-License-Identifier: Apache-2.0
"""Each TLS demand against each kind of server; passwords; TLS on our own listener."""
import base64
import os
import shutil
import smtplib
import ssl
import subprocess
import tempfile
import unittest

import postfix
from certificates import Authority
from harness import Relay, Sink, free_port, wait_for

NAME = "mail.partner.test"
CLEAR, TLS = "in clear", "encrypted"
MISSING = ("450 4.4.317", "starttls-missing")
SELF_SIGNED = ("450 4.7.320", "cert-self-signed")
EXPIRED = ("450 4.7.320", "cert-expired")
WRONG_NAME = ("450 4.7.320", "cert-name")

# What a message meets, by demand and kind of server.
EXPECTED = {
    "none": {"good": CLEAR, "self": CLEAR, "name": CLEAR, "expired": CLEAR, "bare": CLEAR},
    "opportunistic": {"good": TLS, "self": TLS, "name": TLS, "expired": TLS, "bare": CLEAR},
    "required": {"good": TLS, "self": TLS, "name": TLS, "expired": TLS, "bare": MISSING},
    "ca": {"good": TLS, "self": SELF_SIGNED, "name": TLS, "expired": EXPIRED, "bare": MISSING},
    "domain": {"good": TLS, "self": SELF_SIGNED, "name": WRONG_NAME, "expired": EXPIRED,
               "bare": MISSING},
}
# OpenSSL's number of what is wrong, which the attempt keeps although nobody demanded to check it.
VERIFY = {"good": 0, "self": 18, "expired": 10}


def make_certificates(folder):
    """The authority, and certificate and key by kind of server."""
    authority = Authority(folder)
    return authority, {
        "good": authority.issue("good", NAME),
        "self": authority.self_signed("self", NAME),
        "name": authority.issue("name", "mail.elsewhere.test"),
        "expired": authority.issue("expired", NAME, "20200101000000Z", "20210101000000Z"),
    }


def connector(demand, kind, port):
    name = f'tls_domain = "{NAME}"' if demand == "domain" else ""
    return (f'connector "{demand}-{kind}" {{ domains = {{ "{kind}.{demand}.test" }} tls = "{demand}" {name}\n'
            f'  smart_hosts = {{ "127.0.0.1:{port}" }} }}\n')


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="postrider-tls-")
        os.chmod(self.folder, 0o755)
        self.authority, self.certificates = make_certificates(self.folder)
        for _, key in self.certificates.values():
            os.chmod(key, 0o644)  # the relay gives up root before its listeners are made anew

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)


@unittest.skipIf(postfix.available(), postfix.available())
class Demands(Folder):
    def setUp(self):
        super().setUp()
        self.ports = {kind: free_port() for kind in (*self.certificates, "bare")}
        lines = {self.ports[kind]: {"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": path,
                                    "smtpd_tls_key_file": key}
                 for kind, (path, key) in self.certificates.items()}
        os.makedirs(os.path.join(self.folder, "postfix"))
        self.receiver = postfix.Postfix(os.path.join(self.folder, "postfix"), self.ports["bare"],
                                        receiver=True, more=lines, processes=10).start()

    def tearDown(self):
        self.receiver.stop()
        super().tearDown()

    def test_all(self):
        config = f'tls {{ ca_file = "{self.authority.path}" }}\n'
        for demand, kinds in EXPECTED.items():
            for kind in kinds:
                config += connector(demand, kind, self.ports[kind])
        cases = [(demand, kind, what) for demand, kinds in EXPECTED.items() for kind, what in kinds.items()]
        n_delivered = sum(isinstance(what, str) for _, _, what in cases)
        with Relay(config) as relay:
            for demand, kind, _ in cases:
                relay.send(recipients=(f"box@{kind}.{demand}.test",))
            self.assertTrue(wait_for(lambda: self.is_settled(relay, len(cases) - n_delivered), 60),
                            relay.log()[-3000:] + self.receiver.log()[-3000:])
            for demand, kind, what in cases:
                with self.subTest(demand=demand, server=kind):
                    answer = wait_for(lambda name=f"{kind}.{demand}.test": self.told(relay, name))
                    if isinstance(what, str):
                        self.check_delivered(answer, kind, what)
                    else:
                        self.check_failed(answer, what)
        self.assertEqual(len(self.receiver.delivered()), n_delivered)

    @staticmethod
    def is_settled(relay, n_waiting):
        queue = relay.ask("queue")
        return (queue["totals"]["recipients"] == n_waiting and
                sum(bool(lane["verdict"]) for lane in queue["lanes"]) == n_waiting)

    @staticmethod
    def told(relay, domain):
        answer = relay.ask("why", domain)
        return answer if answer["attempts"] else None

    def check_delivered(self, answer, kind, what):
        self.assertEqual(answer["messages"], [])
        self.assertEqual(len(answer["attempts"]), 1)
        attempt = answer["attempts"][0]
        self.assertEqual(attempt["results"][0]["kind"], "ok")
        if what == CLEAR:
            self.assertIsNone(attempt["tls"])
        else:
            self.assertRegex(attempt["tls"], r"^TLSv1\.[23] \S+")
            self.assertEqual(attempt["tls_verify"], VERIFY.get(kind, 0))

    def check_failed(self, answer, what):
        code, cause = what
        message = answer["messages"][0]
        verdict = message["verdict"]
        self.assertEqual((verdict["code"], verdict["cause"]), (code, cause))
        self.assertEqual((verdict["outcome"], verdict["code_from"]), ("temporary-failure", "postrider"))
        self.assertEqual(verdict["stage"], "starttls" if cause == "starttls-missing" else "tls")
        self.assertIsNotNone(verdict["tlsrpt"])
        attempt = message["attempts"][0]
        self.assertEqual(attempt["cause"], cause)
        if cause == "starttls-missing":
            self.assertIsNone(attempt["tls"])
        else:
            self.assertRegex(attempt["tls"], r"^TLSv1\.[23] \S+")
            self.assertNotEqual(attempt["x509_verify"], 0)


class Passwords(Folder):
    def setUp(self):
        super().setUp()
        self.password_path = os.path.join(self.folder, "password")
        with open(self.password_path, "w", encoding="ascii") as handle:
            handle.write("open sesame\n")
        os.chmod(self.password_path, 0o600)

    def context(self, kind):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificates[kind])
        return context

    def config(self, port):
        return (f'tls {{ ca_file = "{self.authority.path}" }}\n'
                f'connector "provider" {{ domains = {{ "*" }} smart_hosts = {{ "127.0.0.1:{port}" }}\n'
                f'  username = "relay@example.org" password_file = "{self.password_path}"\n'
                f'  tls_domain = "{NAME}" }}\n')

    def verdict(self, sink):
        with Relay(self.config(sink.port)) as relay:
            relay.send()
            self.assertTrue(wait_for(lambda: relay.ask("queue")["lanes"][0]["verdict"]), relay.log())
            self.assertNotIn("sesame", relay.log())
            return relay.ask("queue")["lanes"][0]["verdict"]

    def test_login(self):
        said = []

        def check(line):
            said.append(line)
            return "235 2.7.0 Welcome"
        with Sink({"auth": check}, tls=self.context("good"), extensions=("AUTH PLAIN LOGIN",)) as sink:
            with Relay(self.config(sink.port)) as relay:
                relay.send()
                self.assertTrue(wait_for(lambda: sink.messages), relay.log())
                attempts = wait_for(lambda: relay.ask("why", "example.net")["attempts"])
                self.assertRegex(attempts[0]["tls"], r"^TLSv1\.3 ")
                self.assertNotIn("sesame", relay.log())
        verb, mechanism, response = said[0].split(" ")
        self.assertEqual((verb, mechanism), ("AUTH", "PLAIN"))
        self.assertEqual(base64.b64decode(response), b"\0relay@example.org\0open sesame")

    def test_wrong_password(self):
        with Sink({"auth": "535 5.7.8 Authentication credentials invalid"}, tls=self.context("good"),
                  extensions=("AUTH PLAIN",)) as sink:
            verdict = self.verdict(sink)
        self.assertEqual((verdict["stage"], verdict["cause"]), ("auth", "auth-failed"))
        self.assertEqual(verdict["outcome"], "temporary-failure")
        self.assertEqual(verdict["reported"]["code"], "535")

    def test_no_login_offered(self):
        with Sink(tls=self.context("good")) as sink:
            verdict = self.verdict(sink)
        self.assertEqual((verdict["stage"], verdict["cause"]), ("auth", "auth-missing"))
        self.assertEqual(verdict["code"], "450 4.4.317")

    def test_nothing_is_told_to_an_impostor(self):
        for kind, cause in (("self", "cert-self-signed"), ("name", "cert-name")):
            said = []
            with Sink({"auth": said.append}, tls=self.context(kind), extensions=("AUTH PLAIN",)) as sink:
                self.assertEqual(self.verdict(sink)["cause"], cause)
            self.assertEqual(said, [])

    def test_nothing_is_told_in_clear(self):
        said = []
        with Sink({"auth": said.append}, extensions=("AUTH PLAIN",)) as sink:
            self.assertEqual(self.verdict(sink)["cause"], "starttls-missing")
        self.assertEqual(said, [])


class OwnListener(Folder):
    def setUp(self):
        super().setUp()
        path, key = self.certificates["good"]
        self.config = f'tls {{ certificate = "{path}" key = "{key}" }}\n'

    def test_python(self):
        with Sink() as sink, Relay(self.config + connector("none", "good", sink.port)) as relay:
            context = ssl.create_default_context(cafile=self.authority.path)
            with smtplib.SMTP("127.0.0.1", relay.port, "client.test", timeout=20) as session:
                session._host = NAME  # the name that the certificate is checked against
                session.ehlo("client.test")
                self.assertIn("starttls", session.esmtp_features)
                session.starttls(context=context)
                session.ehlo("client.test")
                self.assertNotIn("starttls", session.esmtp_features)
                session.sendmail("sender@example.org", ["box@good.none.test"], b"Subject: x\r\n\r\nhello\r\n")
            self.assertTrue(wait_for(lambda: sink.messages), relay.log())
            self.assertRegex(sink.messages[0][2].decode(), r"with ESMTPS")

    def test_swaks(self):
        support = subprocess.run(["swaks", "--support"], capture_output=True, text=True, check=False)
        if "TLS supported" not in support.stdout:
            self.skipTest("swaks has no TLS here: it needs libnet-ssleay-perl")
        with Relay(self.config + connector("none", "good", free_port())) as relay:
            done = subprocess.run(
                ["swaks", "--tls", "--tls-verify", "--tls-ca-path", self.authority.path, "--server",
                 f"127.0.0.1:{relay.port}", "--from", "sender@example.org", "--to", "box@good.none.test"],
                capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("TLS started", done.stdout)
            item = relay.ask("queue", "list")["recipients"][0]
            self.assertRegex(relay.ask("queue", "show", item["id"])["tls"], r"^TLSv1\.[23] \S+")

    def test_certificate_is_changed_by_reload(self):
        with Relay(self.config + connector("none", "good", free_port())) as relay:
            path, key = self.authority.issue("new", "new.example.org")
            os.chmod(key, 0o644)
            shutil.copy(path, self.certificates["good"][0])
            shutil.copy(key, self.certificates["good"][1])
            self.assertEqual(relay.run("reload").returncode, 0)
            shown = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-connect",
                                    f"127.0.0.1:{relay.port}"], input="QUIT\n", capture_output=True,
                                   text=True, timeout=60, check=False)
            self.assertIn("CN = new.example.org", shown.stdout)


if __name__ == "__main__":
    unittest.main()
