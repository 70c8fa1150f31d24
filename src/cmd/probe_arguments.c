// SPDX-License-Identifier: Apache-2.0
// The options of `postrider probe`: what they are called, what they mean, what is wrong with them.
#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/probe.h"

#include "base/units.h"
#include "fetch/fetch.h"
#include "ledger/ledger.h"

#include <stdio.h>

static const char help[] =
    "usage: postrider probe [OPTIONS] TARGET...\n\n"
    "Why can mail not be delivered there? Tests the road stage by stage, names the cause and what "
    "to do.\n"
    "Leaves no mail behind; only --mail-to does. TARGET is a domain, a mail address (then MAIL and "
    "RCPT\n"
    "are said, and nothing is sent), a host (mx.example.org:25, 192.0.2.1, [2001:db8::1]:25), or "
    "with -c\n"
    "the name of a connector that has smart hosts.\n\n"
    "  -c, --config FILE    the configuration whose connectors decide; without one, MX\n"
    "      --from IP        the address to call from; one of each family as IPv4,IPv6\n"
    "      --helo NAME      the name in EHLO\n"
    "      --sender ADDR    the sender in MAIL; with -c the postmaster's, else the empty one\n"
    "      --rcpt ADDR      a recipient to name to a host, domain or connector\n"
    "      --mail-to ADDR   delivers a small test message there; where it is not taken as a "
    "whole,\n"
    "                       up to six more that find out why. The target may be left out\n"
    "      --message FILE   with --mail-to: sends this message instead, as it is\n"
    "      --port N         instead of the connector's, for MX and hosts without a port\n"
    "      --tls DEMAND     none, opportunistic, required, ca, domain or dane\n"
    "      --ca FILE        certificates to trust instead of the system's\n"
    "      --resolver IP    a DNS server to ask instead of the system's; a port may follow\n"
    "      --timeout TIME   the longest wait for one answer, such as 10s; 30s unless given.\n"
    "                       The whole run takes at most three times that\n"
    "      --limits         with --mail-to: how large a message, a header, a line of it and a list "
    "of\n"
    "                       recipients may be. Says first how much it will send at most\n"
    "      --wait TIME      where a recipient is deferred: waits as long as the reply says, TIME "
    "at\n"
    "                       most, and tries the same again, which proves greylisting\n"
    "      --deep           every experiment, also where nothing is wrong. Without it, those that\n"
    "                       decide something about a fault\n"
    "      --control HOST:PORT[,...]\n"
    "                       up to three hosts that take mail: called, and no more, when nobody\n"
    "                       answers, to tell their fault from ours. Without it and with -c:\n"
    "                       destinations that took mail of our relay lately\n"
    "      --blocklists NAME[,...]\n"
    "                       up to eight lists that are asked for our public address when a "
    "refusal\n"
    "                       may be about it, and with --deep: zen.spamhaus.org and bl.spamcop.net\n"
    "                       unless given, and the one that the refusal names; none asks nobody\n"
    "      --rdap[=URL]     asks the domain's registry whether the registration is in order, "
    "through\n"
    "                       https://rdap.org/ unless another base is given\n"
    "      --file LIST      targets from a file, one a line; - is standard input\n"
    "      --concurrency N  so many targets at the same time; 20 unless given. At most two\n"
    "                       talk with one address, the others wait for their turn\n"
    "      --baseline FILE  keeps what a target looks like; later runs say what has changed\n"
    "      --pcap FILE      saves the packets of the calls for Wireshark and tcpdump, and reads "
    "them:\n"
    "                       who sent a reset, what was lost. Their headers alone are kept: no\n"
    "                       message, no password. Root or CAP_NET_RAW; without, it goes on and\n"
    "                       says so\n"
    "      --json           for programs (docs/json.md)\n"
    "Exit status: 0 nothing wrong, 1 a fault was found, 2 wrong use\n";

