// Goal: the search finds the knee of a server whose knee is known, also with
// noise, and each reason for a failed step is told apart. Method: a simulated
// server that passes below its knee.
#include "tuning/knee.h"

#include "sched/base/rng.h"
#include "tests/unit/unit.h"

#include <string.h>

#define SLO_NS 50e6

static struct knee search_of(double start) {
    struct knee knee = {.rate_start = start,
                        .rate_min = 1,
                        .rate_max = 1e6,
                        .resolution = 0.05,
                        .tries = 2,
                        .step_max = 60};
    knee_begin(&knee);
    return knee;
}

// A server that passes up to `knee_rate`; a client that is the limit from
// client_rate (0: never); every `noise`-th step fails although the server could
// (0: none).
struct server {
    double knee_rate;
    double client_rate;
    uint32_t noise;
};

static uint32_t run(struct knee *knee, const struct server *server) {
    while (!knee->is_done) {
        bool is_noise = server->noise && knee->step_count % server->noise == server->noise - 1;
        enum knee_verdict verdict = KNEE_PASS;
        if (server->client_rate > 0 && knee->rate >= server->client_rate)
            verdict = KNEE_CLIENT;
        else if (knee->rate > server->knee_rate || is_noise)
            verdict = KNEE_LATENCY;
        knee_tell(knee, verdict);
    }
    return knee->step_count;
}

START_TEST(finds_the_knee_within_the_resolution_wherever_it_begins) {
    for (double rate = 1; rate < 9e5; rate *= 1.37)
        for (double start = 1; start <= 1e6; start *= 100) {
            struct knee knee = search_of(start);
            uint32_t steps = run(&knee, &(struct server){.knee_rate = rate});
            ck_assert_msg(knee.pass <= rate && knee.pass * 1.0501 >= rate,
                          "knee %f, found %f from %f", rate, knee.pass, start);
            ck_assert_uint_lt(steps, 60); // step_max: not cut short
        }
}
END_TEST

START_TEST(one_failed_try_in_three_does_not_move_the_knee) {
    for (uint32_t noise = 3; noise < 9; noise++) {
        struct knee knee = search_of(100);
        run(&knee, &(struct server){.knee_rate = 12345, .noise = noise});
        ck_assert_msg(knee.pass <= 12345 && knee.pass * 1.0501 >= 12345, "%f", knee.pass);
    }
}
END_TEST

START_TEST(noise_counts_where_a_rate_is_tried_once) {
    struct knee knee = search_of(100);
    knee.tries = 1;
    run(&knee, &(struct server){.knee_rate = 12345, .noise = 3});
    ck_assert(knee.pass * 1.05 < 12345);
}
END_TEST

START_TEST(random_failures_lower_it_seldom_and_never_raise_it) {
    struct rng rng = {.state = 42};
    uint32_t good = 0;
    for (uint32_t round = 0; round < 200; round++) {
        struct knee knee = search_of(100);
        knee.tries = 3;
        while (!knee.is_done) {
            bool fails = knee.rate > 5000 || rng_next(&rng) % 100 < 10;
            knee_tell(&knee, fails ? KNEE_LATENCY : KNEE_PASS);
        }
        ck_assert(knee.pass <= 5000);
        good += knee.pass * 1.0501 >= 5000;
    }
    ck_assert_uint_ge(good, 190); // a rate below the knee fails thrice in a row once in 1,000
}
END_TEST

START_TEST(a_client_at_its_limit_means_at_least) {
    struct knee knee = search_of(100);
    char text[256];
    run(&knee, &(struct server){.knee_rate = 1e5, .client_rate = 3000});
    ck_assert_int_eq(knee.fail_why, KNEE_CLIENT);
    ck_assert(knee.pass < 3000 && knee.pass * 1.0501 >= 3000);
    knee_describe(&knee, "publishes/s", SLO_NS, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "at least"));
    ck_assert_ptr_nonnull(strstr(text, "client was the limit"));
    // The server's own knee lies below the client's limit: then it is the answer.
    knee = search_of(100);
    run(&knee, &(struct server){.knee_rate = 2000, .client_rate = 3000});
    ck_assert_int_eq(knee.fail_why, KNEE_LATENCY);
    knee_describe(&knee, "publishes/s", SLO_NS, text, sizeof(text));
    ck_assert_ptr_null(strstr(text, "at least"));
}
END_TEST

