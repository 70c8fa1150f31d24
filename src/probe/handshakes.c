// SPDX-License-Identifier: Apache-2.0
// Handshakes with one thing changed: the version, the ciphers, the size of the first message. Each
// has a connection of its own, and demands nothing of the certificate.
#include "probe/probe_internal.h"

enum { TLS_1_0 = 0x0301, TLS_1_1 = 0x0302, TLS_1_2 = 0x0303, TLS_1_3 = 0x0304 };

// What differs from the handshake that the relay makes; zero: nothing.
struct change {
    int version_min, version_max;
    const char *ciphers;
    enum tls_hello hello;
};

static void apply(const struct change *change, struct tls_policy *policy) {
    policy->check = TLS_CHECK_NONE;
    if (change->version_max) {
        policy->version_min = change->version_min;
        policy->version_max = change->version_max;
    }
    policy->ciphers = change->ciphers;
    policy->hello = change->hello;
}

// Unknown: it did not come to a handshake, as with servers that count connections.
IO_WAITS static enum answer shake_hands(struct probe *probe, const char *name,
                                        struct change change) {
    struct talk *talk;
    struct fact fact;
    struct route_demand demand;
    io_time began = io_now();
    bool is_up = probe_open_greeted(probe, &talk, &fact);
    if (is_up)
        fact = talk_ehlo(talk);
    route_demand_init(&demand, probe->connector, probe->session->way->host, probe->route->domain);
    apply(&change, &demand.policy);
    if (fact_is_ok(&fact))
        fact = talk_starttls(talk, probe->options->tls, &demand.policy);
    fact.elapsed_ms = io_now() - began;
    struct probe_step *step = probe_experiment_step(probe, name, &fact);
    struct view clause = fact_describe(&step->fact, probe->arena);
    const struct tls_session *tls = talk_tls(talk);
    // That an old version or a weak cipher is refused is as it should be.
    step->state = PROBE_WELL;
    probe_step_words(probe, step, "%.*s",
                     fact_is_ok(&fact) ? (int)strlen(tls->description) : (int)clause.len,
                     fact_is_ok(&fact) ? tls->description : clause.ptr);
    probe_close_talk(talk);
    return fact_is_ok(&fact)              ? ANSWER_YES
           : fact.stage == FACT_STAGE_TLS ? ANSWER_NO
                                          : ANSWER_UNKNOWN;
}

// --- Versions ---------------------------------------------------------------------------------
IO_WAITS static enum answer try_version(struct probe *probe, const char *name, int version) {
    return shake_hands(probe, name,
                       (struct change){.version_min = version, .version_max = version});
}

void probe_try_tls_versions(struct probe *probe) {
    enum answer tls13 = try_version(probe, "tls-1.3", TLS_1_3);
    enum answer tls12 = try_version(probe, "tls-1.2", TLS_1_2);
    enum answer tls11 = try_version(probe, "tls-1.1", TLS_1_1);
    enum answer tls10 = try_version(probe, "tls-1.0", TLS_1_0);
    bool has_13 = tls13 == ANSWER_YES, has_12 = tls12 == ANSWER_YES;
    bool has_11 = tls11 == ANSWER_YES, has_10 = tls10 == ANSWER_YES;
    bool none_works =
        tls13 == ANSWER_NO && tls12 == ANSWER_NO && tls11 == ANSWER_NO && tls10 == ANSWER_NO;
    const char *modern = has_13 && has_12 ? "TLS 1.2 and 1.3 work"
                         : has_13         ? "TLS 1.3 works"
                                          : "TLS 1.2 works";
    const char *old = has_11 && has_10 ? "TLS 1.0 and 1.1" : has_11 ? "TLS 1.1" : "TLS 1.0";
    if (io_is_canceled())
        return;
    probe_sign_set(probe, SIGN_MODERN_TLS_WORKS, has_13 || has_12, "%s by themselves", modern);
    probe_sign_set(probe, SIGN_TLS12_WORKS, has_12, "a handshake with TLS 1.2 alone succeeds");
    probe_sign_set(probe, SIGN_TLS13_FAILS, tls13 == ANSWER_NO,
                   "a handshake with TLS 1.3 alone fails");
    probe_sign_set(probe, SIGN_OLD_TLS_WORKS, has_11 || has_10, "%s alone succeeds", old);
    probe_sign_set(probe, SIGN_OLD_TLS_ALLOWED, has_11 || has_10,
                   "the server still takes %s, which %s retired (RFC 8996)", old,
                   has_11 && has_10 ? "are" : "is");
    probe_sign_set(probe, SIGN_NO_TLS_WORKS, none_works,
                   "no handshake succeeds with any one version from TLS 1.0 to 1.3");
}

