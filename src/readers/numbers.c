// SPDX-License-Identifier: Apache-2.0
// Failures told as numbers: Winsock's, the system's, and those in Exim's "defer (N)". They are the
// last resort: Exim's own change between its releases, so its text is read first.
#include "readers/words.h"

#include <errno.h>

struct number_row {
    int number;
    enum fact_kind kind;
    int value; // errno, or the detail of DNS
};

// https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2
static const struct number_row winsock[] = {
    {995, FACT_KIND_ERRNO, ETIMEDOUT}, // ended by the caller's own timer
    {10050, FACT_KIND_ERRNO, ENETDOWN},        {10051, FACT_KIND_ERRNO, ENETUNREACH},
    {10053, FACT_KIND_ERRNO, ECONNABORTED},    {10054, FACT_KIND_ERRNO, ECONNRESET},
    {10055, FACT_KIND_ERRNO, ENOBUFS},         {10060, FACT_KIND_ERRNO, ETIMEDOUT},
    {10061, FACT_KIND_ERRNO, ECONNREFUSED},    {10064, FACT_KIND_ERRNO, EHOSTDOWN},
    {10065, FACT_KIND_ERRNO, EHOSTUNREACH},    {11001, FACT_KIND_DNS, FACT_DNS_NXDOMAIN},
    {11002, FACT_KIND_DNS, FACT_DNS_SERVFAIL}, {11004, FACT_KIND_DNS, FACT_DNS_NODATA},
};

static const struct {
    struct view name;
    int number; // Winsock's
} names[] = {
    {{"ETIMEDOUT", 9}, 10060},       {{"ECONNREFUSED", 12}, 10061}, {{"ECONNRESET", 10}, 10054},
    {{"ECONNABORTED", 12}, 10053},   {{"ENETUNREACH", 11}, 10051},  {{"EHOSTUNREACH", 12}, 10065},
    {{"EHOSTDOWN", 9}, 10064},       {{"ENETDOWN", 8}, 10050},      {{"ENOBUFS", 7}, 10055},
    {{"HOST_NOT_FOUND", 14}, 11001}, {{"TRY_AGAIN", 9}, 11002},     {{"NO_DATA", 7}, 11004}};

static bool fact_of_winsock(int number, struct fact *fact) {
    for (size_t i = 0; i < ARRAY_LEN(winsock); i++) {
        const struct number_row *row = &winsock[i];
        if (row->number != number)
            continue;
        bool is_reset = row->value == ECONNRESET || row->value == ECONNABORTED;
        bool is_dns = row->kind == FACT_KIND_DNS;
        *fact = fact_make(is_dns     ? FACT_STAGE_DNS
                          : is_reset ? FACT_STAGE_UNKNOWN
                                     : FACT_STAGE_CONNECT,
                          row->kind);
        *(is_dns ? &fact->detail : &fact->sys_errno) = row->value;
        return true;
    }
    return false;
}

// A number of four or five digits that stands as a word, or 995 behind "code".
static bool take_winsock(struct view words, struct fact *fact) {
    for (size_t at = 0; at < words.len; at++) {
        uint64_t number = 0;
        size_t len = 0;
        while (at + len < words.len && ascii_is_digit(words.ptr[at + len]))
            len++;
        bool is_start = at == 0 || strchr(" (:=\t", words.ptr[at - 1]);
        bool is_word = at + len == words.len || strchr(" ).,;:\t\n", words.ptr[at + len]);
        if (len >= 3 && len <= 5 && is_start && is_word &&
            view_to_u64(view_take(view_skip(words, at), len), &number) &&
            (len == 5 || words.len == len) && fact_of_winsock((int)number, fact))
            return true;
        at += len;
    }
    return false;
}

static bool take_name(struct view words, struct fact *fact) {
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (view_find(words, names[i].name) < words.len)
            return fact_of_winsock(names[i].number, fact);
    return false;
}

// --- Exim's "defer (N)" --------------------------------------------------------------------------
static struct fact fact_of_exim(int64_t number) {
    struct fact fact = fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_NONE);
    if (number > 0) { // an errno of the system that wrote the log: Linux's here
        fact = fact_make(FACT_STAGE_CONNECT, FACT_KIND_ERRNO);
        fact.sys_errno = (int)number;
        if (number == ECONNRESET || number == EPIPE)
            fact.stage = FACT_STAGE_UNKNOWN;
        return fact;
    }
    switch (number) {
    case -18: return fact_make(FACT_STAGE_UNKNOWN, FACT_KIND_CLOSED);
    case -36:
        fact = fact_make(FACT_STAGE_DNS, FACT_KIND_DNS);
        fact.detail = FACT_DNS_SERVFAIL;
        return fact;
    case -37: return fact_make(FACT_STAGE_TLS, FACT_KIND_TLS);
    case -38:
        fact = fact_make(FACT_STAGE_STARTTLS, FACT_KIND_DEMAND);
        fact.detail = FACT_DEMAND_STARTTLS;
        return fact;
    default: return fact;
    }
}

static bool take_exim(struct view words, struct fact *fact) {
    size_t at = view_find(words, VIEW("defer ("));
    struct view number = view_skip(words, at + 7);
    uint64_t value = 0;
    if (at == words.len)
        return false;
    number = view_take(number, view_find_char(number, ')'));
    bool is_negative = view_starts_with(number, VIEW("-"));
    if (!view_to_u64(view_skip(number, is_negative), &value) || value > 1000)
        return false;
    *fact = fact_of_exim(is_negative ? -(int64_t)value : (int64_t)value);
    return fact->kind != FACT_KIND_NONE;
}

bool reader_number_read(struct view words, struct fact *fact) {
    return take_exim(words, fact) || take_name(words, fact) || take_winsock(words, fact);
}