START_TEST(a_client_that_is_always_the_limit_ends_it_soon) {
    struct knee knee = search_of(1000);
    char text[256];
    uint32_t steps = run(&knee, &(struct server){.knee_rate = 1e5, .client_rate = 1});
    ck_assert_uint_eq(steps, 2 * KNEE_CLIENT_RATES_MAX);
    knee_describe(&knee, "publishes/s", SLO_NS, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "the client was the limit even at 250 publishes/s"));
}
END_TEST

START_TEST(a_bound_that_nothing_meets_ends_at_the_lowest_rate) {
    struct knee knee = search_of(64);
    char text[256];
    uint32_t steps = run(&knee, &(struct server){.knee_rate = 0});
    ck_assert(knee.pass == 0 && knee.fail == 1);
    ck_assert_uint_le(steps, 2 * 8);
    knee_describe(&knee, "publishes/s", SLO_NS, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "no rate keeps p99 under 50 ms"));
}
END_TEST

START_TEST(the_highest_rate_is_tried_and_then_told_as_at_least) {
    struct knee knee = search_of(900);
    char text[256];
    knee.rate_max = 1000;
    uint32_t steps = run(&knee, &(struct server){.knee_rate = 1e9});
    ck_assert(knee.pass == 1000 && knee.fail == 0);
    ck_assert_uint_eq(steps, 2);
    knee_describe(&knee, "publishes/s", SLO_NS, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "no faster was tried"));
}
END_TEST

START_TEST(an_unreachable_target_ends_it_at_once) {
    struct knee knee = search_of(100);
    char text[256];
    knee_tell(&knee, KNEE_TARGET);
    ck_assert(knee.is_done && knee.pass == 0);
    knee_describe(&knee, "publishes/s", SLO_NS, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "unreachable"));
}
END_TEST

START_TEST(steps_are_bounded) {
    struct knee knee = search_of(1);
    knee.step_max = 3;
    ck_assert_uint_eq(run(&knee, &(struct server){.knee_rate = 1e5}), 3);
    ck_assert(knee.pass == 4);
}
END_TEST

static struct knee_facts good_facts(void) {
    struct knee_facts facts = {.offered = 1000,
                               .sent = 1000,
                               .p99_ns = 10e6,
                               .interval_count = 5,
                               .p50_ns = {2e6, 2.1e6, 1.9e6, 2.2e6, 2e6},
                               .has_server = true};
    return facts;
}

static enum knee_verdict judge(const struct knee_facts *facts) {
    char why[KNEE_WHY_BYTES];
    enum knee_verdict verdict = knee_judge(facts, SLO_NS, why);
    ck_assert_msg((verdict == KNEE_PASS) == (why[0] == 0), "%s", why);
    ck_assert_ptr_nonnull(knee_verdict_name(verdict));
    return verdict;
}

START_TEST(a_step_fails_by_each_reason_alone) {
    struct knee_facts facts = good_facts();
    ck_assert_int_eq(judge(&facts), KNEE_PASS);
#define FAILS(field, value, verdict)                                                               \
    facts = good_facts();                                                                          \
    facts.field = value;                                                                           \
    ck_assert_int_eq(judge(&facts), verdict)
    FAILS(is_unreachable, true, KNEE_TARGET);
    FAILS(lost, 1, KNEE_LOST);
    FAILS(duplicates, 1, KNEE_LOST);
    FAILS(disordered, 1, KNEE_LOST);
    FAILS(announced_lost, 1, KNEE_LOST);
    FAILS(unanswered, 1, KNEE_LOST);
    FAILS(rejected, 1, KNEE_LOST);
    FAILS(dropped_connections, 1, KNEE_DROPPED);
    FAILS(refused_connections, 1, KNEE_DROPPED);
    FAILS(server_drops, 1, KNEE_OVERFLOW);
    FAILS(server_overflows, 1, KNEE_OVERFLOW);
    FAILS(server_busy, 1, KNEE_OVERFLOW);
    FAILS(client_was_limit, true, KNEE_CLIENT);
    FAILS(offered, 0, KNEE_ACHIEVED);
#undef FAILS
}
END_TEST

