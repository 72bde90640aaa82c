/* Reads golden files with random damage, a given number of times: nothing may crash, hang or be reported by a sanitizer.
 *
 *     cc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -I docs/readers tests/readers/mutate.c -o mutate -lm
 *     ./mutate SEED TIMES EMPTY-DIRECTORY FILES
 *
 * Half of the damage is in a record whose type is chosen first, so rare types are hit as often as the others. It prints
 * how many records of each type were hit. Some files also change while they are read, and name a process that runs here
 * as their writer, with a lock and a clock.
 */
#define _GNU_SOURCE
#include <time.h>
#include <unistd.h>

static ssize_t changing_pread(int descriptor, void *to, size_t count, off_t at);
static int some_clock(clockid_t clock, struct timespec *now);
#define pread changing_pread
#define clock_gettime some_clock
#define MMSTATS_IMPLEMENTATION
#include "mmstats.h"
#undef pread
#undef clock_gettime

typedef struct bytes {
    unsigned char *data;
    size_t length;
} bytes;

static uint64_t state;

static uint64_t random_number(void) { /* SplitMix64 */
    uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static size_t below(size_t end) { return end ? (size_t)(random_number() % end) : 0; }

static bytes read_file(const char *path) {
    bytes file;
    FILE *stream = fopen(path, "rb");
    if (!stream) exit(2);
    file.data = (unsigned char *)malloc(1 << 22);
    if (!file.data) exit(2);
    file.length = fread(file.data, 1, 1 << 22, stream);
    fclose(stream);
    return file;
}

static void write_file(const char *directory, const char *name, bytes file) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *stream = fopen(path, "wb");
    if (!stream || fwrite(file.data, 1, file.length, stream) != file.length || fclose(stream) != 0) exit(2);
}

static bool changes; /* whether the files change while they are read */

static ssize_t changing_pread(int descriptor, void *to, size_t count, off_t at) {
    ssize_t got = pread(descriptor, to, count, at);
    if (changes && got > 0 && below(6) == 0) ((unsigned char *)to)[below((size_t)got)] ^= (unsigned char)(1u << below(8));
    return got;
}

/* For current windows, and for those of golden files, whose clocks began when they were written. */
static int some_clock(clockid_t clock, struct timespec *now) {
    int result = clock_gettime(clock, now);
    if (clock == CLOCK_MONOTONIC_COARSE && below(2)) now->tv_sec = (time_t)below(30);
    return result;
}

/* Chooses a place that is usually not zero: elsewhere there is little to damage. */
static size_t place(bytes file, size_t size) {
    size_t at = 0;
    for (int tries = 0; tries < 20; tries++) {
        at = below(file.length - size + 1) / size * size;
        for (size_t i = 0; i < size; i++)
            if (file.data[at + i]) return at;
    }
    return at;
}

enum { TYPES = MMS_DESCRIPTION + 1 };
static uint64_t damaged[TYPES];

static uint64_t odd_number(size_t length) {
    static const uint64_t odd[] = {0, 1, 7, 8, 64, 255, 65535, 0x7FFFFFFF, 0xFFFFFFFF, UINT64_C(1) << 32, UINT64_MAX, INT64_MAX, 0x7FF0000000000000};
    return below(3) ? odd[below(sizeof odd / sizeof *odd)] : below(length + 64);
}

static void put(unsigned char *to, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; i++) to[i] = (unsigned char)(value >> (8 * i));
}

/* Damages a record of some type, if the list leads to one: in its head and its fixed part, or anywhere. */
static void damage_record(bytes file) {
    size_t type = below(TYPES), found = 0, record = 0, length = 0;
    for (size_t at = mms_u32(file.data + 8), next; at + 8 <= file.length; at = next) {
        next = at + mms_u32(file.data + at);
        if (next < at + 8 || next > file.length) break;
        if (mms_u16(file.data + at + 4) != type || below(++found)) continue;
        record = at;
        length = next - at;
    }
    if (!record) return;
    damaged[type]++;
    size_t size = (size_t)1 << below(4), end = below(2) && length > 64 ? 64 : length;
    unsigned char *at = file.data + record + below(end / size) * size;
    if (below(3))
        put(at, odd_number(file.length), size);
    else
        *at = (unsigned char)(*at ^ 1u << below(8));
}

static void damage(bytes *file, bytes other) {
    for (size_t changes = 1 + below(6); changes && file->length > 64; changes--) {
        size_t kind = below(24), size = (size_t)1 << below(4), at = place(*file, size);
        if (kind >= 12) {
            damage_record(*file);
        } else if (kind < 4) {
            file->data[at] = (unsigned char)(file->data[at] ^ 1u << below(8));
        } else if (kind < 6) {
            file->data[at] = (unsigned char)random_number();
        } else if (kind < 9) {
            put(file->data + at, odd_number(file->length), size);
        } else if (kind < 10) {
            size_t from = below(file->length), to = below(file->length), length = below(200);
            if (from + length < file->length && to + length < file->length) memmove(file->data + to, file->data + from, length);
        } else if (kind < 11) {
            size_t from = below(other.length), length = below(400);
            if (from + length < other.length && from + length < file->length) memcpy(file->data + from, other.data + from, length);
        } else if (below(6) == 0) {
            file->length = below(file->length + 1);
        }
    }
}

