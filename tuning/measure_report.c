#include "tuning/measure_report.h"

#include <math.h>
#include <string.h>

#include "tuning/measure_html.h"
#include "tuning/measure_words.h"

#define NS_PER_HOUR 3.6e12

void measure_report_answer(const struct measure_result *result, const struct tune_options *o,
                           struct measure_answers *answers) {
    *answers = (struct measure_answers){
        .question = {.users = o->users,
                     .room_members = o->rooms_of,
                     .messages_per_minute = o->messages_per_minute,
                     .heartbeat_s = o->heartbeat_s,
                     .slo_ns = o->slo_ms * 1e6,
                     .connections = o->connections},
    };
    for (int i = 0; i < MEASURE_SIDE_COUNT; i++) {
        enum measure_side_name side = (enum measure_side_name)i;
        struct model_costs costs;
        answers->machines[side] = (struct model_machine){
            .memory_bytes = result->memory_available_bytes * MEASURE_REPORT_MEMORY_SHARE,
            .connections_max = result->connections_max[side],
            .cpus = side == MEASURE_ALL ? result->cpu_count : 1,
        };
        answers->is_known[side] = measure_result_costs(result, side, &costs);
        if (!answers->is_known[side])
            continue;
        model_answer(&costs, &answers->machines[side], &answers->question, &answers->all[side]);
        answers->best = side;
    }
}

static const char *rate_words(const struct model_answer *a, char *text, size_t text_size) {
    char count[MEASURE_WORDS_BYTES];
    if (a->users_messages_per_minute == 1)
        snprintf(text, text_size, "one message a minute");
    else
        snprintf(text, text_size, "%s messages a minute",
                 measure_words_count(a->users_messages_per_minute, count));
    return text;
}

void measure_report_sentence(const struct measure_result *result,
                             const struct measure_answers *answers, const struct tune_options *o,
                             char *text) {
    const struct model_answer *a = &answers->all[answers->best];
    char idle[MEASURE_WORDS_BYTES], rate[MEASURE_WORDS_BYTES], users[MEASURE_WORDS_BYTES],
        words[64];
    char cpus[MEASURE_WORDS_BYTES], memory[MEASURE_WORDS_BYTES];
    measure_words_count(a->users, users);
    rate_words(a, words, sizeof(words));
    if (!answers->is_known[answers->best])
        snprintf(text, MEASURE_REPORT_SENTENCE_BYTES, "%s",
                 result->was_stopped ? "stopped before there was enough to say something"
                                     : "not enough was measured");
    else if (o->users > 0)
        snprintf(text, MEASURE_REPORT_SENTENCE_BYTES,
                 "%s: %s users at %s in rooms of %u take %s of %.0f CPUs and %s of memory%s%s",
                 a->users_fit ? "yes" : "NO", users, words, o->rooms_of,
                 measure_words_count(a->users_cpus, cpus), answers->machines[answers->best].cpus,
                 measure_words_bytes(a->users_memory_bytes, memory),
                 a->users_fit ? "" : "; what is not enough: ",
                 a->users_fit ? "" : model_limit_name(a->users_limit));
    else
        snprintf(text, MEASURE_REPORT_SENTENCE_BYTES,
                 "this machine: %s idle connections (limit: %s), or %s deliveries/s, or %s "
                 "users at %s in rooms of %u (limit: %s)",
                 measure_words_count(a->idle_connections, idle), model_limit_name(a->idle_limit),
                 measure_words_count(a->deliveries_per_s, rate), users, words, o->rooms_of,
                 model_limit_name(a->users_limit));
}

// --- the table -----------------------------------------------------------------------------------

static void print_memory(FILE *out, const struct measure_result *r) {
    char text[MEASURE_WORDS_BYTES];
    fprintf(out, "\nAn idle connection, from %.0f to %.0f in rooms of %.0f\n", r->connections_few,
            r->connections_many, r->rooms_of);
    fprintf(out, "  %-34s %12s\n", "in the process", measure_words_bytes(r->user_bytes, text));
    fprintf(out, "  %-34s %12s  (the client's half: %.0f B)\n", "in the kernel, server's half",
            measure_words_bytes(r->kernel_bytes, text), r->kernel_client_bytes);
    for (uint32_t i = 0; i < r->cause_count; i++)
        fprintf(out, "    %-32s %5.2f × %.0f B%s\n", r->causes[i].name, r->causes[i].count,
                r->causes[i].size, r->causes[i].is_client ? ", the client's" : " for both ends");
    fprintf(out, "  %-34s %12s  (both programs, both halves)\n", "available memory fell by",
            measure_words_bytes(r->available_fell_bytes, text));
    fprintf(out, "  %-34s %12s\n", "a server that holds nothing",
            measure_words_bytes(r->fixed_bytes, text));
}