START_TEST(bounds_of_a_step_hold_at_their_edges) {
    struct knee_facts facts = good_facts();
    facts.sent = 990;
    ck_assert_int_eq(judge(&facts), KNEE_PASS);
    facts.sent = 989;
    ck_assert_int_eq(judge(&facts), KNEE_ACHIEVED);
    facts = good_facts();
    facts.p99_ns = SLO_NS;
    ck_assert_int_eq(judge(&facts), KNEE_PASS);
    facts.p99_ns = SLO_NS + 1;
    ck_assert_int_eq(judge(&facts), KNEE_LATENCY);
}
END_TEST

START_TEST(loss_is_the_servers_whatever_the_client_did_latency_is_not) {
    struct knee_facts facts = good_facts();
    facts.client_was_limit = true;
    facts.p99_ns = 2 * SLO_NS;
    ck_assert_int_eq(judge(&facts), KNEE_CLIENT);
    facts.lost = 1;
    ck_assert_int_eq(judge(&facts), KNEE_LOST);
}
END_TEST

START_TEST(latencies_that_climb_are_a_backlog_those_that_wander_are_not) {
    const double climbing[] = {2e6, 5e6, 9e6, 14e6, 20e6, 26e6};
    const double wandering[] = {2e6, 20e6, 9e6, 14e6, 3e6, 26e6};
    const double creeping[] = {2e6, 2.1e6, 2.2e6, 2.3e6, 2.4e6, 2.5e6};
    const double falling[] = {26e6, 20e6, 14e6, 9e6, 5e6, 2e6};
    const double one_dip[] = {2e6, 5e6, 9e6, 8.9e6, 20e6, 26e6};
    ck_assert(knee_is_growing(climbing, 6, SLO_NS));
    ck_assert(knee_is_growing(one_dip, 6, SLO_NS));
    const double drifting[] = {2e6, 14e6, 5e6, 16e6, 9e6, 20e6}; // 12 of 15 pairs rise
    ck_assert(!knee_is_growing(wandering, 6, SLO_NS));
    ck_assert(!knee_is_growing(drifting, 6, SLO_NS));
    ck_assert(!knee_is_growing(creeping, 6, SLO_NS));
    ck_assert(!knee_is_growing(falling, 6, SLO_NS));
    ck_assert(knee_is_growing(climbing, 4, SLO_NS));
    ck_assert(!knee_is_growing(climbing, 3, SLO_NS));
    ck_assert(!knee_is_growing(climbing, 0, SLO_NS));
    struct knee_facts facts = good_facts();
    memcpy(facts.p50_ns, climbing, sizeof(climbing));
    facts.interval_count = 6;
    ck_assert_int_eq(judge(&facts), KNEE_BACKLOG);
}
END_TEST

UNIT_MAIN("tuning/knee", finds_the_knee_within_the_resolution_wherever_it_begins,
          one_failed_try_in_three_does_not_move_the_knee, noise_counts_where_a_rate_is_tried_once,
          random_failures_lower_it_seldom_and_never_raise_it, a_client_at_its_limit_means_at_least,
          a_client_that_is_always_the_limit_ends_it_soon,
          a_bound_that_nothing_meets_ends_at_the_lowest_rate,
          the_highest_rate_is_tried_and_then_told_as_at_least,
          an_unreachable_target_ends_it_at_once, steps_are_bounded,
          a_step_fails_by_each_reason_alone, bounds_of_a_step_hold_at_their_edges,
          loss_is_the_servers_whatever_the_client_did_latency_is_not,
          latencies_that_climb_are_a_backlog_those_that_wander_are_not)
