// SPDX-License-Identifier: Apache-2.0
#include "fetch/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

// --- Where ------------------------------------------------------------------------------------
static bool take_part(CURLU *url, CURLUPart part, char *out, size_t size) {
    char *text = NULL;
    bool is_taken = curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                    view_copy_string(view_of(text), out, size);
    curl_free(text);
    return is_taken;
}

static bool is_absent(CURLU *url, CURLUPart part) {
    char *text = NULL;
    bool is_absent = curl_url_get(url, part, &text, 0) != CURLUE_OK;
    curl_free(text);
    return is_absent;
}

static bool take_host(CURLU *url, struct fetch_where *where) {
    if (!take_part(url, CURLUPART_HOST, where->host, sizeof(where->host)) || !where->host[0])
        return false;
    size_t len = strlen(where->host);
    if (where->host[0] == '[' && where->host[len - 1] == ']') {
        memmove(where->host, where->host + 1, len - 2);
        where->host[len - 2] = '\0';
    }
    if (address_parse(view_of(where->host), &where->address))
        where->address.port = where->port;
    return true;
}

static bool take_parts(CURLU *url, struct fetch_where *where, struct error *error) {
    char scheme[16], port[16];
    uint64_t number = 0;
    if (!take_part(url, CURLUPART_SCHEME, scheme, sizeof(scheme)) ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return error_set(error, "only http and https are fetched");
    if (!is_absent(url, CURLUPART_USER) || !is_absent(url, CURLUPART_PASSWORD))
        return error_set(error, "a user name in the URL is not accepted");
    if (!take_part(url, CURLUPART_PORT, port, sizeof(port)) ||
        !view_to_u64(view_of(port), &number) || number == 0 || number > UINT16_MAX)
        return error_set(error, "the URL's port is no number from 1 to 65535");
    where->is_https = strcmp(scheme, "https") == 0;
    where->port = (uint16_t)number;
    return take_host(url, where) || error_set(error, "the URL has no host, or too long a one");
}

bool fetch_where_parse(struct view text, struct fetch_where *where, struct error *error) {
    *where = (struct fetch_where){0};
    if (text.len > FETCH_URL_BYTES_MAX || !view_copy_string(text, where->url, sizeof(where->url)))
        return error_set(error, "the URL is longer than %d bytes", FETCH_URL_BYTES_MAX);
    CURLU *url = curl_url();
    ASSERT(url);
    CURLUcode code = curl_url_set(url, CURLUPART_URL, where->url, 0);
    bool is_taken = code == CURLUE_OK ? take_parts(url, where, error)
                                      : error_set(error, "this is no URL of http or https");
    curl_url_cleanup(url);
    return is_taken;
}

// --- The answer -------------------------------------------------------------------------------
struct transfer {
    const struct fetch_request *request;
    struct fetch_answer *answer;
    CURL *curl;
    struct curl_slist *addresses, *fields;
    char words[CURL_ERROR_SIZE];
    bool is_too_large;
};

static size_t on_body(char *bytes, size_t size, size_t n, void *arg) {
    struct transfer *transfer = arg;
    buffer_append(&transfer->answer->body, bytes, size * n);
    transfer->is_too_large = transfer->answer->body.overflow;
    return transfer->is_too_large ? 0 : size * n;
}

static enum fetch_failure failure_of(const struct transfer *transfer, CURLcode code) {
    if (transfer->is_too_large)
        return FETCH_TOO_LARGE;
    switch (code) {
    case CURLE_OK: return FETCH_WELL;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST: return FETCH_CONNECT;
    case CURLE_OPERATION_TIMEDOUT: return FETCH_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR: return FETCH_CERT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE: return FETCH_TLS;
    case CURLE_FILESIZE_EXCEEDED: return FETCH_TOO_LARGE;
    default: return FETCH_BROKEN;
    }
}

static void tell_failure(struct transfer *transfer, CURLcode code) {
    struct fetch_answer *answer = transfer->answer;
    const struct fetch_where *where = transfer->request->where;
    const char *words = transfer->words[0] ? transfer->words : curl_easy_strerror(code);
    answer->failure = failure_of(transfer, code);
    if (answer->failure == FETCH_TOO_LARGE)
        error_set(&answer->error, "%s sends more than %zu bytes", where->host,
                  transfer->request->bytes_max);
    else if (answer->failure != FETCH_WELL)
        error_set(&answer->error, "%s port %u: %s", where->host, where->port, words);
}

static void take_answer(struct transfer *transfer) {
    struct fetch_answer *answer = transfer->answer;
    long status = 0;
    const char *kind = NULL, *location = NULL;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_TYPE, &kind);
    curl_easy_getinfo(transfer->curl, CURLINFO_REDIRECT_URL, &location);
    answer->status = (unsigned)status;
    struct view kind_view = view_of(kind ? kind : ""), place = view_of(location ? location : "");
    view_copy_string(view_take(kind_view, sizeof(answer->content_type) - 1), answer->content_type,
                     sizeof(answer->content_type));
    if (place.len < sizeof(answer->location))
        view_copy_string(place, answer->location, sizeof(answer->location));
}