// --- Names ------------------------------------------------------------------------------------
int probe_arguments_parse(struct probe_arguments *arguments, int argc, char **argv) {
    const struct cmd_option options[] = {{"config", 'c', &arguments->config, NULL},
                                         {"from", 0, &arguments->from, NULL},
                                         {"helo", 0, &arguments->helo, NULL},
                                         {"sender", 0, &arguments->sender, NULL},
                                         {"rcpt", 0, &arguments->rcpt, NULL},
                                         {"mail-to", 0, &arguments->mail_to, NULL},
                                         {"wait", 0, &arguments->wait, NULL},
                                         {"message", 0, &arguments->message, NULL},
                                         {"port", 0, &arguments->port, NULL},
                                         {"tls", 0, &arguments->tls, NULL},
                                         {"ca", 0, &arguments->ca, NULL},
                                         {"resolver", 0, &arguments->resolver, NULL},
                                         {"timeout", 0, &arguments->timeout, NULL},
                                         {"control", 0, &arguments->controls, NULL},
                                         {"blocklists", 0, &arguments->block_lists, NULL},
                                         {"file", 0, &arguments->file, NULL},
                                         {"concurrency", 0, &arguments->concurrency, NULL},
                                         {"baseline", 0, &arguments->baseline, NULL},
                                         {"pcap", 0, &arguments->pcap, NULL},
                                         {"rdap", 0, &arguments->rdap, &arguments->asks_rdap},
                                         {"deep", 0, NULL, &arguments->is_deep},
                                         {"limits", 0, NULL, &arguments->finds_limits},
                                         {"json", 0, NULL, &arguments->is_json},
                                         {"help", 'h', NULL, &arguments->wants_help},
                                         {NULL, 0, NULL, NULL}};
    return cmd_parse("probe", argc, argv, options);
}

void probe_arguments_help(FILE *out) {
    fputs(help, out);
}

// --- Values -----------------------------------------------------------------------------------
static bool read_sources(struct probe_run *run) {
    struct view rest = view_of(run->arguments->from), part;
    size_t n = 0;
    while (rest.len && view_split(&rest, ',', &part)) {
        struct address *source = &run->call.options.sources[n];
        if (n == PROBE_SOURCES_MAX || !address_parse(view_trim(part), source) ||
            (n == 1 && source->family == run->call.options.sources[0].family))
            return error_set(&run->error, "--from takes an address, or one of each family: \"%s\"",
                             run->arguments->from);
        n++;
    }
    return true;
}

static bool read_demand(struct probe_run *run) {
    if (!run->arguments->tls)
        return true;
    run->call.options.has_tls = true;
    if (view_equals(view_of(run->arguments->tls), VIEW("dane"))) {
        run->call.options.tls_demand = CONFIG_TLS_REQUIRED;
        return run->call.options.demands_dane = true;
    }
    for (enum config_tls tls = CONFIG_TLS_NONE; tls <= CONFIG_TLS_DOMAIN; tls++)
        if (view_equals(config_tls_word(tls), view_of(run->arguments->tls))) {
            run->call.options.tls_demand = tls;
            return true;
        }
    return error_set(&run->error,
                     "--tls is none, opportunistic, required, ca, domain or dane, not \"%s\"",
                     run->arguments->tls);
}

static bool read_numbers(struct probe_run *run) {
    enum { TIMEOUT_MS = 30 * 1000, TIMEOUT_MS_MIN = 100, TIMEOUT_MS_MAX = 3600 * 1000 };
    const struct probe_arguments *arguments = run->arguments;
    uint64_t port = 0;
    run->call.options.timeout_ms = TIMEOUT_MS;
    if (arguments->port &&
        (!view_to_u64(view_of(arguments->port), &port) || port == 0 || port > UINT16_MAX))
        return error_set(&run->error, "--port is 1 to 65535, not \"%s\"", arguments->port);
    run->call.options.port = (uint16_t)port;
    if (arguments->timeout &&
        (!units_parse_duration(view_of(arguments->timeout), &run->call.options.timeout_ms) ||
         run->call.options.timeout_ms < TIMEOUT_MS_MIN ||
         run->call.options.timeout_ms > TIMEOUT_MS_MAX))
        return error_set(&run->error,
                         "--timeout is a time from 100ms to 1h such as 10s, not \"%s\"",
                         arguments->timeout);
    return true;
}

static bool read_wait(struct probe_run *run) {
    enum { WAIT_MS_MIN = 1000, WAIT_MS_MAX = 24 * 3600 * 1000 };
    const char *wait = run->arguments->wait;
    int64_t *wait_ms = &run->call.options.wait_ms;
    return !wait ||
           (units_parse_duration(view_of(wait), wait_ms) && *wait_ms >= WAIT_MS_MIN &&
            *wait_ms <= WAIT_MS_MAX) ||
           error_set(&run->error, "--wait is a time from 1s to 24h such as 10m, not \"%s\"", wait);
}

