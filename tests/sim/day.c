// SPDX-License-Identifier: Apache-2.0
// A day of mail in virtual time for each seed: clients send, servers have moods, the network, the
// DNS and the disk fail, the relay is killed and started again. After it the weather clears, the
// queue empties, and the book says whether every acknowledged message was delivered or bounced, and
// none twice but as the promise allows.
//
//   day --seed N              one day, told in full
//   day --seeds N [--from N]  many; a failing seed is printed, and is the same run again
#include "base/log.h"
#include "sim/client.h"
#include "sim/node.h"
#include "sim/receiver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MINUTE_MS = 60 * 1000,
    HOUR_MS = 60 * MINUTE_MS,
    DAY_MS = 24 * HOUR_MS,
    RECEIVERS = 7,
    MESSAGES = 120
};

static const char config_text[] =
    "hostname = \"relay.sim.test\"\n"
    "accept_from = { \"0.0.0.0/0\" }\n"
    "max_deliveries = 12\n"
    "retry { first = \"5m\" factor = 2 longest = \"1h\" expire = \"1d\" warn = \"4h\" }\n"
    "connector \"slow\" { domains = { \"d4.test\" } max_connections = 1 max_rate = \"20/m\" }\n"
    "connector \"rest\" { domains = \"*\" max_connections = 4 max_messages_per_connection = 20 }\n";

// Domains and the receivers that their MX records name, by preference.
static const struct {
    const char *name;
    int first, second; // -1: none
} domains[] = {{"d0.test", 0, -1}, {"d1.test", 0, -1}, {"d2.test", 1, -1}, {"d3.test", 1, 2},
               {"d4.test", 3, -1}, {"d5.test", 4, -1}, {"d6.test", 5, 4},  {"senders.test", 6, -1}};

struct day {
    struct sim *sim;
    struct book book;
    struct node node;
    struct receiver receivers[RECEIVERS];
    bool is_dns_bad[ARRAY_LEN(domains)];
    bool has_kills, has_net_faults, has_dns_faults, has_disk_faults, has_clock_faults;
    bool is_over; // the weather has cleared
    unsigned n_clients;
    bool is_queue_empty;
};

static uint64_t below(struct day *day, uint64_t limit) {
    return sim_random_below(day->sim, limit);
}

static struct address address_of(const char *text, uint16_t port) {
    struct address address;
    bool is_good = address_parse(view_of(text), &address);
    ASSERT(is_good);
    address.port = port;
    return address;
}

// --- Names -------------------------------------------------------------------------------

static void apply_dns_fault(struct day *day, struct dns_resolver *zone, size_t i) {
    dns_zone_fail(zone, domains[i].name, day->is_dns_bad[i] ? FACT_DNS_SERVFAIL : FACT_DNS_OK);
}

static void fill_zone(struct dns_resolver *zone, void *arg) {
    struct day *day = arg;
    for (int i = 0; i < RECEIVERS; i++) {
        char text[ADDRESS_TEXT_SIZE];
        address_format(&day->receivers[i].address, text, sizeof text);
        dns_zone_add_address(zone, day->receivers[i].name, text, 600);
    }
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        dns_zone_add_mx(zone, domains[i].name, 10, day->receivers[domains[i].first].name, 600);
        if (domains[i].second >= 0)
            dns_zone_add_mx(zone, domains[i].name, 20, day->receivers[domains[i].second].name, 600);
        apply_dns_fault(day, zone, i);
    }
    dns_zone_add_mx(zone, "null.test", 0, "", 600); // RFC 7505
}

// --- Clients -----------------------------------------------------------------------------

static void choose_recipient(struct day *day, char *out) {
    static const char *const users[] = {"user", "user", "user", "user", "user",
                                        "user", "gone", "grey", "grey", "full"};
    size_t domain = below(day, ARRAY_LEN(domains) - 1);
    const char *user = users[below(day, ARRAY_LEN(users))];
    if (below(day, 40) == 0)
        snprintf(out, BOOK_ADDRESS_SIZE, "user%u@nowhere.test", (unsigned)below(day, 1000000));
    else if (below(day, 60) == 0)
        snprintf(out, BOOK_ADDRESS_SIZE, "user%u@null.test", (unsigned)below(day, 1000000));
    else
        snprintf(out, BOOK_ADDRESS_SIZE, "%s%u@%s", user, (unsigned)below(day, 1000000),
                 domains[domain].name);
}

