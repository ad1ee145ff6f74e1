// Goal: what the recorder notes as a small number is told in a word, also when a newer one has none
// yet. Method: each enum from its first to beyond its last.
#include "gateway/life_words.h"

#include "gateway/conn.h"
#include "gateway/session.h"
#include "sched/recorder_events.h"
#include "tests/unit/unit.h"

START_TEST(every_enumerated_detail_has_a_word) {
    for (uint32_t end = STREAM_END_PEER_CLOSED; end <= STREAM_END_LOCAL; end++)
        ck_assert_str_ne(life_words_of_detail(RECORDER_ENDED, end), "unknown");
    ck_assert_str_eq(life_words_of_detail(RECORDER_ENDED, STREAM_END_LOCAL + 1), "unknown");
    for (uint32_t reason = JOIN_UNMATCHED_TOPIC; reason <= JOIN_REF_TOO_LONG; reason++)
        ck_assert_str_ne(life_words_of_detail(RECORDER_JOIN_REFUSED, reason), "unknown");
    ck_assert_str_eq(life_words_of_detail(RECORDER_JOIN_REFUSED, JOIN_REF_TOO_LONG + 1), "unknown");
    ck_assert_str_eq(life_words_of_detail(RECORDER_UPGRADED, 1), "echo");
    ck_assert_str_eq(life_words_of_detail(RECORDER_DOOMED, 1), "out_of_memory");
    ck_assert_ptr_null(life_words_of_detail(RECORDER_CLOSE_SENT, 1000));
    for (uint32_t state = CONN_HANDSHAKE; state <= CONN_OVER_LIMIT; state++)
        ck_assert_str_ne(life_words_of_state(state), "unknown");
    ck_assert_str_eq(life_words_of_state(CONN_ARRIVING + 1), "unknown");
}
END_TEST

UNIT_MAIN("gateway/life_words", every_enumerated_detail_has_a_word)
