// Topics outside rooms through the whole gateway of one core: clients see what each of their
// subscriptions is owed.
#include "tests/unit/gateway/mqtt_peers.h"

START_TEST(what_is_published_reaches_those_whose_filter_matches) { // [MQTT-4.7.1-2], [MQTT-3.3.5-1]
    peers_open();
    struct peer five = peer_5("five"), three = peer_3("three");
    struct peer web = peer_come(&(struct coming){.id = "web", .is_ws = true});
    SUBSCRIBE(five, FILTER("a/+"));
    SUBSCRIBE(three, FILTER("a/#"));
    SUBSCRIBE(web, FILTER("a/b"));
    EXPECT(five, "SUBACK 1 00\n");
    EXPECT(three, "SUBACK 1 00\n");
    EXPECT(web, "SUBACK 1 00\n");
    SAY(three, .topic = "a/b", .body = "hello");
    EXPECT(five, "a/b=hello q0\n");
    EXPECT(three, "a/b=hello q0\n");
    EXPECT(web, "a/b=hello q0\n");
    SAY(five, .topic = "a/b/c", .body = "deep", .user = "v");
    EXPECT(five, "");
    EXPECT(three, "a/b/c=deep q0\n");
    EXPECT(web, "");
    peers_close();
}
END_TEST

START_TEST(qos_is_the_smaller_of_message_and_subscription) { // [MQTT-3.8.4-8]
    peers_open();
    struct peer from = peer_5("from"), to = peer_5("to");
    SUBSCRIBE(to, FILTER("q0", .qos = 0), FILTER("q1", .qos = 1), FILTER("q2", .qos = 2));
    EXPECT(to, "SUBACK 1 00 01 02\n"); // [MQTT-3.8.4-6]
    static const char *const topics[] = {"q0", "q1", "q2"};
    static const char *const expected[3][3] = {{"q0=x q0\n", "q1=x q0\n", "q2=x q0\n"},
                                               {"q0=x q0\n", "q1=x q1", "q2=x q1"},
                                               {"q0=x q0\n", "q1=x q1", "q2=x q2"}};
    for (uint8_t qos = 0; qos < 3; qos++)
        for (int i = 0; i < 3; i++) {
            SAY(from, .topic = topics[i], .body = "x", .qos = qos, .id = (uint16_t)(qos ? 9 : 0));
            const char *heard = peer_heard(&to);
            ck_assert_msg(strncmp(heard, expected[qos][i], strlen(expected[qos][i])) == 0, "%s",
                          heard);
            (void)peer_heard(&from);
            if (qos == 2)
                peer_ack(&from, MQTT_PUBREL, 9);
            (void)peer_heard(&from);
        }
    peers_close();
}
END_TEST

START_TEST(retained_messages_come_as_retain_handling_says) { // [MQTT-3.3.1-6, -8 … -13]
    peers_open();
    struct peer from = peer_5("from"), to = peer_5("to");
    SAY(from, .topic = "r/1", .body = "kept", .is_retained = true);
    SUBSCRIBE(to, FILTER("r/#", .retain_handling = MQTT_RETAIN_NEVER));
    EXPECT(to, "SUBACK 1 00\n");
    SUBSCRIBE(to, FILTER("r/#", .retain_handling = MQTT_RETAIN_IF_NEW));
    EXPECT(to, "SUBACK 1 00\n");
    SUBSCRIBE(to, FILTER("r/#", .retain_handling = MQTT_RETAIN_ALWAYS));
    EXPECT(to, "r/1=kept q0 retain\nSUBACK 1 00\n");
    SUBSCRIBE(to, FILTER("r/1", .retain_handling = MQTT_RETAIN_IF_NEW));
    EXPECT(to, "r/1=kept q0 retain\nSUBACK 1 00\n");
    SAY(from, .topic = "r/1", .body = "", .is_retained = true); // [MQTT-3.3.1-6, -7]
    EXPECT(to, "r/1= q0\n");
    UNSUBSCRIBE(to, FILTER("r/1"), FILTER("r/#"));
    SUBSCRIBE(to, FILTER("r/1"));
    EXPECT(to, "UNSUBACK 2 00 00\nSUBACK 1 00\n");
    SUBSCRIBE(to, FILTER("p", .retains_as_published = true), FILTER("n"));
    SAY(from, .topic = "p", .body = "1", .is_retained = true); // [MQTT-3.3.1-12, -13]
    SAY(from, .topic = "n", .body = "1", .is_retained = true);
    EXPECT(to, "SUBACK 1 00 00\np=1 q0 retain\nn=1 q0\n");
    peers_close();
}
END_TEST

START_TEST(overlapping_subscriptions_give_one_copy_with_every_identifier) { // [MQTT-3.3.4-2 … 5]
    peers_open();
    struct peer from = peer_5("from"), to = peer_5("to");
    SUBSCRIBE_AS(to, 7, FILTER("o/+", .qos = 0));
    SUBSCRIBE_AS(to, 300, FILTER("o/#", .qos = 1));
    (void)peer_heard(&to);
    SAY(from, .topic = "o/x", .body = "1", .qos = 2, .id = 3);
    EXPECT(to, "o/x=1 q1 id1 sub7 sub300\n");
    EXPECT(from, "PUBREC 3 00\n");
    peers_close();
}
END_TEST

