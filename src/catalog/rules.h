// SPDX-License-Identifier: Apache-2.0
// Dialect rules of a local file, asked before the catalogue's own. Private to this folder.
#ifndef CATALOG_RULES_H
#define CATALOG_RULES_H

#include "catalog/dialect.h"

// The cause that the first rule in use gives to it, or CAUSE_NONE.
enum cause rules_find(const struct said *said);

#endif
