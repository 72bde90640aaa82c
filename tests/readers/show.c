/* Prints what `mmstats show --json` prints, using only docs/readers/mmstats.h.
 *
 *     cc -O2 -I docs/readers tests/readers/show.c -o show -lm && ./show [--per-file] [PATH]
 */
#define MMSTATS_IMPLEMENTATION
#include "mmstats.h"

static void print_escaped(mmstats_text text) {
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
}

static void print_text(mmstats_text text) {
    putchar('"');
    print_escaped(text);
    putchar('"');
}

/* A path may be any bytes, but JSON is UTF-8. */
static void print_escaped_path(const char *path) {
    for (size_t left = strlen(path); left;) {
        int step = mms_character((const unsigned char *)path, left);
        size_t length = (size_t)abs(step);
        mmstats_text text = {step < 0 ? "\xEF\xBF\xBD" : path, step < 0 ? 3 : length};
        print_escaped(text);
        path += length;
        left -= length;
    }
}

static void print_path(const char *path) {
    putchar('"');
    print_escaped_path(path);
    putchar('"');
}

/* Prints the shortest text that is read back as the same double. */
static void print_double(double value) {
    char text[40];
    if (!isfinite(value)) {
        printf("null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    /* A float must look like a float. */
    printf("%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static void print_number(mmstats_number n) {
    switch (n.type) {
    case MMSTATS_BOOL: printf("%s", n.u ? "true" : "false"); break;
    case MMSTATS_UINT: printf("%" PRIu64, n.u); break;
    case MMSTATS_INT: printf("%" PRId64, n.i); break;
    case MMSTATS_FLOAT: print_double(n.f); break;
    case MMSTATS_NONE: printf("null"); break;
    }
}

static void print_named(const char *name, mmstats_number n) {
    printf(",\"%s\":", name);
    print_number(n);
}

static void print_seconds(const char *name, uint64_t nanoseconds) {
    printf(",\"%s\":", name);
    print_double((double)nanoseconds / 1e9);
}

static void print_context_id(const mmstats_context *context) {
    printf(",\"context_id\":");
    if (context->lost)
        printf("null");
    else
        printf("\"%s\"", context->id);
}

static void print_distribution(const mmstats_distribution *d, mmstats_kind kind) {
    static const char *const percents[MMSTATS_PERCENTILES] = {"50", "75", "90", "95", "99", "99.9"};
    printf("\"count\":%" PRIu64, d->count);
    print_named("total", d->total);
    print_named("mean", d->mean);
    print_named("stddev", d->stddev);
    print_named("min", d->min);
    print_named("max", d->max);
    print_named("last", d->last);
    if (kind == MMSTATS_SUMMARY || kind == MMSTATS_FLOATPERCENTILE) printf(",\"rejected\":%" PRIu64, d->rejected);
    if (kind == MMSTATS_SUMMARY) {
        if (d->count)
            print_seconds("last_time", d->last_time);
        else
            printf(",\"last_time\":null");
        return;
    }
    for (size_t i = 0; i < MMSTATS_PERCENTILES; i++) {
        printf("%s\"%s\":", i ? "," : ",\"percentiles\":{", percents[i]);
        print_number(d->percentiles[i]);
    }
    putchar('}');
    for (size_t i = 0; i < d->exemplar_count; i++) {
        printf("%s{\"value\":", i ? "," : ",\"exemplars\":[");
        print_number(d->exemplars[i].value);
        print_seconds("timestamp", d->exemplars[i].time);
        printf(",\"context\":");
        if (d->exemplars[i].context.exists && !d->exemplars[i].context.lost)
            print_text(d->exemplars[i].context.text);
        else
            printf("null");
        putchar('}');
    }
    if (d->exemplar_count) putchar(']');
}

static void print_logged(const mmstats_logged *one, bool is_site) {
    char *name = (char *)calloc(1, one->name.length + 5);
    mmstats_text exposed;
    if (!name) exit(2);
    memcpy(name, "EXC:", 4);
    memcpy(name + 4, one->name.data, one->name.length);
    exposed.data = one->is_note ? name + 4 : name;
    exposed.length = one->name.length + (one->is_note ? 0 : 4);
    printf("{\"count\":%" PRIu64 ",\"name\":", one->count);
    print_text(exposed);
    free(name);
    if (is_site) {
        printf(",\"site\":");
        print_text(one->site);
        putchar('}');
        return;
    }
    print_seconds("first", one->first);
    print_seconds("last", one->last);
    print_context_id(&one->context);
    if (!one->is_note) {
        printf(",\"type\":");
        print_text(one->name);
        printf(",\"message\":");
        print_text(one->message);
        printf(",\"site\":");
        print_text(one->site);
        printf(",\"sources\":[");
        for (size_t at = 0; one->sources.length && at <= one->sources.length;) {
            mmstats_text line;
            const char *end = (const char *)memchr(one->sources.data + at, '\n', one->sources.length - at);
            line.data = one->sources.data + at;
            line.length = end ? (size_t)(end - line.data) : one->sources.length - at;
            if (at) putchar(',');
            print_text(line);
            at += line.length + 1;
        }
        putchar(']');
    }
    putchar('}');
}

static void print_log(const mmstats_log *log) {
    printf("\"all\":%" PRIu64 ",\"overflow\":%" PRIu64 ",\"evicted\":%" PRIu64 ",\"unnamed\":%" PRIu64 ",\"distinct\":[", log->all,
           log->overflow, log->evicted, log->unnamed);
    for (size_t i = 0; i < log->distinct_count; i++) {
        if (i) putchar(',');
        print_logged(&log->distinct[i], false);
    }
    printf("],\"sites\":[");
    for (size_t i = 0; i < log->site_count; i++) {
        if (i) putchar(',');
        print_logged(&log->sites[i], true);
    }
    putchar(']');
}

static void print_value(const mmstats_series *s) {
    switch (s->kind) {
    case MMSTATS_TIMER:
    case MMSTATS_PERCENTILE:
    case MMSTATS_FLOATPERCENTILE:
    case MMSTATS_SUMMARY: print_distribution(s->distribution, s->kind); break;
    case MMSTATS_AVERAGE:
    case MMSTATS_MOVINGAVERAGE:
        printf("\"count\":%" PRIu64, s->count);
        print_named("value", s->number);
        break;
    case MMSTATS_SAMPLINGCOUNTER:
        printf("\"count\":%" PRIu64, s->count);
        print_named("per_ms", s->number);
        break;
    case MMSTATS_COMPOUND:
        printf("\"value\":{");
        for (size_t i = 0; i < s->field_count; i++) {
            const mmstats_field *field = &s->fields[i];
            if (i) putchar(',');
            print_text(field->name);
            putchar(':');
            if (field->is_array) putchar('[');
            for (size_t j = 0; j < field->count; j++) {
                if (j) putchar(',');
                print_number(field->numbers[j]);
            }
            if (field->is_array) putchar(']');
        }
        putchar('}');
        break;
    case MMSTATS_HISTORY:
        printf("\"entries\":[");
        for (size_t i = 0; i < s->entry_count; i++) {
            printf("%s{\"value\":", i ? "," : "");
            print_double(s->entries[i].value);
            print_seconds("timestamp", s->entries[i].time);
            print_context_id(&s->entries[i].context);
            putchar('}');
        }
        putchar(']');
        break;
    case MMSTATS_ERRORS: print_log(s->log); break;
    default:
        printf("\"value\":");
        if (s->is_text)
            print_text(s->text);
        else
            print_number(s->number);
    }
}

static void print_series(const mmstats_series *series, size_t count) {
    printf("\"stats\":{");
    for (size_t i = 0; i < count; i++) {
        const mmstats_series *s = &series[i];
        printf("%s", i ? ",\n" : "\n");
        print_text(s->label);
        printf(":{");
        if (s->busy)
            printf("\"busy\":true,\"value\":null");
        else
            print_value(s);
        if (s->kind != MMSTATS_UNREAD) {
            printf(",\"kind\":\"%s\",\"metric\":", mmstats_kind_name(s->kind));
            print_text(s->metric);
            if (s->unit.length) {
                printf(",\"unit\":");
                print_text(s->unit);
            }
            if (s->group.length) {
                printf(",\"group\":");
                print_text(s->group);
            }
            for (size_t j = 0; j < s->label_count; j++) {
                printf("%s", j ? "," : ",\"labels\":{");
                print_text(s->labels[j].key);
                putchar(':');
                print_text(s->labels[j].value);
            }
            if (s->label_count) putchar('}');
        }
        if (s->window) {
            printf(",\"window\":{\"seconds\":");
            print_double(s->window->seconds);
            putchar(',');
            if (s->window->distribution) {
                print_distribution(s->window->distribution, s->kind);
            } else {
                printf("\"count\":%" PRIu64 ",\"rate\":", s->window->count);
                print_double(s->window->rate);
            }
            putchar('}');
        }
        putchar('}');
    }
    putchar('}');
}

/* Prints a model's name, followed by its path if another path has a model of the same name. */
static void print_model_name(const mmstats *const *all, size_t index, size_t model) {
    mmstats_text name = all[index]->models[model].name;
    for (size_t i = 0; i < index; i++)
        for (size_t m = 0; m < all[i]->model_count; m++)
            if (mms_same(all[i]->models[m].name, name)) {
                size_t length = name.length + strlen(all[index]->path) + 1;
                char *longer = (char *)malloc(length + 1);
                if (!longer) exit(2);
                memcpy(longer, name.data, name.length);
                sprintf(longer + name.length, "@%s", all[index]->path);
                mmstats_text text = {longer, length};
                print_text(text);
                free(longer);
                return;
            }
    print_text(name);
}

static void print_model(const mmstats_model *model, unsigned flags) {
    printf("{\"processes\":%zu,\"files\":[", model->processes);
    for (size_t i = 0; i < model->file_count; i++) {
        const mmstats_file *file = &model->files[i];
        printf("%s{\"path\":", i ? "," : "");
        print_path(file->path);
        printf(",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32 ",\"state\":\"%s\",\"bytes\":%" PRIu64, file->pid, file->tid,
               mmstats_life_name(file->state), file->bytes);
        print_seconds("created", file->created);
        if (file->retired) printf(",\"retired\":%" PRIu64, file->folds);
        if (flags & MMSTATS_PER_FILE) {
            putchar(',');
            print_series(file->series, file->series_count);
        }
        putchar('}');
    }
    printf("],");
    print_series(model->series, model->series_count);
    putchar('}');
}

int main(int count, char **arguments) {
    const char **paths = (const char **)calloc((size_t)count + 1, sizeof *paths);
    mmstats **all = (mmstats **)calloc((size_t)count + 1, sizeof *all);
    size_t path_count = 0, there = 0, models = 0, errors = 0;
    unsigned flags = 0;
    struct stat found;
    if (!paths || !all) return 2;
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--per-file") == 0)
            flags |= MMSTATS_PER_FILE;
        else if (arguments[i][0] == '-') {
            fprintf(stderr, "usage: %s [--per-file] [PATH...]\n", arguments[0]);
            free(paths);
            free(all);
            return 2;
        } else
            paths[path_count++] = arguments[i];
    }
    if (path_count == 0) path_count = 1; /* null: the usual roots */
    /* Paths that do not exist come last. */
    for (int missing = 0; missing < 2; missing++)
        for (size_t i = 0; i < path_count; i++) {
            if ((paths[i] && stat(paths[i], &found) != 0) != missing) continue;
            all[there] = mmstats_read(paths[i], flags);
            if (!all[there++]) {
                perror("mmstats_read");
                return 2;
            }
        }
    printf("{\"path\":\"");
    for (size_t i = 0; i < there; i++) {
        if (i) putchar(':');
        print_escaped_path(all[i]->path);
    }
    printf("\",\"models\":{");
    for (size_t i = 0; i < there; i++)
        for (size_t m = 0; m < all[i]->model_count; m++) {
            if (models++) putchar(',');
            print_model_name((const mmstats *const *)all, i, m);
            putchar(':');
            print_model(&all[i]->models[m], flags);
        }
    printf("},\"errors\":[");
    for (size_t i = 0; i < there; i++)
        for (size_t e = 0; e < all[i]->error_count; e++) {
            printf("%s{\"path\":", errors++ ? "," : "");
            print_path(all[i]->errors[e].path);
            printf(",\"error\":");
            print_path(all[i]->errors[e].error);
            putchar('}');
        }
    printf("]}\n");
    for (size_t i = 0; i < there; i++) mmstats_free(all[i]);
    free(all);
    free(paths);
    return models ? 0 : 1;
}
