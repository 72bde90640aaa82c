/* mmstats.h: reads mmstats stats files, format 3. C11 (or C++17), Linux, no libraries except libc and libm.
 *
 * Written from docs/FORMAT.md alone; the comments name its chapters. One C file of a program contains the code:
 *
 *     #define MMSTATS_IMPLEMENTATION
 *     #include "mmstats.h"                  // before all other headers
 *
 * and all others only include the header. Link with -lm. An example, which prints each counter of a service:
 *
 *     mmstats *read = mmstats_read("/run/app", 0);
 *     if (!read) return perror("mmstats_read"), 1;
 *     for (size_t i = 0; i < read->error_count; i++)
 *         fprintf(stderr, "%s: %s\n", read->errors[i].path, read->errors[i].error);
 *     for (size_t m = 0; m < read->model_count; m++)
 *         for (size_t i = 0; i < read->models[m].series_count; i++) {
 *             const mmstats_series *series = &read->models[m].series[i];
 *             if (series->kind == MMSTATS_COUNTER)
 *                 printf("%s %" PRIu64 "\n", series->label.data, series->number.u);
 *         }
 *     const mmstats_series *times = mmstats_find(read, "web", "response_time");
 *     if (times && times->kind == MMSTATS_TIMER)
 *         printf("99th percentile: %g s\n", mmstats_percentile(times->distribution, 990).f);
 *     mmstats_free(read);
 *
 * mmstats_read reads all files of a path once. Everything it returns belongs to the `mmstats` and lives until
 * mmstats_free. There is no other state, so several threads may read at the same time, each for itself. To follow
 * values over time, read again: for counters, counts and totals take the difference of two reads.
 *
 * It copies with pread and maps nothing, so a file that is cut short causes an error and not a signal. It trusts no
 * byte of a file: invalid parts are left out, and are among the errors. Values of a thread that writes without a
 * pause may be too busy to be read whole; such a series is `busy` and has no value.
 *
 * tests/readers/show.c prints everything in the form of `mmstats show --json`.
 */
#ifndef MMSTATS_H
#define MMSTATS_H

#if defined(MMSTATS_IMPLEMENTATION) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* for pread, O_NOFOLLOW and the like */
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* UTF-8, whatever was in the file, followed by a zero (and it may contain zeros). Never null. It may contain
 * control characters: escape them before they reach a terminal or a page. */
typedef struct mmstats_text {
    const char *data;
    size_t length;
} mmstats_text;

typedef enum mmstats_type { MMSTATS_NONE, MMSTATS_BOOL, MMSTATS_UINT, MMSTATS_INT, MMSTATS_FLOAT } mmstats_type;

/* A number that may not exist (the mean of nothing). An integer beyond 64 bits, such as a sum over many files, is
 * the nearest double. */
typedef struct mmstats_number {
    mmstats_type type;
    uint64_t u; /* for MMSTATS_BOOL and MMSTATS_UINT */
    int64_t i;  /* for MMSTATS_INT, which is negative */
    double f;   /* for all types: the number as a double; a NaN if there is none */
} mmstats_number;

/* "Kind codes". No series is a window: a window is part of the series that it belongs to. */
typedef enum mmstats_kind {
    MMSTATS_UNREAD, /* the value was too busy to be read in any file */
    MMSTATS_COUNTER,
    MMSTATS_UPDOWN,
    MMSTATS_GAUGE,
    MMSTATS_FLAG,
    MMSTATS_TEXT,
    MMSTATS_CONSTANT,
    MMSTATS_TIMER,
    MMSTATS_PERCENTILE,
    MMSTATS_COMPOUND,
    MMSTATS_SUMMARY,
    MMSTATS_AVERAGE,
    MMSTATS_MOVINGAVERAGE,
    MMSTATS_SAMPLINGCOUNTER,
    MMSTATS_HISTORY,
    MMSTATS_ERRORS,
    MMSTATS_WINDOW,
    MMSTATS_FLOATPERCENTILE
} mmstats_kind;

/* The context that a value was recorded with. */
typedef struct mmstats_context {
    bool exists;       /* whether there was one */
    bool lost;         /* whether it is no longer in the file */
    mmstats_text text; /* its text, if it exists and is not lost */
    char id[33];       /* the MD5 of its bytes in hexadecimal; empty if there is none or it is lost */
} mmstats_context;

typedef struct mmstats_exemplar {
    uint64_t time; /* nanoseconds since 1970-01-01 UTC, like all times here */
    mmstats_number value;
    mmstats_context context;
} mmstats_exemplar;

#define MMSTATS_PERCENTILES 6 /* 50, 75, 90, 95, 99, 99.9 */

/* The value of a timer (in seconds), percentile, floatpercentile or summary. */
typedef struct mmstats_distribution {
    uint64_t count;
    mmstats_number total, mean, stddev, min, max, last;
    uint64_t last_time;                              /* for a summary with values */
    uint64_t rejected;                               /* for floats: NaNs and infinities */
    mmstats_number percentiles[MMSTATS_PERCENTILES]; /* none for a summary */
    const mmstats_exemplar *exemplars;               /* by ascending value */
    size_t exemplar_count;
    const struct mms_dist *buckets; /* for mmstats_percentile */
    double divisor;
} mmstats_distribution;

typedef struct mmstats_field {
    mmstats_text name;
    bool is_array;
    size_t count; /* 1 if it is not an array */
    const mmstats_number *numbers;
} mmstats_field;

typedef struct mmstats_entry {
    uint64_t time;
    double value;
    mmstats_context context;
} mmstats_entry;

typedef struct mmstats_logged {
    mmstats_text name; /* its type; for a note, its name */
    mmstats_text site, message, sources;
    bool is_note;
    uint64_t count, first, last; /* times of the first and the last */
    mmstats_context context;
} mmstats_logged;

typedef struct mmstats_log {
    uint64_t all, overflow, evicted, unnamed;
    const mmstats_logged *distinct; /* the most recent ones */
    size_t distinct_count;
    const mmstats_logged *sites; /* totals by name and site, without message and sources */
    size_t site_count;
} mmstats_log;

/* What another metric counted in its most recent time. */
typedef struct mmstats_window {
    double seconds;
    uint64_t count;                           /* for a counter */
    double rate;                              /* for a counter, per second */
    const mmstats_distribution *distribution; /* null for a counter */
} mmstats_window;

typedef struct mmstats_pair {
    mmstats_text key, value;
} mmstats_pair;

/* A metric of a model, with its value merged over the files. */
typedef struct mmstats_series {
    mmstats_text label;  /* the whole label, unique in the model */
    mmstats_text metric; /* without group and labels */
    mmstats_text group;  /* empty if there is none */
    mmstats_text unit;
    mmstats_text help;
    const mmstats_pair *labels;
    size_t label_count;
    mmstats_kind kind;
    bool busy;    /* there is no value: it was too busy in some file */
    bool is_text; /* true for a text, and for a constant that is a text */
    mmstats_text text;
    mmstats_number number;  /* counter, updown, gauge, flag, constant; the average of an average and movingaverage; the
                               rate of a samplingcounter, per millisecond */
    uint64_t count;         /* average, movingaverage, samplingcounter */
    const mmstats_distribution *distribution; /* timer, percentile, floatpercentile, summary */
    const mmstats_field *fields;              /* compound */
    size_t field_count;
    const mmstats_entry *entries; /* history, newest first */
    size_t entry_count;
    const mmstats_log *log;       /* errors */
    const mmstats_window *window; /* null if it has none */
} mmstats_series;

typedef struct mmstats_note {
    unsigned cause; /* "Note record" */
    mmstats_text text;
} mmstats_note;

typedef enum mmstats_life { MMSTATS_UNKNOWN, MMSTATS_LIVE, MMSTATS_ORPHAN, MMSTATS_DEAD } mmstats_life;

typedef struct mmstats_file {
    const char *path;
    uint32_t pid, tid;
    mmstats_life state;
    uint64_t created, bytes;
    bool retired;
    uint64_t folds;               /* for a retired file: how many files were folded into it */
    const mmstats_series *series; /* with MMSTATS_PER_FILE: its own series, by label */
    size_t series_count;
    const mmstats_note *notes; /* what the file does not record, and why */
    size_t note_count;
} mmstats_file;

typedef struct mmstats_model {
    mmstats_text name;
    size_t processes;          /* the number of processes that made its files */
    const mmstats_file *files; /* by creation time */
    size_t file_count;
    const mmstats_series *series; /* by label, as bytes */
    size_t series_count;
} mmstats_model;

typedef struct mmstats_error {
    const char *path;
    const char *error; /* a sentence, escaped for terminals */
} mmstats_error;

typedef struct mmstats {
    const char *path;            /* the path that was read; without MMSTATS_PATH the first of the usual roots */
    const mmstats_model *models; /* by name */
    size_t model_count;
    const mmstats_error *errors;
    size_t error_count;
} mmstats;

enum { MMSTATS_PER_FILE = 1 };

/* Reads a root, a model's directory or a stats file; with null the path in MMSTATS_PATH, or else the usual roots.
 * Returns null (and sets errno) only if there is no memory. What cannot be read is among the errors. */
mmstats *mmstats_read(const char *path, unsigned flags);
void mmstats_free(mmstats *read);
/* Returns the series with this label, or null if there is none. */
const mmstats_series *mmstats_find(const mmstats *read, const char *model, const char *label);
/* Returns the value of the percentile given in thousandths (990 is the 99th percentile). */
mmstats_number mmstats_percentile(const mmstats_distribution *distribution, unsigned thousandths);
/* Returns "counter" and so on, as in JSON: both kinds of percentiles are a "percentile". */
const char *mmstats_kind_name(mmstats_kind kind);
/* Returns "live" and so on. */
const char *mmstats_life_name(mmstats_life state);

#ifdef __cplusplus
}
#endif
#endif

#ifdef MMSTATS_IMPLEMENTATION
#ifndef MMSTATS_IMPLEMENTED
#define MMSTATS_IMPLEMENTED
#ifndef __SIZEOF_INT128__
#error "mmstats.h needs a compiler with __int128: gcc or clang for a 64-bit target"
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#endif

__extension__ typedef __int128 mms_i128;
__extension__ typedef unsigned __int128 mms_u128;

/* ---- Memory: a whole snapshot is freed at once, and so are the copies from one file. ---- */

typedef struct mms_chunk {
    struct mms_chunk *next;
    size_t size, used;
    size_t padding;
} mms_chunk;

typedef struct mms_arena {
    mms_chunk *chunks;
} mms_arena;

#if defined(__SANITIZE_ADDRESS__)
#define MMS_CHUNK 0 /* each allocation separately, so that its ends are guarded */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MMS_CHUNK 0
#endif
#endif
#ifndef MMS_CHUNK
#define MMS_CHUNK 65536
#endif

/* A text that is stored once in a snapshot, and what is looked up by it while files are merged. */
typedef struct mms_label {
    mmstats_text text;
    uint64_t hash;
    struct mms_label *next;
    uint64_t part;                /* the last part of a file that had it */
    uint64_t merge[3];            /* the merges to which the following belong */
    struct mms_merged *merged[2]; /* for the metric, and for its window */
    struct mms_description *description;
} mms_label;

typedef struct mms_reader {
    mmstats shown; /* must be first: the caller gets a pointer to it */
    mms_arena arena, scratch;
    jmp_buf *trap; /* where a fault jumps to */
    jmp_buf *top;  /* where a failed allocation jumps to */
    char problem[512];
    int descriptor;
    DIR *directory;
    unsigned flags;
    mms_label **table;
    size_t slots, labels;
    uint64_t seed, noise, parts, merges;
    mmstats_error *errors;
    size_t errors_room;
    struct mms_file **files;
    size_t file_count, files_room;
    struct mms_life *lives;
    struct mms_lock *locks;
    unsigned char boot_id[16], machine_id[16];
    uint64_t pid_namespace, time_namespace;
    bool proc_is_own;
} mms_reader;

static void mms_clear(mms_arena *arena) {
    while (arena->chunks) {
        mms_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
}

static void mms_no_memory(mms_reader *r) { longjmp(*r->top, 1); }

/* Returns zeroed memory. */
static void *mms_allocate(mms_reader *r, mms_arena *arena, size_t count, size_t size) {
    if (size && count > (SIZE_MAX / 4) / size) mms_no_memory(r);
    size_t need = (count * size + 15) / 16 * 16;
    mms_chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < need) {
        size_t room = need > MMS_CHUNK / 4 ? need : MMS_CHUNK;
        mms_chunk *fresh = (mms_chunk *)calloc(1, sizeof(mms_chunk) + (room ? room : 16));
        if (!fresh) mms_no_memory(r);
        fresh->size = room;
        if (chunk && room == need && need <= MMS_CHUNK) { /* behind the chunk that still has space */
            fresh->next = chunk->next;
            chunk->next = fresh;
        } else {
            fresh->next = chunk;
            arena->chunks = fresh;
        }
        chunk = fresh;
    }
    void *found = (char *)(chunk + 1) + chunk->used;
    chunk->used += need;
    return found;
}

#define MMS_NEW(r, type, count) ((type *)mms_allocate(r, &(r)->arena, count, sizeof(type)))
#define MMS_SCRATCH(r, count) ((unsigned char *)mms_allocate(r, &(r)->scratch, count, 1))

/* Returns the array, or a larger copy of it, with room for one more item. */
static void *mms_grow(mms_reader *r, void *items, size_t count, size_t *room, size_t size) {
    if (count < *room) return items;
    *room = *room ? 2 * *room : 8;
    void *more = mms_allocate(r, &r->arena, *room, size);
    if (count) memcpy(more, items, count * size);
    return more;
}

#define MMS_GROW(r, type, items, count, room) ((items) = (type *)mms_grow(r, items, count, room, sizeof(type)))

/* Counts `from` up to the first of `count` ascending items of which `comes_before` (a condition on `i`) is not true. */
#define MMS_SEARCH(from, count, comes_before)                      \
    for (size_t to_ = (count), i = (from); i = (from + to_) / 2, from < to_;) { \
        if (comes_before)                                          \
            from = i + 1;                                          \
        else                                                       \
            to_ = i;                                               \
    }

/* Compares two numbers for qsort. */
#define MMS_ORDER(a, b) (((a) > (b)) - ((a) < (b)))
/* A copy of a struct that may be changed. */
#define MMS_COPY(r, type, of) ((type *)memcpy(MMS_NEW(r, type, 1), of, sizeof(type)))

/* ---- Faults ---- */

#if defined(__GNUC__)
__attribute__((noreturn, format(printf, 2, 3)))
#endif
static void mms_fail(mms_reader *r, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->problem, sizeof r->problem, format, arguments);
    va_end(arguments);
    longjmp(*r->trap, 1);
}

/* Returns whether `attempt` returned normally. Otherwise `problem` has the reason. */
static bool mms_try(mms_reader *r, void (*attempt)(mms_reader *, void *), void *of) {
    jmp_buf trap, *outer = r->trap;
    r->trap = &trap;
    if (setjmp(trap) == 0) {
        attempt(r, of);
        r->trap = outer;
        return true;
    }
    r->trap = outer;
    return false;
}

static char *mms_join(mms_reader *r, const char *a, const char *b, const char *c) {
    size_t first = strlen(a), second = strlen(b), third = strlen(c);
    char *joined = MMS_NEW(r, char, first + second + third + 1);
    memcpy(joined, a, first);
    memcpy(joined + first, b, second);
    memcpy(joined + first + second, c, third);
    return joined;
}

/* ---- Bytes and texts: "Conventions" ---- */