START_TEST(no_local_keeps_from_a_client_what_it_published) { // [MQTT-3.8.3-3]
    peers_open();
    struct peer one = peer_5("one"), two = peer_5("two");
    SUBSCRIBE(one, FILTER("l", .is_no_local = true));
    SUBSCRIBE(two, FILTER("l"));
    (void)peer_heard(&one), (void)peer_heard(&two);
    SAY(one, .topic = "l", .body = "mine");
    EXPECT(one, "");
    EXPECT(two, "l=mine q0\n");
    ck_assert_uint_eq(RIG_COUNT(DROPPED_NO_LOCAL), 1);
    SAY(two, .topic = "l", .body = "yours");
    EXPECT(one, "l=yours q0\n");
    peers_close();
}
END_TEST

START_TEST(each_message_of_a_shared_subscription_goes_to_one_member) { // 4.8.2
    peers_open();
    struct peer from = peer_5("from"), one = peer_5("one"), two = peer_3("two");
    SUBSCRIBE(one, FILTER("$share/g/s/+", .qos = 1));
    SUBSCRIBE(two, FILTER("$share/g/s/+", .qos = 1));
    EXPECT(one, "SUBACK 1 01\n");
    EXPECT(two, "SUBACK 1 01\n");
    for (int i = 0; i < 8; i++)
        SAY(from, .topic = "s/x", .body = "1");
    size_t at_one = strlen(peer_heard(&one)), at_two = strlen(peer_heard(&two));
    ck_assert_uint_eq(at_one, at_two);
    ck_assert_uint_eq(at_one + at_two, 8 * strlen("s/x=1 q0\n"));
    UNSUBSCRIBE(one, FILTER("$share/g/s/+"));
    (void)peer_heard(&one);
    SAY(from, .topic = "s/x", .body = "2");
    EXPECT(one, "");
    EXPECT(two, "s/x=2 q0\n");
    peers_close();
}
END_TEST

START_TEST(what_expired_is_not_replayed_and_what_has_not_says_when) { // [MQTT-3.3.2-5, -6]
    peers_open();
    struct peer from = peer_5("from"), to = peer_5("to"), late = peer_5("late");
    SAY(from, .topic = "e", .body = "1", .is_retained = true, .expiry_s = 10);
    rig_wait_ms(4000);
    SUBSCRIBE(to, FILTER("e"));
    EXPECT(to, "e=1 q0 retain expires6\nSUBACK 1 00\n");
    rig_wait_ms(7000);
    SUBSCRIBE(late, FILTER("e"));
    EXPECT(late, "SUBACK 1 00\n");
    peers_close();
}
END_TEST

START_TEST(an_offline_session_gets_qos_1_later_and_qos_0_not_at_all) { // [MQTT-3.1.2-6], 4.4
    peers_open();
    struct coming coming = {.id = "kept", .is_kept = true};
    struct peer from = peer_5("from"), to = peer_come(&coming);
    SUBSCRIBE(to, FILTER("k", .qos = 1));
    EXPECT(to, "SUBACK 1 01\n");
    rig_hangup(to.at);
    rig_turns(2);
    SAY(from, .topic = "k", .body = "lost");
    SAY(from, .topic = "k", .body = "kept", .qos = 1, .id = 1);
    EXPECT(from, "PUBACK 1 00\n");
    ck_assert_uint_eq(RIG_COUNT(DROPPED_OFFLINE), 1);
    to = peer_come(&coming);
    EXPECT(to, "k=kept q1 id1\n");
    peer_ack(&to, MQTT_PUBACK, 1);
    SAY(from, .topic = "k", .body = "live");
    EXPECT(to, "k=live q0\n");
    peers_close();
}
END_TEST

START_TEST(the_brokers_numbers_come_while_somebody_asks) {
    peers_open();
    struct peer to = peer_5("to");
    SUBSCRIBE(to, FILTER("$SYS/broker/clients/+"),
              FILTER("$SYS/fairlead/audit_dropped_total/slow"));
    EXPECT(to, "SUBACK 1 00 00\n");
    rig_wait_ms(1100);
    EXPECT(to, "$SYS/broker/clients/connected=1 q0 expires30\n"
               "$SYS/broker/clients/disconnected=0 q0 expires30\n"
               "$SYS/broker/clients/total=1 q0 expires30\n"
               "$SYS/fairlead/audit_dropped_total/slow=0 q0 expires30\n");
    rig_wait_ms(8000);
    EXPECT(to, "");
    rig_wait_ms(2000);
    ck_assert_ptr_nonnull(strstr(peer_heard(&to), "clients/connected=1"));
    struct peer later = peer_5("later");
    SUBSCRIBE(later, FILTER("$SYS/broker/version"));
    EXPECT(later,
           "$SYS/broker/version=fairlead " FAIRLEAD_VERSION " q0 retain expires30\nSUBACK 1 00\n");
    UNSUBSCRIBE(to, FILTER("$SYS/broker/clients/+"),
                FILTER("$SYS/fairlead/audit_dropped_total/slow"));
    UNSUBSCRIBE(later, FILTER("$SYS/broker/version"));
    rig_wait_ms(1000);
    ck_assert_uint_eq(rig.gateway.sys_published_s, 0);
    peers_close();
}
END_TEST

UNIT_MAIN("gateway/topics_link", what_is_published_reaches_those_whose_filter_matches,
          qos_is_the_smaller_of_message_and_subscription,
          retained_messages_come_as_retain_handling_says,
          overlapping_subscriptions_give_one_copy_with_every_identifier,
          no_local_keeps_from_a_client_what_it_published,
          each_message_of_a_shared_subscription_goes_to_one_member,
          what_expired_is_not_replayed_and_what_has_not_says_when,
          an_offline_session_gets_qos_1_later_and_qos_0_not_at_all,
          the_brokers_numbers_come_while_somebody_asks)
