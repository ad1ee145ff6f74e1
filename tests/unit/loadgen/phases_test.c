// Goal: a plan is carried out as it says: each phase at its time, with its rates, whoever is late,
// and each has its own results. Method: plans are made by hand and driven by a made-up clock over
// the fake streams.
#include "tests/unit/loadgen/fake_streams.h"

#include "loadgen/churn.h"

#define BEGIN_NS NS_PER_S

static struct phase *add(const char *name, double duration_s) {
    struct phase *phase = plan_add(&plan, name);
    phase->duration_s = duration_s;
    return phase;
}

static void publish(struct phase *phase, double rate, double rate_end) {
    phase->publish = (struct plan_rate){rate, rate_end};
}

static void drive(uint64_t from_ns, uint64_t until_ns) {
    for (uint64_t now_ns = from_ns; now_ns < until_ns; now_ns += NS_PER_MS)
        scenario_turn(&run, now_ns);
}

// Answers every request, so that nothing is left at the end.
static void settle(void) {
    for (uint32_t i = 0; i < run.client_count; i++) {
        run.outstanding -= run.clients[i].unanswered;
        run.clients[i].unanswered = 0;
    }
}

START_TEST(phases_follow_each_other_at_their_times_with_their_rates) {
    plan = (struct plan){0};
    publish(add("warm", 1), 100, 100);
    plan.phases[0].is_measured = false;
    publish(add("ramp", 2), 100, 300);
    publish(add("calm", 1), 50, 50);
    FAKE_BEGIN("mix", "x", "--connections", "8", "--room-size", "4");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    ck_assert_uint_eq(run.measure_from_ns, BEGIN_NS + NS_PER_S);
    ck_assert_uint_eq(run.measure_to_ns, BEGIN_NS + 4 * NS_PER_S);
    drive(BEGIN_NS, BEGIN_NS + 5 * NS_PER_S);
    ck_assert(!run.phases.is_on);
    const struct result_phase_row *rows = result.phase_rows;
    ck_assert_uint_eq(result.phase_row_count, 3);
    ck_assert_uint_eq(rows[0].sent, 100);
    ck_assert_uint_eq(rows[1].sent, 400);
    ck_assert_uint_eq(rows[2].sent, 50);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(rows[i].offered, rows[i].sent);
    ck_assert_uint_eq(rows[1].begin_ns, BEGIN_NS + NS_PER_S);
    ck_assert_uint_eq(rows[1].end_ns, BEGIN_NS + 3 * NS_PER_S);
    ck_assert_uint_eq(result.sent, 450);
    ck_assert_uint_eq(scenario_offered(&run, run.measure_to_ns), 450);
    ck_assert_uint_eq(scenario_next_ns(&run), SCHEDULE_NEVER);
    settle();
    fake_end();
}
END_TEST

START_TEST(phases_that_are_come_round_to_late_lose_no_arrival) {
    plan = (struct plan){0};
    for (uint32_t i = 0; i < 5; i++)
        publish(add("one of five", 0.5), 100, 100);
    FAKE_BEGIN("mix", "x", "--connections", "4", "--room-size", "4");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    scenario_turn(&run, BEGIN_NS + 10 * NS_PER_S); // nobody turned for ten seconds
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_eq(result.phase_rows[i].sent, 50);
    ck_assert(!run.phases.is_on);
    settle();
    fake_end();
}
END_TEST

START_TEST(phases_end_where_they_are_told_to) {
    plan = (struct plan){0};
    publish(add("only", 10), 100, 100);
    FAKE_BEGIN("mix", "x", "--connections", "4", "--room-size", "4");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    drive(BEGIN_NS, BEGIN_NS + NS_PER_S);
    ck_assert_uint_eq(scenario_offered(&run, BEGIN_NS + NS_PER_S), 100);
    scenario_end(&run, BEGIN_NS + NS_PER_S);
    drive(BEGIN_NS + NS_PER_S, BEGIN_NS + 3 * NS_PER_S);
    ck_assert_uint_eq(result.sent, 100);
    ck_assert_uint_eq(result.phase_rows[0].offered, 100);
    ck_assert_uint_eq(result.phase_rows[0].end_ns, BEGIN_NS + NS_PER_S);
    settle();
    fake_end();
}
END_TEST

