/* Reads golden files with random damage, so many times: nothing may crash, hang or be reported by a sanitizer.
 *
 *     cc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -I docs/readers tests/readers/mutate.c -o mutate -lm
 *     ./mutate SEED TIMES EMPTY-DIRECTORY tests/golden/NAME.mmstats …
 */
#define MMSTATS_IMPLEMENTATION
#include "mmstats.h"

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

/* Of a place that is not zero as a rule: elsewhere there is little to damage. */
static size_t place(bytes file, size_t size) {
    size_t at = 0;
    for (int tries = 0; tries < 20; tries++) {
        at = below(file.length - size + 1) / size * size;
        for (size_t i = 0; i < size; i++)
            if (file.data[at + i]) return at;
    }
    return at;
}

static void damage(bytes *file, bytes other) {
    static const uint64_t odd[] = {0, 1, 7, 8, 64, 255, 65535, 0x7FFFFFFF, 0xFFFFFFFF, UINT64_C(1) << 32, UINT64_MAX, INT64_MAX, 0x7FF0000000000000};
    for (size_t changes = 1 + below(6); changes && file->length > 64; changes--) {
        size_t kind = below(12), size = (size_t)1 << below(4), at = place(*file, size);
        if (kind < 4) {
            file->data[at] = (unsigned char)(file->data[at] ^ 1u << below(8));
        } else if (kind < 6) {
            file->data[at] = (unsigned char)random_number();
        } else if (kind < 9) {
            uint64_t value = below(3) ? odd[below(sizeof odd / sizeof *odd)] : below(file->length + 64);
            for (size_t i = 0; i < size; i++) file->data[at + i] = (unsigned char)(value >> (8 * i));
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

static uint64_t seen, errors;

static void touch(const mmstats_series *series, size_t count) {
    for (size_t i = 0; i < count; i++) {
        seen += series[i].label.length + strlen(series[i].label.data) + series[i].text.length;
        if (series[i].distribution) seen += mmstats_percentile(series[i].distribution, (unsigned)below(1001)).type;
    }
}

int main(int count, char **arguments) {
    static const char *const names[] = {"mmstats-812-815", "mmstats-812-815-1", "mmstats-7-8", "mmstats-retired"};
    if (count < 5) return 2;
    state = strtoull(arguments[1], NULL, 10);
    long times = strtol(arguments[2], NULL, 10);
    char directory[2048];
    snprintf(directory, sizeof directory, "%s/model", arguments[3]);
    if (mkdir(directory, 0700) != 0) return 2;
    bytes *golden = (bytes *)calloc((size_t)count, sizeof *golden), file;
    file.data = (unsigned char *)malloc(1 << 22);
    if (!golden || !file.data) return 2;
    for (int i = 4; i < count; i++) golden[i - 4] = read_file(arguments[i]);
    for (long n = 0; n < times; n++) {
        bytes from = golden[below((size_t)count - 4)];
        size_t name = below(12);
        memcpy(file.data, from.data, from.length);
        file.length = from.length;
        damage(&file, golden[below((size_t)count - 4)]);
        name = name < 4 ? name : 2;
        write_file(directory, names[name], file);
        char path[4096];
        snprintf(path, sizeof path, "%s%s%s", below(8) ? directory : arguments[3], name == 2 ? "/" : "", name == 2 ? names[2] : "");
        if (name == 2 && strncmp(path, directory, strlen(directory)) != 0) snprintf(path, sizeof path, "%s", arguments[3]);
        mmstats *read = mmstats_read(path, MMSTATS_PER_FILE);
        if (!read) return 3;
        errors += read->error_count;
        for (size_t m = 0; m < read->model_count; m++) {
            touch(read->models[m].series, read->models[m].series_count);
            for (size_t i = 0; i < read->models[m].file_count; i++) touch(read->models[m].files[i].series, read->models[m].files[i].series_count);
        }
        mmstats_free(read);
        if (n % 64 == 63)
            for (size_t i = 0; i < 4; i++) {
                snprintf(path, sizeof path, "%s/%s", directory, names[i]);
                unlink(path);
            }
    }
    printf("%ld files, %" PRIu64 " errors, %" PRIu64 " seen\n", times, errors, seen);
    for (int i = 4; i < count; i++) free(golden[i - 4].data);
    free(golden);
    free(file.data);
    return 0;
}
