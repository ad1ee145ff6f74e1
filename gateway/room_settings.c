#include "gateway/room_settings.h"

#include <string.h>

#define TOPIC_PREFIX "room:"
#define NAME_SIZE_MAX 128 // names: docs/PROTOCOL.md

static size_t character_size(struct bytes text, size_t at) {
    size_t end = at + 1;
    while (end < text.size && (text.data[end] & 0xc0) == 0x80)
        end++;
    return end - at;
}

// The usual two-finger walk: on a mismatch the last `*` takes one byte more.
bool room_settings_pattern_matches(struct bytes pattern, struct bytes topic) {
    size_t at = 0, topic_at = 0, star = SIZE_MAX, star_topic = 0;
    while (topic_at < topic.size) {
        if (at < pattern.size && pattern.data[at] == '*') {
            star = at++;
            star_topic = topic_at;
        } else if (at < pattern.size && pattern.data[at] == '?') {
            at++;
            topic_at += character_size(topic, topic_at);
        } else if (at < pattern.size && pattern.data[at] == topic.data[topic_at]) {
            at++;
            topic_at++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            topic_at = ++star_topic;
        } else {
            return false;
        }
    }
    while (at < pattern.size && pattern.data[at] == '*')
        at++;
    return at == pattern.size;
}

struct config_room_settings room_settings_lookup(const struct config *config, struct bytes name) {
    uint8_t space[sizeof(TOPIC_PREFIX) - 1 + NAME_SIZE_MAX];
    struct writer topic = writer_on(space, sizeof(space));
    writer_put_string(&topic, TOPIC_PREFIX);
    writer_put(&topic, name);
    // A longer name is refused before it gets here; it would match as "room:".
    for (uint32_t i = 0; i < config->room_rule_count; i++)
        if (room_settings_pattern_matches(bytes_from_string(config->room_rules[i].pattern),
                                          writer_bytes(&topic)))
            return config->room_rules[i].settings;
    return config->room;
}
