// What the details of the flight recorder's events say in words (sched/recorder_events.h). Pure.
#ifndef FAIRLEAD_LIFE_WORDS_H
#define FAIRLEAD_LIFE_WORDS_H

#include <stdint.h>

// "reset" of a stream_ended 1, "busy" of a join_refused 0, …; NULL: the detail is a number, a
// room's tag, or nothing.
const char *life_words_of_detail(uint32_t type, uint32_t detail);

// The state of a connection (enum conn_state): "open", …
const char *life_words_of_state(uint32_t state);

// Of a connection that does not speak MQTT; NULL before it is known.
const char *life_words_of_protocol(uint32_t state);

#endif