START_TEST(phases_keep_replies_apart_from_deliveries) {
    plan = (struct plan){0};
    publish(add("both", 1), 100, 100);
    plan.phases[0].ping = (struct plan_rate){200, 200};
    FAKE_BEGIN("mix", "x", "--connections", "4", "--room-size", "4");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    ck_assert(run_has_both(&run));
    drive(BEGIN_NS, BEGIN_NS + 2 * NS_PER_S);
    ck_assert_uint_eq(result.sent, 300);
    ck_assert_uint_eq(run.rooms[0].published, 100);
    // An answer to a ping is a reply, one to a publish is not.
    run.read_ns = BEGIN_NS + 2 * NS_PER_S;
    struct stamp ping = {.intended_ns = BEGIN_NS + 1, .number = 1};
    struct stamp published = {.intended_ns = BEGIN_NS + 2};
    receive_answer(&run, 0, &ping);
    receive_accepted(&run, 0, &published);
    ck_assert_uint_eq(result.reply.count, 1);
    ck_assert_uint_eq(result.phase_rows[0].answered, 2);
    ck_assert_uint_eq(result.latency.count, 0);
    settle();
    fake_end();
}
END_TEST

START_TEST(phases_bring_connections_to_their_share) {
    plan = (struct plan){0};
    add("a fifth", 1)->connections_percent = 20;
    add("all", 2);
    add("half", 1)->connections_percent = 50;
    FAKE_BEGIN("mix", "x", "--connections", "100", "--room-size", "10", "--connect-rate", "1000");
    client_connect_due(&run, 3600 * NS_PER_S);
    ck_assert_uint_eq(fake.connects, 20);
    uint32_t per_room[10] = {0};
    for (uint32_t i = 0; i < 100; i++)
        if (run.clients[i].state == CLIENT_CONNECTING) {
            per_room[i / 10]++;
            client_on_open(&run, i, i);
            run.clients[i].state = CLIENT_JOINING;
            client_set_live(&run, i);
        }
    for (uint32_t room = 0; room < 10; room++)
        ck_assert_uint_eq(per_room[room], 2); // a fifth of every room
    ck_assert(client_all_settled(&run));
    scenario_begin(&run, BEGIN_NS);
    for (uint64_t now_ns = BEGIN_NS; now_ns < BEGIN_NS + 3 * NS_PER_S; now_ns += NS_PER_MS) {
        scenario_turn(&run, now_ns);
        for (uint32_t i = 0; i < 100; i++)
            if (run.clients[i].state == CLIENT_CONNECTING) {
                client_on_open(&run, i, i);
                run.clients[i].state = CLIENT_JOINING;
                client_set_live(&run, i);
            }
        if (now_ns == BEGIN_NS + 2 * NS_PER_S) // the middle of the way
            ck_assert_uint_le(result.live - 59, 2);
    }
    ck_assert_uint_eq(result.live, 100);
    ck_assert_uint_eq(result.storm_attempts, 80);
    drive(BEGIN_NS + 3 * NS_PER_S, BEGIN_NS + 5 * NS_PER_S);
    ck_assert_uint_eq(result.live, 50);
    ck_assert_uint_eq(result_dropped_count(&result), 0); // by our own doing
    fake_end();
}
END_TEST

START_TEST(phases_ask_others_when_somebody_is_away) {
    plan = (struct plan){0};
    publish(add("half", 1), 100, 100);
    plan.phases[0].connections_percent = 50;
    plan.phases[0].ping = (struct plan_rate){100, 100};
    FAKE_BEGIN("mix", "x", "--connections", "8", "--room-size", "4");
    client_connect_due(&run, 3600 * NS_PER_S);
    for (uint32_t i = 0; i < 8; i++)
        if (run.clients[i].state == CLIENT_CONNECTING) {
            client_on_open(&run, i, i);
            run.clients[i].state = CLIENT_JOINING;
            client_set_live(&run, i);
        }
    scenario_begin(&run, BEGIN_NS);
    drive(BEGIN_NS, BEGIN_NS + 2 * NS_PER_S);
    ck_assert_uint_eq(result.sent, 200);
    ck_assert_uint_eq(result.unsendable + result.absent, 0);
    // A room with nobody in it: its publishes are absent, no fault of anybody, and not offered.
    settle();
    fake_end();
}
END_TEST

