// SPDX-License-Identifier: Apache-2.0
#include "spool/replay.h"

#include "base/codec.h"

#include <stdlib.h>

enum { MISSING_MAX = 100000, BAD_RANGES_MAX = 100000 };

void spool_replay_init(struct spool_replay *replay, struct spool_index *index,
                       struct spool_notes *notes) {
    *replay = (struct spool_replay){.index = index, .notes = notes};
    spool_changes_init(&replay->changes, index);
}

void spool_replay_finish(struct spool_replay *replay) {
    spool_changes_finish(&replay->changes);
    free(replay->missing);
    free(replay->bad);
}

// --- What is missing -----------------------------------------------------------------------------
static void add_missing(struct spool_replay *replay, struct spool_id id, uint64_t segment) {
    if (replay->n_missing == MISSING_MAX)
        return;
    if (replay->n_missing == replay->size_missing) {
        replay->size_missing = size_max(replay->size_missing * 2, 16);
        replay->missing =
            mem_realloc(replay->missing, replay->size_missing * sizeof(*replay->missing));
    }
    replay->missing[replay->n_missing++] = (struct spool_missing){.id = id, .segment = segment};
}

static void add_bad_range(struct spool_replay *replay, struct spool_bad_range range) {
    if (replay->n_bad_ranges == BAD_RANGES_MAX)
        return;
    if (replay->n_bad_ranges == replay->size_bad) {
        replay->size_bad = size_max(replay->size_bad * 2, 16);
        replay->bad = mem_realloc(replay->bad, replay->size_bad * sizeof(*replay->bad));
    }
    replay->bad[replay->n_bad_ranges++] = range;
}

void spool_replay_damaged(struct spool_replay *replay, const struct spool_segment *segment,
                          const struct spool_damage *damage, struct view meta) {
    uint64_t number = segment->file->number;
    struct spool_record record;
    add_bad_range(replay, (struct spool_bad_range){number, damage->at, damage->at + damage->len});
    while (damage->is_frame && spool_record_next(&meta, &record))
        if (record.kind == SPOOL_RECORD_MESSAGE)
            add_missing(replay, record.id, number);
}

// --- Messages ------------------------------------------------------------------------------------
struct body_places {
    struct spool_extent *extents;
    uint32_t n_extents;
    uint64_t bytes_here;
    bool is_whole;
};

static bool is_bad(const struct spool_replay *replay, const struct spool_piece *piece) {
    for (size_t i = 0; i < replay->n_bad_ranges; i++) {
        const struct spool_bad_range *bad = &replay->bad[i];
        if (bad->segment == piece->segment && piece->offset < bad->end &&
            bad->at < (uint64_t)piece->offset + piece->len)
            return true;
    }
    return false;
}

static bool add_extent(const struct spool_replay *replay, struct body_places *places,
                       const struct spool_piece *piece) {
    const struct spool_segment *segment =
        spool_segments_find(replay->index->segments, piece->segment);
    if (!segment || (uint64_t)piece->offset + piece->len > segment->file_bytes ||
        is_bad(replay, piece))
        return false;
    uint32_t at = 0;
    while (at < places->n_extents && places->extents[at].slot != segment->slot)
        at++;
    if (at == places->n_extents) {
        places->extents = mem_realloc(places->extents, (size_t)(at + 1) * sizeof(*places->extents));
        places->extents[places->n_extents++] = (struct spool_extent){.slot = segment->slot};
    }
    places->extents[at].bytes += piece->len;
    return true;
}

static struct body_places find_places(const struct spool_replay *replay, struct view pieces) {
    struct body_places places = {.is_whole = true};
    struct spool_piece piece;
    uint32_t used = 0;
    while (pieces.len > 0 && places.is_whole) {
        places.is_whole = spool_piece_next(&pieces, &used, &piece);
        if (places.is_whole && piece.is_elsewhere)
            places.is_whole = add_extent(replay, &places, &piece);
    }
    places.bytes_here = used;
    return places;
}

static void replay_message(struct spool_replay *replay, struct spool_place place,
                           const struct spool_record *record) {
    struct spool_message message;
    if (!spool_message_read(record->payload, &message)) {
        replay->n_bad++;
        return;
    }
    struct body_places places = find_places(replay, message.pieces);
    struct spool_new_item new = {.id = record->id,
                                 .n_rcpts = message.n_rcpts,
                                 .is_moved = message.is_moved,
                                 .stored_bytes =
                                     SPOOL_RECORD_BYTES + record->payload.len + places.bytes_here,
                                 .home = place,
                                 .extents = places.extents,
                                 .n_extents = places.n_extents};
    struct spool_item *item = spool_index_find(replay->index, record->id);
    if (!places.is_whole)
        add_missing(replay, record->id,
                    spool_segments_at(replay->index->segments, place.slot)->file->number);
    else if (item)
        spool_index_move(&replay->changes, item, &new);
    else
        spool_index_add(&replay->changes, &new);
    free(places.extents);
}

