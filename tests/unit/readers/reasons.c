// SPDX-License-Identifier: Apache-2.0
// What servers answer, in many words, and the reason that people know it by. The words are those of
// mail servers in use; each row stands for a wording, none for a single mail.
#include "readers/readers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *reason, *host, *stage, *reply;
} rows[] = {
    {"userunknown", "mx.example.org", "RCPT TO",
     "550 5.1.1 <ben@example.org>: Recipient address rejected: undeliverable "
     "address: host x[192.0.2.3] said: 550 5.1.1 no such mailbox"},
    {"userunknown", "mx.example.org", "RCPT TO",
     "550 sorry, no mailbox here by that name. (#5.7.17)"},
    {"userunknown", "mx.example.org", "RCPT TO",
     "550 5.1.1 This user is not in my validrcptto list"},
    {"userunknown", "mx.example.org", "RCPT TO", "550 Unrouteable address"},
    {"userunknown", "mx.example.org", "RCPT TO",
     "511 sorry, no mailbox here by that name (#5.1.1 - chkuser)"},
    {"userunknown", "mx.example.org", "RCPT TO",
     "550 5.1.1 unknown or illegal alias: ben@example.org"},
    {"userunknown", "mx.example.org", "RCPT TO",
     "553 5.3.0 <ben@example.org>... No such user here"},
    {"userunknown", "mx.example.org", "RCPT TO", "550 #5.1.0 Address rejected ben@example.org"},
    {"userunknown", "mx.example.org", "RCPT TO", "550 5.1.1 Mailbox \"ben\" does not exist"},
    {"userunknown", "mx.example.org", "RCPT TO",
     "550 5.1.1 ben@example.org is not a valid mailbox"},
    {"mailboxfull", "mx.example.org", "RCPT TO",
     "552 5.2.2 <ben@example.org>: Recipient address rejected: Mailbox quota "
     "exceeded"},
    {"mailboxfull", "mx.example.org", "RCPT TO",
     "452 4.2.2 The email account that you tried to reach is over quota. Please "
     "direct the recipient to https://support.google.com/mail/?p=OverQuotaTemp"},
    {"mailboxfull", "mx.example.org", "RCPT TO",
     "552-5.2.2 The email account that you tried to reach is over quota. Please "
     "direct 552-5.2.2 the recipient to 552 5.2.2  "
     "https://support.google.com/mail/?p=OverQuotaPerm"},
    {"mailboxfull", "mx.example.org", "RCPT TO", "550 5.1.1 mailbox for ben@example.org is full"},
    {"mailboxfull", "mx.example.org", "RCPT TO", "554 5.2.2 mailbox full;B17@ 554.5.2.2"},
    {"mailboxfull", "mx.example.org", "RCPT TO", "422 ben@example.org Mailbox is full"},
    {"mailboxfull", "mx.example.org", "RCPT TO", "550 Boite du destinataire pleine"},
    {"mailboxfull", "mx.example.org", "RCPT TO", "450 user has too many messages on the server"},
    {"suspend", "mx.example.org", "RCPT TO",
     "550 5.2.1 The email account that you tried to reach is disabled"},
    {"suspend", "mx.example.org", "RCPT TO",
     "554 5.7.1 <ben@example.org>: Recipient address rejected: account suspended"},
    {"suspend", "mx.example.org", "RCPT TO",
     "550 5.2.1 Mailbox unavailable for this recipient: mailbox suspended"},
    {"suspend", "mx.example.org", "RCPT TO", "550 User ben has been locked out, account inactive"},
    {"suspend", "mx.example.org", "RCPT TO", "525 5.7.13 Disabled recipient address"},
    {"hasmoved", "mx.example.org", "RCPT TO",
     "551 5.1.6 Recipient no longer on server: ben@example.org"},
    {"hasmoved", "mx.example.org", "RCPT TO",
     "550 5.1.6 <ben@example.org> has moved to <ben@example.com>"},
    {"hostunknown", "mx.example.org", "RCPT TO", "550 5.1.2 Host unknown"},
    {"hostunknown", "mx.example.org", "RCPT TO",
     "550 5.1.2 <ben@example.org>... Host unknown (Name server: example.org: "
     "host not found)"},
    {"norelaying", "mx.example.org", "RCPT TO", "550 5.7.1 Unable to relay for ben@example.org"},
    {"norelaying", "mx.example.org", "RCPT TO", "550 relay not permitted"},
    {"norelaying", "mx.example.org", "RCPT TO", "554 5.7.1 <ben@example.org>: Relay access denied"},
    {"norelaying", "mx.example.org", "RCPT TO",
     "550 5.7.1 <ben@example.org>... Relaying denied. IP name lookup failed "
     "[192.0.2.1]"},
    {"norelaying", "mx.example.org", "RCPT TO",
     "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"},
    {"norelaying", "mx.example.org", "RCPT TO",
     "550 5.7.1 Command rejected: we do not relay for you"},
    {"norelaying", "mx.example.org", "RCPT TO",
     "554 5.7.64 TenantAttribution; Relay Access Denied SMTP"},
    {"mesgtoobig", "mx.example.org", "RCPT TO",
     "552 5.3.4 Message size exceeds fixed maximum message size"},
    {"mesgtoobig", "mx.example.org", "RCPT TO", "552 5.3.4 Error: message file too big"},
    {"mesgtoobig", "mx.example.org", "RCPT TO",
     "554 5.3.4 Message exceeds maximum fixed size (20971520)"},
    {"mesgtoobig", "mx.example.org", "RCPT TO", "552 message size exceeds maximum value"},
    {"spamdetected", "mx.example.org", "RCPT TO",
     "550 5.7.1 Message rejected as spam by Content Filtering."},
    {"spamdetected", "mx.example.org", "RCPT TO", "554 5.7.1 This message scored 8.2 spam points."},
    {"spamdetected", "mx.example.org", "RCPT TO",
     "550 5.7.1 Our system has detected that this message is likely unsolicited "
     "mail. To reduce the amount of spam sent to Gmail, this message has been "
     "blocked."},
    {"spamdetected", "mx.example.org", "RCPT TO",
     "554 5.7.1 Mail (1234) with spam content rejected"},
    {"policyviolation", "mx.example.org", "RCPT TO",
     "550 5.7.1 [CS01] Message rejected due to local policy. Please visit "
     "https://support.apple.com/en-us/HT204137"},
    {"spamdetected", "mx.example.org", "RCPT TO", "550 High probability of spam"},
    {"spamdetected", "mx.example.org", "RCPT TO",
     "554 5.7.1 The message was rejected due to classification as bulk mail"},
    {"spamdetected", "mx.example.org", "RCPT TO",
     "550 5.7.0 Message considered as spam or virus, rejected"},
    {"spamdetected", "mx.example.org", "RCPT TO", "554 Message is listed in URIBL"},
    {"virusdetected", "mx.example.org", "RCPT TO", "554 5.7.1 Virus found in message: EICAR-Test"},
    {"virusdetected", "mx.example.org", "RCPT TO", "550 5.7.1 The message contains malware"},
    {"virusdetected", "mx.example.org", "RCPT TO", "554 5.7.1 Message infected by Worm.Mydoom"},
    {"authfailure", "mx.example.org", "RCPT TO", "550 5.7.1 SPF check failed for example.net"},
    {"authfailure", "mx.example.org", "RCPT TO",
     "550 5.7.23 The message was rejected because of Sender Policy Framework "
     "violation"},
    {"authfailure", "mx.example.org", "RCPT TO", "550 5.7.1 DKIM verification failed"},
    {"authfailure", "mx.example.org", "RCPT TO",
     "550 5.7.1 Email rejected per DMARC policy for example.net"},
    {"authfailure", "mx.example.org", "RCPT TO",
     "550-5.7.26 This mail has been blocked because the sender is "
     "unauthenticated."},
    {"authfailure", "mx.example.org", "RCPT TO",
     "550 5.7.509 Access denied, sending domain example.net does not pass DMARC "
     "verification and has a DMARC policy of reject."},
    {"authfailure", "mx.example.org", "RCPT TO",
     "550 5.7.515 Access denied, sending domain example.net doesn't meet the "
     "required authentication level."},
    {"authfailure", "mx.example.org", "RCPT TO",
     "550 SPF: 192.0.2.1 is not allowed to send mail from example.net"},
    {"blocked", "mx.example.org", "RCPT TO",
     "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using "
     "bl.spamcop.net"},
    {"blocked", "mx.example.org", "RCPT TO",
     "550 5.7.1 Mail from 192.0.2.1 refused by blackhole site zen.spamhaus.org"},
    {"blocked", "mx.example.org", "RCPT TO",
     "554 5.7.1 Rejected 192.0.2.1 found in dnsbl.sorbs.net"},
    {"blocked", "mx.example.org", "RCPT TO",
     "550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using "
     "Spamhaus."},
    {"blocked", "mx.example.org", "RCPT TO", "550 Your IP address is blacklisted"},
    {"blocked", "mx.example.org", "RCPT TO",
     "554 Your access to this mail system from 192.0.2.1 has been rejected"},
    {"blocked", "mx.example.org", "RCPT TO",
     "550 5.7.1 Connections not accepted from IP addresses on Spamhaus XBL"},
    {"blocked", "mx.example.org", "RCPT TO",
     "421 4.7.1 : (DYN:T1) http://postmaster.info.aol.com/errors/421dynt1.html"},
    {"blocked", "mx.example.org", "RCPT TO",
     "550 5.7.606 Access denied, banned sending IP [192.0.2.1]"},
    {"blocked", "mx.example.org", "RCPT TO",
     "550 Administrative prohibition: dynamic IP, please use the smtp server of "
     "your ISP"},
    {"badreputation", "mx.example.org", "RCPT TO",
     "554 5.7.1 Your access to this mail system has been rejected due to the "
     "sending MTA's poor reputation. If you believe that this failure is in "
     "error, please contact the intended recipient via alternate means."},
    {"badreputation", "mx.example.org", "RCPT TO",
     "421-4.7.0 This message is suspicious due to the very low reputation of "
     "the sending IP address."},
    {"badreputation", "mx.example.org", "RCPT TO",
     "550 5.7.1 [192.0.2.1] Messages rejected due to bad reputation"},
    {"badreputation", "mx.example.org", "RCPT TO",
     "550-5.7.1 likely suspicious due to the very low reputation of the sending "
     "domain."},
    {"requireptr", "mx.example.org", "RCPT TO",
     "550 5.7.25 [192.0.2.1] The IP address sending this message does not have "
     "a PTR record setup"},
    {"requireptr", "mx.example.org", "RCPT TO",
     "450 4.7.1 Client host rejected: cannot find your reverse hostname, "
     "[192.0.2.1]"},
    {"requireptr", "mx.example.org", "RCPT TO", "550 Fix reverse DNS for 192.0.2.1"},
    {"requireptr", "mx.example.org", "RCPT TO",
     "554 mx.example.org (mx) Bad DNS PTR resource record."},
    {"requireptr", "mx.example.org", "RCPT TO", "550 5.7.1 Reverse DNS required"},
    {"rejected", "mx.example.org", "MAIL FROM",
     "553 5.1.8 <anna@example.net>... Domain of sender address anna@example.net "
     "does not exist"},
    {"rejected", "mx.example.org", "MAIL FROM", "550 5.1.0 <anna@example.net> sender rejected"},
    {"rejected", "mx.example.org", "MAIL FROM",
     "550 5.7.1 <anna@example.net>: Sender address rejected: not owned by user"},
    {"rejected", "mx.example.org", "MAIL FROM", "550 Sender verify failed"},
    {"rejected", "mx.example.org", "MAIL FROM", "553 5.7.1 Sender address has been blacklisted"},
    {"rejected", "mx.example.org", "RCPT TO", "550 5.7.1 BATV validation failed: backscatter"},
    {"rejected", "mx.example.org", "MAIL FROM", "501 5.1.7 Bad sender address syntax"},
    {"rejected", "mx.example.org", "MAIL FROM", "554 Null sender is not allowed"},
    {"rejected", "mx.example.org", "MAIL FROM",
     "550 5.7.1 Message rejected: sender not pre-approved"},
    {"policyviolation", "mx.example.org", "RCPT TO",
     "554 5.7.1 Message rejected due to policy reasons"},
    {"policyviolation", "mx.example.org", "RCPT TO",
     "554 5.7.9 Message not accepted for policy reasons. See "
     "https://postmaster.yahooinc.com/error-codes"},
    {"policyviolation", "mx.example.org", "RCPT TO",
     "550 5.7.1 Attachments of this type are prohibited: executable file"},
    {"securityerror", "mx.example.org", "RCPT TO", "530 5.7.0 Authentication required"},
    {"securityerror", "mx.example.org", "RCPT TO", "535 5.7.8 Error: authentication failed"},
    {"securityerror", "mx.example.org", "RCPT TO",
     "550 5.7.1 Recipient not authorized, authentication needed"},
    {"speeding", "mx.example.org", "RCPT TO",
     "450 4.2.1 The user you are trying to contact is receiving mail too "
     "quickly. Please resend your message at a later time."},
    {"speeding", "mx.example.org", "RCPT TO",
     "451 4.7.1 Please slow down, you are sending too fast"},
    {"speeding", "mx.example.org", "RCPT TO",
     "450-4.2.1 The user you are trying to contact is receiving mail at a rate "
     "that"},
    {"speeding", "mx.example.org", "RCPT TO",
     "421 4.7.28 Our system has detected an unusual rate of unsolicited mail "
     "originating from your IP address"},
    {"speeding", "mx.example.org", "RCPT TO", "550 5.4.5 Daily user sending quota exceeded"},
    {"speeding", "mx.example.org", "RCPT TO",
     "451 4.7.1 Too many mails received, rate limit exceeded"},
    {"toomanyconn", "mx.example.org", "RCPT TO",
     "421 Too many concurrent SMTP connections; please try again later."},
    {"toomanyconn", "mx.example.org", "RCPT TO", "452 4.5.3 Too many recipients"},
    {"toomanyconn", "mx.example.org", "RCPT TO", "421 4.7.0 Connection rate limit exceeded"},
    {"toomanyconn", "mx.example.org", "RCPT TO", "421 4.3.2 Too many connections from your IP"},
    {"systemerror", "mx.example.org", "RCPT TO", "451 4.3.0 Error: queue file write error"},
    {"systemerror", "mx.example.org", "RCPT TO", "451 4.3.0 Temporary lookup failure"},
    {"systemerror", "mx.example.org", "RCPT TO", "554 5.3.5 Local configuration error"},
    {"systemerror", "mx.example.org", "RCPT TO", "550 5.3.0 System config error"},
    {"systemerror", "mx.example.org", "RCPT TO", "451 4.3.5 Server configuration problem"},
    {"systemfull", "mx.example.org", "RCPT TO", "452 4.3.1 Insufficient system storage"},
    {"systemfull", "mx.example.org", "RCPT TO",
     "452 4.3.1 Insufficient system resources (UsedDiskSpace)"},
    {"mailererror", "mx.example.org", "RCPT TO",
     "550 5.3.0 \"procmail: Couldn't create\" command died with status 73"},
    {"networkerror", "mx.example.org", "RCPT TO", "554 5.4.6 Too many hops"},
    {"networkerror", "mx.example.org", "RCPT TO",
     "554 5.4.6 Hop count exceeded - possible mail loop"},
    {"networkerror", "mx.example.org", "RCPT TO", "451 4.4.1 No route to host"},
    {"notaccept", "mx.example.org", "RCPT TO", "556 5.1.10 Domain does not accept mail (nullMX)"},
    {"notaccept", "mx.example.org", "RCPT TO", "521 5.3.2 Host does not accept mail"},
    {"notaccept", "mx.example.org", "RCPT TO", "421 4.3.2 System not accepting network messages"},
    {"notcompliantrfc", "mx.example.org", "RCPT TO",
     "550 5.7.1 Messages missing a valid address in From: header, or having no "
     "From: header, are not accepted (RFC 5322)"},
    {"notcompliantrfc", "mx.example.org", "RCPT TO",
     "550-5.7.1 This message is not RFC 5322 compliant: duplicate headers"},
    {"contenterror", "mx.example.org", "RCPT TO",
     "554 5.6.1 Body type not supported by remote host"},
    {"contenterror", "mx.example.org", "RCPT TO",
     "550 5.6.0 Message contains invalid MIME headers"},
    {"exceedlimit", "mx.example.org", "RCPT TO", "550 5.2.3 Message too large for this recipient"},
    {"filtered", "mx.example.org", "RCPT TO",
     "550 5.2.1 <ben@example.org>: rejected by recipient preferences"},
    {"filtered", "mx.example.org", "RCPT TO",
     "550 5.7.1 RCP-P2 Refused due to recipient preferences"},
    {"failedstarttls", "mx.example.org", "RCPT TO",
     "538 5.7.10 Encryption needed to use mechanism"},
    {"failedstarttls", "mx.example.org", "RCPT TO",
     "530 5.7.0 Must issue a STARTTLS command first"},
    {"failedstarttls", "mx.example.org", "RCPT TO",
     "454 4.7.0 TLS not available due to local problem"},
    {"blocked", "mx.example.org", "RCPT TO",
     "451 4.7.1 Greylisting in action, please come back later"},
    {"syntaxerror", "mx.example.org", "RCPT TO", "502 5.5.2 Error: command not recognized"},
    {"syntaxerror", "mx.example.org", "RCPT TO", "501 5.5.4 Syntax error in parameters"},
    {"expired", "mx.example.org", "RCPT TO", "421 4.4.2 mx.example.org Error: timeout exceeded"},
    {"suppressed", "mx.example.org", "RCPT TO",
     "550 5.1.1 Amazon SES did not send the message to this address because it "
     "is on the suppression list for your account"},
    {"blocked", "cxr.mx.a.cloudfilter.net", "RCPT TO",
     "554 cox.net cmsmtp 192.0.2.1 blocked by CXBL. Please forward this error "
     "to spamblock@cox.net"},
    {"requireptr", "cxr.mx.a.cloudfilter.net", "RCPT TO",
     "421 CXDNS There was an issue with the connecting IP Domain Name System "
     "(DNS). rDNS lookup failed"},
    {"toomanyconn", "cxr.mx.a.cloudfilter.net", "RCPT TO",
     "421 CXCNCT There are too many concurrent SMTP connections from one IP "
     "address at the same time."},
    {"blocked", "smtp.orange.fr", "RCPT TO",
     "421 Mail rejected. Service refuse. Veuillez essayer plus tard. service "
     "refused, please try later. OFR_999"},
    {"userunknown", "smtp-in.orange.fr", "RCPT TO",
     "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. "
     "OFR_416 [416]"},
    {"toomanyconn", "smtp-in.orange.fr", "RCPT TO",
     "421 mwinf5c04 ME Trop de connexions, veuillez verifier votre "
     "configuration. Too many connections, slow down. OFR_104 [104]"},
    {"spamdetected", "smtp-in.orange.fr", "end of DATA",
     "550 5.7.1 Mail rejete. Mail rejected. OFR_506 [506]"},
    {"userunknown", "mx1.qq.com", "RCPT TO",
     "550 Mailbox not found [MxUkcGRkQ6i1GJQzYwJd]. "
     "https://service.mail.qq.com/detail/122/166"},
    {"toomanyconn", "mx1.qq.com", "RCPT TO", "550 Ip frequency limited"},
    {"spamdetected", "mx1.qq.com", "end of DATA",
     "550 Mail content denied. "
     "http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=20022&&no=1000726"},
    {"blocked", "mx3.qq.com", "RCPT TO", "550 Suspected spam ip"},
    {"policyviolation", "mx.zoho.com", "end of DATA", "554 5.7.7 Email policy violation detected"},
    {"spamdetected", "mx.zoho.com", "end of DATA",
     "554 5.7.1 Email cannot be delivered. Reason: Email detected as Spam by "
     "spam filters."},
    {"userunknown", "mx1.facebookmail.com", "RCPT TO",
     "550 5.1.1 RCP-P1 "
     "http://postmaster.facebook.com/response_codes?ip=192.0.2.1#rcp The "
     "attempted recipient address does not exist"},
    {"spamdetected", "mail.messagelabs.com", "end of DATA",
     "553-Message filtered. Refer to the Troubleshooting page at "
     "553-http://www.symanteccloud.com/troubleshooting for more information"},
    {"userunknown", "mail.messagelabs.com", "RCPT TO", "550 Invalid recipient"},
    {"rejected", "eu-smtp-inbound-1.mimecast.com", "RCPT TO",
     "550 Administrative prohibition - envelope blocked"},
    {"mailboxfull", "mx.icloud.com", "RCPT TO", "552 5.2.2 <ben@icloud.com>: user is over quota"},
    {"userunknown", "mx1.comcast.net", "RCPT TO", "550 5.1.1 Not our Customer"},
    {"blocked", "dnvrco-pub-iedge-vip.email.rr.com", "RCPT TO",
     "550 AUP#I-1310 IPv4 address not allowed"},
    {"userunknown", "mxs.mail.ru", "RCPT TO",
     "550 Message was not accepted -- invalid mailbox.  Local mailbox "
     "ben@mail.ru is unavailable: user not found"},
    {"suspend", "mxs.mail.ru", "RCPT TO",
     "550 Message was not accepted -- Local mailbox ben@mail.ru is unavailable: "
     "user is terminated"},
    {"mailboxfull", "mxs.mail.ru", "RCPT TO",
     "552 Local mailbox ben@mail.ru is unavailable: mailbox is full, user quota "
     "exceeded"},
    {"spamdetected", "mx.yandex.ru", "end of DATA",
     "554 5.7.1 [1] Message rejected under suspicion of SPAM; "
     "http://help.yandex.ru/mail/spam/honest-mailers.xml"},
    {"userunknown", "mx.yandex.ru", "RCPT TO", "550 5.7.1 No such user!"},
    {"mailboxfull", "mx.yandex.ru", "RCPT TO", "554 5.2.2 Mailbox size limit exceeded"},
    {"userunknown", "gmail-smtp-in.l.google.com", "RCPT TO",
     "550-5.1.1 The email account that you tried to reach does not exist. "
     "Please try 550-5.1.1 double-checking the recipient's email address for "
     "typos or 550 5.1.1 unnecessary spaces."},
    {"notcompliantrfc", "gmail-smtp-in.l.google.com", "end of DATA",
     "550-5.7.1 [192.0.2.1] Messages missing a valid address in From: header"},
    {"suspend", "gmail-smtp-in.l.google.com", "RCPT TO",
     "550 5.2.1 The email account that you tried to reach is inactive."},
    {"policyviolation", "gmail-smtp-in.l.google.com", "end of DATA",
     "552-5.7.0 This message was blocked because its content presents a "
     "potential security issue."},
    {"mesgtoobig", "gmail-smtp-in.l.google.com", "end of DATA",
     "552-5.3.4 Your message exceeded Google's message size limits."},
    {"userunknown", "contoso.mail.protection.outlook.com", "RCPT TO",
     "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)"},
    {"userunknown", "contoso.mail.protection.outlook.com", "RCPT TO",
     "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP "
     "address lookup"},
    {"mailboxfull", "hotmail-com.olc.protection.outlook.com", "RCPT TO", "554 5.2.2 mailbox full"},
    {"blocked", "hotmail-com.olc.protection.outlook.com", "RCPT TO",
     "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please "
     "contact your Internet service provider since part of their network is on "
     "our block list (S3140)."},
    {"userunknown", "hotmail-com.olc.protection.outlook.com", "RCPT TO",
     "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)."},
    {"systemerror", "contoso.mail.protection.outlook.com", "RCPT TO",
     "451 4.7.0 Temporary server error. Please try again later. PRX2"},
#include "receivers.inc"
};

static struct view name_of(const char *text) {
    struct reader_reading reading = {.kind = READER_BOUNCE};
    struct reader_recipient recipient = {.action = READER_ACTION_FAILED};
    (void)reader_words_read(view_of(text), &recipient.words);
    return reader_sisimai_name(&reading, &recipient);
}

static void test_replies_have_their_reasons(void **state) {
    unsigned n_bad = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[1024];
        snprintf(text, sizeof(text), "host %s[192.0.2.25] said: %s (in reply to %s command)",
                 rows[i].host, rows[i].reply, rows[i].stage);
        struct view name = name_of(text);
        if (view_equals(name, view_of(rows[i].reason)))
            continue;
        print_error("%s: %s, found %.*s\n", rows[i].reply, rows[i].reason, VIEW_ARG(name));
        n_bad++;
    }
    assert_int_equal(n_bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_replies_have_their_reasons)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