// --- The request ------------------------------------------------------------------------------
// "example.org:443:192.0.2.1,[2001:db8::1]": libcurl then asks no resolver.
static void add_addresses(struct transfer *transfer) {
    const struct fetch_request *request = transfer->request;
    struct buffer line;
    char text[ADDRESS_TEXT_SIZE];
    buffer_init(&line, 4096);
    buffer_printf(&line, "%s:%u:", request->where->host, request->where->port);
    for (size_t i = 0; i < request->n_addresses && i < FETCH_ADDRESSES_MAX; i++) {
        address_format(&request->addresses[i], text, sizeof(text));
        bool is_ipv6 = request->addresses[i].family == ADDRESS_IPV6;
        buffer_printf(&line, is_ipv6 ? "%s[%s]" : "%s%s", i ? "," : "", text);
    }
    transfer->addresses = curl_slist_append(NULL, buffer_string(&line));
    ASSERT(transfer->addresses && !line.overflow);
    buffer_finish(&line);
    curl_easy_setopt(transfer->curl, CURLOPT_RESOLVE, transfer->addresses);
}

static void set_bounds(struct transfer *transfer, long limit_ms) {
    CURL *curl = transfer->curl;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); // the environment's proxies neither
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, limit_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, limit_ms);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, (long)transfer->request->bytes_max);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->words);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
}

static void set_request(struct transfer *transfer, long limit_ms) {
    const struct fetch_request *request = transfer->request;
    curl_easy_setopt(transfer->curl, CURLOPT_URL, request->where->url);
    curl_easy_setopt(transfer->curl, CURLOPT_USERAGENT, "Postrider");
    set_bounds(transfer, limit_ms);
    if (request->ca_file)
        curl_easy_setopt(transfer->curl, CURLOPT_CAINFO, request->ca_file);
    if (request->n_addresses > 0)
        add_addresses(transfer);
    if (request->accept) {
        char field[256] = "Accept: ";
        struct view accept = view_take(view_of(request->accept), sizeof(field) - 9);
        view_copy_string(accept, field + 8, sizeof(field) - 8);
        transfer->fields = curl_slist_append(NULL, field);
        curl_easy_setopt(transfer->curl, CURLOPT_HTTPHEADER, transfer->fields);
    }
}

// On a thread of the pool.
static void run(void *arg) {
    struct transfer *transfer = arg;
    int64_t limit_ms = transfer->request->deadline - io_now();
    transfer->curl = curl_easy_init();
    ASSERT(transfer->curl);
    if (limit_ms <= 0) { // the pool was busy for as long
        transfer->answer->failure = FETCH_TIMEOUT;
        error_set(&transfer->answer->error, "%s: no time was left", transfer->request->where->host);
    } else {
        set_request(transfer, (long)limit_ms);
        tell_failure(transfer, curl_easy_perform(transfer->curl));
        take_answer(transfer);
    }
    curl_easy_cleanup(transfer->curl);
    curl_slist_free_all(transfer->addresses);
    curl_slist_free_all(transfer->fields);
}

void fetch_get(const struct fetch_request *request, struct fetch_answer *answer) {
    struct transfer transfer = {.request = request, .answer = answer};
    // Without an address of ours libcurl would ask the system's resolver.
    ASSERT(request->n_addresses > 0 || request->where->address.family != ADDRESS_NONE);
    *answer = (struct fetch_answer){0};
    buffer_init(&answer->body, request->bytes_max);
    io_offload(run, &transfer);
}

void fetch_answer_finish(struct fetch_answer *answer) {
    buffer_finish(&answer->body);
}
