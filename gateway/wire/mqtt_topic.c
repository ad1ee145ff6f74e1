#include "gateway/wire/mqtt_topic.h"

static bool has_any(struct bytes text, const char *characters) {
    for (const char *c = characters; *c; c++)
        if (text.size > 0 && memchr(text.data, *c, text.size) != NULL)
            return true;
    return false;
}

bool mqtt_topic_has_wildcard(struct bytes filter) {
    return has_any(filter, "+#");
}

bool mqtt_topic_is_name(struct bytes topic) {
    return topic.size > 0 && topic.size <= MQTT_TOPIC_BYTES_MAX && !mqtt_topic_has_wildcard(topic);
}

bool mqtt_topic_next_level(struct bytes *rest, bool *is_done, struct bytes *level) {
    if (*is_done)
        return false;
    const uint8_t *slash = rest->size > 0 ? memchr(rest->data, '/', rest->size) : NULL;
    size_t size = slash ? (size_t)(slash - rest->data) : rest->size;
    *level = bytes_of(rest->data, size);
    *is_done = slash == NULL;
    *rest = bytes_skip(*rest, size + (slash != NULL));
    return true;
}

bool mqtt_topic_is_filter(struct bytes filter) {
    if (filter.size == 0 || filter.size > MQTT_TOPIC_BYTES_MAX)
        return false;
    struct bytes level;
    bool is_done = false;
    while (mqtt_topic_next_level(&filter, &is_done, &level)) {
        if (level.size == 1 && (level.data[0] == '+' || (level.data[0] == '#' && is_done)))
            continue;
        if (mqtt_topic_has_wildcard(level))
            return false;
    }
    return true;
}

enum mqtt_topic_shared mqtt_topic_split_shared(struct bytes text, struct bytes *group,
                                               struct bytes *filter) {
    const struct bytes prefix = BYTES_LITERAL("$share/");
    *group = (struct bytes){0};
    *filter = text;
    if (!bytes_starts_with(text, prefix))
        return MQTT_TOPIC_NOT_SHARED;
    bool is_done = false;
    *filter = bytes_skip(text, prefix.size);
    (void)mqtt_topic_next_level(filter, &is_done, group);
    bool is_right = !is_done && group->size > 0 && !mqtt_topic_has_wildcard(*group) &&
                    mqtt_topic_is_filter(*filter);
    return is_right ? MQTT_TOPIC_SHARED : MQTT_TOPIC_SHARED_BAD;
}

static bool is_wildcard(struct bytes level, char wildcard) {
    return level.size == 1 && level.data[0] == (uint8_t)wildcard;
}

bool mqtt_topic_matches(struct bytes filter, struct bytes name) {
    bool filter_done = false, name_done = false;
    struct bytes wanted, level;
    bool begins_with_wildcard = filter.data[0] == '+' || filter.data[0] == '#';
    if (begins_with_wildcard && name.data[0] == '$')
        return false;
    while (mqtt_topic_next_level(&filter, &filter_done, &wanted)) {
        if (is_wildcard(wanted, '#'))
            return true; // also the parent level itself (4.7.1.2)
        if (!mqtt_topic_next_level(&name, &name_done, &level))
            return false;
        if (!is_wildcard(wanted, '+') && !bytes_equal(wanted, level))
            return false;
    }
    return name_done;
}