START_TEST(phases_with_nobody_there_offer_nothing) {
    plan = (struct plan){0};
    publish(add("cut", 1), 100, 100);
    plan.phases[0].cut_percent = 100;
    FAKE_BEGIN("mix", "x", "--connections", "8", "--room-size", "4", "--backoff", "fixed:60000");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    ck_assert_uint_eq(result.live, 8); // it begins when it begins
    ck_assert_uint_le(scenario_next_ns(&run), BEGIN_NS);
    scenario_turn(&run, BEGIN_NS);
    ck_assert_uint_eq(result.live, 0);
    ck_assert(!scenario_is_deserted(&run)); // they come back
    drive(BEGIN_NS, BEGIN_NS + 2 * NS_PER_S);
    ck_assert_uint_eq(result.sent, 0);
    ck_assert_uint_eq(result.absent, 100);
    ck_assert_uint_eq(result.phase_rows[0].offered, 0);
    fake_end();
}
END_TEST

START_TEST(phases_of_poisson_come_again_by_their_seed) {
    uint64_t sent[3];
    static char *const seeds[] = {"5", "5", "6"};
    for (uint32_t i = 0; i < 3; i++) {
        plan = (struct plan){0};
        publish(add("random", 1), 1000, 1000);
        plan.phases[0].is_poisson = true;
        FAKE_BEGIN("mix", "x", "--connections", "4", "--room-size", "4", "--seed", seeds[i]);
        fake_join_all();
        scenario_begin(&run, BEGIN_NS);
        drive(BEGIN_NS, BEGIN_NS + NS_PER_S / 2);
        sent[i] = result.sent;
        settle();
        fake_end();
    }
    ck_assert_uint_eq(sent[0], sent[1]);
    ck_assert_uint_ne(sent[0], sent[2]);
}
END_TEST

START_TEST(phases_churn_takes_turns_and_joins_again) {
    plan = (struct plan){0};
    add("churn", 1)->churn_rate = 8;
    FAKE_BEGIN("mix", "x", "--connections", "20", "--room-size", "10", "--churn-percent", "20");
    fake_join_all();
    ck_assert_uint_eq(run.rooms[0].stable, 8);
    ck_assert_uint_eq(run.rooms[0].live, 10);
    scenario_begin(&run, BEGIN_NS);
    scenario_turn(&run, BEGIN_NS);
    ck_assert_uint_eq(result.churn_leaves, 1);
    ck_assert_int_eq(run.clients[8].member, CLIENT_LEAVING); // the first churner
    receive_left(&run, 8);
    ck_assert_int_eq(run.clients[8].member, CLIENT_MEMBER_JOINING);
    ck_assert_uint_eq(run.rooms[0].live, 9);
    run.read_ns = clock_monotonic_ns();
    receive_joined(&run, 8, 5);
    ck_assert_int_eq(run.clients[8].member, CLIENT_IN);
    ck_assert_uint_eq(result.churn_joins, 1);
    ck_assert_uint_eq(result.rejoin.count, 1);
    drive(BEGIN_NS, BEGIN_NS + NS_PER_S);
    // 9, 18, 19 leave; then 8 again; 9, 18, 19 are still out when their turn comes.
    ck_assert_uint_eq(result.churn_leaves, 5);
    ck_assert_uint_eq(result.churn_skipped, 3);
    ck_assert_uint_eq(run.rooms[0].stable, 8);
    fake_end();
}
END_TEST

UNIT_MAIN("loadgen/phases", phases_follow_each_other_at_their_times_with_their_rates,
          phases_that_are_come_round_to_late_lose_no_arrival, phases_end_where_they_are_told_to,
          phases_keep_replies_apart_from_deliveries, phases_bring_connections_to_their_share,
          phases_ask_others_when_somebody_is_away, phases_with_nobody_there_offer_nothing,
          phases_of_poisson_come_again_by_their_seed, phases_churn_takes_turns_and_joins_again)