IO_WAITS static void send_one(struct day *day) {
    char address[BOOK_ADDRESS_SIZE];
    bool has_sender = below(day, 15) != 0;
    unsigned number = book_open(&day->book, has_sender);
    size_t n_rcpts = below(day, 3) == 0 ? 1 + below(day, BOOK_RCPTS_MAX) : 1;
    for (size_t i = 0; i < n_rcpts; i++) {
        choose_recipient(day, address);
        book_add_rcpt(&day->book, number, address);
    }
    size_t body_bytes = below(day, 30) == 0 ? below(day, 400 << 10) : below(day, 8 << 10);
    struct client_mail mail = {.number = number,
                               .sender = has_sender ? "sender@senders.test" : "",
                               .body_bytes = body_bytes};
    client_send(&day->book, &day->node.address, &mail);
}

static void client_run(void *arg) {
    struct day *day = arg;
    for (int i = 0; i < MESSAGES / 3; i++) {
        io_sleep(io_after((int64_t)below(day, 2 * (uint64_t)DAY_MS / (MESSAGES / 3))));
        send_one(day);
    }
    day->n_clients--;
}

// --- Weather -----------------------------------------------------------------------------

static void change_mood(struct day *day) {
    struct receiver *receiver = &day->receivers[below(day, RECEIVERS)];
    receiver->mood =
        below(day, 2) == 0 ? RECEIVER_WELL : (enum receiver_mood)below(day, RECEIVER_MOODS);
    // A sender whose own server refuses notices is not told: that is no loss of ours.
    if (receiver == &day->receivers[RECEIVERS - 1] && receiver->mood == RECEIVER_REJECTS)
        receiver->mood = RECEIVER_WELL;
}

static void change_network(struct day *day) {
    struct sim_net_rule rule = {.latency_ms_min = 1,
                                .latency_ms_max = 1 + (int64_t)below(day, 200)};
    switch (below(day, 8)) {
    case 0: rule.refuse = 10000; break;
    case 1: rule.drop_connect = 10000; break;
    case 2: rule.unreachable = 10000; break;
    case 3: rule.reset = 300; break;
    case 4: rule.half_open = 300; break;
    case 5: rule.close = 300; break;
    default: break;
    }
    rule.chunk_max = below(day, 2) == 0 ? 0 : 1 + below(day, 1 << (1 + below(day, 12)));
    struct address *address = &day->receivers[below(day, RECEIVERS)].address;
    sim_net_rule(day->sim, address, &rule);
    if (below(day, 4) == 0)
        sim_net_cut(day->sim, address);
}

static void change_names(struct day *day) {
    size_t i = below(day, ARRAY_LEN(domains));
    day->is_dns_bad[i] = below(day, 3) == 0;
    if (day->node.zone != NULL)
        apply_dns_fault(day, day->node.zone, i);
}

static void change_disk(struct day *day) {
    struct sim_disk_rule rule = {.sync_ms_max = (int64_t)below(day, 50)};
    if (below(day, 3) == 0)
        rule.sync_error = 1 + (unsigned)below(day, 500);
    if (below(day, 3) == 0)
        rule.write_error = 1 + (unsigned)below(day, 500);
    sim_disk_rule(day->sim, &rule);
}

static void kill_node(struct day *day) {
    if (!node_is_running(&day->node))
        return;
    bool power_cut = below(day, 2) == 0;
    if (below(day, 2) == 0) {
        sim_process_kill_at_disk_op(day->node.process, 1 + below(day, 60), power_cut);
        return;
    }
    node_kill(&day->node, power_cut);
    book_killed(&day->book);
}