/* Makes it a file of this process or a dead one, and of another thread than the other files here, so not a copy. */
static void settle(bytes file, const char *lock) {
    unsigned char boot[16], machine[16];
    struct stat found;
    put(file.data + 60, 1 + below(4), 4);
    if (below(3) == 0 || stat(lock, &found) != 0) return;
    mms_identifier("/proc/sys/kernel/random/boot_id", boot);
    mms_identifier("/etc/machine-id", machine);
    if (below(4)) memcpy(file.data + 80, boot, 16);
    if (below(2)) memcpy(file.data + 128, machine, 16);
    put(file.data + 12, below(2), 4);
    put(file.data + 44, below(5), 1); /* the state in the owner word */
    put(file.data + 56, below(4) ? (uint64_t)getpid() : below(3) ? INT32_MAX : random_number(), 4);
    if (below(2)) put(file.data + 72, 0, 8);
    put(file.data + 96, mms_namespace("/proc/self/ns/pid"), 8);
    if (below(2)) put(file.data + 104, 1 + below(3), 8);
    put(file.data + 112, (uint64_t)found.st_dev, 8);
    put(file.data + 120, (uint64_t)found.st_ino, 8);
    if (mms_u16(file.data + 148) == 152) { /* an earlier version's: the texts make room */
        size_t texts = mms_u16(file.data + 144) + (size_t)mms_u16(file.data + 146);
        if (texts + 160 > mms_u32(file.data + 8)) return;
        memmove(file.data + 160, file.data + 152, texts);
        put(file.data + 148, 160, 2);
    }
    put(file.data + 152, mms_namespace("/proc/self/ns/time"), 8);
}

/* Creates a lock file, and locks its first byte that a token may name. */
static int make_lock(const char *path) {
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock lock;
    memset(&lock, 0, sizeof lock);
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 1;
    lock.l_len = 1;
    return descriptor >= 0 && fcntl(descriptor, F_OFD_SETLK, &lock) == 0 ? descriptor : -1;
}

static uint64_t seen, errors;

static void touch(const mmstats_series *series, size_t count) {
    for (size_t i = 0; i < count; i++) {
        seen += series[i].label.length + strlen(series[i].label.data) + series[i].text.length;
        if (series[i].distribution) seen += mmstats_percentile(series[i].distribution, (unsigned)below(1001)).type;
    }
}

/* Reads once what is there now. */
static bool look(const char *path) {
    mmstats *read = mmstats_read(path, MMSTATS_PER_FILE);
    if (!read) return false;
    errors += read->error_count;
    for (size_t m = 0; m < read->model_count; m++) {
        const mmstats_model *model = &read->models[m];
        touch(model->series, model->series_count);
        for (size_t i = 0; i < model->file_count; i++) touch(model->files[i].series, model->files[i].series_count);
        if (model->series_count)
            seen += mmstats_find(read, model->name.data, model->series[below(model->series_count)].label.data) != NULL;
    }
    mmstats_free(read);
    return true;
}

int main(int count, char **arguments) {
    static const char *const names[] = {"mmstats-812-815", "mmstats-812-815-1", "mmstats-7-8", "mmstats-retired"};
    if (count < 5) return 2;
    state = strtoull(arguments[1], NULL, 10);
    long times = strtol(arguments[2], NULL, 10);
    const char *root = arguments[3];
    size_t goldens = (size_t)count - 4;
    char directory[2048], lock[2048], path[4096];
    snprintf(directory, sizeof directory, "%s/model", root);
    snprintf(lock, sizeof lock, "%s/.lock", root);
    int locked = make_lock(lock);
    if (mkdir(directory, 0700) != 0 || locked < 0) return 2;
    bytes *golden = (bytes *)calloc(goldens, sizeof *golden), file;
    file.data = (unsigned char *)malloc(1 << 22);
    if (!golden || !file.data) return 2;
    for (size_t i = 0; i < goldens; i++) golden[i] = read_file(arguments[i + 4]);
    for (long n = 0; n < times; n++) {
        /* Usually files of one model, so that they are merged. */
        bytes from = golden[below(4) ? (size_t)(n / 16) % goldens : below(goldens)];
        size_t name = below(12);
        name = name < 4 ? name : 2;
        memcpy(file.data, from.data, from.length);
        file.length = from.length;
        settle(file, lock);
        if (below(8)) damage(&file, golden[below(goldens)]);
        write_file(directory, names[name], file);
        if (below(4) == 0)
            snprintf(path, sizeof path, "%s/%s", directory, names[name]);
        else
            snprintf(path, sizeof path, "%s", below(2) ? directory : root);
        changes = below(4) == 0;
        if (!look(path)) return 3;
        if (n % 16 == 15)
            for (size_t i = 0; i < 4; i++) {
                snprintf(path, sizeof path, "%s/%s", directory, names[i]);
                unlink(path);
            }
    }
    printf("%ld files, %" PRIu64 " errors, %" PRIu64 " seen, records by type:", times, errors, seen);
    for (size_t type = 0; type < TYPES; type++)
        if (type != 0 && type != 5) printf(" %" PRIu64, damaged[type]);
    printf("\n");
    for (size_t i = 0; i < goldens; i++) free(golden[i].data);
    free(golden);
    free(file.data);
    close(locked);
    return 0;
}
