#include "topics/service.h"

#include "topics/publishing.h"
#include "topics/subscribing.h"
#include "topics/topics.h"

#define SERVICE_MAILBOX_MAX 65536

_Static_assert(SERVICE_KIND == KIND_TOPICS, "one kind, two names");

static const char *message_name(uint16_t type) {
    switch ((enum topics_message_type)type) {
    case TOPICS_SUBSCRIBE:
        return "subscribe";
    case TOPICS_SUBSCRIBED:
        return "subscribed";
    case TOPICS_UNSUBSCRIBE:
        return "unsubscribe";
    case TOPICS_CHANGED:
        return "changed";
    case TOPICS_PUBLISH:
        return "publish";
    case TOPICS_PUBLISHED:
        return "published";
    case TOPICS_RELAY:
        return "relay";
    case TOPICS_RETAINED:
        return "retained";
    case TOPICS_SHARE:
        return "share";
    case TOPICS_SHARE_BACK:
        return "share_back";
    }
    return NULL;
}

static void act(struct topics *topics, const struct message *message) {
    switch ((enum topics_message_type)message->type) {
    case TOPICS_SUBSCRIBE:
        subscribing_on_subscribe(topics, message);
        return;
    case TOPICS_SUBSCRIBED:
        subscribing_on_subscribed(topics, message);
        return;
    case TOPICS_UNSUBSCRIBE:
        subscribing_on_unsubscribe(topics, message);
        return;
    case TOPICS_CHANGED:
        subscribing_on_changed(topics, message);
        return;
    case TOPICS_PUBLISH:
        publishing_on_publish(topics, message);
        return;
    case TOPICS_PUBLISHED:
        publishing_on_published(topics, message);
        return;
    case TOPICS_RELAY:
        publishing_on_relay(topics, message);
        return;
    case TOPICS_RETAINED:
        subscribing_on_retained(topics, (uint32_t)message->words[1], message->words[0]);
        payload_unref(topics->scheduler, message->words[0]);
        return;
    case TOPICS_SHARE:
        publishing_on_share(topics, message);
        return;
    case TOPICS_SHARE_BACK:
        publishing_on_share_back(topics, message);
        return;
    }
    UNREACHABLE();
}

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)state;
    (void)argument;
    CHECK(index == 0);
    ((struct topics *)context)->is_paused = false;
    return 0;
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)state;
    (void)index;
    (void)reason;
    ((struct topics *)context)->is_paused = false;
}

void service_pause_if_full(struct topics *topics) {
    struct scheduler *scheduler = topics->scheduler;
    if (topics->is_paused || !fanout_is_full(&topics->fanout) ||
        !slab_is_used(&scheduler->kinds[KIND_TOPICS].slab, 0))
        return;
    topics->is_paused = true;
    scheduler_pause(scheduler, KIND_TOPICS, 0);
}

bool service_has_room(const struct topics *topics, uint32_t core) {
    const struct scheduler *scheduler = topics->scheduler;
    return core == scheduler->core ||
           (!(scheduler->backlog_set >> core & 1) &&
            mesh_fill_eighths(scheduler->mesh, scheduler->core, core) < 6);
}

static void on_message(void *context, void *state, uint32_t index, const struct message *message) {
    (void)state;
    (void)index;
    act(context, message);
    service_pause_if_full(context);
}

static void on_discard(void *context, const struct message *message) {
    act(context, message);
}

const struct behaviour service_behaviour = {
    .name = "topics",
    .kind = KIND_TOPICS,
    .version = 1,
    .mailbox_max = SERVICE_MAILBOX_MAX - 1,
    .slot_size = sizeof(struct actor),
    .init = on_init,
    .handle = on_message,
    .terminate = on_terminate,
    .discard = on_discard,
    .message_name = message_name,
};