static void print_connections(FILE *out, const struct measure_result *r,
                              const struct tune_options *o) {
    char text[MEASURE_WORDS_BYTES];
    double hour_ns = o->heartbeat_s > 0 ? r->heartbeat_ns * 3600 / o->heartbeat_s : 0;
    fprintf(out, "\nThe server's CPU, one scheduler\n");
    fprintf(out, "  %-34s %12s\n", "connect, upgrade, join",
            measure_words_time(r->connect_ns, text));
    fprintf(out, "  %-34s %12s  (at %.0f/s)\n", "heartbeat",
            measure_words_time(r->heartbeat_ns, text), r->heartbeats_per_s);
    fprintf(out, "  %-34s %12s  (a CPU for %.0f such connections)\n", "idle connection, an hour",
            measure_words_time(hour_ns, text), hour_ns > 0 ? NS_PER_HOUR / hour_ns : 0.0);
}

static void print_parts(FILE *out, const struct model_parts *parts) {
    char own[MEASURE_WORDS_BYTES], send[MEASURE_WORDS_BYTES], frame[MEASURE_WORDS_BYTES];
    if (parts->send_ns > 0)
        fprintf(out, "  %s a message, %s a send, %s a delivery in it\n",
                measure_words_time(parts->own_ns, own), measure_words_time(parts->send_ns, send),
                measure_words_time(parts->frame_ns, frame));
}

static void print_side(FILE *out, const struct measure_side *side) {
    char message[MEASURE_WORDS_BYTES], delivery[MEASURE_WORDS_BYTES], rate[MEASURE_WORDS_BYTES];
    fprintf(out, "\nThe server's CPU for a message, %u scheduler%s%s\n", side->schedulers,
            side->schedulers == 1 ? "" : "s",
            side->shares_cpu ? ", the client on the same CPUs" : "");
    fprintf(out, "  %8s %12s %12s %14s %7s %7s %7s\n", "members", "a message", "a delivery",
            "deliveries/s", "a send", "server", "client");
    for (uint32_t i = 0; i < side->fanout_count; i++) {
        const struct measure_fanout *f = &side->fanouts[i];
        fprintf(out, "  %8.0f %12s %12s %14s %7.2f %5.0f %% %5.0f %%%s\n", f->members,
                measure_words_time(f->publish_ns, message),
                measure_words_time(f->publish_ns / f->members, delivery),
                measure_words_count(f->deliveries_per_s, rate), f->merge, f->server_cpu * 100,
                f->client_cpu * 100, f->client_was_limit ? "  the client was late" : "");
    }
    print_parts(out, &side->parts);
}

static void print_answer(FILE *out, const struct model_machine *machine,
                         const struct model_answer *a, const struct tune_options *o) {
    char text[MEASURE_WORDS_BYTES], more[MEASURE_WORDS_BYTES], words[64];
    fprintf(out, "\n%.0f CPU%s, %s for connections\n", machine->cpus, machine->cpus == 1 ? "" : "s",
            measure_words_bytes(machine->memory_bytes, text));
    fprintf(out, "  %-34s %12s  (limit: %s; they take %s and %s CPUs)\n", "idle connections",
            measure_words_count(a->idle_connections, text), model_limit_name(a->idle_limit),
            measure_words_bytes(a->idle_memory_bytes, more),
            measure_words_count(a->idle_cpus, words));
    snprintf(words, sizeof(words), "deliveries/s in rooms of %u", o->rooms_of);
    fprintf(out, "  %-34s %12s  (at %.0f %% of the CPUs)\n", words,
            measure_words_count(a->deliveries_per_s, text), a->share_max * 100);
    snprintf(words, sizeof(words), "knee of %u connections", o->connections);
    fprintf(out, "  %-34s %12s  deliveries/s, %.3g in a send\n", words,
            measure_words_count(a->knee_publishes_per_s * o->rooms_of, text), a->knee_merge);
    fprintf(out, "  %-34s %12s\n", "connects/s", measure_words_count(a->connects_per_s, text));
    char label[96];
    snprintf(label, sizeof(label), "users at %s", rate_words(a, words, sizeof(words)));
    fprintf(out, "  %-34s %12s  (%s)\n", label, measure_words_count(a->users, text),
            a->users_fit ? model_limit_name(a->users_limit) : "do not fit");
}

