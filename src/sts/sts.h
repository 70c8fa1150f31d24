// SPDX-License-Identifier: Apache-2.0
// MTA-STS (RFC 8461): a domain says over HTTPS which mail hosts it has, and that they can TLS.
#ifndef STS_STS_H
#define STS_STS_H

#include "base/error.h"
#include "base/view.h"

enum { STS_MX_MAX = 64, STS_POLICY_BYTES_MAX = 64 << 10 };

enum sts_mode { STS_MODE_NONE, STS_MODE_TESTING, STS_MODE_ENFORCE };

struct sts_policy {
    enum sts_mode mode;
    uint64_t max_age_s;
    struct view mx[STS_MX_MAX]; // "mx.example.org" or "*.example.org"; those beyond are left out
    size_t n_mx;
};

// Whether the text of a TXT record at _mta-sts.DOMAIN announces a policy, and its id (RFC
// 8461 3.1).
bool sts_record_parse(struct view text, struct view *id);
// Views point into `text`. False: `error` says what is wrong, with its line.
bool sts_policy_parse(struct view text, struct sts_policy *policy, struct error *error);
bool sts_policy_allows(const struct sts_policy *policy, struct view host);
struct view sts_mode_word(enum sts_mode mode);

#endif
