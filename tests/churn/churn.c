// The churn test: connections come and go with resets at random moments; afterwards the gateway
// must be as it was: no connection, no slot in use, the audit of every core in balance.
//
//   churn TARGET-PORT CONTROL-PORT CONNECTIONS [SEED]      (the gateway runs on 127.0.0.1)
//
// The last line is `churn: N passed, N failed`, one for each thing that must hold.
#include "tests/churn/churn_client.h"
#include "tests/churn/churn_metrics.h"

#include "sched/base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS 2
#define CONCURRENT 600 // per thread
#define ROOMS 100
#define QUIET_S 120 // rooms live 60 s after their last member
#define LINE_SIZE 256

struct thread {
    pthread_t id;
    struct churn_config config;
    struct churn_result result;
};

struct verdict {
    uint32_t passed;
    uint32_t failed;
};

static void *run_thread(void *argument) {
    struct thread *thread = argument;
    churn_client_run(&thread->config, &thread->result);
    return NULL;
}

static void verdict_add(struct verdict *verdict, bool good, const char *what, const char *detail) {
    printf("%s %s%s%s\n", good ? "ok    " : "FAILED", what, *detail ? ": " : "", detail);
    fflush(stdout);
    good ? verdict->passed++ : verdict->failed++;
}

static struct sockaddr_in loopback(const char *port) {
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void judge_stuck(struct verdict *verdict, const struct churn_result *sum) {
    static const char *const waits[CHURN_WAIT_COUNT] = {
#define X(name, what) what,
        CHURN_WAITS(X)
#undef X
    };
    char text[LINE_SIZE] = "";
    size_t used = 0;
    for (uint32_t wait = 0; wait < CHURN_WAIT_COUNT; wait++)
        if (sum->stuck[wait] > 0 && used < sizeof(text))
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%llu for %s",
                                     used > 0 ? ", " : "", (unsigned long long)sum->stuck[wait],
                                     waits[wait]);
    verdict_add(verdict, used == 0, "no connection waited 20 s", text);
}

static void judge_clients(struct verdict *verdict, const struct thread *threads, uint32_t wanted) {
    static const char *const names[CHURN_FATE_COUNT] = {
#define X(name, share, what) what,
        CHURN_FATES(X)
#undef X
    };
    struct churn_result sum = {0};
    uint64_t lives = 0;
    bool all_fates = true;
    char text[LINE_SIZE];
    for (uint32_t i = 0; i < THREADS; i++) {
        const struct churn_result *result = &threads[i].result;
        for (uint32_t fate = 0; fate < CHURN_FATE_COUNT; fate++)
            sum.fates[fate] += result->fates[fate];
        sum.ended_early += result->ended_early;
        sum.refused += result->refused;
        for (uint32_t wait = 0; wait < CHURN_WAIT_COUNT; wait++)
            sum.stuck[wait] += result->stuck[wait];
        sum.published += result->published;
        sum.bytes_received += result->bytes_received;
        sum.trouble = result->trouble ? result->trouble : sum.trouble;
    }
    for (uint32_t fate = 0; fate < CHURN_FATE_COUNT; fate++) {
        printf("       %7llu %s\n", (unsigned long long)sum.fates[fate], names[fate]);
        all_fates = all_fates && sum.fates[fate] > 0;
        lives += sum.fates[fate];
    }
    snprintf(text, sizeof(text),
             "%llu to their end, %llu ended early, %llu publishes, %llu bytes read",
             (unsigned long long)lives, (unsigned long long)sum.ended_early,
             (unsigned long long)sum.published, (unsigned long long)sum.bytes_received);
    verdict_add(verdict, !sum.trouble, "the test itself had what it needs",
                sum.trouble ? sum.trouble : "");
    verdict_add(verdict, lives + sum.ended_early + sum.refused >= wanted,
                "all connections were made", text);
    verdict_add(verdict, all_fates, "every kind of end happened", "");
    judge_stuck(verdict, &sum);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)sum.refused);
    verdict_add(verdict, sum.refused == 0, "no upgrade was refused", text);
    // The gateway closes nobody here but deaf ones and those it cannot tell from dead.
    verdict_add(verdict, sum.ended_early <= wanted / 100, "hardly any connection ended early", "");
}

