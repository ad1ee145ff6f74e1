// MQTT topic names and filters (5.0 and 3.1.1, section 4.7): what is a valid one, taking shared
// subscriptions apart, and the scalar match that a trie is checked against.
//
// Pure functions, any thread. Strings were checked for UTF-8 and U+0000 by the reader.
#ifndef FAIRLEAD_MQTT_TOPIC_H
#define FAIRLEAD_MQTT_TOPIC_H

#include "sched/base/bytes.h"
#include "sched/base/check.h"

#define MQTT_TOPIC_BYTES_MAX 65535u // [MQTT-4.7.3-3]

// At least one character, no wildcards [MQTT-4.7.3-1], [MQTT-3.3.2-2].
MUST_USE bool mqtt_topic_is_name(struct bytes topic);

// At least one character; '#' alone in the last level [MQTT-4.7.1-1], '+' alone in its level
// [MQTT-4.7.1-2]. A shared subscription's filter is looked at by mqtt_topic_split_shared.
MUST_USE bool mqtt_topic_is_filter(struct bytes filter);

bool mqtt_topic_has_wildcard(struct bytes filter);

// $share/<group>/<filter> (5.0, 4.8.2). NOT_SHARED: something else, *filter is all of it. BAD: an
// empty group, one with wildcards or '/' [MQTT-4.8.2-1], [MQTT-4.8.2-2], or no filter behind it.
enum mqtt_topic_shared {
    MQTT_TOPIC_NOT_SHARED,
    MQTT_TOPIC_SHARED,
    MQTT_TOPIC_SHARED_BAD,
};

enum mqtt_topic_shared mqtt_topic_split_shared(struct bytes text, struct bytes *group,
                                               struct bytes *filter);

// Takes the first level off *rest and tells whether there was one; an empty level is one. Begin
// with *is_done false.
bool mqtt_topic_next_level(struct bytes *rest, bool *is_done, struct bytes *level);

// A valid filter matches a valid name; a filter that begins with a wildcard does not match names
// that begin with '$' [MQTT-4.7.2-1].
bool mqtt_topic_matches(struct bytes filter, struct bytes name);

#endif
