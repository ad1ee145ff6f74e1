// One option's value: text into struct config and back. Pure; any thread.
#ifndef FAIRLEAD_OPTION_VALUE_H
#define FAIRLEAD_OPTION_VALUE_H

#include "gateway/option_table.h"

#define OPTION_VALUE_TEXT_SIZE 2048 // the longest encoding: 240 CPUs in no order
#define OPTION_ALLOWED_TEXT_SIZE 256

// Sets the option's field in `config` (for a list: adds one element). false when the text is no
// allowed value, or the list is full; the field is unchanged then.
MUST_USE bool option_value_decode(const struct option_spec *spec, const char *text,
                                  struct config *config);

// The same into a room rule, for options that are per_room.
MUST_USE bool option_value_decode_rule(const struct option_spec *spec, const char *text,
                                       struct config_room_rule *rule);

// Whether the rule itself names this option.
bool option_value_is_in_rule(const struct option_spec *spec, const struct config_room_rule *rule);

// Gives every rule what it does not name itself from config->room: once all else is read.
void option_value_fill_rules(struct config *config);

// As option_value_encode, of a rule.
const char *option_value_encode_rule(const struct option_spec *spec,
                                     const struct config_room_rule *rule, char *text);

// Empties a list, so that a flag replaces what the file or the default gave.
void option_value_clear(const struct option_spec *spec, struct config *config);

// The value as text that decodes again; for a list: element `index`. `text` has
// OPTION_VALUE_TEXT_SIZE bytes. Returns `text`.
const char *option_value_encode(const struct option_spec *spec, const struct config *config,
                                uint32_t index, char *text);

// Elements of a list; 1 for what is none.
uint32_t option_value_count(const struct option_spec *spec, const struct config *config);

// "1 to 60", "list, counts or off", or nothing where the form says it. Returns `text`, as above.
const char *option_value_range(const struct option_spec *spec, char *text);

// "a whole number from 1 to 60, or auto". `text` has OPTION_ALLOWED_TEXT_SIZE bytes. Returns it.
const char *option_value_allowed(const struct option_spec *spec, char *text);

#endif