// What goes into a command must not carry another one with it.
static bool is_word(const char *text) {
    for (; *text; text++)
        if (*text <= ' ' || *text == 0x7f || *text == '<' || *text == '>')
            return false;
    return true;
}

static bool read_words(struct probe_run *run) {
    enum { HELO_BYTES_MAX = 255, SENDER_BYTES_MAX = 254, DNS_PORT = 53 };
    const struct probe_arguments *arguments = run->arguments;
    struct view helo = view_of(arguments->helo), sender = view_of(arguments->sender);
    if (arguments->helo && (helo.len == 0 || helo.len > HELO_BYTES_MAX || !is_word(helo.ptr)))
        return error_set(&run->error, "--helo is a host name or an address in brackets");
    if (arguments->sender && (sender.len > SENDER_BYTES_MAX || !is_word(sender.ptr)))
        return error_set(&run->error, "--sender is a mail address without <>, or empty");
    run->call.options.helo = helo;
    run->call.options.sender = sender;
    struct view resolver = view_of(arguments->resolver);
    if (!arguments->resolver)
        return true;
    if (address_parse(resolver, &run->resolver))
        run->resolver.port = DNS_PORT;
    else if (!address_parse_port(resolver, &run->resolver))
        return error_set(&run->error, "--resolver is an address with or without a port, not \"%s\"",
                         arguments->resolver);
    return true;
}

static bool read_rdap(struct probe_run *run) {
    const struct probe_arguments *arguments = run->arguments;
    struct fetch_where where;
    struct error error;
    run->call.options.ca_file = arguments->ca;
    if (!arguments->asks_rdap)
        return true;
    run->call.options.rdap = arguments->rdap ? view_of(arguments->rdap) : VIEW("https://rdap.org/");
    return fetch_where_parse(run->call.options.rdap, &where, &error) ||
           error_set(&run->error, "--rdap takes the base URL of an RDAP server, not \"%s\": %s",
                     arguments->rdap, error.text);
}

static bool read_control(struct probe_run *run, struct view text) {
    struct config_smart_host *control = &run->call.options.controls[run->call.options.n_controls];
    size_t colon = view_find_last_char(text, ':');
    uint64_t port = 0;
    if (run->call.options.n_controls == PROBE_CONTROLS_MAX)
        return error_set(&run->error, "--control takes at most %d hosts", PROBE_CONTROLS_MAX);
    *control = (struct config_smart_host){0};
    if (address_parse_port(text, &control->address)) {
        control->port = control->address.port;
    } else if (view_to_u64(view_skip(text, colon + 1), &port) && port > 0 && port <= UINT16_MAX) {
        control->port = (uint16_t)port;
        control->name = arena_copy(&run->arena, view_take(text, colon)).ptr;
    }
    run->call.options.n_controls++;
    return control->port > 0 ||
           error_set(&run->error, "--control takes HOST:PORT, not \"%.*s\"", VIEW_ARG(text));
}

static bool read_controls(struct probe_run *run) {
    struct view rest = view_of(run->arguments->controls), part;
    run->call.options.is_deep = run->arguments->is_deep;
    while (rest.len && view_split(&rest, ',', &part))
        if (!read_control(run, view_trim(part)))
            return false;
    return true;
}

static bool is_host_name(struct view name) {
    enum { NAME_BYTES_MAX = 150 }; // an address has to go in front of it
    if (name.len > NAME_BYTES_MAX || view_find_char(name, '.') >= name.len)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alpha(name.ptr[i]) && !ascii_is_digit(name.ptr[i]) && name.ptr[i] != '-' &&
            name.ptr[i] != '_' && name.ptr[i] != '.')
            return false;
    return true;
}

static bool read_block_lists(struct probe_run *run) {
    const char *given = run->arguments->block_lists;
    struct probe_options *options = &run->call.options;
    // Those that anybody may ask now and then; others want to know who asks.
    struct view rest = given ? view_of(given) : VIEW("zen.spamhaus.org,bl.spamcop.net"), part;
    if (view_equals(rest, VIEW("none")))
        return true;
    while (view_split(&rest, ',', &part)) {
        if (options->n_block_lists == PROBE_BLOCK_LISTS_MAX || !is_host_name(view_trim(part)))
            return error_set(&run->error,
                             "--blocklists takes up to %d names of lists, or none: "
                             "\"%s\"",
                             PROBE_BLOCK_LISTS_MAX, given);
        options->block_lists[options->n_block_lists++] = view_trim(part);
    }
    return true;
}