// An operator who holds, releases, retries and asks.
static void operate(void *arg) {
    struct day *day = arg;
    struct relay_outcome outcome;
    struct error error;
    struct buffer answer;
    struct relay *relay = day->node.relay;
    if (!day->node.is_up)
        return;
    struct relay_act act = {
        .action = (enum relay_action)below(day, 3), .selector = {.all = true}, .who = VIEW("sim")};
    if (below(day, 2) == 0)
        act.selector = (struct relay_selector){.domain = view_of(domains[below(day, 7)].name)};
    relay_perform(relay, &act, &outcome, &error);
    if (day->node.relay != relay)
        return;
    struct relay_ask ask = {.question = (enum relay_question)below(day, 5),
                            .selector = {.all = true},
                            .text = view_of(domains[below(day, 7)].name),
                            .with_ages = true};
    buffer_init(&answer, 4 << 20);
    relay_answer(relay, &ask, &answer, &error);
    buffer_finish(&answer);
}

static void change_weather(struct day *day) {
    uint64_t what = below(day, 100);
    if (what < 40)
        change_mood(day);
    else if (what < 60 && day->has_net_faults)
        change_network(day);
    else if (what < 68 && day->has_dns_faults)
        change_names(day);
    else if (what < 76 && day->has_disk_faults)
        change_disk(day);
    else if (what < 82 && day->has_kills)
        kill_node(day);
    else if (what < 86)
        node_reload(&day->node);
    else if (what < 87 && day->has_clock_faults)
        sim_wall_step(day->sim, (int64_t)below(day, 4 * (uint64_t)HOUR_MS) - 2 * HOUR_MS);
    else if (what < 91)
        node_inside(&day->node, operate);
}

// Starts the relay again when it is down; that a disk operation killed it is seen here.
static void tend_node(struct day *day, bool *was_running) {
    bool is_running = node_is_running(&day->node);
    if (*was_running && !is_running)
        book_killed(&day->book);
    if (!is_running && below(day, 3) == 0)
        node_start(&day->node);
    *was_running = node_is_running(&day->node);
}

// The senders' own server is never away for long, else notices expire, as they may.
static void tend_senders(struct day *day) {
    struct sim_net_rule usual = {.latency_ms_min = 1, .latency_ms_max = 20};
    struct receiver *receiver = &day->receivers[RECEIVERS - 1];
    receiver->mood = RECEIVER_WELL;
    sim_net_rule(day->sim, &receiver->address, &usual);
    day->is_dns_bad[ARRAY_LEN(domains) - 1] = false;
    if (day->node.zone != NULL)
        apply_dns_fault(day, day->node.zone, ARRAY_LEN(domains) - 1);
}

static void clear_weather(struct day *day) {
    struct sim_net_rule clear_net = {.latency_ms_min = 1, .latency_ms_max = 20};
    struct sim_disk_rule clear_disk = {0};
    sim_disk_rule(day->sim, &clear_disk);
    for (int i = 0; i < RECEIVERS; i++) {
        sim_net_rule(day->sim, &day->receivers[i].address, &clear_net);
        day->receivers[i].mood = RECEIVER_WELL;
    }
    for (size_t i = 0; i < ARRAY_LEN(domains); i++)
        day->is_dns_bad[i] = false;
}

static bool is_empty(struct day *day) {
    return day->node.is_up && relay_counts(day->node.relay).schedule.rcpts == 0;
}

IO_WAITS static void release_all(struct day *day) {
    struct relay_outcome outcome;
    struct error error;
    struct relay_act act = {
        .action = RELAY_ACTION_RELEASE, .selector = {.held_only = true}, .who = VIEW("sim")};
    relay_perform(day->node.relay, &act, &outcome, &error);
}

static void day_run(void *arg) {
    struct day *day = arg;
    bool was_running = false;
    io_time evening = io_after(DAY_MS), tended_at = io_now();
    while (io_now() < evening) {
        if (io_now() - tended_at >= 4 * HOUR_MS) {
            tend_senders(day);
            tended_at = io_now();
        }
        io_sleep(io_after((int64_t)below(day, 10 * (uint64_t)MINUTE_MS)));
        tend_node(day, &was_running);
        change_weather(day);
    }
    clear_weather(day);
    node_kill(&day->node, true);
    book_killed(&day->book);
    node_start(&day->node);
    io_sleep(io_after(MINUTE_MS));
    release_all(day);
    for (int i = 0; i < 9 * 24 && (day->n_clients > 0 || !is_empty(day)); i++)
        io_sleep(io_after(HOUR_MS));
    io_sleep(io_after(MINUTE_MS));
    day->is_queue_empty = is_empty(day);
    node_stop(&day->node);
    day->is_over = true;
    sim_stop(day->sim);
}