static uint64_t mms_bytes(const unsigned char *at, unsigned count) {
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static uint64_t mms_word(const unsigned char *words, size_t index) {
    const unsigned char *at = words + 8 * index;
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
           (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

static uint32_t mms_u32(const unsigned char *at) { return (uint32_t)mms_bytes(at, 4); }
static uint16_t mms_u16(const unsigned char *at) { return (uint16_t)mms_bytes(at, 2); }

static double mms_float(uint64_t bits) {
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

/* Returns how many bytes from here on are one character, or (negated) the maximal subpart of an ill-formed sequence. */
static int mms_character(const unsigned char *at, size_t left) {
    unsigned char low = 0x80, high = 0xBF;
    int more;
    if (at[0] < 0x80) return 1;
    if (at[0] < 0xC2 || at[0] > 0xF4) return -1;
    more = at[0] < 0xE0 ? 1 : at[0] < 0xF0 ? 2 : 3;
    if (at[0] == 0xE0) low = 0xA0;
    if (at[0] == 0xED) high = 0x9F;
    if (at[0] == 0xF0) low = 0x90;
    if (at[0] == 0xF4) high = 0x8F;
    for (int i = 1; i <= more; i++) {
        if ((size_t)i >= left || at[i] < low || at[i] > high) return -i;
        low = 0x80;
        high = 0xBF;
    }
    return more + 1;
}

/* "Untrusted bytes": escapes what acts on a terminal or a page. */
static const char *mms_printable(mms_reader *r, const char *text) {
    size_t length = strlen(text), used = 0;
    char *shown = MMS_NEW(r, char, 9 * length + 1);
    for (const char *at = text; *at;) {
        int step = mms_character((const unsigned char *)at, length - (size_t)(at - text));
        unsigned code = (unsigned char)*at & (step > 1 ? 0x7Fu >> step : 0x7Fu);
        for (int i = 1; i < step; i++) code = code << 6 | ((unsigned char)at[i] & 0x3Fu);
        bool acts = code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x61C || code == 0xFEFF ||
                    (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
                    (code >= 0x2060 && code <= 0x2064) || (code >= 0x2066 && code <= 0x2069);
        if (step < 0)
            used += (size_t)sprintf(shown + used, "\xEF\xBF\xBD");
        else if (code == '\t' || code == '\r' || code == '\n')
            used += (size_t)sprintf(shown + used, "\\%c", code == '\t' ? 't' : code == '\r' ? 'r' : 'n');
        else if (acts)
            used += (size_t)sprintf(shown + used, "\\u{%x}", code);
        else
            used += (size_t)sprintf(shown + used, "%.*s", step, at);
        at += abs(step);
    }
    return shown;
}

static void mms_report(mms_reader *r, const char *path, const char *error) {
    MMS_GROW(r, mmstats_error, r->errors, r->shown.error_count, &r->errors_room);
    mmstats_error *one = &r->errors[r->shown.error_count++];
    one->path = path;
    one->error = mms_printable(r, error);
    r->shown.errors = r->errors;
}

static mmstats_text mms_piece(const char *data, size_t length) {
    mmstats_text text = {data, length};
    return text;
}

static mmstats_text mms_text(mms_reader *r, const unsigned char *bytes, size_t count) {
    size_t bad = 0, used = 0;
    for (size_t at = 0; at < count;) {
        int step = mms_character(bytes + at, count - at);
        bad += step < 0;
        at += (size_t)abs(step);
    }
    char *data = MMS_NEW(r, char, count + 3 * bad + 1);
    for (size_t at = 0; at < count;) {
        int step = mms_character(bytes + at, count - at);
        if (step > 0)
            memcpy(data + used, bytes + at, (size_t)step);
        else
            memcpy(data + used, "\xEF\xBF\xBD", 3);
        used += step > 0 ? (size_t)step : 3;
        at += (size_t)abs(step);
    }
    return mms_piece(data, used);
}

static mmstats_text mms_literal(const char *data) { return mms_piece(data, strlen(data)); }

static int mms_compare(mmstats_text a, mmstats_text b) {
    size_t least = a.length < b.length ? a.length : b.length;
    int order = least ? memcmp(a.data, b.data, least) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

static bool mms_same(mmstats_text a, mmstats_text b) { return mms_compare(a, b) == 0; }

/* Takes values from bytes, and never from beyond their end. */
typedef struct mms_cursor {
    const unsigned char *data;
    size_t length, at;
} mms_cursor;

static const unsigned char *mms_take(mms_reader *r, mms_cursor *c, size_t count) {
    if (count > c->length - c->at) mms_fail(r, "%zu bytes where %zu are left", count, c->length - c->at);
    c->at += count;
    return c->data + c->at - count;
}

static uint64_t mms_number(mms_reader *r, mms_cursor *c, unsigned size) { return mms_bytes(mms_take(r, c, size), size); }
static uint32_t mms_take32(mms_reader *r, mms_cursor *c) { return (uint32_t)mms_number(r, c, 4); }
static uint16_t mms_take16(mms_reader *r, mms_cursor *c) { return (uint16_t)mms_number(r, c, 2); }
static mmstats_text mms_take_text(mms_reader *r, mms_cursor *c, size_t count) { return mms_text(r, mms_take(r, c, count), count); }

/* Returns the label with this text. A file may choose texts, but does not know the seed. */
static mms_label *mms_intern(mms_reader *r, mmstats_text text, bool is_copied) {
    uint64_t hash = r->seed;
    for (size_t i = 0; i < text.length; i++) {
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    if (r->labels >= r->slots) {
        size_t slots = r->slots ? 2 * r->slots : 1024;
        mms_label **table = MMS_NEW(r, mms_label *, slots);
        for (size_t i = 0; i < r->slots; i++)
            for (mms_label *one = r->table[i], *next; one; one = next) {
                next = one->next;
                one->next = table[one->hash & (slots - 1)];
                table[one->hash & (slots - 1)] = one;
            }
        r->table = table;
        r->slots = slots;
    }
    mms_label **place = &r->table[hash & (r->slots - 1)];
    for (mms_label *one = *place; one; one = one->next)
        if (one->hash == hash && mms_same(one->text, text)) return one;
    mms_label *fresh = MMS_NEW(r, mms_label, 1);
    fresh->hash = hash;
    fresh->text = text;
    if (!is_copied) {
        char *data = MMS_NEW(r, char, text.length + 1);
        if (text.length) memcpy(data, text.data, text.length);
        fresh->text.data = data;
    }
    fresh->next = *place;
    *place = fresh;
    r->labels++;
    return fresh;
}

/* The id of a context ("Contexts"). */
static void mms_md5(const unsigned char *bytes, size_t count, char id[33]) {
    static const unsigned char shifts[16] = {7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    uint32_t table[64];
    for (int i = 0; i < 64; i++) table[i] = (uint32_t)(int64_t)floor(fabs(sin((double)(i + 1))) * 4294967296.0);
    for (size_t at = 0; at < (count + 8) / 64 * 64 + 64; at += 64) {
        unsigned char block[64];
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        for (size_t i = 0; i < 64; i++) block[i] = at + i < count ? bytes[at + i] : at + i == count ? 0x80 : 0;
        if (at + 64 >= count + 9)
            for (unsigned i = 0; i < 8; i++) block[56 + i] = (unsigned char)((uint64_t)count * 8 >> (8 * i));
        for (unsigned i = 0; i < 64; i++) {
            uint32_t f = i < 16 ? (b & c) | (~b & d) : i < 32 ? (d & b) | (~d & c) : i < 48 ? b ^ c ^ d : c ^ (b | ~d);
            unsigned word = (i < 16 ? i : i < 32 ? 5 * i + 1 : i < 48 ? 3 * i + 5 : 7 * i) % 16;
            unsigned shift = shifts[i / 16 * 4 + i % 4];
            uint32_t sum = a + f + table[i] + mms_u32(block + 4 * word), before = d;
            d = c;
            c = b;
            b += sum << shift | sum >> (32 - shift);
            a = before;
        }
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
    }
    for (unsigned i = 0; i < 16; i++) sprintf(id + 2 * i, "%02x", (unsigned)(state[i / 4] >> (8 * (i % 4)) & 0xFF));
}

/* ---- Arithmetic ---- */

static uint64_t mms_add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static mms_u128 mms_add_wide(mms_u128 a, mms_u128 b) { return a > ~(mms_u128)0 - b ? ~(mms_u128)0 : a + b; }

/* "Summary": the sum of two floats, about 106 bits (Knuth's TwoSum; a fused multiplication for products). */
typedef struct mms_sum {
    double high, low;
} mms_sum;

static bool mms_is_finite(mms_sum a) { return isfinite(a.high) && isfinite(a.low); }

static mms_sum mms_sum_of(double high, double low) {
    mms_sum sum = {high, low};
    return sum;
}

static mms_sum mms_plus(mms_sum a, double value) {
    double high = a.high + value, of_value = high - a.high;
    return mms_sum_of(high, a.low + ((a.high - (high - of_value)) + (value - of_value)));
}

static mms_sum mms_normal(mms_sum a) { return mms_is_finite(a) ? mms_plus(mms_sum_of(a.high, 0), a.low) : a; }

static mms_sum mms_plus_sum(mms_sum a, mms_sum b) {
    mms_sum sum = mms_plus(a, b.high);
    sum.low += b.low;
    return mms_normal(sum);
}

static mms_sum mms_minus(mms_sum a, mms_sum b) { return mms_plus_sum(a, mms_sum_of(-b.high, -b.low)); }

static mms_sum mms_times(mms_sum a, double factor) {
    double high = a.high * factor;
    return mms_normal(mms_sum_of(high, a.low * factor + fma(a.high, factor, -high)));
}

static mms_sum mms_over(mms_sum a, double divisor) {
    double high = a.high / divisor;
    return mms_normal(mms_sum_of(high, (fma(-high, divisor, a.high) + a.low) / divisor));
}

static mms_sum mms_squared(mms_sum a) {
    mms_sum square = mms_times(a, a.high);
    square.low += a.high * a.low;
    return mms_normal(square);
}

/* In a sum that has overflowed, `low` is not a number. */
static double mms_value_of(mms_sum a) { return mms_is_finite(a) ? a.high + a.low : a.high; }

/* A number during merging: integers are exact. */
typedef struct mms_num {
    mms_i128 i;
    double f;
    mmstats_type type; /* MMSTATS_INT for all integers */
} mms_num;

static mms_num mms_int(mms_i128 i) {
    mms_num n = {i, (double)i, MMSTATS_INT};
    return n;
}

static mms_num mms_bool(uint64_t word) {
    mms_num n = {word != 0, (double)(word != 0), MMSTATS_BOOL};
    return n;
}

static mms_num mms_real(double f) {
    mms_num n = {0, f, MMSTATS_FLOAT};
    return n;
}

static mmstats_number mms_shown(mms_num n) {
    mmstats_number shown;
    memset(&shown, 0, sizeof shown);
    shown.type = n.type;
    shown.f = n.f;
    if (n.type == MMSTATS_BOOL) shown.u = n.i != 0;
    if (n.type != MMSTATS_INT) return shown;
    if (n.i >= 0 && n.i <= (mms_i128)UINT64_MAX) {
        shown.type = MMSTATS_UINT;
        shown.u = (uint64_t)n.i;
    } else if (n.i < 0 && n.i >= (mms_i128)INT64_MIN) {
        shown.i = (int64_t)n.i;
    } else {
        shown.type = MMSTATS_FLOAT;
    }
    return shown;
}

static mmstats_number mms_double(double value) { return mms_shown(mms_real(value)); }
static mmstats_number mms_uint(uint64_t value) { return mms_shown(mms_int((mms_i128)value)); }

static mmstats_number mms_none(void) {
    mmstats_number none = mms_double((double)NAN);
    none.type = MMSTATS_NONE;
    return none;
}

/* "Merge rules": `a` is the merged value of `files` earlier files. */
static mms_num mms_merge_numbers(unsigned rule, mms_num a, mms_num b, uint64_t files) {
    if (rule == 4) return b;
    if (rule == 3) return mms_real(a.f + (b.f - a.f) / (double)(files + 1));
    bool whole = a.type == MMSTATS_INT && b.type == MMSTATS_INT;
    if (rule == 0) return whole ? mms_int(a.i + b.i) : mms_real(a.f + b.f);
    if (whole) return (rule == 1) == (a.i > b.i) ? a : b;
    return mms_real(rule == 1 ? fmax(a.f, b.f) : fmin(a.f, b.f));
}

/* "Scalar codes" */
static unsigned mms_size_of(unsigned scalar) {
    static const unsigned char sizes[12] = {0, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 1};
    return scalar < 12 ? sizes[scalar] : 0;
}

static mms_num mms_scalar(unsigned scalar, const unsigned char *at) {
    uint64_t bits = mms_bytes(at, mms_size_of(scalar));
    if (scalar == 9) {
        uint32_t narrow = (uint32_t)bits;
        float value;
        memcpy(&value, &narrow, 4);
        return mms_real((double)value);
    }
    if (scalar == 10) return mms_real(mms_float(bits));
    if (scalar >= 5 && scalar <= 8) {
        unsigned width = 8 * mms_size_of(scalar);
        bool negative = bits >> (width - 1) & 1;
        return mms_int((mms_i128)bits - (negative ? (mms_i128)1 << width : 0));
    }
    return mms_int((mms_i128)bits);
}

/* ---- Distributions: "Timer and Percentile", "FloatPercentile", "Summary" ---- */

typedef struct mms_summary {
    uint64_t count, last_time, rejected;
    double shift, min, max, last;
    mms_sum total, squares;
} mms_summary;

static mms_summary mms_read_summary(const unsigned char *words, uint64_t rejected) {
    mms_summary s;
    s.count = mms_word(words, 0);
    s.shift = mms_float(mms_word(words, 1));
    s.total = mms_sum_of(mms_float(mms_word(words, 2)), mms_float(mms_word(words, 3)));
    s.squares = mms_sum_of(mms_float(mms_word(words, 4)), mms_float(mms_word(words, 5)));
    s.min = mms_float(mms_word(words, 6));
    s.max = mms_float(mms_word(words, 7));
    s.last = mms_float(mms_word(words, 8));
    s.last_time = mms_word(words, 9);
    s.rejected = rejected;
    return s;
}

/* The sum of squares about the mean. */
static mms_sum mms_about_mean(const mms_summary *s) {
    mms_sum from_shift = mms_minus(mms_over(s->total, (double)s->count), mms_sum_of(s->shift, 0));
    if (!mms_is_finite(s->squares)) return mms_sum_of(HUGE_VAL, 0);
    return mms_minus(s->squares, mms_times(mms_squared(from_shift), (double)s->count));
}

static void mms_merge_summary(mms_summary *s, const mms_summary *other) {
    uint64_t rejected = mms_add(s->rejected, other->rejected);
    if (s->count == 0) {
        if (other->count) *s = *other;
    } else if (other->count) {
        double n = (double)s->count, m = (double)other->count;
        mms_sum apart = mms_minus(mms_over(other->total, m), mms_over(s->total, n));
        mms_sum between = mms_over(mms_times(mms_times(mms_squared(apart), n), m), n + m);
        mms_sum squares = mms_plus_sum(mms_plus_sum(mms_about_mean(s), mms_about_mean(other)), between);
        s->count = mms_add(s->count, other->count);
        s->total = mms_plus_sum(s->total, other->total);
        /* The shift moves to the double next to the mean. */
        mms_sum mean = mms_over(s->total, (double)s->count);
        mms_sum moved = mms_plus_sum(squares, mms_times(mms_squared(mms_sum_of(mean.low, 0)), (double)s->count));
        bool fits = isfinite(mean.high) && mms_is_finite(moved);
        if (fits) s->shift = mean.high;
        s->squares = fits ? moved : squares;
        s->min = fmin(s->min, other->min);
        s->max = fmax(s->max, other->max);
        if (other->last_time >= s->last_time) {
            s->last = other->last;
            s->last_time = other->last_time;
        }
    }
    s->rejected = rejected;
}

typedef struct mms_found { /* a reference that has been looked up */
    bool exists, lost;
    const unsigned char *bytes;
    size_t length;
} mms_found;

typedef struct mms_exemplar {
    uint32_t magnitude;
    uint64_t time, bits;
    mms_found context;
} mms_exemplar;

typedef struct mms_octave {
    uint32_t order; /* its number; for floats its rank */
    uint64_t *counts;
} mms_octave;

typedef struct mms_dist {
    bool is_float, last_known;
    unsigned digits;
    uint64_t count, min, max, last;
    mms_u128 total, squares;
    mms_summary moments; /* for floats, instead of the above */
    uint64_t coarse[64];
    mms_octave *octaves; /* ascending */
    size_t octave_count, octave_room;
    mms_exemplar *exemplars; /* ascending */
    size_t exemplar_count, exemplar_room;
} mms_dist;

/* "Buckets": h = 2^(k-1). */
static unsigned mms_bits_of(unsigned digits) {
    static const unsigned char bits[6] = {0, 4, 7, 10, 14, 17};
    return bits[digits];
}

static uint32_t mms_h(unsigned digits) { return (uint32_t)1 << mms_bits_of(digits); }
static uint32_t mms_octaves(unsigned digits) { return 65 - mms_bits_of(digits); }

static unsigned mms_length_of(uint64_t value) {
    unsigned bits = 0;
    for (; value; value >>= 1) bits++;
    return bits;
}

static uint32_t mms_octave_of(unsigned digits, uint64_t value) {
    return value >> mms_bits_of(digits) ? mms_length_of(value) - mms_bits_of(digits) : 0;
}

static uint64_t mms_low_of(unsigned digits, uint32_t octave, uint64_t bucket) {
    return octave ? (mms_h(digits) + bucket) << (octave - 1) : bucket;
}

static uint64_t mms_high_of(unsigned digits, uint32_t octave, uint64_t bucket) {
    return mms_low_of(digits, octave, bucket) + (octave ? ((uint64_t)1 << (octave - 1)) - 1 : 0);
}

/* For floats, octaves are kept by rank: in the order of their values. */
static uint32_t mms_rank(uint32_t octave) { return octave < 2048 ? octave + 2048 : 4095 - octave; }
static uint32_t mms_unrank(uint32_t rank) { return rank < 2048 ? 4095 - rank : rank - 2048; }

/* Returns the counts of an octave; new zeros if it had none. */
static uint64_t *mms_counts(mms_reader *r, mms_dist *d, uint32_t order) {
    size_t from = 0;
    MMS_SEARCH(from, d->octave_count, d->octaves[i].order < order)
    if (from < d->octave_count && d->octaves[from].order == order) return d->octaves[from].counts;
    MMS_GROW(r, mms_octave, d->octaves, d->octave_count, &d->octave_room);
    memmove(d->octaves + from + 1, d->octaves + from, (d->octave_count - from) * sizeof(mms_octave));
    d->octave_count++;
    d->octaves[from].order = order;
    d->octaves[from].counts = MMS_NEW(r, uint64_t, mms_h(d->digits));
    return d->octaves[from].counts;
}

static mms_dist *mms_new_dist(mms_reader *r, bool is_float, unsigned digits) {
    mms_dist *d = MMS_NEW(r, mms_dist, 1);
    d->is_float = is_float;
    d->digits = digits;
    return d;
}

/* Adds buckets and coarse counts, expressed in the digits of `d`, which has at most as many as the other. */
static void mms_add_counts(mms_reader *r, mms_dist *d, const mms_dist *other) {
    unsigned fine = other->digits, finer = mms_bits_of(fine) - mms_bits_of(d->digits);
    for (size_t n = 0; n < other->octave_count; n++) {
        const mms_octave *octave = &other->octaves[n];
        uint64_t *into = finer && !d->is_float ? NULL : mms_counts(r, d, octave->order);
        for (uint32_t i = 0; i < mms_h(fine); i++) {
            uint64_t *count, low;
            if (octave->counts[i] == 0) continue;
            if (into) {
                count = &into[i >> finer];
            } else {
                low = mms_low_of(fine, octave->order, i);
                uint32_t to = mms_octave_of(d->digits, low);
                count = &mms_counts(r, d, to)[to ? (low >> (to - 1)) - mms_h(d->digits) : low];
            }
            *count = mms_add(*count, octave->counts[i]);
        }
    }
    for (uint32_t o = 0; o < 64; o++) {
        uint32_t to = o;
        if (other->coarse[o] == 0) continue;
        if (!d->is_float && finer) {
            uint64_t low = mms_low_of(fine, o, 0), high = mms_high_of(fine, o, mms_h(fine) - 1);
            to = mms_octave_of(d->digits, low + (high - low) / 2);
        }
        d->coarse[to] = mms_add(d->coarse[to], other->coarse[o]);
    }
}

/* "Exemplars": of one magnitude the latest counts; of several with the same time, the first. */
static void mms_add_exemplar(mms_reader *r, mms_dist *d, const mms_exemplar *one) {
    size_t at = 0;
    while (at < d->exemplar_count && d->exemplars[at].magnitude < one->magnitude) at++;
    if (at < d->exemplar_count && d->exemplars[at].magnitude == one->magnitude) {
        if (d->exemplars[at].time < one->time) d->exemplars[at] = *one;
        return;
    }
    MMS_GROW(r, mms_exemplar, d->exemplars, d->exemplar_count, &d->exemplar_room);
    memmove(d->exemplars + at + 1, d->exemplars + at, (d->exemplar_count - at) * sizeof(mms_exemplar));
    d->exemplars[at] = *one;
    d->exemplar_count++;
}

/* Returns a copy with the given number of digits, at most as many as `d` has. */
static mms_dist *mms_clone_dist(mms_reader *r, const mms_dist *d, unsigned digits) {
    mms_dist *clone = MMS_NEW(r, mms_dist, 1);
    *clone = *d;
    clone->digits = digits;
    clone->octaves = NULL;
    clone->exemplars = NULL;
    clone->octave_count = clone->octave_room = clone->exemplar_count = clone->exemplar_room = 0;
    memset(clone->coarse, 0, sizeof clone->coarse);
    mms_add_counts(r, clone, d);
    for (size_t i = 0; i < d->exemplar_count; i++) mms_add_exemplar(r, clone, &d->exemplars[i]);
    return clone;
}

/* "Merged moments and buckets" */
static void mms_merge_dist(mms_reader *r, mms_dist *d, const mms_dist *other) {
    if (other->digits < d->digits) *d = *mms_clone_dist(r, d, other->digits);
    mms_add_counts(r, d, other);
    for (size_t i = 0; i < other->exemplar_count; i++) mms_add_exemplar(r, d, &other->exemplars[i]);
    if (d->is_float) {
        bool both = d->moments.count && other->moments.count;
        mms_merge_summary(&d->moments, &other->moments);
        if (both) d->moments.last = (double)NAN;
        return;
    }
    if (other->count && d->count) {
        d->last_known = false;
        if (other->min < d->min) d->min = other->min;
        if (other->max > d->max) d->max = other->max;
    } else if (other->count) {
        d->last_known = other->last_known;
        d->last = other->last;
        d->min = other->min;
        d->max = other->max;
    }
    d->count = mms_add(d->count, other->count);
    d->total = mms_add_wide(d->total, other->total);
    d->squares = mms_add_wide(d->squares, other->squares);
}

/* Calls `each` with the least and the greatest value (for floats their bits) and the count of each nonempty bucket,
 * in ascending order, until it returns false. */
typedef bool mms_each(void *of, uint64_t low, uint64_t high, uint64_t count);

static void mms_ascend(const mms_dist *d, mms_each *each, void *of) {
    uint32_t h = mms_h(d->digits), groups = d->is_float ? 64 : mms_octaves(d->digits);
    size_t next = 0;
    for (uint32_t group = 0; group < groups; group++) {
        uint64_t low, high;
        uint32_t range = group;
        if (d->is_float) {
            range = mms_unrank(64 * group) / 64;
            uint64_t last = 64 * (uint64_t)range + 63;
            low = (uint64_t)range << 58;
            high = (((last % 2048 == 2047 ? last - 1 : last) + 1) << 52) - 1;
        } else {
            low = mms_low_of(d->digits, group, 0);
            high = mms_high_of(d->digits, group, h - 1);
        }
        if (d->coarse[range] && !each(of, low, high, d->coarse[range])) return;
        for (; next < d->octave_count; next++) {
            const mms_octave *octave = &d->octaves[next];
            if ((d->is_float ? octave->order / 64 : octave->order) != group) break;
            uint32_t number = d->is_float ? mms_unrank(octave->order) : octave->order;
            for (uint32_t i = 0; i < h; i++) {
                uint32_t bucket = d->is_float && number >= 2048 ? h - 1 - i : i;
                if (octave->counts[bucket] == 0) continue;
                if (d->is_float) {
                    unsigned width = 52 - mms_bits_of(d->digits);
                    low = ((uint64_t)number << 52) + ((uint64_t)bucket << width);
                    high = low + ((uint64_t)1 << width) - 1;
                } else {
                    low = mms_low_of(d->digits, number, bucket);
                    high = mms_high_of(d->digits, number, bucket);
                }
                if (!each(of, low, high, octave->counts[bucket])) return;
            }
        }
    }
}

static bool mms_each_count(void *of, uint64_t low, uint64_t high, uint64_t count) {
    uint64_t *sum = (uint64_t *)of;
    (void)low, (void)high;
    *sum = mms_add(*sum, count);
    return true;
}

static uint64_t mms_in_buckets(const mms_dist *d) {
    uint64_t sum = 0;
    mms_ascend(d, mms_each_count, &sum);
    return sum;
}

typedef struct mms_percentiles {
    const mms_dist *d;
    uint64_t seen, ranks[MMSTATS_PERCENTILES];
    size_t next, count;
    mmstats_number found[MMSTATS_PERCENTILES];
} mms_percentiles;

static bool mms_each_rank(void *of, uint64_t low, uint64_t high, uint64_t count) {
    mms_percentiles *p = (mms_percentiles *)of;
    const mms_dist *d = p->d;
    p->seen = mms_add(p->seen, count);
    for (; p->next < p->count && p->seen >= p->ranks[p->next]; p->next++) {
        uint64_t middle = low + (high - low) / 2;
        if (d->is_float) {
            double value = low << 1 == 0 ? 0 : mms_float(middle);
            const mms_summary *m = &d->moments;
            if (m->count && m->min <= m->max) value = value < m->min ? m->min : value > m->max ? m->max : value;
            p->found[p->next] = mms_double(value);
        } else {
            if (d->count && d->min <= d->max) middle = middle < d->min ? d->min : middle > d->max ? d->max : middle;
            p->found[p->next] = mms_uint(middle);
        }
    }
    return p->next < p->count;
}

/* "Percentiles": the thousandths must ascend. */
static void mms_find_percentiles(const mms_dist *d, mms_percentiles *p, const unsigned *thousandths, size_t count) {
    uint64_t n = mms_in_buckets(d);
    p->d = d;
    p->seen = 0;
    p->next = 0;
    p->count = n ? count : 0;
    for (size_t i = 0; i < count; i++) {
        p->ranks[i] = (uint64_t)(((mms_u128)n * thousandths[i] + 999) / 1000);
        if (p->ranks[i] == 0) p->ranks[i] = 1;
        p->found[i] = mms_none();
    }
    if (n) mms_ascend(d, mms_each_rank, p);
}

/* "Mean and standard deviation". The mean is the double nearest to the quotient: with the highest bit of the total in
 * place 127 the quotient has more bits than a double keeps, and its last bit is set if there is a remainder. */
static double mms_mean(const mms_dist *d) {
    int shift = 0;
    mms_u128 total = d->total;
    for (; total && !(total >> 127); total <<= 1) shift++;
    return ldexp((double)(total / d->count | (total % d->count != 0)), -shift);
}

typedef struct mms_spread {
    double mean, count, squares;
} mms_spread;

static bool mms_each_square(void *of, uint64_t low, uint64_t high, uint64_t count) {
    mms_spread *s = (mms_spread *)of;
    double apart = ((double)low + (double)high) / 2 - s->mean;
    s->count += (double)count;
    s->squares += (double)count * apart * apart;
    return true;
}

static double mms_deviation(const mms_dist *d) {
    if (d->count == 1) return 0;
    if (d->squares == ~(mms_u128)0) {
        mms_spread spread = {mms_mean(d), 0, 0};
        mms_ascend(d, mms_each_square, &spread);
        return spread.count > 1 ? sqrt(spread.squares / (spread.count - 1)) : 0;
    }
    /* About the integer nearest to the mean, so that only the difference at the end is rounded. */
    mms_u128 count = d->count, near = d->total / count, rest = d->total % count, taken;
    bool above = rest > count / 2;
    if (above) near += 1;
    double r = above ? -(double)(count - rest) : (double)rest;
    if (above ? __builtin_sub_overflow(d->total, count - rest, &taken) : __builtin_add_overflow(d->total, rest, &taken))
        return 0;
    if (__builtin_mul_overflow(near, taken, &taken) || taken > d->squares) return 0;
    double squares = (double)(d->squares - taken) - r * (r / (double)d->count);
    return squares > 0 ? sqrt(squares / (double)(d->count - 1)) : 0;
}

/* ---- Schemas: "Records", "Kinds" ---- */

typedef struct mms_field {
    mmstats_text name;
    uint8_t scalar, rule;
    uint16_t count, offset;
} mms_field;

typedef struct mms_metric {
    uint16_t kind;
    uint8_t scalar, rule;
    uint16_t buffers, words, plain;
    uint32_t offset, parameter, slot_words, total;
    mmstats_text label, unit, help;
    const mms_field *fields;
    size_t field_count, number_count;
} mms_metric;

typedef struct mms_schema {
    uint64_t at;
    uint32_t block;
    const mms_metric *metrics;
    size_t metric_count;
    const uint32_t *by_offset; /* the metrics that octaves and extents may belong to */
    size_t by_offset_count;
} mms_schema;

/* The prefix and the suffix of labels, and the identity that they stand for. */
typedef struct mms_identity {
    mmstats_text prefix, suffix, group;
    const mmstats_pair *labels;
    size_t label_count;
} mms_identity;

typedef struct mms_space { /* an octave or an extent */
    struct mms_space *next, *sibling; /* in the list of the instance; in that of the metric */
    const unsigned char *words;       /* a copy of its values */
    uint32_t metric, number;
    uint64_t place;
    uint32_t cells; /* for an octave, the number of its counts */
    uint16_t buffers, width; /* for an extent; `width` is W */
    bool busy;               /* a cell was written too fast */
} mms_space;

typedef struct mms_instance {
    const mms_schema *schema;
    uint64_t place;
    const mms_identity *identity; /* null if the instance is not there */
    bool has_generation;
    uint64_t generation;
    size_t entries, entries_end;
    mms_space *octaves, *octaves_end, *extents, *extents_end;
} mms_instance;

typedef struct mms_description {
    struct mms_description *next; /* in the same file */
    mms_label *about;             /* kind and label */
    uint64_t time;
    mmstats_text unit, help;
} mms_description;

typedef struct mms_history {
    uint64_t size, pushed, missed, lost, count;
    struct mms_pushed *entries;
} mms_history;

typedef struct mms_pushed {
    uint64_t number;
    mmstats_entry shown; /* without its context */
    mms_found context;
} mms_pushed;

typedef struct mms_logged {
    mmstats_logged shown; /* without its context */
    mms_found context;
} mms_logged;

typedef struct mms_log_list {
    mms_logged *logged;
    size_t count, room;
} mms_log_list;

typedef struct mms_log {
    uint64_t counts[4];
    mms_log_list lists[2]; /* messages, totals */
} mms_log;

/* The value of one metric, of one file or merged. */
typedef struct mms_value {
    mms_num number;
    mmstats_text text;
    mms_sum total;          /* average */
    uint64_t count;         /* average, samplingcounter, and the window of a counter */
    uint64_t length, reach; /* window, in nanoseconds */
    mms_num *numbers;       /* compound */
    mms_dist *dist;
    mms_summary *summary;
    mms_history *history;
    mms_log *log;
} mms_value;

typedef struct mms_entry {
    mms_label *label;
    const mms_metric *metric;
    const mms_identity *identity;
    struct mms_value *value; /* null if none was read */
    size_t of;               /* for a window: the entry of its metric, plus 1 */
    bool busy, dead;
} mms_entry;

typedef struct mms_file {
    mms_reader *r;
    const char *path, *root;
    int descriptor;
    uint64_t length, blocks, device, node;
    uint32_t owner_uid;
    /* The header. */
    uint32_t header_length, pid, tid, tid_created, uid;
    bool pinned, is_copy, is_bad;
    uint64_t created, start_time, pid_namespace, time_namespace, token, lock_device, lock_inode;
    unsigned char boot_id[16], machine_id[16];
    unsigned char process[44]; /* start time, boot id, pid namespace, token and pid, as they are in the header */
    mmstats_text model;
    unsigned owner_state;
    mmstats_life state;
    int64_t budget, tries;
    /* The records. From here on everything belongs to one pass. */
    uint64_t committed, window, window_length;
    const unsigned char *window_bytes; /* a copy of some metadata */
    unsigned char *piece;
    mms_schema *schemas;
    size_t schema_count, schema_room;
    mms_instance *instances;
    size_t instance_count, instance_room;
    mms_space *contexts, *contexts_end;
    size_t context_count;
    struct mms_read_context *read_contexts;
    mmstats_note *notes;
    size_t note_count, note_room;
    mms_description *descriptions, *descriptions_end;
    bool is_retired;
    uint64_t folds;
    const unsigned char *names;
    size_t names_length, name_count;
    /* The values. */
    mms_entry *entries;
    size_t entry_count, entry_room;
    const char **problems;
    size_t problem_count, problem_room, whole; /* `whole`: the problems before the schema that is being read */
    mms_label *twice;                          /* the first label that occurs twice */
    size_t twice_count;
} mms_file;

typedef struct mms_read_context {
    uint32_t number;
    size_t order;
    uint64_t published;
    mms_found found;
} mms_read_context;

static void mms_problem(mms_file *f, const char *problem) {
    mms_reader *r = f->r;
    if (f->problem_count == 16) return; /* enough to know what is wrong */
    MMS_GROW(r, const char *, f->problems, f->problem_count, &f->problem_room);
    f->problems[f->problem_count++] = mms_join(r, problem, "", "");
}

static void mms_charge(mms_file *f, uint64_t bytes) {
    if (bytes > (uint64_t)(f->budget < 0 ? 0 : f->budget)) mms_fail(f->r, "out of proportion to the space that the file takes");
    f->budget -= (int64_t)bytes;
}

/* Copies with one call, to an aligned address: the kernel copies whole words. */
static void mms_copy(mms_file *f, uint64_t at, unsigned char *to, uint64_t count) {
    uint64_t had = 0;
    while (had < count) {
        ssize_t got = pread(f->descriptor, to + had, (size_t)(count - had), (off_t)(at + had));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) mms_fail(f->r, "cannot be read: %s", strerror(errno));
        if (got < 8 && (uint64_t)got < count - had) mms_fail(f->r, "cut short while it was read");
        had += (uint64_t)got < count - had ? (uint64_t)got & ~(uint64_t)7 : (uint64_t)got;
    }
}

static const unsigned char *mms_words(mms_file *f, uint64_t at, uint64_t count) {
    unsigned char *words = MMS_SCRATCH(f->r, (size_t)(8 * count));
    mms_copy(f, at, words, 8 * count);
    return words;
}

static uint64_t mms_load(mms_file *f, uint64_t at) {
    uint64_t aligned;
    mms_copy(f, at, (unsigned char *)&aligned, 8);
    return mms_word((const unsigned char *)&aligned, 0);
}

/* Acquire: no later load may be performed before an earlier one. */
static void mms_fence(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }

#define MMS_PIECE 32768u

/* Returns a copy of metadata, which does not change. Reads a whole piece of the file at once. */
static const unsigned char *mms_metadata(mms_file *f, uint64_t at, uint64_t count) {
    if (at < f->window || at + count > f->window + f->window_length) {
        uint64_t left = f->committed - at;
        f->window = at;
        f->window_length = count > MMS_PIECE ? count : left < MMS_PIECE ? left : MMS_PIECE;
        if (MMS_CHUNK == 0 || f->window_length > MMS_PIECE) {
            f->window_bytes = mms_words(f, at, (f->window_length + 7) / 8);
        } else {
            if (!f->piece) f->piece = MMS_SCRATCH(f->r, MMS_PIECE);
            mms_copy(f, at, f->piece, f->window_length);
            f->window_bytes = f->piece;
        }
    }
    return f->window_bytes + (at - f->window);
}

static uint32_t mms_window_words(unsigned kind) {
    return kind == MMSTATS_COUNTER ? 2 : kind == MMSTATS_TIMER || kind == MMSTATS_PERCENTILE ? 8 : 10;
}

static bool mms_is_dist(unsigned kind) {
    return kind == MMSTATS_TIMER || kind == MMSTATS_PERCENTILE || kind == MMSTATS_FLOATPERCENTILE;
}

#define MMS_STEPS 12u /* the number of steps of a window that count */
#define MMS_PLACES 13u
#define MMS_RANGES 64u
#define MMS_FLOAT_OCTAVES 4096u

/* "Window": the kind and the digits of the metric that it belongs to. */
static unsigned mms_step_kind(const mms_metric *m) { return m->kind == MMSTATS_WINDOW ? m->parameter & 0xFF : m->kind; }
static uint32_t mms_digits(const mms_metric *m) { return m->kind == MMSTATS_WINDOW ? m->parameter >> 8 : m->parameter; }

/* Returns the number of coarse counts of a distribution. */
static uint32_t mms_coarse(unsigned kind, uint32_t digits) {
    return kind == MMSTATS_FLOATPERCENTILE ? MMS_RANGES : mms_octaves(digits);
}

/* Returns how many octaves it may have; 0 if it is not a distribution. */
static uint32_t mms_octave_numbers(const mms_metric *m) {
    unsigned kind = mms_step_kind(m);
    if (!mms_is_dist(kind)) return 0;
    return (kind == MMSTATS_FLOATPERCENTILE ? MMS_FLOAT_OCTAVES : mms_octaves(mms_digits(m))) *
           (m->kind == MMSTATS_WINDOW ? MMS_PLACES : 1);
}

/* "Kind codes": returns whether the metric has the form of its kind. */
static bool mms_has_form(const mms_metric *m) {
    bool slot = m->buffers > 0, plain_word = !slot && m->words == 0 && m->plain == 1;
    bool digits = mms_digits(m) >= 1 && mms_digits(m) <= 5;
    unsigned step;
    switch (m->kind) {
    case MMSTATS_COUNTER:
    case MMSTATS_UPDOWN:
    case MMSTATS_FLAG: return plain_word;
    case MMSTATS_GAUGE: return plain_word && m->scalar >= 1 && m->scalar <= 10;
    case MMSTATS_CONSTANT:
        if (m->scalar == 12) return !slot && m->words == 0 && m->plain >= 1;
        return plain_word && m->scalar >= 1 && m->scalar <= 11;
    case MMSTATS_TEXT: return slot && m->words >= 1 && m->plain == 0;
    case MMSTATS_TIMER:
    case MMSTATS_PERCENTILE: return slot && digits && m->words >= 8 && m->plain == mms_octaves(m->parameter);
    case MMSTATS_COMPOUND: {
        uint64_t size = 0;
        for (size_t i = 0; i < m->field_count; i++)
            size += (uint64_t)mms_size_of(m->fields[i].scalar) * (m->fields[i].count ? m->fields[i].count : 1);
        return slot && m->words >= 1 && m->words <= 64 && m->plain == 0 && m->field_count && size <= 8u * m->words;
    }
    case MMSTATS_SUMMARY: return slot && m->words == 10 && m->plain == 1;
    case MMSTATS_AVERAGE: return slot && m->words == 3 && m->plain == 0;
    case MMSTATS_MOVINGAVERAGE: return slot && m->words == 3 && m->parameter > 0 && m->plain == m->parameter;
    case MMSTATS_SAMPLINGCOUNTER: return slot && m->words == 2 && m->plain == 1;
    case MMSTATS_HISTORY: return plain_word && m->scalar == 10;
    case MMSTATS_ERRORS: return !slot && m->words == 0 && m->plain == 4;
    case MMSTATS_FLOATPERCENTILE: return slot && digits && m->words == 10 && m->plain == 65;
    case MMSTATS_WINDOW:
        step = mms_step_kind(m);
        if (step != MMSTATS_COUNTER && step != MMSTATS_SUMMARY && !(mms_is_dist(step) && digits)) return false;
        return slot && m->words == MMS_PLACES * (1 + mms_window_words(step)) &&
               m->plain == 1 + MMS_PLACES * (mms_is_dist(step) ? mms_coarse(step, mms_digits(m)) : 0);
    default: return false;
    }
}

typedef struct mms_parse { /* of an entry */
    mms_cursor entry;
    mms_metric *metric;
    const mms_metric *before;
    uint64_t *room;
    uint32_t block;
    bool is_known;
} mms_parse;

static void mms_parse_metric(mms_reader *r, void *of) {
    mms_parse *p = (mms_parse *)of;
    mms_metric *m = p->metric;
    mms_cursor *c = &p->entry;
    c->at = 4;
    m->kind = mms_take16(r, c);
    m->scalar = (uint8_t)mms_number(r, c, 1);
    m->rule = (uint8_t)mms_number(r, c, 1);
    m->offset = mms_take32(r, c);
    m->buffers = mms_take16(r, c);
    m->words = mms_take16(r, c);
    m->plain = mms_take16(r, c);
    uint16_t fields = mms_take16(r, c);
    m->parameter = mms_take32(r, c);
    uint16_t label = mms_take16(r, c), unit = mms_take16(r, c), help = mms_take16(r, c), counters = mms_take16(r, c);
    p->is_known = m->kind >= MMSTATS_COUNTER && m->kind <= MMSTATS_FLOATPERCENTILE;
    if (!p->is_known) return; /* a later version's: no reason to complain */
    if (m->buffers && (m->buffers < 2 || m->buffers > 64 || (m->buffers & (m->buffers - 1))))
        mms_fail(r, "%u buffers", (unsigned)m->buffers);
    m->slot_words = m->buffers ? 1 + (uint32_t)m->buffers * m->words : 0;
    m->total = m->slot_words + m->plain;
    if (m->offset % 8 || (uint64_t)m->offset + 8 * (uint64_t)m->total > p->block) mms_fail(r, "a metric outside its block");
    m->label = mms_take_text(r, c, label);
    m->unit = mms_take_text(r, c, unit);
    m->help = mms_take_text(r, c, help);
    if (m->rule > 4) mms_fail(r, "%s has an unknown merge rule", m->label.data);
    if (fields > (c->length - c->at) / 8) mms_fail(r, "%s has fields beyond its end", m->label.data);
    mms_field *list = MMS_NEW(r, mms_field, fields);
    m->fields = list;
    m->field_count = fields;
    for (size_t i = 0; i < fields; i++) {
        mms_field *field = &list[i];
        field->scalar = (uint8_t)mms_number(r, c, 1);
        field->rule = (uint8_t)mms_number(r, c, 1);
        field->count = mms_take16(r, c);
        field->offset = mms_take16(r, c);
        field->name = mms_take_text(r, c, mms_take16(r, c));
        uint32_t count = field->count ? field->count : 1, size = mms_size_of(field->scalar);
        if (size == 0) mms_fail(r, "field %s has an unknown type", field->name.data);
        if (field->rule > 4) mms_fail(r, "field %s has an unknown merge rule", field->name.data);
        if (field->offset + size * count > 8u * m->words) mms_fail(r, "field %s is outside the value", field->name.data);
        m->number_count += count;
    }
    for (unsigned i = 0; fields && i < counters; i++)
        if (mms_take16(r, c) >= fields) mms_fail(r, "a counter that is no field");
    if (!mms_has_form(m)) mms_fail(r, "%s: not the form of a %s", m->label.data, mmstats_kind_name((mmstats_kind)m->kind));
    if (m->kind == MMSTATS_WINDOW) {
        const mms_metric *before = p->before;
        size_t length = m->label.length;
        bool follows = before && length == before->label.length + 7 && before->kind == mms_step_kind(m) &&
                       memcmp(m->label.data, before->label.data, length - 7) == 0 &&
                       memcmp(m->label.data + length - 7, ".Window", 7) == 0;
        if (!follows) mms_fail(r, "%s: a window that does not follow the metric it belongs to", m->label.data);
    }
    if (m->total > *p->room) mms_fail(r, "%s overlaps other metrics", m->label.data);
    *p->room -= m->total;
}

typedef struct mms_offset {
    uint32_t offset, metric;
} mms_offset;

static int mms_order_offsets(const void *a, const void *b) {
    const mms_offset *x = (const mms_offset *)a, *y = (const mms_offset *)b;
    return x->offset != y->offset ? MMS_ORDER(x->offset, y->offset) : MMS_ORDER(x->metric, y->metric);
}

static void mms_schema_record(mms_file *f, uint64_t at, mms_cursor *c) {
    mms_reader *r = f->r;
    uint32_t block = mms_take32(r, c), count = mms_take32(r, c);
    uint16_t name = mms_take16(r, c), help = mms_take16(r, c), type = mms_take16(r, c), exported = mms_take16(r, c);
    f->whole = f->problem_count;
    if (block % 8) mms_fail(r, "a block of %u bytes", (unsigned)block);
    mms_take(r, c, (size_t)name + help + type);
    mms_take(r, c, (8 - c->at % 8) % 8);
    size_t most = (c->length - c->at) / 32, taken = 0, with_space = 0;
    if (count > most) most = most + 1; /* the entry that is too many ends the list below */
    mms_metric *metrics = MMS_NEW(r, mms_metric, count < most ? count : most);
    const mms_metric *before = NULL;
    uint64_t room = block / 8;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = c->length - c->at >= 4 ? mms_u32(c->data + c->at) : 0;
        if (size < 32) mms_fail(r, "an entry of %u bytes", (unsigned)size);
        mms_parse p = {{mms_take(r, c, size), size, 0}, &metrics[taken], before, &room, block, true};
        before = NULL;
        memset(p.metric, 0, sizeof *p.metric);
        if (!mms_try(r, mms_parse_metric, &p))
            mms_problem(f, r->problem); /* costs only this metric */
        else if (p.is_known)
            before = &metrics[taken++];
    }
    if (exported) mms_take(r, c, exported - 1u);
    mms_offset *offsets = MMS_NEW(r, mms_offset, taken);
    for (uint32_t i = 0; i < taken; i++)
        if (mms_octave_numbers(&metrics[i]) || metrics[i].kind == MMSTATS_HISTORY || metrics[i].kind == MMSTATS_ERRORS) {
            offsets[with_space].offset = metrics[i].offset;
            offsets[with_space++].metric = i;
        }
    qsort(offsets, with_space, sizeof *offsets, mms_order_offsets);
    uint32_t *by_offset = MMS_NEW(r, uint32_t, with_space);
    for (size_t i = 0; i < with_space; i++) by_offset[i] = offsets[i].metric;
    MMS_GROW(r, mms_schema, f->schemas, f->schema_count, &f->schema_room);
    mms_schema *schema = &f->schemas[f->schema_count++];
    schema->at = at;
    schema->block = block;
    schema->metrics = metrics;
    schema->metric_count = taken;
    schema->by_offset = by_offset;
    schema->by_offset_count = with_space;
    f->whole = SIZE_MAX;
}

/* ---- Instances: "Instance record", "Groups that come and go" ---- */

static void mms_within(mms_file *f, uint64_t at, uint64_t length, uint64_t texts, uint64_t place, uint64_t size) {
    if (place % 64 || place < at + texts || size > length || place + size > at + length)
        mms_fail(f->r, "values outside the record at %" PRIu64, at);
}

/* "Instance record": the text of the labels, which follows the label of the metric. */
static mmstats_text mms_suffix(mms_reader *r, const mmstats_pair *labels, size_t count) {
    size_t room = 3, used = 0;
    for (size_t i = 0; i < count; i++) room += labels[i].key.length + 2 * labels[i].value.length + 4;
    char *data = MMS_NEW(r, char, room);
    for (size_t i = 0; i < count; i++) {
        data[used++] = i ? ',' : '{';
        memcpy(data + used, labels[i].key.data, labels[i].key.length);
        used += labels[i].key.length;
        data[used++] = '=';
        data[used++] = '"';
        for (size_t j = 0; j < labels[i].value.length; j++) {
            char c = labels[i].value.data[j];
            if (c == '\\' || c == '"' || c == '\n') data[used++] = '\\';
            data[used++] = c == '\n' ? 'n' : c;
        }
        data[used++] = '"';
    }
    if (count) data[used++] = '}';
    return mms_piece(data, used);
}

/* Returns the length of a whole label, and writes the label if `to` is not null. */
static size_t mms_whole_label(const mms_identity *identity, mmstats_text label, char *to) {
    size_t prefix = identity->prefix.length;
    if (label.length == 0 && prefix && identity->prefix.data[prefix - 1] == '.') prefix--;
    if (to) {
        memcpy(to, identity->prefix.data, prefix);
        memcpy(to + prefix, label.data, label.length);
        memcpy(to + prefix + label.length, identity->suffix.data, identity->suffix.length);
    }
    return prefix + label.length + identity->suffix.length;
}

typedef struct mms_texts {
    mms_file *f;
    const mms_schema *schema;
    uint64_t at, length, place;
    bool changes;
    const mms_identity *identity;
} mms_texts;

/* Reads the texts of an instance from the first `length` bytes of its record. */
static void mms_take_texts(mms_reader *r, void *of) {
    mms_texts *t = (mms_texts *)of;
    mms_file *f = t->f;
    mms_identity *identity = MMS_NEW(r, mms_identity, 1);
    uint64_t most = t->place - t->at < t->length ? t->place - t->at : t->length;
    /* There are at most 64 labels and two texts, so bytes beyond these need not be copied. */
    if (most > 24 + 2 * 65535 + 64 * (4 + 2 * 65535)) most = 24 + 2 * 65535 + 64 * (4 + 2 * 65535);
    if (t->changes) most = most / 8 * 8;
    mms_charge(f, most > 4096 ? most : 0);
    /* Texts that may change are copied now, between two reads of the generation. */
    mms_cursor c = {t->changes ? mms_words(f, t->at, most / 8) : mms_metadata(f, t->at, most), (size_t)most, 16};
    uint16_t prefix = mms_take16(r, &c), group = mms_take16(r, &c), lengths[128];
    uint32_t pairs = mms_take32(r, &c);
    mmstats_text before = mms_take_text(r, &c, prefix);
    identity->group = mms_take_text(r, &c, group);
    if (pairs > 64) mms_fail(r, "%u labels at %" PRIu64, (unsigned)pairs, t->at);
    for (size_t i = 0; i < 2 * pairs; i++) lengths[i] = mms_take16(r, &c);
    mmstats_pair *labels = MMS_NEW(r, mmstats_pair, pairs);
    for (size_t i = 0; i < pairs; i++) {
        labels[i].key = mms_take_text(r, &c, lengths[2 * i]);
        labels[i].value = mms_take_text(r, &c, lengths[2 * i + 1]);
        if (labels[i].key.length == 0 || (i && mms_compare(labels[i - 1].key, labels[i].key) >= 0))
            mms_fail(r, "labels out of order at %" PRIu64, t->at);
    }
    identity->suffix = mms_suffix(r, labels, group ? 0 : pairs);
    identity->prefix = group ? mms_literal(mms_join(r, "", "", "")) : before;
    if (group) {
        char *joined = MMS_NEW(r, char, before.length + identity->group.length + 2);
        memcpy(joined, before.data, before.length);
        memcpy(joined + before.length, identity->group.data, identity->group.length);
        joined[before.length + identity->group.length] = '.';
        identity->prefix.data = joined;
        identity->prefix.length = before.length + identity->group.length + 1;
    } else { /* the key of a group's label is only the exporters' name for it */
        identity->labels = labels;
        identity->label_count = pairs;
    }
    for (size_t i = 0; i < t->schema->metric_count; i++)
        if (mms_whole_label(identity, t->schema->metrics[i].label, NULL) == 0)
            mms_fail(r, "a metric without a label at %" PRIu64, t->at);
    t->identity = identity;
}

static void mms_instance_record(mms_file *f, uint64_t at, uint64_t length, bool has_generation) {
    mms_reader *r = f->r;
    if (length < 24) mms_fail(r, "a short record at %" PRIu64, at);
    const unsigned char *head = mms_metadata(f, at, 24);
    uint32_t of = mms_u32(head + 8), place = mms_u32(head + 12);
    size_t from = 0;
    MMS_SEARCH(from, f->schema_count, f->schemas[i].at < of)
    if (from == f->schema_count || f->schemas[from].at != of) mms_fail(r, "no schema at %u", (unsigned)of);
    const mms_schema *schema = &f->schemas[from];
    mms_within(f, at, length, has_generation ? 32 : 24, place, schema->block);
    mms_texts texts = {f, schema, at, length, place, has_generation, NULL};
    uint64_t generation = 0;
    if (!has_generation) {
        mms_take_texts(r, &texts);
    } else {
        generation = mms_load(f, place - 8u);
        mms_fence();
        texts.length = place - 8u - at;
        if (generation % 2 == 0 && !mms_try(r, mms_take_texts, &texts)) {
            char problem[sizeof r->problem];
            memcpy(problem, r->problem, sizeof problem);
            mms_fence();
            if (mms_load(f, place - 8u) == generation) mms_problem(f, problem);
            texts.identity = NULL;
        }
    }
    if (texts.identity) {
        uint64_t size = schema->block;
        for (size_t i = 0; i < schema->metric_count; i++)
            size += mms_whole_label(texts.identity, schema->metrics[i].label, NULL) + 64;
        mms_charge(f, size);
    }
    MMS_GROW(r, mms_instance, f->instances, f->instance_count, &f->instance_room);
    mms_instance *instance = &f->instances[f->instance_count++];
    memset(instance, 0, sizeof *instance);
    instance->schema = schema;
    instance->place = place;
    instance->identity = texts.identity;
    instance->has_generation = has_generation;
    instance->generation = generation;
}

/* ---- Octaves and extents ---- */

static void mms_chain(mms_space **first, mms_space **last, mms_space *one) {
    if (*last)
        (*last)->next = one;
    else
        *first = one;
    *last = one;
}

/* Returns the instance whose block contains this place; `first` is set to the first metric there, by offset. */
static mms_instance *mms_owner(mms_file *f, uint64_t owner, size_t *first) {
    size_t from = 0; /* blocks are within their records, so they ascend */
    MMS_SEARCH(from, f->instance_count, f->instances[i].place <= owner)
    if (from == 0) return NULL;
    mms_instance *instance = &f->instances[from - 1];
    const mms_schema *schema = instance->schema;
    uint64_t offset = owner - instance->place;
    if (offset >= schema->block) return NULL;
    *first = 0;
    MMS_SEARCH(*first, schema->by_offset_count, schema->metrics[schema->by_offset[i]].offset < offset)
    return instance;
}

static void mms_octave_record(mms_file *f, uint64_t at, uint64_t length) {
    mms_reader *r = f->r;
    if (length < 24) mms_fail(r, "a short record at %" PRIu64, at);
    const unsigned char *head = mms_metadata(f, at, 24);
    uint32_t owner = mms_u32(head + 8), octave = mms_u32(head + 12), place = mms_u32(head + 16), count = mms_u32(head + 20);
    size_t next;
    mms_within(f, at, length, 24, place, 8 * (uint64_t)count);
    mms_instance *instance = mms_owner(f, owner, &next);
    if (!instance) return;
    const mms_schema *schema = instance->schema;
    for (; next < schema->by_offset_count; next++) {
        const mms_metric *m = &schema->metrics[schema->by_offset[next]];
        if (m->offset + instance->place != owner) return;
        uint32_t most = mms_octave_numbers(m);
        if (most == 0) continue;
        if (count != mms_h(mms_digits(m)) || octave >= most)
            mms_fail(r, "octave %u with %u counts", (unsigned)octave, (unsigned)count);
        mms_charge(f, 8 * (uint64_t)count);
        mms_space *space = MMS_NEW(r, mms_space, 1);
        space->metric = schema->by_offset[next];
        space->number = octave;
        space->place = place;
        space->cells = count;
        mms_chain(&instance->octaves, &instance->octaves_end, space);
        return;
    }
}

static void mms_extent_record(mms_file *f, uint64_t at, uint64_t length) {
    mms_reader *r = f->r;
    if (length < 32) mms_fail(r, "a short record at %" PRIu64, at);
    const unsigned char *head = mms_metadata(f, at, 32);
    uint32_t owner = mms_u32(head + 8), number = mms_u32(head + 12), place = mms_u32(head + 16), cells = mms_u32(head + 20);
    uint16_t buffers = mms_u16(head + 24), words = mms_u16(head + 26);
    uint32_t plain = mms_u32(head + 28);
    size_t next;
    if (buffers == 0 || buffers > 64 || (buffers & (buffers - 1))) mms_fail(r, "cells of %u buffers", (unsigned)buffers);
    mms_within(f, at, length, 32, place, 8 * (cells * (1 + (uint64_t)buffers * words) + plain));
    mms_space *space = MMS_NEW(r, mms_space, 1);
    space->number = number;
    space->place = place;
    space->cells = cells;
    space->buffers = buffers;
    space->width = words;
    if (owner == 0) {
        if (cells != 1 || buffers != 1 || plain || words == 0) return;
        mms_charge(f, 32 * (uint64_t)words);
        mms_chain(&f->contexts, &f->contexts_end, space);
        f->context_count++;
        return;
    }
    mms_instance *instance = mms_owner(f, owner, &next);
    if (!instance || plain) return;
    const mms_schema *schema = instance->schema;
    for (; next < schema->by_offset_count; next++) {
        const mms_metric *m = &schema->metrics[schema->by_offset[next]];
        if (m->offset + instance->place != owner) return;
        bool fits = m->kind == MMSTATS_HISTORY  ? buffers == 1 && words == 3
                    : m->kind == MMSTATS_ERRORS ? cells == 1 && buffers == 2 && words >= 6
                    : m->kind == MMSTATS_WINDOW ? false
                                                : cells == 1 && buffers == 2 && words == 3 && number >> 31;
        if (!fits) continue;
        mms_charge(f, 32 * (cells * (1 + (uint64_t)words)));
        space->metric = schema->by_offset[next];
        mms_chain(&instance->extents, &instance->extents_end, space);
        return;
    }
}

/* ---- The other records ---- */

static void mms_note_record(mms_file *f, mms_cursor *c) {
    mms_reader *r = f->r;
    uint16_t cause = mms_take16(r, c), length = mms_take16(r, c);
    mms_take32(r, c);
    MMS_GROW(r, mmstats_note, f->notes, f->note_count, &f->note_room);
    f->notes[f->note_count].cause = cause;
    f->notes[f->note_count].text = mms_take_text(r, c, length);
    f->note_count++;
}

/* Returns the label by which a metric's description is found: its kind, followed by its label. */
static mms_label *mms_described(mms_reader *r, unsigned kind, mmstats_text label) {
    char *data = MMS_NEW(r, char, label.length + 4);
    data[1] = (char)(kind >> 8);
    data[2] = (char)kind;
    memcpy(data + 3, label.data, label.length);
    return mms_intern(r, mms_piece(data, label.length + 3), true);
}

static void mms_description_record(mms_file *f, mms_cursor *c) {
    mms_reader *r = f->r;
    mms_charge(f, 64);
    uint64_t time = mms_number(r, c, 8);
    uint16_t kind = mms_take16(r, c), label = mms_take16(r, c), unit = mms_take16(r, c), help = mms_take16(r, c);
    mmstats_text about = mms_take_text(r, c, label);
    mms_description *one = MMS_NEW(r, mms_description, 1);
    one->time = time;
    one->unit = mms_take_text(r, c, unit);
    one->help = mms_take_text(r, c, help);
    one->about = mms_described(r, kind, about);
    if (f->descriptions_end)
        f->descriptions_end->next = one;
    else
        f->descriptions = one;
    f->descriptions_end = one;
}

/* "Retired record": the names are kept as the bytes of the record. */
static void mms_retired_record(mms_file *f, mms_cursor *c) {
    mms_reader *r = f->r;
    uint64_t folds = mms_number(r, c, 8);
    uint32_t count = mms_take32(r, c);
    mms_take32(r, c);
    size_t begin = c->at;
    for (uint32_t i = 0; i < count; i++) {
        mms_take(r, c, 32);
        mms_take(r, c, mms_take16(r, c));
        mms_take(r, c, (8 - c->at % 8) % 8);
    }
    unsigned char *names = MMS_NEW(r, unsigned char, c->at - begin);
    memcpy(names, c->data + begin, c->at - begin);
    f->is_retired = true;
    f->folds = folds;
    f->names = names;
    f->names_length = c->at - begin;
    f->name_count = count;
}

/* ---- A file: "The file", "How to read a file" ---- */

static void mms_header(mms_reader *r, void *of) {
    mms_file *f = (mms_file *)of;
    if (f->length < 152) mms_fail(r, "too short for a header");
    const unsigned char *start = mms_words(f, 0, 4);
    if (memcmp(start, "\3mmstats", 8) != 0) mms_fail(r, "not a stats file of format 3");
    uint64_t features = mms_word(start, 2);
    f->header_length = mms_u32(start + 8);
    f->pinned = mms_u32(start + 12) & 1;
    if (features) mms_fail(r, "incompatible features %#" PRIx64, features);
    if (f->header_length % 8 || f->header_length < 152 || f->header_length > 196608 || f->header_length > f->length)
        mms_fail(r, "bad header length");
    const unsigned char *header = mms_words(f, 0, f->header_length / 8);
    f->created = mms_word(header, 6);
    f->pid = mms_u32(header + 56);
    f->tid_created = mms_u32(header + 60);
    f->uid = mms_u32(header + 64);
    f->start_time = mms_word(header, 9);
    memcpy(f->boot_id, header + 80, 16);
    f->pid_namespace = mms_word(header, 12);
    f->token = mms_word(header, 13);
    f->lock_device = mms_word(header, 14);
    f->lock_inode = mms_word(header, 15);
    memcpy(f->machine_id, header + 128, 16);
    memcpy(f->process, header + 72, 40);
    memcpy(f->process + 40, header + 56, 4);
    uint32_t model = mms_u16(header + 144), exe = mms_u16(header + 146), strings = mms_u16(header + 148);
    if (strings < 152 || strings + model + exe > f->header_length) mms_fail(r, "texts beyond the header");
    f->time_namespace = strings >= 160 ? mms_word(header, 19) : mms_bytes(header + 152, strings - 152);
    f->model = mms_text(r, header + strings, model);
    if (f->model.length == 0) mms_fail(r, "a model without a name");
}

enum { MMS_SCHEMA = 1, MMS_INSTANCE, MMS_OCTAVE, MMS_RETIRED, MMS_EXTENT = 6, MMS_NOTE, MMS_DESCRIPTION };

static void mms_records(mms_reader *r, void *of) {
    mms_file *f = (mms_file *)of;
    for (uint64_t at = f->header_length; at < f->committed;) {
        const unsigned char *head = mms_metadata(f, at, 8);
        uint64_t length = mms_u32(head);
        unsigned type = mms_u16(head + 4), flags = mms_u16(head + 6);
        if (length < 8 || length % 8 || length > f->committed - at)
            mms_fail(r, "record at %" PRIu64 " of %" PRIu64 " bytes", at, length);
        if (type == MMS_INSTANCE) {
            mms_instance_record(f, at, length, flags >> 1 & 1);
        } else if (type == MMS_OCTAVE) {
            mms_octave_record(f, at, length);
        } else if (type == MMS_EXTENT) {
            mms_extent_record(f, at, length);
        } else if (type == MMS_NOTE && f->note_count == 16) {
            /* there are enough notes */
        } else if (type == MMS_SCHEMA || type == MMS_RETIRED || type == MMS_NOTE || type == MMS_DESCRIPTION) {
            mms_charge(f, 4 * length);
            mms_cursor c = {mms_metadata(f, at, length), (size_t)length, 8};
            if (type == MMS_SCHEMA) mms_schema_record(f, at, &c);
            if (type == MMS_RETIRED) mms_retired_record(f, &c);
            if (type == MMS_NOTE) mms_note_record(f, &c);
            if (type == MMS_DESCRIPTION) mms_description_record(f, &c);
        } else if (flags & 1) {
            mms_fail(r, "the record at %" PRIu64 " must be understood", at);
        }
        at += length;
    }
}

/* "The slot protocol": returns whether the copy is publication first/2. */
static bool mms_is_whole(uint64_t first, uint64_t second, unsigned buffers) {
    return second - first / 2 * 2 <= 2 * ((uint64_t)buffers - 1);
}

/* A pause of varying length: a fixed one can keep step with the writer. */
static void mms_pause(mms_reader *r) {
    r->noise = r->noise * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    for (volatile unsigned i = (unsigned)(r->noise >> 54); i; i--) {
    }
}

/* Copies a slot or cell again. Returns whether it is whole; then `words` is the buffer and `published` its number. */
static bool mms_try_slot(mms_file *f, uint64_t at, unsigned buffers, unsigned count, unsigned char *words, uint64_t *published) {
    uint64_t first = mms_load(f, at);
    mms_fence();
    mms_copy(f, at + 8 + first / 2 % buffers * 8 * count, words, 8 * (uint64_t)count);
    mms_fence();
    *published = first / 2;
    return mms_is_whole(first, mms_load(f, at), buffers);
}

/* Copies the cells of an extent: for each cell its number (0 if there is none) and the words of its buffer. */
static const unsigned char *mms_read_cells(mms_file *f, mms_space *extent) {
    size_t size = 1 + (size_t)extent->buffers * extent->width, one = 8 * (1 + (size_t)extent->width);
    const unsigned char *firsts = mms_words(f, extent->place, extent->cells * size);
    mms_fence();
    const unsigned char *data = mms_words(f, extent->place, extent->cells * size);
    mms_fence();
    const unsigned char *seconds = mms_words(f, extent->place, extent->cells * size);
    unsigned char *had = MMS_SCRATCH(f->r, extent->cells * one);
    for (size_t i = 0; i < extent->cells; i++) {
        uint64_t first = mms_word(firsts, i * size), published = first / 2;
        unsigned char *words = had + i * one + 8;
        bool whole = mms_is_whole(first, mms_word(seconds, i * size), extent->buffers);
        memcpy(words, data + 8 * (i * size + 1 + published % extent->buffers * extent->width), 8 * (size_t)extent->width);
        for (int tries = 1; !whole && tries < 64 && f->tries > 0; tries++) {
            f->tries -= 64 + extent->width;
            mms_pause(f->r);
            whole = mms_try_slot(f, extent->place + 8 * i * size, extent->buffers, extent->width, words, &published);
        }
        extent->busy |= !whole && extent->buffers > 1; /* a numbered cell that is being overwritten is gone */
        for (unsigned byte = 0; byte < 8 && whole; byte++) had[i * one + byte] = (unsigned char)(published >> (8 * byte));
    }
    return had;
}

/* "Contexts": by number; of several with the same number the first counts. */
static int mms_order_contexts(const void *a, const void *b) {
    const mms_read_context *x = (const mms_read_context *)a, *y = (const mms_read_context *)b;
    return x->number != y->number ? MMS_ORDER(x->number, y->number) : MMS_ORDER(x->order, y->order);
}

static void mms_contexts(mms_file *f) {
    mms_read_context *one = f->read_contexts = MMS_NEW(f->r, mms_read_context, f->context_count);
    for (mms_space *extent = f->contexts; extent; extent = extent->next, one++) {
        const unsigned char *cell = mms_read_cells(f, extent);
        uint64_t length = mms_word(cell, 1) & 0xFFFFFFFF, most = 8 * (uint64_t)(extent->width - 1u);
        one->number = extent->number;
        one->order = (size_t)(one - f->read_contexts);
        one->published = mms_word(cell, 0);
        one->found.exists = true;
        one->found.length = (size_t)(length < most ? length : most);
        unsigned char *bytes = MMS_NEW(f->r, unsigned char, one->found.length);
        memcpy(bytes, cell + 16, one->found.length);
        one->found.bytes = bytes;
    }
    if (f->context_count) qsort(f->read_contexts, f->context_count, sizeof *f->read_contexts, mms_order_contexts);
}

static mms_found mms_refer(const mms_file *f, uint64_t reference) {
    mms_found found;
    memset(&found, 0, sizeof found);
    found.exists = reference != 0;
    found.lost = reference != 0;
    uint32_t low = (uint32_t)reference, number = low - 1;
    if (reference == UINT64_MAX || low == 0) return found;
    size_t from = 0;
    MMS_SEARCH(from, f->context_count, f->read_contexts[i].number < number)
    if (from == f->context_count) return found;
    const mms_read_context *one = &f->read_contexts[from];
    if (one->number != number || one->published == 0 || reference >> 32 != (one->published & 0xFFFFFFFF)) return found;
    return one->found;
}

/* ---- Values of one file: "The kinds" ---- */

static void mms_add_octave(mms_reader *r, mms_dist *d, uint32_t octave, const mms_space *space) {
    uint64_t *counts = mms_counts(r, d, d->is_float ? mms_rank(octave) : octave);
    for (uint32_t i = 0; i < space->cells; i++) counts[i] = mms_add(counts[i], mms_word(space->words, i));
}

/* Returns a distribution with these moments and coarse counts; `rejected` is for floats. */
static mms_dist *mms_moments(mms_reader *r, unsigned kind, uint32_t digits, const unsigned char *words,
                             const unsigned char *coarse, uint64_t rejected) {
    mms_dist *d = mms_new_dist(r, kind == MMSTATS_FLOATPERCENTILE, digits);
    if (d->is_float) {
        d->moments = mms_read_summary(words, rejected);
    } else {
        d->count = mms_word(words, 0);
        d->total = mms_word(words, 1) | (mms_u128)mms_word(words, 2) << 64;
        d->squares = mms_word(words, 3) | (mms_u128)mms_word(words, 4) << 64;
        d->min = ~mms_word(words, 5);
        d->max = mms_word(words, 6);
        d->last = mms_word(words, 7);
        d->last_known = d->count && d->min <= d->last && d->last <= d->max;
    }
    for (uint32_t i = 0; i < mms_coarse(kind, digits); i++) d->coarse[i] = mms_word(coarse, i);
    return d;
}

static uint64_t mms_count_of(const mms_dist *d) { return d->is_float ? d->moments.count : d->count; }

/* "Window": the count of a counter since the beginning of the first step that counts. */
static void mms_count_window(mms_value *v, const unsigned char *words, uint64_t first, uint64_t total, uint64_t now) {
    const unsigned char *highest = NULL, *lowest = NULL;
    bool later = false;
    for (unsigned i = 0; i < MMS_PLACES; i++) {
        const unsigned char *step = words + 24 * i;
        uint64_t stamp = mms_word(step, 0), time = mms_word(step, 2);
        if (stamp == 0 || time == 0 || time > now) continue;
        if (stamp > first) later = true;
        if (stamp <= first + 1 && (!highest || stamp > mms_word(highest, 0))) highest = step;
        if (!lowest || stamp < mms_word(lowest, 0)) lowest = step;
    }
    const unsigned char *since = highest ? highest : lowest;
    if (!later || !since) return;
    uint64_t then = mms_word(since, 1);
    v->count = total > then ? total - then : 0;
    v->reach = now - mms_word(since, 2);
}

static void mms_decode_window(mms_reader *r, const mms_metric *m, mms_value *v, const unsigned char *words,
                              const unsigned char *plain, const mms_space *octaves, uint64_t now, const mms_value *of) {
    unsigned kind = mms_step_kind(m), size = 1 + mms_window_words(kind);
    uint32_t digits = mms_digits(m), coarse = mms_is_dist(kind) ? mms_coarse(kind, digits) : 0;
    uint64_t length = mms_word(plain, 0);
    v->length = length > UINT64_MAX / MMS_STEPS ? UINT64_MAX : MMS_STEPS * length;
    if (kind == MMSTATS_COUNTER) {
        uint64_t number = length ? now / length : 0;
        if (length && of) mms_count_window(v, words, number > 11 ? number - 11 : 0, (uint64_t)of->number.i, now);
        return;
    }
    if (kind == MMSTATS_SUMMARY)
        v->summary = MMS_NEW(r, mms_summary, 1);
    else
        v->dist = mms_new_dist(r, kind == MMSTATS_FLOATPERCENTILE, digits);
    uint32_t numbers = kind == MMSTATS_FLOATPERCENTILE ? MMS_FLOAT_OCTAVES : coarse;
    for (unsigned i = 0; i < MMS_PLACES; i++) {
        const unsigned char *step = words + 8 * (size_t)size * i;
        uint64_t stamp = mms_word(step, 0);
        if (stamp == 0 || length == 0 || now / length < stamp - 1 || now / length - (stamp - 1) >= MMS_STEPS) continue;
        if (kind == MMSTATS_SUMMARY) {
            mms_summary summary = mms_read_summary(step + 8, 0);
            mms_merge_summary(v->summary, &summary);
            continue;
        }
        mms_dist *d = mms_moments(r, kind, digits, step + 8, plain + 8 * (1 + (size_t)i * coarse), 0);
        for (const mms_space *o = octaves; o; o = o->sibling)
            if (o->number / numbers == i) mms_add_octave(r, d, o->number % numbers, o);
        if (mms_in_buckets(d) / 2 > mms_add(mms_count_of(d), 1000)) { /* the counts belong to an earlier step */
            memset(d->coarse, 0, sizeof d->coarse);
            d->octave_count = 0;
        }
        mms_merge_dist(r, v->dist, d);
    }
}

static mmstats_text mms_counted_text(mms_reader *r, const unsigned char *words, uint64_t count) {
    uint64_t length = mms_word(words, 0), most = 8 * (count - 1);
    return mms_text(r, words + 8, (size_t)(length < most ? length : most));
}

static mms_value *mms_decode(mms_file *f, const mms_metric *m, const unsigned char *words, const unsigned char *plain,
                             const mms_space *octaves) {
    mms_reader *r = f->r;
    mms_value *v = MMS_NEW(r, mms_value, 1);
    switch (m->kind) {
    case MMSTATS_UPDOWN: v->number = mms_scalar(8, plain); break;
    case MMSTATS_COUNTER: v->number = mms_scalar(4, plain); break;
    case MMSTATS_FLAG: v->number = mms_bool(mms_word(plain, 0)); break;
    case MMSTATS_GAUGE:
    case MMSTATS_CONSTANT:
        if (m->scalar == 12)
            v->text = mms_counted_text(r, plain, m->plain);
        else
            v->number = m->scalar == 11 ? mms_bool(mms_word(plain, 0)) : mms_scalar(m->scalar, plain);
        break;
    case MMSTATS_TEXT: v->text = mms_counted_text(r, words, m->words); break;
    case MMSTATS_COMPOUND: {
        size_t next = 0;
        v->numbers = MMS_NEW(r, mms_num, m->number_count);
        for (size_t i = 0; i < m->field_count; i++) {
            const mms_field *field = &m->fields[i];
            for (size_t j = 0; j < (field->count ? field->count : 1u); j++)
                v->numbers[next++] = mms_scalar(field->scalar, words + field->offset + j * mms_size_of(field->scalar));
        }
        break;
    }
    case MMSTATS_SUMMARY:
        v->summary = MMS_NEW(r, mms_summary, 1);
        *v->summary = mms_read_summary(words, mms_word(plain, 0));
        break;
    case MMSTATS_AVERAGE:
    case MMSTATS_MOVINGAVERAGE:
        v->count = mms_word(words, 0);
        v->total = mms_sum_of(mms_float(mms_word(words, 1)), mms_float(mms_word(words, 2)));
        break;
    case MMSTATS_SAMPLINGCOUNTER:
        v->count = mms_word(words, 0);
        v->number = mms_real(mms_float(mms_word(words, 1)));
        break;
    case MMSTATS_HISTORY:
        v->history = MMS_NEW(r, mms_history, 1);
        v->history->size = m->parameter;
        v->history->lost = mms_word(plain, 0);
        break;
    case MMSTATS_ERRORS:
        v->log = MMS_NEW(r, mms_log, 1);
        for (size_t i = 0; i < 4; i++) v->log->counts[i] = mms_word(plain, i);
        break;
    default: { /* a distribution */
        bool is_float = m->kind == MMSTATS_FLOATPERCENTILE;
        v->dist = mms_moments(r, m->kind, m->parameter, words, plain, is_float ? mms_word(plain, 64) : 0);
        if (f->is_retired) v->dist->last_known = false;
        for (const mms_space *o = octaves; o; o = o->sibling) mms_add_octave(r, v->dist, o->number, o);
    }
    }
    return v;
}

/* ---- Parts of values: exemplars, "History", "Errors" ---- */

static int mms_order_pushed(const void *a, const void *b) {
    return MMS_ORDER(((const mms_pushed *)b)->number, ((const mms_pushed *)a)->number);
}

/* By name, note, message, site and sources. */
static int mms_order_logged(const mmstats_logged *a, const mmstats_logged *b) {
    int order = mms_compare(a->name, b->name);
    if (order == 0) order = MMS_ORDER(a->is_note, b->is_note);
    if (order == 0) order = mms_compare(a->message, b->message);
    if (order == 0) order = mms_compare(a->site, b->site);
    return order ? order : mms_compare(a->sources, b->sources);
}

static void mms_enter(mms_reader *r, mms_log_list *list, const mms_logged *one) {
    size_t from = 0;
    MMS_SEARCH(from, list->count, mms_order_logged(&list->logged[i].shown, &one->shown) < 0)
    if (from < list->count && mms_order_logged(&list->logged[from].shown, &one->shown) == 0) {
        mms_logged *at = &list->logged[from];
        bool others = one->shown.last > at->shown.last ? one->context.exists : !at->context.exists;
        if (others) at->context = one->context;
        at->shown.count = mms_add(at->shown.count, one->shown.count);
        if (one->shown.first < at->shown.first) at->shown.first = one->shown.first;
        if (one->shown.last > at->shown.last) at->shown.last = one->shown.last;
        return;
    }
    MMS_GROW(r, mms_logged, list->logged, list->count, &list->room);
    memmove(list->logged + from + 1, list->logged + from, (list->count - from) * sizeof *one);
    list->logged[from] = *one;
    list->count++;
}

/* "Words of an entry" */
static void mms_log_entry(mms_file *f, mms_log *log, const unsigned char *words, uint32_t count) {
    mms_reader *r = f->r;
    mms_logged one;
    size_t at = 48, end = 8 * (size_t)count;
    mmstats_text *texts[4] = {&one.shown.name, &one.shown.site, &one.shown.message, &one.shown.sources};
    memset(&one, 0, sizeof one);
    one.shown.count = mms_word(words, 0);
    one.shown.first = mms_word(words, 1);
    one.shown.last = mms_word(words, 2);
    one.context = mms_refer(f, mms_word(words, 3));
    one.shown.is_note = mms_word(words, 5) & 1;
    for (unsigned i = 0; i < 4; i++) {
        size_t length = (size_t)(mms_word(words, 4) >> (16 * i) & 0xFFFF);
        if (length > end - at) length = end - at;
        *texts[i] = mms_text(r, words + at, length);
        at += length;
    }
    mms_enter(r, &log->lists[mms_word(words, 5) >> 1 & 1], &one);
}

static void mms_history_entries(mms_file *f, mms_history *h, const mms_space *extents) {
    size_t count = 0, kept = 0;
    for (const mms_space *extent = extents; extent; extent = extent->sibling) count += extent->cells;
    h->entries = MMS_NEW(f->r, mms_pushed, count);
    count = 0;
    for (const mms_space *extent = extents; extent; extent = extent->sibling)
        for (size_t i = 0; i < extent->cells; i++) {
            const unsigned char *cell = extent->words + 32 * i;
            if (mms_word(cell, 0) == 0) continue;
            mms_pushed *one = &h->entries[count++];
            one->number = mms_word(cell, 0);
            one->shown.time = mms_word(cell, 1);
            one->shown.value = mms_float(mms_word(cell, 2));
            one->context = mms_refer(f, mms_word(cell, 3));
        }
    if (count == 0) return;
    qsort(h->entries, count, sizeof *h->entries, mms_order_pushed);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || h->entries[i].number != h->entries[kept - 1].number) h->entries[kept++] = h->entries[i];
    h->count = kept;
    h->pushed = h->entries[0].number;
    h->missed = h->pushed - h->entries[kept - 1].number + 1 - kept;
}

static void mms_exemplars(mms_file *f, mms_dist *d, const mms_space *extents) {
    for (const mms_space *extent = extents; extent; extent = extent->sibling) {
        mms_exemplar one;
        if (mms_word(extent->words, 0) == 0) continue;
        one.time = mms_word(extent->words, 1);
        one.bits = mms_word(extent->words, 2);
        one.context = mms_refer(f, mms_word(extent->words, 3));
        one.magnitude = d->is_float ? mms_rank((uint32_t)(one.bits >> 52)) : mms_length_of(one.bits);
        if (!d->is_float || isfinite(mms_float(one.bits))) mms_add_exemplar(f->r, d, &one);
    }
}

/* ---- A pass over the values: "A polling reader, by pread" ---- */

/* Reads the beginning of a file of /proc or /etc, and adds a zero; empty if it cannot be read. */
static void mms_text_of(const char *path, char *text, size_t size) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = descriptor < 0 ? 0 : read(descriptor, text, size - 1);
    if (descriptor >= 0) close(descriptor);
    text[got > 0 ? got : 0] = 0;
}

/* Reads an identifier of 32 hexadecimal digits; zeros if the file contains anything else. */
static void mms_identifier(const char *path, unsigned char id[16]) {
    static const char hex[] = "00112233445566778899aAbBcCdDeEfF";
    char text[80];
    unsigned digits = 0;
    memset(id, 0, 16);
    mms_text_of(path, text, sizeof text);
    for (const char *at = text; *at; at++) {
        const char *found = strchr(hex, *at);
        if (*at == '-' || *at == '\n') continue;
        if (found && digits < 32) id[digits / 2] = (unsigned char)(id[digits / 2] << 4 | (found - hex) / 2);
        digits = found ? digits + 1 : 33;
    }
    if (digits != 32) memset(id, 0, 16);
}

static bool mms_is_known(const unsigned char id[16]) {
    static const unsigned char none[16] = {0};
    return memcmp(id, none, 16) != 0;
}

static uint64_t mms_namespace(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 ? (uint64_t)found.st_ino : 0;
}

static bool mms_shares_clock(const mms_file *f) {
    return mms_is_known(f->boot_id) && memcmp(f->boot_id, f->r->boot_id, 16) == 0 &&
           f->time_namespace == f->r->time_namespace;
}

/* Returns the octaves or extents of each metric, as an array of lists. */
static mms_space **mms_by_metric(mms_reader *r, mms_space *spaces, size_t metrics) {
    mms_space **lists = (mms_space **)(void *)MMS_SCRATCH(r, 2 * metrics * sizeof *lists), **ends = lists + metrics;
    for (; spaces; spaces = spaces->next) {
        mms_space **end = &ends[spaces->metric];
        spaces->sibling = NULL;
        if (*end)
            (*end)->sibling = spaces;
        else
            lists[spaces->metric] = spaces;
        *end = spaces;
    }
    return lists;
}

static void mms_instance_values(mms_file *f, mms_instance *instance) {
    mms_reader *r = f->r;
    const mms_schema *schema = instance->schema;
    const unsigned char *firsts = NULL, *seconds = NULL;
    bool slots = false;
    if (f->is_retired) r->parts++; /* a label counts once per version of its schema */
    for (size_t i = 0; i < schema->metric_count; i++) slots |= schema->metrics[i].buffers > 0;
    if (slots) firsts = mms_words(f, instance->place, schema->block / 8);
    mms_fence();
    const unsigned char *data = mms_words(f, instance->place, schema->block / 8);
    for (mms_space *o = instance->octaves; o; o = o->next) o->words = mms_words(f, o->place, o->cells);
    mms_fence();
    if (slots) seconds = mms_words(f, instance->place, schema->block / 8);
    struct timespec clock;
    uint64_t now = 0;
    bool shares_clock = mms_shares_clock(f) && clock_gettime(CLOCK_MONOTONIC_COARSE, &clock) == 0;
    if (shares_clock) now = (uint64_t)clock.tv_sec * 1000000000u + (uint64_t)clock.tv_nsec;
    mms_space **octaves = mms_by_metric(r, instance->octaves, schema->metric_count);
    size_t longest = 0;
    for (size_t i = 0; i < schema->metric_count; i++)
        if (schema->metrics[i].label.length > longest) longest = schema->metrics[i].label.length;
    mmstats_text label;
    char *room = (char *)MMS_SCRATCH(r, instance->identity->prefix.length + longest + instance->identity->suffix.length + 1);
    label.data = room;
    bool twice = false;
    for (size_t i = 0; i < schema->metric_count; i++) {
        const mms_metric *m = &schema->metrics[i];
        bool is_window = m->kind == MMSTATS_WINDOW;
        mms_label *found;
        if (is_window) {
            if (twice) continue; /* its metric does not count */
            found = f->entries[f->entry_count - 1].label;
        } else {
            label.length = mms_whole_label(instance->identity, m->label, room);
            found = mms_intern(r, label, false);
            twice = found->part == r->parts;
            if (twice) {
                if (!f->twice) f->twice = found;
                f->twice_count++;
                continue;
            }
            found->part = r->parts;
        }
        MMS_GROW(r, mms_entry, f->entries, f->entry_count, &f->entry_room);
        mms_entry *entry = &f->entries[f->entry_count++];
        memset(entry, 0, sizeof *entry);
        entry->label = found;
        entry->metric = m;
        entry->identity = instance->identity;
        if (is_window) entry->of = f->entry_count - 1;
        const unsigned char *words = data + m->offset, *plain = words + 8 * (size_t)m->slot_words;
        if (m->buffers) {
            uint64_t first = mms_word(firsts + m->offset, 0), published = first / 2;
            bool whole = mms_is_whole(first, mms_word(seconds + m->offset, 0), m->buffers);
            words += 8 * (1 + (size_t)(published % m->buffers) * m->words);
            if (!whole) {
                unsigned char *again = MMS_SCRATCH(r, 8 * (size_t)m->words);
                words = again;
                for (int tries = 1; !whole && tries < 4000 && f->tries > 0; tries++) {
                    f->tries -= 64 + m->words;
                    mms_pause(r);
                    whole = mms_try_slot(f, instance->place + m->offset, m->buffers, m->words, again, &published);
                }
            }
            entry->busy = !whole;
            if (!whole) continue;
        }
        if (is_window) {
            const mms_value *of = f->entries[entry->of - 1].value;
            if (!shares_clock) continue; /* its clock is not known here */
            entry->value = MMS_NEW(r, mms_value, 1);
            mms_decode_window(r, m, entry->value, words, plain, octaves[i], now, of);
        } else {
            entry->value = mms_decode(f, m, words, plain, octaves[i]);
        }
    }
}

/* Copies the extents of an instance. Contexts are copied after everything that refers to them. */
static void mms_copy_extents(mms_file *f, mms_instance *instance) {
    for (mms_space *extent = instance->extents; extent; extent = extent->next) extent->words = mms_read_cells(f, extent);
}

static void mms_decode_extents(mms_file *f, mms_instance *instance) {
    if (!instance->extents) return;
    const mms_schema *schema = instance->schema;
    mms_space **extents = mms_by_metric(f->r, instance->extents, schema->metric_count);
    for (size_t i = instance->entries; i < instance->entries_end; i++) {
        mms_entry *entry = &f->entries[i];
        const mms_space *own = extents[entry->metric - schema->metrics];
        for (const mms_space *extent = own; extent; extent = extent->sibling) entry->busy |= extent->busy;
        if (entry->busy) entry->value = NULL;
        if (!entry->value || !own) continue;
        if (entry->value->history) mms_history_entries(f, entry->value->history, own);
        if (entry->value->log)
            for (; own; own = own->sibling)
                if (mms_word(own->words, 0)) mms_log_entry(f, entry->value->log, own->words + 8, own->width);
        if (entry->metric->kind != MMSTATS_WINDOW && entry->value->dist) mms_exemplars(f, entry->value->dist, own);
    }
}

static void mms_pass(mms_reader *r, void *of) {
    mms_file *f = (mms_file *)of;
    f->budget = f->blocks > ((uint64_t)1 << 46) ? INT64_MAX / 2 : (int64_t)(16 * 512 * f->blocks + (1u << 20));
    f->tries = 16384000;
    memset(&f->committed, 0, sizeof *f - offsetof(mms_file, committed));
    f->committed = mms_load(f, 32);
    uint64_t owner = mms_load(f, 40);
    mms_fence(); /* the records are read after the length that covers them */
    f->tid = (uint32_t)owner;
    f->owner_state = (unsigned)(owner >> 32 & 0xFF);
    if (f->committed > f->length) {
        struct stat found;
        if (fstat(f->descriptor, &found) == 0) f->length = (uint64_t)found.st_size;
    }
    if (f->committed < f->header_length || f->committed > f->length)
        mms_fail(r, "committed length %" PRIu64 " of %" PRIu64, f->committed, f->length);
    f->whole = SIZE_MAX;
    if (!mms_try(r, mms_records, f)) {
        char problem[sizeof r->problem];
        memcpy(problem, r->problem, sizeof problem);
        if (f->whole < f->problem_count) f->problem_count = f->whole;
        mms_problem(f, problem); /* the records before it are used */
    }
    r->parts++;
    for (size_t i = 0; i < f->instance_count; i++) {
        mms_instance *instance = &f->instances[i];
        instance->entries = f->entry_count;
        if (instance->identity) mms_instance_values(f, instance);
        instance->entries_end = f->entry_count;
    }
    for (size_t i = 0; i < f->instance_count; i++)
        if (f->instances[i].identity) mms_copy_extents(f, &f->instances[i]);
    mms_fence();
    mms_contexts(f);
    for (size_t i = 0; i < f->instance_count; i++) mms_decode_extents(f, &f->instances[i]);
    /* The second read of the generations: values of instances whose generation has changed do not count. */
    mms_fence();
    for (size_t i = 0; i < f->instance_count; i++) {
        mms_instance *instance = &f->instances[i];
        if (!instance->has_generation || !instance->identity) continue;
        if (mms_load(f, instance->place - 8) == instance->generation) continue;
        for (size_t j = instance->entries; j < instance->entries_end; j++) f->entries[j].dead = true;
    }
}

typedef struct mms_open {
    mms_file *f;
    bool gone;
} mms_open;

static void mms_read_open(mms_reader *r, void *of) {
    mms_open *o = (mms_open *)of;
    mms_file *f = o->f;
    struct stat found;
    r->descriptor = f->descriptor = open(f->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    o->gone = f->descriptor < 0 && errno == ENOENT;
    if (f->descriptor < 0) mms_fail(r, "cannot open it: %s", strerror(errno));
    if (fstat(f->descriptor, &found) != 0) mms_fail(r, "fstat: %s", strerror(errno));
    if (!S_ISREG(found.st_mode)) mms_fail(r, "not a regular file");
    f->length = (uint64_t)found.st_size;
    f->blocks = (uint64_t)found.st_blocks;
    f->owner_uid = (uint32_t)found.st_uid;
    f->device = (uint64_t)found.st_dev;
    f->node = (uint64_t)found.st_ino;
    mms_header(r, f);
    for (unsigned passes = 0; passes < 8; passes++) {
        mms_pass(r, f);
        /* A copied reference may lead to a context in a record added since. */
        mms_fence();
        if (mms_load(f, 32) == f->committed) break;
        if (fstat(f->descriptor, &found) == 0) f->blocks = (uint64_t)found.st_blocks;
        mms_clear(&r->scratch);
    }
}

/* Returns the file; null, with an error unless `silent`, if it is gone or invalid. */
static mms_file *mms_open_file(mms_reader *r, const char *path, const char *root, bool silent) {
    mms_file *f = MMS_NEW(r, mms_file, 1);
    mms_open o = {f, false};
    f->r = r;
    f->path = path;
    f->root = root;
    f->descriptor = r->descriptor = -1;
    bool well = mms_try(r, mms_read_open, &o);
    if (r->descriptor >= 0) close(r->descriptor);
    r->descriptor = -1;
    mms_clear(&r->scratch);
    if (well)
        for (size_t i = 0; i < f->problem_count && !silent; i++) mms_report(r, path, f->problems[i]);
    else if (!o.gone && !silent)
        mms_report(r, path, r->problem);
    return well ? f : NULL;
}

/* ---- "Liveness" ---- */

typedef struct mms_lock {
    struct mms_lock *next;
    const char *root;
    int descriptor;
    uint64_t device, inode;
    bool is_local;
} mms_lock;

typedef struct mms_life { /* an answer, for a process and a root */
    struct mms_life *next;
    const mms_file *of;
    mmstats_life life;
} mms_life;

static const mms_lock *mms_lock_of(mms_reader *r, const char *root) {
    struct stat found;
    struct statfs system;
    for (mms_lock *lock = r->locks; lock; lock = lock->next)
        if (strcmp(lock->root, root) == 0) return lock;
    const char *path = mms_join(r, root, "/.lock", "");
    mms_lock *lock = MMS_NEW(r, mms_lock, 1);
    lock->root = root;
    lock->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (lock->descriptor >= 0 && fstat(lock->descriptor, &found) == 0) {
        lock->device = (uint64_t)found.st_dev;
        lock->inode = (uint64_t)found.st_ino;
    }
    if (statfs(root, &system) == 0) {
        /* tmpfs, ramfs, ext2 to ext4, XFS, Btrfs, F2FS, bcachefs, ZFS, overlayfs */
        static const uint32_t local[] = {0x01021994, 0x858458F6, 0xEF53,     0x58465342, 0x9123683E,
                                         0xF2F52010, 0xCA451A4E, 0x2FC12FC1, 0x794C7630};
        for (size_t i = 0; i < sizeof local / sizeof *local; i++) lock->is_local |= (uint32_t)system.f_type == local[i];
    }
    lock->next = r->locks;
    r->locks = lock;
    return lock;
}

enum { MMS_NOTHING = -1, MMS_FREE, MMS_HELD };

static int mms_ask_lock(const mms_lock *lock, const mms_file *f) {
    struct flock question;
    if (lock->descriptor < 0 || f->token == 0 || f->token > INT64_MAX) return MMS_NOTHING;
    if (lock->device != f->lock_device || lock->inode != f->lock_inode) return MMS_NOTHING;
    memset(&question, 0, sizeof question);
    question.l_type = F_RDLCK;
    question.l_whence = SEEK_SET;
    question.l_start = (off_t)f->token;
    question.l_len = 1;
    if (fcntl(lock->descriptor, F_OFD_GETLK, &question) != 0) return MMS_NOTHING;
    return question.l_type == F_UNLCK ? MMS_FREE : MMS_HELD;
}

/* Returns the state by the pid; `gone` is set if the kernel does not know the pid. */
static mmstats_life mms_ask_pid(const mms_file *f, bool *gone) {
    const mms_reader *r = f->r;
    char path[40], text[2048], *field;
    *gone = false;
    if (!mms_is_known(f->boot_id) || memcmp(f->boot_id, r->boot_id, 16) != 0) return MMSTATS_UNKNOWN;
    if (f->pid_namespace == 0 || f->pid_namespace != r->pid_namespace || f->pid == 0 || f->pid > INT32_MAX) return MMSTATS_UNKNOWN;
    if (kill((pid_t)f->pid, 0) != 0) {
        *gone = errno == ESRCH;
        if (*gone) return MMSTATS_DEAD;
        if (errno != EPERM) return MMSTATS_UNKNOWN; /* EPERM: the process exists and belongs to another user */
    }
    if (!r->proc_is_own) return MMSTATS_LIVE;
    snprintf(path, sizeof path, "/proc/%u/stat", (unsigned)f->pid);
    mms_text_of(path, text, sizeof text);
    field = strrchr(text, ')'); /* the second field is a name in parentheses, which may contain anything */
    uint64_t threads = 0, start = 0;
    char state = 0;
    for (unsigned number = 3; field && (field = strchr(field, ' ')) != NULL; number++) {
        field++;
        if (number == 3) state = *field;
        if (number == 20) threads = strtoull(field, NULL, 10);
        if (number == 22) {
            start = strtoull(field, NULL, 10);
            if ((state == 'Z' || state == 'X') && threads <= 1) return MMSTATS_DEAD;
            if (f->start_time && mms_shares_clock(f) && start != f->start_time) return MMSTATS_DEAD;
        }
    }
    return MMSTATS_LIVE;
}

static mmstats_life mms_ask(mms_reader *r, const mms_file *f) {
    const mms_lock *lock = mms_lock_of(r, f->root);
    bool gone;
    int held = mms_ask_lock(lock, f);
    if (mms_is_known(f->boot_id) && mms_is_known(r->boot_id) && memcmp(f->boot_id, r->boot_id, 16) != 0) {
        bool same = mms_is_known(f->machine_id) && memcmp(f->machine_id, r->machine_id, 16) == 0;
        return held == MMS_HELD ? MMSTATS_LIVE : same && lock->is_local ? MMSTATS_DEAD : MMSTATS_UNKNOWN;
    }
    mmstats_life by_pid = mms_ask_pid(f, &gone);
    if (held == MMS_HELD) return gone ? MMSTATS_DEAD : MMSTATS_LIVE;
    return held == MMS_FREE && f->pinned ? MMSTATS_DEAD : by_pid;
}

/* Asks once per process. */
static mmstats_life mms_state(mms_reader *r, const mms_file *f) {
    mms_life *one = r->lives;
    for (; one; one = one->next)
        if (memcmp(one->of->process, f->process, sizeof f->process) == 0 && strcmp(one->of->root, f->root) == 0 && one->of->lock_device == f->lock_device &&
            one->of->lock_inode == f->lock_inode && one->of->pinned == f->pinned &&
            one->of->time_namespace == f->time_namespace && memcmp(one->of->machine_id, f->machine_id, 16) == 0)
            break;
    if (!one) {
        one = MMS_NEW(r, mms_life, 1);
        one->of = f;
        one->life = mms_ask(r, f);
        one->next = r->lives;
        r->lives = one;
    }
    bool ended = f->owner_state >= 1 && f->owner_state <= 3;
    return one->life == MMSTATS_LIVE && ended ? MMSTATS_ORPHAN : one->life;
}

/* ---- "Merging" ---- */

typedef struct mms_merged {
    mms_label *label;
    bool is_window, seen, current, owned, busy;
    bool is_flat, is_ambiguous;    /* from a retired file without groups and labels; reported as two identities */
    uint32_t kinds;                /* the kinds that were reported */
    const mms_file *file;          /* the last file that has it */
    const mms_metric *metric;      /* the one that determines kind, unit and help */
    const mms_identity *identity;
    const mms_metric *form;        /* the one of the value: the fields of a compound are the last one's */
    const mms_value *first;        /* the file's own value, while there is only one */
    mms_value value;
    uint64_t files;
} mms_merged;

/* Copies the value before a merge changes it: the file's own value stays. */
static void mms_own(mms_reader *r, mms_merged *m) {
    if (m->owned) return;
    m->owned = true;
    m->value = *m->first;
    if (m->value.dist) m->value.dist = mms_clone_dist(r, m->value.dist, m->value.dist->digits);
    if (m->value.summary) m->value.summary = MMS_COPY(r, mms_summary, m->value.summary);
    if (m->value.history) m->value.history = MMS_COPY(r, mms_history, m->value.history);
    if (m->value.log) {
        mms_log *log = MMS_NEW(r, mms_log, 1);
        memcpy(log->counts, m->value.log->counts, sizeof log->counts);
        for (unsigned l = 0; l < 2; l++)
            for (size_t i = 0; i < m->value.log->lists[l].count; i++)
                mms_enter(r, &log->lists[l], &m->value.log->lists[l].logged[i]);
        m->value.log = log;
    }
}

/* "Compound": the value of a later file, merged with the fields of the same names in the earlier files. */
static mms_num *mms_merge_compounds(mms_reader *r, const mms_metric *before, const mms_num *had, const mms_metric *m,
                                    const mms_num *next, uint64_t files) {
    mms_num *numbers = MMS_NEW(r, mms_num, m->number_count);
    size_t at = 0;
    memcpy(numbers, next, m->number_count * sizeof *numbers);
    for (size_t i = 0; i < m->field_count; i++) {
        const mms_field *field = &m->fields[i];
        size_t count = field->count ? field->count : 1, from = 0, other;
        for (size_t n = 0; n < before->field_count; n++, from += other) {
            /* The first field with the same name that is an array, or not one, as this field is. */
            const mms_field *one = &before->fields[n];
            other = one->count ? one->count : 1;
            if (!mms_same(one->name, field->name) || (one->count > 0) != (field->count > 0)) continue;
            for (size_t j = 0; j < count && j < other; j++)
                numbers[at + j] = mms_merge_numbers(field->rule, had[from + j], next[at + j], files);
            break;
        }
        at += count;
    }
    return numbers;
}

/* "History", two files. */
static void mms_merge_history(mms_reader *r, mms_history *h, const mms_history *other) {
    size_t a = 0, b = 0, count = 0;
    if (other->size > h->size) h->size = other->size;
    uint64_t most = h->count + other->count < h->size ? h->count + other->count : h->size;
    mms_pushed *merged = MMS_NEW(r, mms_pushed, (size_t)most);
    while (count < most) {
        bool later = a == h->count || (b < other->count && other->entries[b].shown.time > h->entries[a].shown.time);
        merged[count++] = later ? other->entries[b++] : h->entries[a++];
    }
    h->entries = merged;
    h->count = count;
    h->pushed = mms_add(h->pushed, other->pushed);
    h->missed = mms_add(h->missed, other->missed);
    h->lost = mms_add(h->lost, other->lost);
}

static void mms_merge_value(mms_reader *r, mms_merged *m, const mms_entry *entry, const mms_value *next, bool current) {
    unsigned kind = entry->metric->kind;
    mms_own(r, m);
    mms_value *v = &m->value;
    switch (kind) {
    case MMSTATS_COUNTER: v->number = mms_int((mms_i128)mms_add((uint64_t)v->number.i, (uint64_t)next->number.i)); break;
    case MMSTATS_UPDOWN: {
        mms_i128 sum = v->number.i + next->number.i;
        v->number = mms_int(sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : sum);
        break;
    }
    case MMSTATS_GAUGE: v->number = mms_merge_numbers(entry->metric->rule, v->number, next->number, m->files); break;
    case MMSTATS_FLAG: v->number.i |= next->number.i; break;
    case MMSTATS_COMPOUND:
        v->numbers = mms_merge_compounds(r, m->form, v->numbers, entry->metric, next->numbers, m->files);
        break;
    case MMSTATS_SUMMARY: mms_merge_summary(v->summary, next->summary); break;
    case MMSTATS_AVERAGE:
    case MMSTATS_MOVINGAVERAGE:
        v->count = mms_add(v->count, next->count);
        v->total = mms_plus_sum(v->total, next->total);
        break;
    case MMSTATS_SAMPLINGCOUNTER:
        v->count = mms_add(v->count, next->count);
        v->number = mms_real(v->number.f + (current ? next->number.f : 0));
        break;
    case MMSTATS_HISTORY: mms_merge_history(r, v->history, next->history); break;
    case MMSTATS_ERRORS:
        for (unsigned i = 0; i < 4; i++) v->log->counts[i] = mms_add(v->log->counts[i], next->log->counts[i]);
        for (unsigned l = 0; l < 2; l++)
            for (size_t i = 0; i < next->log->lists[l].count; i++)
                mms_enter(r, &v->log->lists[l], &next->log->lists[l].logged[i]);
        break;
    case MMSTATS_WINDOW:
        if (next->length > v->length) v->length = next->length;
        if (next->reach > v->reach) v->reach = next->reach;
        if (mms_step_kind(entry->metric) != mms_step_kind(m->form)) break;
        v->count = mms_add(v->count, next->count);
        if (v->summary) mms_merge_summary(v->summary, next->summary);
        if (v->dist) mms_merge_dist(r, v->dist, next->dist);
        break;
    default: mms_merge_dist(r, v->dist, next->dist);
    }
}

/* The table of "Merging". */
static void mms_merge_entry(mms_reader *r, mms_merged *m, mmstats_life state, const mms_entry *entry) {
    unsigned kind = entry->metric->kind;
    bool current = state == MMSTATS_LIVE || state == MMSTATS_UNKNOWN;
    bool latest = kind == MMSTATS_TEXT || kind == MMSTATS_CONSTANT;
    m->seen = true;
    if (kind == MMSTATS_UPDOWN && state == MMSTATS_DEAD) return;
    if ((kind == MMSTATS_GAUGE || kind == MMSTATS_FLAG) && !current) return;
    if (latest || kind == MMSTATS_MOVINGAVERAGE) {
        if (m->current && !current) return;
        if (current && !m->current) m->files = 0;
        m->current = current;
    }
    if (m->files == 0 || latest) {
        m->first = entry->value;
        m->owned = false;
        if (kind == MMSTATS_SAMPLINGCOUNTER && !current) { /* a file that is not written has no rate */
            mms_own(r, m);
            m->value.number = mms_real(0);
        }
    } else {
        mms_merge_value(r, m, entry, entry->value, current);
    }
    m->form = entry->metric;
    m->files++;
}

/* ---- What is shown ---- */

static mmstats_context mms_show_context(mms_reader *r, mms_found found) {
    mmstats_context context;
    memset(&context, 0, sizeof context);
    context.exists = found.exists;
    context.lost = found.lost;
    context.text = mms_literal("");
    if (found.exists && !found.lost) {
        context.text = mms_text(r, found.bytes, found.length);
        mms_md5(found.bytes, found.length, context.id);
    }
    return context;
}

/* A timer is shown in seconds: divided, not multiplied by 1e-9, which is not a double. */
static mmstats_number mms_scaled(mmstats_number n, double divisor) {
    return n.type == MMSTATS_NONE || divisor == 1 ? n : mms_double(n.f / divisor);
}

static const mmstats_distribution *mms_show_summary(mms_reader *r, mmstats_distribution *shown, const mms_summary *s) {
    if (!shown) shown = MMS_NEW(r, mmstats_distribution, 1);
    shown->count = s->count;
    shown->total = mms_double(mms_value_of(s->total));
    shown->mean = shown->stddev = shown->min = shown->max = shown->last = mms_none();
    shown->rejected = s->rejected;
    shown->divisor = 1;
    for (unsigned i = 0; i < MMSTATS_PERCENTILES && !shown->buckets; i++) shown->percentiles[i] = mms_none();
    if (s->count) {
        double mean = mms_value_of(mms_over(s->total, (double)s->count));
        mms_sum squares = mms_about_mean(s);
        double sum = squares.high < 0 ? 0 : mms_value_of(squares);
        shown->mean = mms_double(mean);
        shown->stddev = mms_double(s->count == 1 ? 0 : sqrt(sum / (double)(s->count - 1)));
        shown->min = mms_double(s->min);
        shown->max = mms_double(s->max);
        shown->last = mms_double(s->last);
        shown->last_time = s->last_time;
    }
    return shown;
}

static const mmstats_distribution *mms_show_dist(mms_reader *r, const mms_dist *d, bool is_timer) {
    static const unsigned thousandths[MMSTATS_PERCENTILES] = {500, 750, 900, 950, 990, 999};
    mmstats_distribution *shown = MMS_NEW(r, mmstats_distribution, 1);
    double divisor = is_timer ? 1e9 : 1;
    mms_percentiles p;
    mms_find_percentiles(d, &p, thousandths, MMSTATS_PERCENTILES);
    shown->buckets = d;
    if (d->is_float) {
        mms_show_summary(r, shown, &d->moments);
    } else {
        shown->count = d->count;
        shown->total = mms_scaled(mms_shown(d->total >> 127 ? mms_real((double)d->total) : mms_int((mms_i128)d->total)), divisor);
        shown->mean = shown->stddev = shown->min = shown->max = shown->last = mms_none();
        if (d->count) {
            shown->mean = mms_double(mms_mean(d) / divisor);
            shown->stddev = mms_double(mms_deviation(d) / divisor);
            shown->min = mms_scaled(mms_uint(d->min), divisor);
            shown->max = mms_scaled(mms_uint(d->max), divisor);
        }
        if (d->count && d->last_known) shown->last = mms_scaled(mms_uint(d->last), divisor);
    }
    shown->divisor = divisor;
    for (unsigned i = 0; i < MMSTATS_PERCENTILES; i++) shown->percentiles[i] = mms_scaled(p.found[i], divisor);
    mmstats_exemplar *exemplars = MMS_NEW(r, mmstats_exemplar, d->exemplar_count);
    for (size_t i = 0; i < d->exemplar_count; i++) {
        const mms_exemplar *one = &d->exemplars[i];
        exemplars[i].time = one->time;
        exemplars[i].value = d->is_float ? mms_double(mms_float(one->bits)) : mms_scaled(mms_uint(one->bits), divisor);
        exemplars[i].context = mms_show_context(r, one->context);
    }
    shown->exemplars = exemplars;
    shown->exemplar_count = d->exemplar_count;
    return shown;
}

static const mmstats_logged *mms_show_logged(mms_reader *r, const mms_log_list *list) {
    mmstats_logged *shown = MMS_NEW(r, mmstats_logged, list->count);
    for (size_t i = 0; i < list->count; i++) {
        shown[i] = list->logged[i].shown;
        shown[i].context = mms_show_context(r, list->logged[i].context);
    }
    return shown;
}

static void mms_show_value(mms_reader *r, mmstats_series *shown, const mms_metric *m, const mms_value *v) {
    switch (m->kind) {
    case MMSTATS_TEXT:
    case MMSTATS_CONSTANT:
        shown->is_text = v->text.data != NULL;
        if (shown->is_text) shown->text = v->text;
        /* fall through */
    case MMSTATS_COUNTER:
    case MMSTATS_UPDOWN:
    case MMSTATS_GAUGE:
    case MMSTATS_FLAG:
        if (!shown->is_text) shown->number = mms_shown(v->number);
        break;
    case MMSTATS_COMPOUND: {
        mmstats_field *fields = MMS_NEW(r, mmstats_field, m->field_count);
        mmstats_number *numbers = MMS_NEW(r, mmstats_number, m->number_count);
        for (size_t i = 0; i < m->number_count; i++) numbers[i] = mms_shown(v->numbers ? v->numbers[i] : mms_int(0));
        for (size_t i = 0; i < m->field_count; i++) {
            fields[i].name = m->fields[i].name;
            fields[i].is_array = m->fields[i].count > 0;
            fields[i].count = fields[i].is_array ? m->fields[i].count : 1;
            fields[i].numbers = numbers;
            numbers += fields[i].count;
        }
        shown->fields = fields;
        shown->field_count = m->field_count;
        break;
    }
    case MMSTATS_SUMMARY: shown->distribution = mms_show_summary(r, NULL, v->summary); break;
    case MMSTATS_AVERAGE:
    case MMSTATS_MOVINGAVERAGE:
        shown->count = v->count;
        if (v->count) shown->number = mms_double(mms_value_of(mms_over(v->total, (double)v->count)));
        break;
    case MMSTATS_SAMPLINGCOUNTER:
        shown->count = v->count;
        shown->number = mms_double(v->number.f);
        break;
    case MMSTATS_HISTORY: {
        mmstats_entry *entries = MMS_NEW(r, mmstats_entry, (size_t)v->history->count);
        for (size_t i = 0; i < v->history->count; i++) {
            entries[i] = v->history->entries[i].shown;
            entries[i].context = mms_show_context(r, v->history->entries[i].context);
        }
        shown->entries = entries;
        shown->entry_count = (size_t)v->history->count;
        break;
    }
    case MMSTATS_ERRORS: {
        mmstats_log *log = MMS_NEW(r, mmstats_log, 1);
        log->all = v->log->counts[0];
        log->overflow = v->log->counts[1];
        log->evicted = v->log->counts[2];
        log->unnamed = v->log->counts[3];
        log->distinct = mms_show_logged(r, &v->log->lists[0]);
        log->distinct_count = v->log->lists[0].count;
        log->sites = mms_show_logged(r, &v->log->lists[1]);
        log->site_count = v->log->lists[1].count;
        shown->log = log;
        break;
    }
    default: shown->distribution = mms_show_dist(r, v->dist, m->kind == MMSTATS_TIMER);
    }
}

static const mmstats_window *mms_show_window(mms_reader *r, const mms_metric *m, const mms_value *v) {
    mmstats_window *shown = MMS_NEW(r, mmstats_window, 1);
    unsigned kind = mms_step_kind(m);
    shown->seconds = (double)v->length / 1e9;
    if (kind == MMSTATS_COUNTER) {
        uint64_t reach = v->reach > v->length / MMS_STEPS ? v->reach : v->length / MMS_STEPS;
        shown->count = v->count;
        shown->rate = (double)v->count * 1e9 / (double)(reach ? reach : 1);
    } else {
        shown->distribution = v->summary ? mms_show_summary(r, NULL, v->summary) : mms_show_dist(r, v->dist, kind == MMSTATS_TIMER);
    }
    return shown;
}

/* The value of a metric for which no file counts. */
static void mms_nothing(mms_reader *r, const mms_metric *m, mms_value *v) {
    unsigned kind = mms_step_kind(m);
    memset(v, 0, sizeof *v);
    v->number = m->kind == MMSTATS_SAMPLINGCOUNTER ? mms_real(0) : mms_int(0);
    if (m->kind == MMSTATS_FLAG || (m->kind == MMSTATS_CONSTANT && m->scalar == 11)) v->number.type = MMSTATS_BOOL;
    if (m->kind == MMSTATS_TEXT || (m->kind == MMSTATS_CONSTANT && m->scalar == 12)) v->text = mms_literal("");
    if (mms_is_dist(kind)) v->dist = mms_new_dist(r, kind == MMSTATS_FLOATPERCENTILE, mms_digits(m));
    if (kind == MMSTATS_SUMMARY) v->summary = MMS_NEW(r, mms_summary, 1);
    if (kind == MMSTATS_HISTORY) v->history = MMS_NEW(r, mms_history, 1);
    if (kind == MMSTATS_ERRORS) v->log = MMS_NEW(r, mms_log, 1);
}

static int mms_order_series(const void *a, const void *b) {
    return mms_compare(((const mmstats_series *)a)->label, ((const mmstats_series *)b)->label);
}

static mms_merged *mms_merged_of(mms_reader *r, const mms_entry *entry, mms_merged ***all, size_t *count, size_t *room) {
    mms_label *label = entry->label;
    unsigned window = entry->of > 0;
    if (label->merge[window] == r->merges) return label->merged[window];
    mms_merged *m = MMS_NEW(r, mms_merged, 1);
    label->merge[window] = r->merges;
    label->merged[window] = m;
    m->label = label;
    m->is_window = window;
    MMS_GROW(r, mms_merged *, *all, *count, room);
    (*all)[(*count)++] = m;
    return m;
}

static bool mms_same_identity(const mms_identity *a, const mms_identity *b) {
    if (!mms_same(a->group, b->group) || a->label_count != b->label_count) return false;
    for (size_t i = 0; i < a->label_count; i++)
        if (!mms_same(a->labels[i].key, b->labels[i].key) || !mms_same(a->labels[i].value, b->labels[i].value)) return false;
    return true;
}

static void mms_report_label(mms_reader *r, const mms_file *f, const mms_label *label, const char *problem) {
    mms_report(r, f->path, mms_join(r, label->text.data, " ", problem));
}

/* Merges files, which are in the order of their creation, into series. For a file by itself all values count. */
static const mmstats_series *mms_merge(mms_reader *r, mms_file **files, size_t file_count, bool by_itself, size_t *series_count) {
    mms_merged **all = NULL;
    size_t count = 0, room = 0;
    r->merges++;
    for (size_t n = 0; n < file_count; n++)
        for (mms_description *one = files[n]->descriptions; one; one = one->next) {
            mms_label *about = one->about;
            if (about->merge[2] == r->merges && about->description->time >= one->time) continue;
            about->merge[2] = r->merges;
            about->description = one;
        }
    for (size_t n = 0; n < file_count; n++)
        for (size_t i = files[n]->entry_count; i-- > 0;) {
            const mms_entry *entry = &files[n]->entries[i];
            if (entry->dead) continue;
            mms_merged *m = mms_merged_of(r, entry, &all, &count, &room);
            bool plain = entry->identity->group.length == 0 && entry->identity->label_count == 0;
            /* "Retired files": totals of earlier versions do not contain groups and labels. */
            if (files[n]->is_retired && plain && m->metric && m->metric->kind == entry->metric->kind &&
                (m->identity->group.length || m->identity->label_count))
                continue;
            if (m->metric && !entry->of && m->file != files[n] && !m->is_flat && !m->is_ambiguous &&
                !mms_same_identity(m->identity, entry->identity)) {
                m->is_ambiguous = true;
                if (!by_itself) mms_report_label(r, m->file, entry->label, "is of another group, or has other labels, in a file created later");
            }
            m->metric = entry->metric;
            m->identity = entry->identity;
            m->file = files[n];
            m->is_flat = files[n]->is_retired && plain;
        }
    for (size_t n = 0; n < file_count && !by_itself; n++)
        if (files[n]->twice) mms_report_label(r, files[n], files[n]->twice, "occurs twice");
    for (size_t n = 0; n < file_count; n++)
        for (size_t i = 0; i < files[n]->entry_count; i++) {
            const mms_entry *entry = &files[n]->entries[i];
            if (entry->dead) continue;
            mms_merged *m = entry->label->merged[entry->of > 0];
            unsigned kind = entry->metric->kind;
            if (entry->busy && kind == m->metric->kind) m->busy = !by_itself;
            if (entry->of) {
                const mms_entry *of = &files[n]->entries[entry->of - 1];
                if (!of->value || of->label->merged[0]->metric->kind != of->metric->kind) continue; /* its metric does not count */
            }
            if (kind != m->metric->kind) {
                if (!(m->kinds >> kind & 1) && !by_itself)
                    mms_report_label(r, files[n], entry->label, "is of another kind in a file created later");
                m->kinds |= (uint32_t)1 << kind;
                continue;
            }
            if (!entry->value) continue;
            mms_merge_entry(r, m, by_itself ? MMSTATS_LIVE : files[n]->state, entry);
        }
    mmstats_series *series = MMS_NEW(r, mmstats_series, count);
    size_t shown = 0;
    for (size_t i = 0; i < count; i++) {
        mms_merged *m = all[i];
        if (m->is_window || (!m->seen && !m->busy)) continue;
        mmstats_series *one = &series[shown++];
        const mms_metric *metric = m->metric;
        mms_label *about = mms_described(r, metric->kind, metric->label);
        bool described = about->merge[2] == r->merges;
        one->label = m->label->text;
        one->metric = metric->label;
        one->group = m->identity->group;
        one->labels = m->identity->labels;
        one->label_count = m->identity->label_count;
        one->help = described ? about->description->help : metric->help;
        one->unit = metric->kind == MMSTATS_TIMER ? mms_literal("seconds") : described ? about->description->unit : metric->unit;
        one->kind = m->seen ? (mmstats_kind)metric->kind : MMSTATS_UNREAD;
        one->busy = m->busy;
        one->text = mms_literal("");
        one->number = mms_none();
        if (m->busy) continue;
        if (m->files == 0) {
            mms_nothing(r, metric, &m->value);
            m->first = &m->value;
            m->form = metric;
        }
        mms_show_value(r, one, m->form, m->owned ? &m->value : m->first);
        mms_merged *window = m->label->merge[1] == r->merges ? m->label->merged[1] : NULL;
        if (window && window->files && mms_step_kind(window->metric) == metric->kind)
            one->window = mms_show_window(r, window->form, window->owned ? &window->value : window->first);
    }
    if (shown) qsort(series, shown, sizeof *series, mms_order_series);
    *series_count = shown;
    return series;
}

/* ---- "Where files are", "Folding" ---- */

static const char *const mms_retired_name = "mmstats-retired";

static const char *mms_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static char *mms_above(mms_reader *r, const char *path) {
    char *above = mms_join(r, path, "", "");
    char *slash = strrchr(above, '/');
    if (slash) slash[slash == above] = 0;
    return above;
}

typedef struct mms_name {
    const char *name;
    bool is_directory;
} mms_name;

static int mms_order_names(const void *a, const void *b) {
    return strcmp(((const mms_name *)a)->name, ((const mms_name *)b)->name);
}

/* Returns the entries whose names do not begin with a dot; null, with an error, if they cannot be listed. */
static mms_name *mms_list(mms_reader *r, const char *path, size_t *count) {
    mms_name *names = NULL;
    size_t room = 0;
    struct dirent *entry;
    *count = 0;
    r->directory = opendir(path);
    if (!r->directory) {
        char problem[300];
        snprintf(problem, sizeof problem, "cannot be listed: %s", strerror(errno));
        mms_report(r, path, problem);
        return NULL;
    }
    MMS_GROW(r, mms_name, names, 0, &room);
    while ((entry = readdir(r->directory)) != NULL) {
        struct stat found;
        if (entry->d_name[0] == '.') continue;
        MMS_GROW(r, mms_name, names, *count, &room);
        names[*count].name = mms_join(r, entry->d_name, "", "");
        names[*count].is_directory = entry->d_type == DT_DIR;
        if (entry->d_type == DT_UNKNOWN)
            names[*count].is_directory =
                fstatat(dirfd(r->directory), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(found.st_mode);
        (*count)++;
    }
    closedir(r->directory);
    r->directory = NULL;
    qsort(names, *count, sizeof *names, mms_order_names);
    return names;
}

static bool mms_is_named(const mms_file *retired, const mms_file *f) {
    const unsigned char *at = retired->names;
    for (size_t i = 0; i < retired->name_count; i++) {
        size_t length = 34 + (size_t)mms_u16(at + 32);
        if (mms_word(at, 0) == f->created && mms_word(at, 1) == f->token && mms_word(at, 2) == f->start_time &&
            mms_u32(at + 24) == f->pid && mms_u32(at + 28) == f->tid_created)
            return true;
        at += (length + 7) / 8 * 8;
    }
    return false;
}

static void mms_keep(mms_reader *r, mms_file *f) {
    MMS_GROW(r, mms_file *, r->files, r->file_count, &r->files_room);
    r->files[r->file_count++] = f;
}

/* Returns the retired file; without a valid retired record the whole file is invalid. */
static mms_file *mms_open_retired(mms_reader *r, const char *path, const char *root, bool silent) {
    mms_file *f = mms_open_file(r, path, root, silent);
    if (!f || f->is_retired) return f;
    if (!silent) mms_report(r, path, "it does not list the files folded into it");
    return NULL;
}

static void mms_read_directory(mms_reader *r, const char *path, const char *root) {
    const char *retired_path = mms_join(r, path, "/", mms_retired_name);
    size_t errors = r->shown.error_count, begin = r->file_count, count;
    for (int starts = 0; starts < 16; starts++) {
        r->shown.error_count = errors;
        r->file_count = begin;
        mms_file *first = mms_open_retired(r, retired_path, root, true);
        mms_name *names = mms_list(r, path, &count);
        for (size_t i = 0; names && i < count; i++) {
            if (strcmp(names[i].name, mms_retired_name) == 0) continue;
            mms_file *f = mms_open_file(r, mms_join(r, path, "/", names[i].name), root, false);
            if (f) mms_keep(r, f);
        }
        for (size_t i = begin; i < r->file_count; i++)
            if (r->files[i]->is_retired) mms_report(r, r->files[i]->path, "totals under another name than mmstats-retired");
        mms_file *second = mms_open_retired(r, retired_path, root, false);
        uint64_t a = first ? first->folds : 0, b = second ? second->folds : 0;
        size_t kept = begin;
        for (size_t i = begin; i < r->file_count; i++) {
            mms_file *f = r->files[i];
            bool named = second && f->owner_uid == second->owner_uid && ((first && mms_is_named(first, f)) || mms_is_named(second, f));
            if (!f->is_retired && !named) r->files[kept++] = f;
        }
        r->file_count = kept;
        if (second) mms_keep(r, second);
        if (b >= a && b - a <= 1024) return;
    }
    mms_report(r, path, "files are folded faster than they can be read");
}

/* "Merging": how little a file looks like the one that its writer made. */
static int mms_strangeness(const mms_file *f) {
    const char *name = mms_base(f->path), *rest;
    char written[64];
    size_t directory = (size_t)(name - f->path), length = f->model.length;
    bool in_model = directory >= length + 2 && f->path[directory - length - 2] == '/' &&
                    memcmp(f->path + directory - length - 1, f->model.data, length) == 0;
    rest = name + sprintf(written, "mmstats-%u-%u", (unsigned)f->pid, (unsigned)f->tid_created);
    bool own = strncmp(name, written, strlen(written)) == 0 &&
               (*rest == 0 || (*rest == '-' && rest[1] && rest[1 + strspn(rest + 1, "0123456789")] == 0));
    return 4 * (f->owner_uid != f->uid) + 2 * !in_model + !own;
}

static int mms_order_strange(const void *a, const void *b) {
    const mms_file *x = *(mms_file *const *)a, *y = *(mms_file *const *)b;
    int strange[2] = {mms_strangeness(x), mms_strangeness(y)};
    return strange[0] != strange[1] ? strange[0] - strange[1] : strcmp(x->path, y->path);
}

static int mms_order_identity(const mms_file *x, const mms_file *y) {
    int order = memcmp(x->process, y->process, sizeof x->process);
    if (order == 0) order = MMS_ORDER(x->created, y->created);
    if (order == 0) order = MMS_ORDER(x->tid_created, y->tid_created);
    return order ? order : mms_compare(x->model, y->model);
}

static int mms_order_copies(const void *a, const void *b) {
    int order = mms_order_identity(*(mms_file *const *)a, *(mms_file *const *)b);
    return order ? order : mms_order_strange(a, b);
}

/* Each file counts once. */
static void mms_without_copies(mms_reader *r) {
    mms_file **sorted = MMS_NEW(r, mms_file *, r->file_count);
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < r->file_count; i++)
        if (!r->files[i]->is_retired) sorted[count++] = r->files[i];
    if (count) qsort(sorted, count, sizeof *sorted, mms_order_copies);
    mms_file *first = NULL;
    for (size_t i = 0; i < count; i++) {
        mms_file *f = sorted[i];
        if (!first || mms_order_identity(first, f) != 0) {
            first = f;
            continue;
        }
        if (first->owner_uid != f->owner_uid && first->owner_uid != first->uid) continue;
        f->is_copy = true;
        if (f->device != first->device || f->node != first->node)
            mms_report(r, f->path, mms_join(r, "a copy of ", first->path, ""));
    }
    for (size_t i = 0; i < r->file_count; i++)
        if (!r->files[i]->is_copy) r->files[kept++] = r->files[i];
    r->file_count = kept;
}

static int mms_order_files(const void *a, const void *b) {
    const mms_file *x = *(mms_file *const *)a, *y = *(mms_file *const *)b;
    int order = mms_compare(x->model, y->model);
    if (order) return order;
    if (x->created != y->created) return x->created < y->created ? -1 : 1;
    return strcmp(x->path, y->path);
}

static void mms_show_file(mms_reader *r, mmstats_file *shown, mms_file *f) {
    shown->path = f->path;
    shown->pid = f->pid;
    shown->tid = f->tid;
    shown->state = f->state;
    shown->created = f->created;
    shown->bytes = f->length;
    shown->retired = f->is_retired;
    shown->folds = f->folds;
    shown->notes = f->notes;
    shown->note_count = f->note_count;
    if (r->flags & MMSTATS_PER_FILE) shown->series = mms_merge(r, &f, 1, true, &shown->series_count);
}

static int mms_order_processes(const void *a, const void *b) {
    return memcmp((*(mms_file *const *)a)->process, (*(mms_file *const *)b)->process, sizeof((mms_file *)0)->process);
}

static void mms_show_model(mms_reader *r, mmstats_model *shown, mms_file **files, size_t count) {
    mmstats_file *list = MMS_NEW(r, mmstats_file, count);
    mms_file **sorted = MMS_NEW(r, mms_file *, count);
    size_t made = 0;
    shown->name = files[0]->model;
    shown->series = mms_merge(r, files, count, false, &shown->series_count);
    for (size_t i = 0; i < count; i++) {
        mms_show_file(r, &list[i], files[i]);
        if (!files[i]->is_retired) sorted[made++] = files[i];
    }
    if (made) qsort(sorted, made, sizeof *sorted, mms_order_processes);
    for (size_t i = 0; i < made; i++)
        if (i == 0 || mms_order_processes(&sorted[i - 1], &sorted[i]) != 0) shown->processes++;
    shown->files = list;
    shown->file_count = count;
}

static void mms_read_path(mms_reader *r, const char *path) {
    struct stat found;
    size_t count;
    if (stat(path, &found) != 0) {
        mms_report(r, path, strerror(errno));
        return;
    }
    if (!S_ISDIR(found.st_mode)) {
        mms_file *f = mms_open_file(r, path, mms_above(r, mms_above(r, path)), false);
        if (f) mms_keep(r, f);
        return;
    }
    mms_name *names = mms_list(r, path, &count);
    if (!names) return;
    bool any_directory = false, is_model = false;
    for (size_t i = 0; i < count; i++) {
        any_directory |= names[i].is_directory;
        is_model |= !names[i].is_directory && strncmp(names[i].name, "mmstats-", 8) == 0;
    }
    if (is_model || (count && !any_directory && lstat(mms_join(r, path, "/", ".lock"), &found) != 0)) {
        mms_read_directory(r, path, mms_above(r, path));
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (names[i].is_directory) mms_read_directory(r, mms_join(r, path, "/", names[i].name), path);
}

/* Returns an absolute path without "." parts, double slashes or a slash at the end; a relative path starts at the
 * current directory. */
static const char *mms_absolute(mms_reader *r, const char *path) {
    char here[4096];
    if (path[0] != '/' && getcwd(here, sizeof here)) path = mms_join(r, here, "/", path);
    char *absolute = mms_join(r, path, "/", "");
    size_t used = 0;
    for (const char *from = path; *from;) {
        size_t length = strcspn(from, "/");
        if (length && !(length == 1 && from[0] == '.')) {
            absolute[used++] = '/';
            memcpy(absolute + used, from, length);
            used += length;
        }
        from += length;
        from += *from == '/';
    }
    if (used == 0) absolute[used++] = '/';
    absolute[used] = 0;
    return absolute;
}

static bool mms_is_own_directory(const char *path) {
    struct stat found;
    return lstat(path, &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == geteuid();
}

/* "Where files are": reads the usual roots, if no path is given. */
static void mms_read_roots(mms_reader *r) {
    const char *given = getenv("MMSTATS_PATH"), *runtime = getenv("XDG_RUNTIME_DIR"), *temporary = getenv("TMPDIR");
    const char *roots[3];
    size_t count = 0;
    char name[40];
    if (given && *given) {
        r->shown.path = mms_absolute(r, given);
        mms_read_path(r, r->shown.path);
        return;
    }
    snprintf(name, sizeof name, "mmstats-%lu", (unsigned long)geteuid());
    if (runtime && runtime[0] == '/' && mms_is_own_directory(runtime)) roots[count++] = mms_join(r, runtime, "/mmstats", "");
    roots[count++] = mms_join(r, "/dev/shm/", name, "");
    roots[count++] = mms_join(r, temporary && *temporary ? temporary : "/tmp", "/", name);
    for (size_t i = 0; i < count; i++) {
        struct stat found;
        if (lstat(roots[i], &found) != 0) continue;
        if (!r->shown.path) r->shown.path = roots[i];
        if (!mms_is_own_directory(roots[i]) || found.st_mode & 022)
            mms_report(r, roots[i], "not a directory that this user owns and no other user may write to");
        else
            mms_read_path(r, roots[i]);
    }
    if (!r->shown.path) r->shown.path = "";
}

static void mms_read_all(mms_reader *r, const char *path) {
    char status[4096], *found;
    struct timespec now;
    mms_identifier("/proc/sys/kernel/random/boot_id", r->boot_id);
    mms_identifier("/etc/machine-id", r->machine_id);
    r->pid_namespace = mms_namespace("/proc/self/ns/pid");
    r->time_namespace = mms_namespace("/proc/self/ns/time");
    mms_text_of("/proc/self/status", status, sizeof status);
    found = strstr(status, "\nNSpid:");
    r->proc_is_own = true;
    if (found) {
        found += 7 + strspn(found + 7, " \t");
        found += strspn(found, "0123456789");
        r->proc_is_own = *found == '\n' || *found == 0;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    r->seed = (uint64_t)now.tv_nsec ^ (uint64_t)(uintptr_t)r << 16 ^ (uint64_t)getpid() << 40 ^ UINT64_C(0x9E3779B97F4A7C15);
    if (path) {
        r->shown.path = mms_absolute(r, path);
        mms_read_path(r, r->shown.path);
    } else {
        mms_read_roots(r);
    }
    mms_without_copies(r);
    for (size_t i = 0; i < r->file_count; i++) {
        mms_file *f = r->files[i];
        f->state = f->is_retired ? MMSTATS_DEAD : mms_state(r, f);
    }
    if (r->file_count) qsort(r->files, r->file_count, sizeof *r->files, mms_order_files);
    mmstats_model *models = MMS_NEW(r, mmstats_model, r->file_count);
    size_t count = 0;
    for (size_t from = 0, to; from < r->file_count; from = to) {
        for (to = from + 1; to < r->file_count && mms_same(r->files[from]->model, r->files[to]->model);) to++;
        mms_show_model(r, &models[count++], r->files + from, to - from);
    }
    r->shown.models = models;
    r->shown.model_count = count;
    mms_clear(&r->scratch);
}

/* ---- The interface ---- */

/* Returns whether there was enough memory. */
static bool mms_read_within(mms_reader *r, const char *path) {
    jmp_buf top;
    r->top = r->trap = &top;
    if (setjmp(top) != 0) return false;
    mms_read_all(r, path);
    return true;
}

mmstats *mmstats_read(const char *path, unsigned flags) {
    mms_reader *r = (mms_reader *)calloc(1, sizeof *r);
    if (!r) return NULL;
    r->descriptor = -1;
    r->flags = flags;
    bool well = mms_read_within(r, path);
    r->top = r->trap = NULL;
    if (r->descriptor >= 0) close(r->descriptor);
    if (r->directory) closedir(r->directory);
    for (mms_lock *lock = r->locks; lock; lock = lock->next)
        if (lock->descriptor >= 0) close(lock->descriptor);
    if (well) return &r->shown;
    mmstats_free(&r->shown);
    errno = ENOMEM;
    return NULL;
}

void mmstats_free(mmstats *read) {
    mms_reader *r = (mms_reader *)(void *)read;
    if (!r) return;
    mms_clear(&r->arena);
    mms_clear(&r->scratch);
    free(r);
}

const mmstats_series *mmstats_find(const mmstats *read, const char *model, const char *label) {
    for (size_t m = 0; m < read->model_count; m++) {
        const mmstats_series *series = read->models[m].series;
        size_t from = 0, count = read->models[m].series_count;
        if (!mms_same(read->models[m].name, mms_literal(model))) continue;
        MMS_SEARCH(from, count, mms_compare(series[i].label, mms_literal(label)) < 0)
        if (from < count && mms_same(series[from].label, mms_literal(label))) return &series[from];
    }
    return NULL;
}

mmstats_number mmstats_percentile(const mmstats_distribution *distribution, unsigned thousandths) {
    mms_percentiles p;
    if (!distribution || !distribution->buckets || thousandths > 1000) return mms_none();
    mms_find_percentiles(distribution->buckets, &p, &thousandths, 1);
    return mms_scaled(p.found[0], distribution->divisor);
}

const char *mmstats_kind_name(mmstats_kind kind) {
    static const char *const names[] = {"unread",     "counter",    "updown",  "gauge",   "flag",          "text",
                                        "constant",   "timer",      "percentile", "compound", "summary",   "average",
                                        "movingaverage", "samplingcounter", "history", "errors", "window", "percentile"};
    return kind <= MMSTATS_FLOATPERCENTILE ? names[kind] : "unknown";
}

const char *mmstats_life_name(mmstats_life state) {
    return state == MMSTATS_LIVE ? "live" : state == MMSTATS_ORPHAN ? "orphan" : state == MMSTATS_DEAD ? "dead" : "unknown";
}

#endif
#endif
