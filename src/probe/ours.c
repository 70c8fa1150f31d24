// SPDX-License-Identifier: Apache-2.0
// Ourselves, before others are blamed: the clock, the disk that mail waits on, our own certificate,
// and whether there is a way out at all.
#include "base/units.h"
#include "probe/identity_internal.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

enum { DISK_PERCENT_MIN = 15, CERTIFICATE_DAYS_MIN = 21 };
static const int64_t day_ms = (int64_t)24 * 3600 * 1000;

struct probe_step *probe_machine_step(struct probe *probe, const char *name, bool is_well) {
    struct fact fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_OK);
    fact.at_ms = io_wall_ms();
    struct probe_step *step = probe_experiment_step(probe, name, &fact);
    step->state = is_well ? PROBE_WELL : PROBE_WARNING;
    return step;
}

// --- Clock and disk ---------------------------------------------------------------------------
// A clock that
// stands before the day on which this program was put here is wrong.
static void check_clock(struct probe *probe) {
    struct stat status;
    if (stat("/proc/self/exe", &status) < 0)
        return;
    int64_t behind_ms = (int64_t)status.st_mtim.tv_sec * 1000 - io_wall_ms();
    probe_sign_set(probe, SIGN_CLOCK_WRONG, behind_ms > day_ms,
                   "our clock stands %lld days before this program was installed",
                   (long long)(behind_ms / day_ms));
    if (behind_ms > day_ms)
        probe_step_words(probe, probe_machine_step(probe, "our-clock", false), "%.*s",
                         VIEW_ARG(probe->signs.words[SIGN_CLOCK_WRONG]));
}

static void check_disk(struct probe *probe) {
    const struct config *config = probe->options->config;
    struct statvfs space;
    if (!config->path || !config->data || statvfs(config->data, &space) < 0 || space.f_blocks == 0)
        return;
    unsigned percent = (unsigned)((uint64_t)space.f_bavail * 100 / space.f_blocks);
    probe_sign_set(probe, SIGN_DISK_LOW, percent < DISK_PERCENT_MIN, "%u %% of %s is free", percent,
                   config->data);
    probe_step_words(probe, probe_machine_step(probe, "our-disk", percent >= DISK_PERCENT_MIN),
                     "%.*s", VIEW_ARG(probe->signs.words[SIGN_DISK_LOW]));
}

// --- Our certificate --------------------------------------------------------------------------
// Clients meet it at our listeners; a bad one keeps mail from coming in, not from going out.
static void say_certificate(struct probe *probe, bool is_bad, struct view words) {
    probe_sign_set(probe, SIGN_OWN_CERTIFICATE_BAD, is_bad, "our certificate: %.*s",
                   VIEW_ARG(words));
    probe_step_words(probe, probe_machine_step(probe, "our-cert", !is_bad), "%.*s",
                     VIEW_ARG(words));
}

static void check_certificate(struct probe *probe) {
    const struct config *config = probe->options->config;
    const struct tls_context_options files = {.certificate = config->tls_certificate,
                                              .key = config->tls_key};
    struct tls_certificate found;
    struct error error = {0};
    char until[UNITS_TIME_SIZE] = "?";
    if (!config->path || !config->tls_certificate)
        return;
    if (!tls_certificate_look(&files, &found, &error)) {
        say_certificate(probe, true, view_of(error.text));
        return;
    }
    int64_t left_ms = found.not_after_ms - io_wall_ms();
    units_format_time(found.not_after_ms, until, sizeof(until));
    const char *words = left_ms < 0                               ? "has expired"
                        : left_ms < CERTIFICATE_DAYS_MIN * day_ms ? "expires soon"
                        : found.not_before_ms > io_wall_ms()      ? "is not valid yet"
                                                                  : "is well";
    bool is_bad = left_ms < CERTIFICATE_DAYS_MIN * day_ms || found.not_before_ms > io_wall_ms();
    say_certificate(probe, is_bad,
                    arena_printf(probe->arena, "%s %s (valid until %s)", config->tls_certificate,
                                 words, until));
}

// --- The way out ------------------------------------------------------------------------------
// One line for both families: where calls to the destination leave from.
void probe_look_at_routes(struct probe *probe) {
    struct buffer text;
    bool is_seen[ADDRESS_IPV6 + 1] = {false}, has_any = false;
    buffer_init(&text, PROBE_TEXT_BYTES_MAX);
    for (size_t i = 0; i < probe->n_ways; i++) {
        const struct probe_way *way = &probe->ways[i];
        char from[ADDRESS_TEXT_SIZE];
        struct address source;
        if (is_seen[way->address.family] || way->connect.kind == FACT_KIND_LOCAL)
            continue;
        is_seen[way->address.family] = true;
        bool is_routed = probe_source_of(way, &source);
        has_any = has_any || is_routed;
        address_format(&source, from, sizeof(from));
        buffer_printf(&text, "%s%s %s%s", text.len ? ", " : "",
                      way->address.family == ADDRESS_IPV6 ? "IPv6" : "IPv4",
                      is_routed ? "from " : "has no route", is_routed ? from : "");
    }
    if (text.len)
        probe_step_words(probe, probe_machine_step(probe, "our-route", has_any), "%.*s",
                         VIEW_ARG(buffer_view(&text)));
    buffer_finish(&text);
}

void probe_look_at_machine(struct probe *probe) {
    check_clock(probe);
    check_disk(probe);
    check_certificate(probe);
}