// Without --control: destinations of our own relay that took mail lately.
static void take_known_good(struct probe_run *run) {
    const struct config *config = run->call.options.config;
    struct address good[PROBE_CONTROLS_MAX];
    if (run->arguments->controls || !config->path || !config->data)
        return;
    run->call.options.n_controls = ledger_known_good(config->data, good, PROBE_CONTROLS_MAX);
    for (size_t i = 0; i < run->call.options.n_controls; i++)
        run->call.options.controls[i] =
            (struct config_smart_host){.address = good[i], .port = good[i].port};
}

// An MX that leads back to our own relay is a loop.
static void take_own(struct probe_run *run) {
    const struct config *config = run->call.options.config;
    size_t n = 0;
    for (size_t i = 0; config->path && i < config->n_listeners && n < DAEMON_OWN_MAX; i++)
        n += daemon_own_of(&config->listeners[i].address, &run->own[n], DAEMON_OWN_MAX - n);
    run->call.options.own = run->own;
    run->call.options.n_own = n;
}

static bool read_config(struct probe_run *run) {
    struct buffer problems;
    buffer_init(&problems, 64 << 10);
    run->call.options.config = config_load(run->arguments->config, &problems);
    if (!run->call.options.config)
        error_set(&run->error, "%s", buffer_string(&problems));
    else if (run->arguments->config && !run->arguments->sender)
        run->call.options.sender = view_of(run->call.options.config->postmaster);
    buffer_finish(&problems);
    if (run->call.options.config) {
        take_known_good(run);
        take_own(run);
    }
    return run->call.options.config != NULL;
}

static bool has_recipient(const struct probe_run *run) {
    if (run->call.rcpt.len || run->arguments->file)
        return true;
    for (size_t i = 0; i < run->list.n; i++) {
        struct view target = view_of(run->list.texts[i]);
        if (view_find_char(target, '@') < target.len)
            return true;
    }
    return false;
}

// What is said behind EHLO: to whom, and what.
static bool read_mail(struct probe_run *run) {
    const struct probe_arguments *arguments = run->arguments;
    if (arguments->rcpt && arguments->mail_to)
        return error_set(&run->error, "--rcpt and --mail-to exclude each other");
    run->call.rcpt = view_of(arguments->mail_to ? arguments->mail_to : arguments->rcpt);
    run->call.options.sends_mail = arguments->mail_to;
    if (arguments->mail_to && run->list.n == 0 && !arguments->file)
        probe_list_add(&run->list, arguments->mail_to);
    if (arguments->wait && !has_recipient(run))
        return error_set(&run->error, "--wait takes a recipient who may be deferred: a mail "
                                      "address as target, --rcpt or --mail-to");
    if (arguments->message && !arguments->mail_to)
        return error_set(&run->error, "--message goes with --mail-to, which says to whom");
    if (arguments->message && !probe_message_read(arguments->message, &run->message, &run->error))
        return false;
    run->call.options.message = buffer_view(&run->message);
    run->call.options.finds_limits = arguments->finds_limits;
    if (arguments->finds_limits && (!arguments->mail_to || run->list.n != 1 || arguments->file))
        return error_set(&run->error, "--limits takes one target, and --mail-to with it");
    return true;
}

static bool read_list(struct probe_run *run) {
    const struct probe_arguments *arguments = run->arguments;
    uint64_t concurrency = PROBE_CONCURRENCY;
    run->call.is_json = arguments->is_json;
    if (arguments->concurrency && (!view_to_u64(view_of(arguments->concurrency), &concurrency) ||
                                   concurrency == 0 || concurrency > PROBE_CONCURRENCY_MAX))
        return error_set(&run->error, "--concurrency is 1 to %d, not \"%s\"", PROBE_CONCURRENCY_MAX,
                         arguments->concurrency);
    run->call.concurrency = (unsigned)concurrency;
    if (arguments->file && !probe_list_read(&run->list, arguments->file, &run->error))
        return false;
    if (arguments->baseline)
        run->call.baseline = probe_baseline_load(arguments->baseline, &run->error);
    return !arguments->baseline || run->call.baseline;
}

bool probe_arguments_use(struct probe_run *run) {
    return read_sources(run) && read_demand(run) && read_numbers(run) && read_wait(run) &&
           read_words(run) && read_controls(run) && read_rdap(run) && read_block_lists(run) &&
           read_config(run) && read_mail(run) && read_list(run);
}