// --- Ciphers ----------------------------------------------------------------------------------
static const struct {
    const char *step, *words, *ciphers;
} families[] = {
    {"tls-ecdhe", "ECDHE", "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES"},
    {"tls-dhe", "DHE", "DHE+AESGCM:DHE+CHACHA20:DHE+AES"},
    {"tls-rsa", "RSA key exchange", "kRSA+AESGCM:kRSA+AES"},
    {"tls-weak", "3DES or no authentication", "3DES:RC4:aNULL:eNULL"},
};

// TLS 1.3 has suites of its own, of which none is weak (RFC 8446 B.4): this is about those before.
void probe_try_ciphers(struct probe *probe) {
    struct view works = VIEW_NONE, fails = VIEW_NONE;
    bool is_whole = true;
    for (size_t i = 0; i < ARRAY_LEN(families) && !io_is_canceled(); i++) {
        const struct change change = {
            .version_min = TLS_1_0, .version_max = TLS_1_2, .ciphers = families[i].ciphers};
        enum answer answer = shake_hands(probe, families[i].step, change);
        struct view *list = answer == ANSWER_YES ? &works : &fails;
        is_whole = is_whole && answer != ANSWER_UNKNOWN;
        *list = arena_printf(probe->arena, "%.*s%s%s", VIEW_ARG(*list), list->len ? ", " : "",
                             families[i].words);
    }
    if (io_is_canceled() || !is_whole)
        return;
    probe_sign_set(
        probe, SIGN_OTHER_CIPHERS_WORK, works.len > 0,
        "up to TLS 1.2 and with no demand of ours the server takes ciphers with %.*s%s%.*s",
        VIEW_ARG(works), fails.len ? ", and none with " : "", VIEW_ARG(fails));
    probe_sign_set(probe, SIGN_NO_CIPHER_WORKS, works.len == 0,
                   "up to TLS 1.2 no family of ciphers succeeds: %.*s", VIEW_ARG(fails));
}

// --- The size of the first message ------------------------------------------------------------
// The same versions in a message below 256 bytes; and where all is well, in one that needs two
// packets, as keys that resist quantum computers will make it.
void probe_try_hello(struct probe *probe) {
    bool is_broken = probe->result->attempt.fact.stage == FACT_STAGE_TLS || probe->failed_tls;
    const char *name = is_broken ? "hello-small" : "hello-large";
    const struct change change = {.hello = is_broken ? TLS_HELLO_SMALL : TLS_HELLO_LARGE};
    enum answer answer = shake_hands(probe, name, change);
    bool is_well = answer == ANSWER_YES;
    if (io_is_canceled() || answer == ANSWER_UNKNOWN)
        return;
    if (!is_broken) {
        probe_sign_set(probe, SIGN_LARGE_HELLO_FAILS, !is_well,
                       "a first TLS message of more than one packet fails where a usual one "
                       "passes: clients with post-quantum keys send such messages");
        return;
    }
    probe_sign_set(probe, SIGN_SMALL_HELLO_WELL, is_well,
                   "the handshake succeeds with a first message below 256 bytes");
    probe_sign_set(probe, SIGN_SMALL_HELLO_FAILS, !is_well,
                   "the handshake fails with a first message below 256 bytes as well");
}
