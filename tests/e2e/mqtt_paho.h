// What the two Paho programs of the end-to-end tests share: their options, and the lines that they
// print for the test to read. Each connects, subscribes, publishes, receives, leaves, in that
// order:
//
//   connected|SESSION PRESENT      subscribed|GRANTED QOS      published|COUNT      left
//   (of 5.0 the library does not tell whether there was a session: 0)
//   message|TOPIC|QOS|RETAINED|DUP|PAYLOAD
//
// Exit code 0, or 1 with a sentence. Source: Eclipse Paho C 1.3, MQTTClient.h and MQTTAsync.h.
#ifndef FAIRLEAD_TESTS_MQTT_PAHO_H
#define FAIRLEAD_TESTS_MQTT_PAHO_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAHO_WAIT_MS 20000

struct paho_options {
    const char *uri; // tcp://host:port or ws://host:port/mqtt
    const char *id;
    const char *filter;     // NULL: none
    const char *topic;      // to publish to; NULL: nothing
    const char *will_topic; // NULL: none
    const char *will_payload;
    bool is_five; // 5.0, not 3.1.1
    bool is_over_ws;
    bool keeps_session; // for an hour
    bool is_retained;
    int qos;
    int publish_count; // payloads "0", "1", …
    int receive_count; // messages to wait for; -1: until killed
};

static inline struct paho_options paho_options_parse(int argc, char **argv) {
    struct paho_options options = {.will_payload = "will"};
    for (int option; (option = getopt(argc, argv, "u:i:s:t:w:x:5kro:q:m:n:")) != -1;) {
        switch (option) {
        case 'u':
            options.uri = optarg;
            break;
        case 'i':
            options.id = optarg;
            break;
        case 's':
            options.filter = optarg;
            break;
        case 't':
            options.topic = optarg;
            break;
        case 'w':
            options.will_topic = optarg;
            break;
        case 'x':
            options.will_payload = optarg;
            break;
        case '5':
            options.is_five = true;
            break;
        case 'k':
            options.keeps_session = true;
            break;
        case 'r':
            options.is_retained = true;
            break;
        case 'q':
            options.qos = (int)strtol(optarg, NULL, 10);
            break;
        case 'm':
            options.publish_count = (int)strtol(optarg, NULL, 10);
            break;
        case 'n':
            options.receive_count = (int)strtol(optarg, NULL, 10);
            break;
        default:
            exit(2);
        }
    }
    if (!options.uri || !options.id) {
        fprintf(stderr, "-u URI and -i CLIENT_ID are needed\n");
        exit(2);
    }
    options.is_over_ws = options.uri[0] == 'w';
    setvbuf(stdout, NULL, _IOLBF, 0);
    return options;
}

static inline void paho_must(bool is_well, const char *what, int code) {
    if (is_well)
        return;
    fprintf(stderr, "%s: code %d\n", what, code);
    exit(1);
}

struct paho_arrival {
    const char *topic;
    const char *payload;
    int payload_size;
    int qos;
    int retained;
    int dup;
};

static inline void paho_print_message(const struct paho_arrival *message) {
    printf("message|%s|%d|%d|%d|%.*s\n", message->topic, message->qos, message->retained,
           message->dup, message->payload_size, message->payload);
}

#endif
