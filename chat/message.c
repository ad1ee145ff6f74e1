#include "chat/message.h"

const char *chat_message_name(uint16_t type) {
    switch ((enum chat_message_type)type) {
    case CHAT_JOIN:
        return "join";
    case CHAT_JOINED:
        return "joined";
    case CHAT_JOIN_REFUSED:
        return "join_refused";
    case CHAT_LEAVE:
        return "leave";
    case CHAT_PUBLISH:
        return "publish";
    case CHAT_RELAY:
        return "relay";
    case CHAT_ACCEPTED:
        return "accepted";
    case CHAT_REFUSED:
        return "refused";
    case CHAT_LOST:
        return "lost";
    case CHAT_PRESENCE:
        return "presence";
    case CHAT_COUNT:
        return "count";
    case CHAT_WANT_STATE:
        return "want_state";
    case CHAT_LEAVES:
        return "leaves";
    case CHAT_ENDED:
        return "ended";
    case CHAT_ASK_ANSWERED:
        return "ask_answered";
    case CHAT_ANSWERED:
        return "answered";
    case CHAT_MOVE:
        return "move";
    case CHAT_PLACE:
        return "place";
    case CHAT_PLACED:
        return "placed";
    case CHAT_MOVED_OUT:
        return "moved_out";
    case CHAT_MOVED_IN:
        return "moved_in";
    case CHAT_MOVE_REFUSED:
        return "move_refused";
    }
    return NULL;
}
