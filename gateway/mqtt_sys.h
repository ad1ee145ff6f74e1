// $SYS: the gateway's numbers as retained messages, for clients that know no metrics page. Made by
// the core that owns the topics of level `$SYS`, for all cores together, every MQTT_SYS_PERIOD_S
// while somebody subscribes, at once when the first one does; they expire when nobody does for a
// while, so that nobody is told old numbers.
//
//   $SYS/broker/version, uptime, clients/connected, clients/disconnected, clients/total,
//   messages/received, messages/sent, subscriptions/count, retained messages/count
//   $SYS/fairlead/<metric>[/<label's value>]    every counter of sched/base/counters.h
// Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_SYS_H
#define FAIRLEAD_MQTT_SYS_H

#include "gateway/gateway.h"

#define MQTT_SYS_PERIOD_S 10u

// At the end of each turn; does something once a second.
void mqtt_sys_turn_end(struct gateway *gateway);

#endif