// Polls until nothing is left, or QUIET_S is over. The last page, malloc's.
static char *wait_for_quiet(const struct sockaddr_in *control, const char *before) {
    uint64_t until_ns = clock_monotonic_ns() + QUIET_S * NS_PER_S;
    const struct timespec pause = {.tv_sec = 1};
    char line[LINE_SIZE], *text = NULL;
    do {
        free(text);
        text = churn_metrics_fetch(control);
        if (!text || (churn_metrics_sum(text, "fairlead_connections") == 0 &&
                      churn_metrics_leaks(text, before, line, sizeof(line)) == 0))
            break;
        nanosleep(&pause, NULL);
    } while (clock_monotonic_ns() < until_ns);
    return text;
}

static void judge_series(struct verdict *verdict, const char *text, const char *name,
                         const char *what) {
    char line[LINE_SIZE] = "";
    bool exists = churn_metrics_sum(text, name) >= 0 || strstr(text, name) != NULL;
    uint32_t unlike = churn_metrics_unlike(text, name, 0, line, sizeof(line));
    verdict_add(verdict, exists && unlike == 0, what, exists ? line : "metric not found");
}

static void judge_gateway(struct verdict *verdict, const char *text, const char *before) {
    char line[LINE_SIZE] = "";
    if (!text) {
        verdict_add(verdict, false, "the gateway answers", "it does not");
        return;
    }
    verdict_add(verdict,
                churn_metrics_unlike(text, "fairlead_core_answered", 1, line, sizeof(line)) == 0,
                "every core answers", line);
    judge_series(verdict, text, "fairlead_connections", "no connection is left");
    judge_series(verdict, text, "fairlead_members", "no member is left");
    judge_series(verdict, text, "fairlead_audit_pending", "nothing is pending, on any core");
    judge_series(verdict, text, "fairlead_audit_balance",
                 "due = delivered + dropped, on every core");
    line[0] = '\0';
    verdict_add(verdict, churn_metrics_leaks(text, before, line, sizeof(line)) == 0,
                "all slabs are as empty as before", line);
    int64_t opened = churn_metrics_sum(text, "fairlead_streams_opened_total");
    int64_t closed = churn_metrics_sum(text, "fairlead_streams_closed_total");
    snprintf(line, sizeof(line), "%lld opened, %lld closed", (long long)opened, (long long)closed);
    verdict_add(verdict, opened > 0 && opened == closed, "every stream was torn down", line);
    int64_t due = churn_metrics_sum(text, "fairlead_audit_due_total");
    snprintf(line, sizeof(line), "%lld", (long long)due);
    verdict_add(verdict, due > 0, "room messages were owed at all", line);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: churn TARGET-PORT CONTROL-PORT CONNECTIONS [SEED]\n");
        return 2;
    }
    struct sockaddr_in control = loopback(argv[2]);
    uint32_t connections = (uint32_t)strtoul(argv[3], NULL, 10);
    uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 10) : clock_realtime_ns();
    struct thread threads[THREADS] = {0};
    struct verdict verdict = {0};
    char *before = churn_metrics_fetch(&control);
    verdict_add(&verdict, before != NULL, "the gateway answers before the churn", "");
    printf("       %u connections, seed %llu\n", connections, (unsigned long long)seed);
    for (uint32_t i = 0; before && i < THREADS; i++) {
        threads[i].config = (struct churn_config){.target = loopback(argv[1]),
                                                  .connections = connections / THREADS,
                                                  .concurrent = CONCURRENT,
                                                  .rooms = ROOMS,
                                                  .thread = i,
                                                  .seed = seed};
        if (pthread_create(&threads[i].id, NULL, run_thread, &threads[i]) != 0)
            return 1;
    }
    for (uint32_t i = 0; before && i < THREADS; i++)
        pthread_join(threads[i].id, NULL);
    if (before) {
        judge_clients(&verdict, threads, connections / THREADS * THREADS);
        printf("       waiting until rooms have died (60 s after their last member)\n");
        fflush(stdout);
        char *after = wait_for_quiet(&control, before);
        judge_gateway(&verdict, after, before);
        free(after);
    }
    free(before);
    printf("churn: %u passed, %u failed\n", verdict.passed, verdict.failed);
    return verdict.failed == 0 ? 0 : 1;
}
