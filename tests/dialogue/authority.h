// SPDX-License-Identifier: Apache-2.0
// A private certificate authority for tests: made when it is needed, in a folder that goes with it.
#ifndef TESTS_DIALOGUE_AUTHORITY_H
#define TESTS_DIALOGUE_AUTHORITY_H

#include "tls/tls.h"

struct authority;

enum authority_key { AUTHORITY_KEY_EC, AUTHORITY_KEY_RSA, AUTHORITY_KEY_RSA_SHORT };

struct authority_order {  // one server certificate
    const char *names[4]; // DNS names
    const char *ip;
    int days_from, days_to; // relative to now; both zero: from yesterday, for a month
    enum authority_key key;
    bool is_self_signed;
    bool by_intermediate;   // signed by an intermediate
    bool omit_intermediate; // which the server forgets to send
    const char *issuer_url; // NULL: the certificate does not say where its issuer's is
};

struct authority *authority_create(void);
void authority_destroy(struct authority *authority);
// Paths of PEM files; they live as long as the authority.
const char *authority_file(struct authority *authority);
// Chain and key in one file.
const char *authority_issue(struct authority *authority, const struct authority_order *order);
// The intermediate's certificate in DER; the caller frees it.
struct view authority_intermediate(const struct authority *authority);
// Ready contexts.
struct tls_context *authority_server(struct authority *authority,
                                     const struct authority_order *order);
struct tls_context *authority_client(struct authority *authority);

#endif