// --- Recipients ----------------------------------------------------------------------------------
static void replay_state(struct spool_replay *replay, struct spool_place place,
                         const struct spool_record *record) {
    struct spool_item *item = spool_index_find(replay->index, record->id);
    if (record->payload.len < 4) {
        replay->n_bad++;
        return;
    }
    uint32_t rcpt = codec_load_u32(record->payload.ptr);
    if (item && rcpt < item->n_rcpts && !spool_item_is_settled(item, rcpt))
        spool_index_state(&replay->changes, item, rcpt, place);
}

static void replay_settled(struct spool_replay *replay, struct spool_place place,
                           const struct spool_record *record) {
    struct spool_item *item = spool_index_find(replay->index, record->id);
    struct view rest = record->payload;
    for (; item && item->n_open > 0 && rest.len >= 4; rest = view_skip(rest, 4)) {
        uint32_t rcpt = codec_load_u32(rest.ptr);
        if (rcpt >= item->n_rcpts)
            continue;
        if (spool_item_is_settled(item, rcpt))
            spool_index_resettle(&replay->changes, item, rcpt, place);
        else
            spool_index_settle(&replay->changes, item, rcpt, place);
    }
    if (item && item->n_open == 0)
        spool_index_kill(&replay->changes, item);
}

static void replay_dead(struct spool_replay *replay, struct spool_segment *segment,
                        const struct spool_record *record) {
    const struct spool_segments *segments = replay->index->segments;
    struct spool_item *item = spool_index_find(replay->index, record->id);
    struct view rest = record->payload;
    for (; rest.len >= 8; rest = view_skip(rest, 8)) {
        struct spool_segment *victim = spool_segments_find(segments, codec_load_u64(rest.ptr));
        if (!victim || victim->file->number > segment->file->number)
            continue;
        spool_segment_kills(segment, victim);
        if (item && item->n_open > 0 && item->home.slot == victim->slot)
            spool_index_kill(&replay->changes, item);
    }
    for (size_t i = 0; i < replay->n_missing; i++)
        if (spool_id_equals(replay->missing[i].id, record->id))
            replay->missing[i].is_dead = true;
}

static void replay_record(struct spool_replay *replay, struct spool_segment *segment,
                          struct spool_place place, const struct spool_record *record) {
    struct spool_note note;
    switch (record->kind) {
    case SPOOL_RECORD_MESSAGE: replay_message(replay, place, record); break;
    case SPOOL_RECORD_STATE: replay_state(replay, place, record); break;
    case SPOOL_RECORD_SETTLED: replay_settled(replay, place, record); break;
    case SPOOL_RECORD_DEAD: replay_dead(replay, segment, record); break;
    case SPOOL_RECORD_NOTE:
        if (spool_note_read(record->payload, &note))
            spool_notes_set(replay->notes, &note, place);
        else
            replay->n_bad++;
        break;
    default: break; // pieces of bodies, and what later versions add
    }
    spool_changes_settle(&replay->changes);
}

void spool_replay_image(struct spool_replay *replay, struct spool_segment *segment,
                        struct view image) {
    struct spool_record record;
    struct view records;
    uint32_t unit;
    while (spool_image_next(&image, &unit, &records)) {
        struct spool_place place = {segment->slot, unit};
        while (spool_record_next(&records, &record))
            replay_record(replay, segment, place, &record);
        replay->n_bad += records.len > 0;
    }
    replay->n_bad += image.len > 0;
}

// --- What is live --------------------------------------------------------------------------------
static bool is_rcpt_live(const struct spool_index *index, struct spool_place place,
                         const struct spool_record *record, bool is_settled) {
    const struct spool_item *item = spool_index_find(index, record->id);
    struct view rest = record->payload;
    if (!item || item->n_open == 0)
        return false;
    for (; rest.len >= 4; rest = view_skip(rest, 4)) {
        uint32_t rcpt = codec_load_u32(rest.ptr);
        if (rcpt < item->n_rcpts && spool_item_is_settled(item, rcpt) == is_settled &&
            spool_place_equals(spool_item_rcpt_place(item, rcpt), place))
            return true;
        if (!is_settled)
            break; // a state: the index, then bytes
    }
    return false;
}

static bool is_death_needed(const struct spool_index *index, struct spool_place place,
                            struct view numbers) {
    for (; numbers.len >= 8; numbers = view_skip(numbers, 8)) {
        const struct spool_segment *victim =
            spool_segments_find(index->segments, codec_load_u64(numbers.ptr));
        if (victim && victim->slot != place.slot)
            return true;
    }
    return false;
}

bool spool_record_is_live(const struct spool_index *index, const struct spool_notes *notes,
                          struct spool_place place, const struct spool_record *record) {
    const struct spool_item *item = NULL;
    struct spool_note note;
    switch (record->kind) {
    case SPOOL_RECORD_MESSAGE:
        item = spool_index_find(index, record->id);
        return item && item->n_open > 0 && spool_place_equals(item->home, place);
    case SPOOL_RECORD_STATE: return is_rcpt_live(index, place, record, false);
    case SPOOL_RECORD_SETTLED: return is_rcpt_live(index, place, record, true);
    case SPOOL_RECORD_DEAD: return is_death_needed(index, place, record->payload);
    case SPOOL_RECORD_NOTE:
        return spool_note_read(record->payload, &note) &&
               spool_place_equals(spool_notes_place(notes, note.key), place);
    default: return false;
    }
}
