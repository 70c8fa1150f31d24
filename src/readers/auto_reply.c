// SPDX-License-Identifier: Apache-2.0
// Answers of programs that are no bounces: the mail has arrived, and its reader is away.
#include "readers/report.h"

// Beginnings of subjects that vacation programs write.
static const struct view subjects[] = {{"auto:", 5},
                                       {"auto reply", 10},
                                       {"auto-reply", 10},
                                       {"autoreply", 9},
                                       {"automatic reply", 15},
                                       {"auto response", 13},
                                       {"auto-response", 13},
                                       {"autoresponse", 12},
                                       {"autorespons", 11},
                                       {"out of office", 13},
                                       {"out of the office", 17},
                                       {"vacation", 8},
                                       {"on vacation", 11},
                                       {"away from", 9},
                                       {"automatische antwort", 20},
                                       {"abwesenheit", 11},
                                       {"r\xc3\xa9ponse automatique", 20},
                                       {"respuesta autom", 15},
                                       {"risposta automatica", 19},
                                       {"automatisch antwoord", 20},
                                       {"i am away", 9},
                                       {"im am out of", 12},
                                       {"am on holiday", 13}};

static struct view skip_reply_prefix(struct view subject) {
    subject = view_trim(subject);
    if (view_starts_with_nocase(subject, VIEW("re:")))
        subject = view_trim(view_skip(subject, 3));
    return subject;
}

static bool has_subject(struct view subject) {
    subject = skip_reply_prefix(subject);
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
        if (view_starts_with_nocase(subject, subjects[i]))
            return true;
    return false;
}

bool reader_is_auto_reply(const struct reader_report *report, bool is_notice) {
    const struct reader_head *head = &report->head;
    // RFC 3834 5: "auto-replied"; "auto-generated" is for notices of all kinds.
    bool is_replied = view_starts_with_nocase(head->auto_submitted, VIEW("auto-replied")) ||
                      view_starts_with_nocase(head->auto_submitted, VIEW("auto-notified"));
    bool is_precedence = view_starts_with_nocase(head->precedence, VIEW("auto_reply"));
    // That nobody shall answer is said by notices too.
    bool is_silent = head->suppresses_replies && !is_notice;
    return is_replied || is_precedence || is_silent || has_subject(head->subject);
}