static void print_table(FILE *out, const struct measure_result *r,
                        const struct measure_answers *answers, const struct tune_options *o,
                        const char *sentence) {
    fprintf(out, "%s\n", sentence);
    if (r->user_bytes > 0)
        print_memory(out, r);
    if (r->heartbeat_ns > 0)
        print_connections(out, r, o);
    for (int side = 0; side < MEASURE_SIDE_COUNT; side++)
        if (r->sides[side].is_measured)
            print_side(out, &r->sides[side]);
    for (int side = 0; side < MEASURE_SIDE_COUNT; side++)
        if (answers->is_known[side])
            print_answer(out, &answers->machines[side], &answers->all[side], o);
    fprintf(
        out,
        "\nThe model: docs/TUNING.md. Server and client shared this machine over loopback, where "
        "sending\npays for the other side's receiving: with clients elsewhere it is less.\n");
    for (uint32_t i = 0; i < r->remark_count; i++)
        fprintf(out, "- %s\n", r->remarks[i]);
}

// --- JSON ----------------------------------------------------------------------------------------

static json_t *answer_json(const struct model_machine *machine, const struct model_answer *a) {
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"cpus", machine->cpus},
        {"memory_bytes", machine->memory_bytes},
        {"connections_max", machine->connections_max},
        {"idle_connections", a->idle_connections},
        {"idle_memory_bytes", a->idle_memory_bytes},
        {"idle_cpus", a->idle_cpus},
        {"share_max", a->share_max},
        {"publishes_per_s", a->publishes_per_s},
        {"deliveries_per_s", a->deliveries_per_s},
        {"connects_per_s", a->connects_per_s},
        {"knee_publishes_per_s", a->knee_publishes_per_s},
        {"knee_merge", a->knee_merge},
        {"users", a->users},
        {"users_messages_per_minute", a->users_messages_per_minute},
        {"users_memory_bytes", a->users_memory_bytes},
        {"users_cpus", a->users_cpus},
        {"users_deliveries_per_s", a->users_deliveries_per_s},
    };
    json_t *all = json_object();
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        json_object_set_new(all, numbers[i].name, json_real(numbers[i].value));
    json_object_set_new(all, "idle_limit", json_string(model_limit_name(a->idle_limit)));
    json_object_set_new(all, "users_limit", json_string(model_limit_name(a->users_limit)));
    json_object_set_new(all, "users_fit", json_boolean(a->users_fit));
    return all;
}

static json_t *report_json(const struct measure_result *r, const struct measure_answers *answers,
                           const char *sentence, int code) {
    static const char *const names[MEASURE_SIDE_COUNT] = {"one", "all"};
    const struct model_question *q = &answers->question;
    json_t *all = json_object(), *told = json_object();
    for (int side = 0; side < MEASURE_SIDE_COUNT; side++)
        if (answers->is_known[side])
            json_object_set_new(told, names[side],
                                answer_json(&answers->machines[side], &answers->all[side]));
    json_object_set_new(all, "tool", json_string("fairlead-tune " FAIRLEAD_VERSION));
    json_object_set_new(all, "mode", json_string("measure"));
    json_object_set_new(all, "verdict", json_string(sentence));
    json_object_set_new(all, "exit_code", json_integer(code));
    json_object_set_new(all, "interrupted", json_boolean(r->was_stopped));
    json_object_set_new(all, "question",
                        json_pack("{s:f, s:f, s:f, s:f, s:f}", "users", q->users, "rooms_of",
                                  q->room_members, "messages_per_minute", q->messages_per_minute,
                                  "heartbeat_s", q->heartbeat_s, "slo_ms", q->slo_ns / 1e6));
    json_object_set_new(all, "answers", told);
    json_object_set_new(all, "measured", measure_result_encode(r));
    return all;
}

bool measure_report_print(const struct measure_result *r, const struct measure_answers *answers,
                          const struct tune_options *o, int code) {
    char sentence[MEASURE_REPORT_SENTENCE_BYTES];
    measure_report_sentence(r, answers, o, sentence);
    print_table(strcmp(o->json_file, "-") == 0 ? stderr : stdout, r, answers, o, sentence);
    fflush(stdout);
    bool is_written = true;
    if (o->json_file[0] != '\0')
        is_written =
            measure_words_write_json(o->json_file, report_json(r, answers, sentence, code));
    if (o->html_file[0] != '\0')
        is_written &= measure_html_measure(r, answers, o, sentence, code);
    return is_written;
}
