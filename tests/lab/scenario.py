# SPDX-License-Identifier: Apache-2.0
"""What a row of the laboratory says."""
from dataclasses import dataclass, field

ONE_MX = ("{d}. MX 10 {mx}.", "{mx}. A {a}")
BOTH = ONE_MX + ("{mx}. AAAA {a6}",)


@dataclass
class Scenario:
    name: str  # also the name of its domain
    what: str  # what is broken, for people
    cause: str  # of docs/causes.md; "none": the mail passes and nothing is said
    blame: str
    broken: list = field(default_factory=list)  # (builder, arguments)
    zone: tuple = ONE_MX
    routers: int = 0  # so many more of them between the sender and the receiver
    secure: bool = False  # its domain stands below the signed zone
    own_zone: tuple = ()  # records of a zone of its own, to which `zone` delegates
    signing: dict = field(default_factory=dict)  # and is a zone of its own, signed so (Names.sign)
    tls: str = ""  # more of the sender's `tls { ... }`
    connector: str = ""  # more keys of the sender's connector
    config: str = ""  # more of the sender's configuration
    sender: str = "sender@lab.example"
    recipients: int = 1
    watch: str = ""  # the local part whose fate counts, where it is not the first
    body_bytes: int = 0
    head: str = ""
    retry: str = "1h"
    haste: int = 1  # how much faster the relay's clocks run
    until_delivered: bool = False  # failures on the way do not count
    patience: int = 25  # seconds until a verdict must stand
    target: str = "{d}"  # of the probe
    probe_arguments: tuple = ()
    # Other causes that a tool may name, since it sees less or more than the relay: {tool: (cause, blame)}.
    # None for a tool: it cannot meet this fault, and why stands in `because`.
    instead: dict = field(default_factory=dict)
    because: str = ""
    words: str = ""  # for explain: Postfix's words where its own delivery cannot meet the fault
    postfix_tls: str = ""
    postfix_transport: str = ""
    sure: float = None  # of the probe: exactly this confidence, which shows what it has looked up
    shows: str = ""  # of the probe: words that a line of its evidence has to have
    limits: dict = field(default_factory=dict)  # of the probe: {what: (passes, fails)}, within a step of the search
    warns: tuple = None  # of the probe: these warnings and no others; None: not looked at

    def message(self):
        text = f"From: <sender@lab.example>\r\nSubject: {self.name}\r\n{self.head}\r\nhello\r\n"
        line = "x" * 70 + "\r\n"
        return (text + line * (self.body_bytes // len(line))).encode("utf-8")

    def expected(self, tool):
        """(cause, blame) for a tool, or a list of those that are as good; None: it is not asked."""
        return self.instead.get(tool, (self.cause, self.blame))

    def has_limits(self, answer):
        found = {limit["what"]: limit for limit in answer.get("limits", ())}
        for what, (passes, fails) in self.limits.items():
            limit = found.get(what)
            if not limit or not limit["found"] or limit["passes"] > passes or (fails is None) != (limit["fails"] is None):
                return False
            if fails is None and limit["passes"] != passes or fails and not fails <= limit["fails"] <= fails * 1.03 + 30:
                return False
        return True

    def accepts(self, tool, answer):
        warned = {warning["cause"] for warning in answer.get("warnings", ())}
        if tool == "probe" and self.warns is not None and warned != set(self.warns):
            return False
        if tool == "probe" and self.sure is not None and answer.get("confidence") != self.sure:
            return False
        if tool == "probe" and not any(self.shows in line for line in answer.get("evidence", ())):
            return False
        if tool == "probe" and not self.has_limits(answer):
            return False
        if "confidence" in answer and answer["cause"] != "none" and not answer.get("evidence"):
            return False  # a verdict has to show what it rests on
        wanted = self.expected(tool)
        wanted = wanted if isinstance(wanted, list) else [wanted]
        return any(answer.get("cause") == cause and (cause == "none" or answer.get("blame") == blame)
                   for cause, blame in wanted)
