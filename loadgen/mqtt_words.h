// MQTT's codes in words, for sentences that people read. Pure; the strings are static.
#ifndef FAIRLEAD_MQTT_WORDS_H
#define FAIRLEAD_MQTT_WORDS_H

#include <stdint.h>

// A reason code of MQTT 5, in lower case: "not authorized"; "an unknown reason" when it has none.
const char *mqtt_words_reason(uint8_t reason);

// A CONNACK return code of MQTT 3.1.1 (table 3.1).
const char *mqtt_words_connack_3_1_1(uint8_t code);

#endif