// --- Runs --------------------------------------------------------------------------------

static void set_scene(struct day *day) {
    static const char *const names[RECEIVERS] = {"mx0.sim.test", "mx1.sim.test", "mx2.sim.test",
                                                 "mx3.sim.test", "mx4.sim.test", "mx5.sim.test",
                                                 "mxs.sim.test"};
    struct sim_net_rule usual = {.latency_ms_min = 1, .latency_ms_max = 20};
    sim_net_default(day->sim, &usual);
    for (int i = 0; i < RECEIVERS; i++) {
        char text[ADDRESS_TEXT_SIZE];
        snprintf(text, sizeof text, "44.0.0.%d", i + 1);
        day->receivers[i] = (struct receiver){.sim = day->sim,
                                              .book = &day->book,
                                              .address = address_of(text, 25),
                                              .name = names[i],
                                              .pipelines = below(day, 2) == 0};
        receiver_start(&day->receivers[i]);
    }
    node_init(&day->node, day->sim);
    day->node.address = address_of("10.0.0.1", 25);
    day->node.config_text = config_text;
    day->node.fill_zone = fill_zone;
    day->node.arg = day;
    // One in four seeds is without each kind of trouble, so that they are also seen apart.
    day->has_kills = below(day, 4) != 0;
    day->has_net_faults = below(day, 4) != 0;
    day->has_dns_faults = below(day, 4) != 0;
    day->has_disk_faults = below(day, 2) == 0;
    day->has_clock_faults = below(day, 4) == 0;
    sim_shuffle(day->sim, below(day, 2) == 0 ? (unsigned)below(day, 3000) : 0);
    day->book.disk_fails = day->has_disk_faults;
    day->n_clients = 3;
    for (unsigned i = 0; i < day->n_clients; i++)
        io_spawn("client", client_run, day);
    io_spawn("day", day_run, day);
}

static bool run(uint64_t seed, bool is_loud) {
    struct day *day = mem_alloc_zero(sizeof *day);
    day->sim = sim_create(seed);
    day->book.is_loud = is_loud;
    set_scene(day);
    sim_run(day->sim, IO_NEVER);
    ASSERT(day->is_over);
    book_close(&day->book, day->is_queue_empty);
    const struct book *book = &day->book;
    bool is_good = book->n_faults == 0;
    if (is_loud || !is_good)
        printf("seed %llu: %u sent, %u acknowledged, %u delivered (%u again), %u notices, "
               "%llu starts, %u kills, fingerprint %016llx%s%s\n",
               (unsigned long long)seed, book->n_messages, book->n_acked, book->n_delivered,
               book->n_twice, book->n_notices, (unsigned long long)day->node.n_starts,
               book->n_kills, (unsigned long long)sim_fingerprint(day->sim), is_good ? "" : ": ",
               book->first_fault);
    fflush(stdout);
    sim_destroy(day->sim);
    free(day);
    return is_good;
}

static void drop_line(enum log_level level, struct view line, void *arg) {
}

static bool read_number(int argc, char **argv, int i, uint64_t *value) {
    return i + 1 < argc && view_to_u64(view_of(argv[i + 1]), value);
}

int main(int argc, char **argv) {
    uint64_t first = 1, n = 200, n_bad = 0;
    bool is_loud = false;
    for (int i = 1; i < argc; i += 2) {
        bool is_good;
        if (strcmp(argv[i], "--seed") == 0)
            is_good = is_loud = read_number(argc, argv, i, &first);
        else if (strcmp(argv[i], "--seeds") == 0)
            is_good = read_number(argc, argv, i, &n);
        else
            is_good = strcmp(argv[i], "--from") == 0 && read_number(argc, argv, i, &first);
        if (!is_good) {
            fprintf(stderr, "usage: %s [--seed N | --seeds N [--from N]]\n", argv[0]);
            return 2;
        }
    }
    if (is_loud)
        n = 1;
    else
        log_set_sink(drop_line, NULL);
    for (uint64_t seed = first; seed < first + n; seed++)
        n_bad += !run(seed, is_loud);
    printf("%llu days, %llu of them bad\n", (unsigned long long)n, (unsigned long long)n_bad);
    return n_bad == 0 ? 0 : 1;
}
