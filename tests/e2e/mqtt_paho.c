// A client by Paho's MQTTClient, the blocking interface, for mqtt_paho.test.mjs (mqtt_paho.h says
// what it prints). One thread: the library's calls read the connection.
#include "tests/e2e/mqtt_paho.h"

#include <MQTTClient.h>
#include <string.h>

static void client_connect(MQTTClient client, const struct paho_options *options) {
    MQTTClient_connectOptions four = MQTTClient_connectOptions_initializer;
    MQTTClient_connectOptions five = MQTTClient_connectOptions_initializer5;
    MQTTClient_connectOptions connect = options->is_five ? five : four;
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
    if (options->is_five)
        connect.cleanstart = !options->keeps_session;
    else
        connect.cleansession = !options->keeps_session;
    connect.reliable = 0;
    connect.MQTTVersion = options->is_five ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    connect.keepAliveInterval = 30;
    if (options->will_topic) {
        will.topicName = options->will_topic;
        will.message = options->will_payload;
        will.qos = options->qos;
        will.retained = options->is_retained;
        connect.will = &will;
    }
    if (options->is_five) {
        expiry.value.integer4 = options->keeps_session ? 3600 : 0;
        MQTTProperties_add(&properties, &expiry);
        MQTTResponse answer = MQTTClient_connect5(client, &connect, &properties, NULL);
        paho_must(answer.reasonCode == MQTTREASONCODE_SUCCESS, "connect", (int)answer.reasonCode);
        MQTTResponse_free(answer);
        MQTTProperties_free(&properties);
    } else {
        int code = MQTTClient_connect(client, &connect);
        paho_must(code == MQTTCLIENT_SUCCESS, "connect", code);
    }
    printf("connected|%d\n", connect.returned.sessionPresent);
}

static void client_subscribe(MQTTClient client, const struct paho_options *options) {
    int granted;
    if (options->is_five) {
        MQTTResponse answer =
            MQTTClient_subscribe5(client, options->filter, options->qos, NULL, NULL);
        granted = (int)answer.reasonCode;
        MQTTResponse_free(answer);
    } else {
        // The library keeps the granted QoS to itself, and tells a refusal.
        int code = MQTTClient_subscribe(client, options->filter, options->qos);
        granted = code == MQTTCLIENT_SUCCESS ? options->qos : code;
    }
    paho_must(granted >= 0 && granted <= 2, "subscribe", granted);
    printf("subscribed|%d\n", granted);
}

// All at once, then their acknowledgements: a wait of this library for one takes up to 100 ms.
static void client_publish(MQTTClient client, const struct paho_options *options) {
    MQTTClient_deliveryToken token = 0;
    for (int i = 0; i < options->publish_count; i++) {
        char payload[16];
        MQTTClient_message message = MQTTClient_message_initializer;
        message.payloadlen = snprintf(payload, sizeof(payload), "%d", i);
        message.payload = payload;
        message.qos = options->qos;
        message.retained = options->is_retained;
        int code = 0;
        if (options->is_five) {
            MQTTResponse answer =
                MQTTClient_publishMessage5(client, options->topic, &message, &token);
            code = (int)answer.reasonCode;
            MQTTResponse_free(answer);
        } else {
            code = MQTTClient_publishMessage(client, options->topic, &message, &token);
        }
        paho_must(code == MQTTCLIENT_SUCCESS, "publish", code);
    }
    MQTTClient_deliveryToken *pending = NULL;
    for (int count = 1; count > 0;) {
        int code = MQTTClient_getPendingDeliveryTokens(client, &pending);
        paho_must(code == MQTTCLIENT_SUCCESS, "publish, what is pending", code);
        for (count = 0; pending && pending[count] != -1; count++) {
        }
        if (count > 0) {
            code = MQTTClient_waitForCompletion(client, pending[count - 1], PAHO_WAIT_MS);
            paho_must(code == MQTTCLIENT_SUCCESS, "publish, its end", code);
        }
        MQTTClient_free(pending);
        pending = NULL;
    }
    printf("published|%d\n", options->publish_count);
}

static void client_receive(MQTTClient client, const struct paho_options *options) {
    for (int i = 0; i != options->receive_count; i++) {
        char *topic = NULL;
        int topic_size = 0;
        MQTTClient_message *message = NULL;
        int code;
        do {
            code = MQTTClient_receive(client, &topic, &topic_size, &message, PAHO_WAIT_MS);
            paho_must(code == MQTTCLIENT_SUCCESS || code == MQTTCLIENT_TOPICNAME_TRUNCATED,
                      "receive", code);
        } while (!message && options->receive_count < 0);
        paho_must(message, "receive: nothing came", i);
        paho_print_message(&(struct paho_arrival){.topic = topic,
                                                  .payload = message->payload,
                                                  .payload_size = message->payloadlen,
                                                  .qos = message->qos,
                                                  .retained = message->retained,
                                                  .dup = message->dup});
        MQTTClient_freeMessage(&message);
        MQTTClient_free(topic);
    }
}

int main(int argc, char **argv) {
    struct paho_options options = paho_options_parse(argc, argv);
    MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
    create.MQTTVersion = options.is_five ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    MQTTClient client;
    int code = MQTTClient_createWithOptions(&client, options.uri, options.id,
                                            MQTTCLIENT_PERSISTENCE_NONE, NULL, &create);
    paho_must(code == MQTTCLIENT_SUCCESS, "create", code);
    client_connect(client, &options);
    if (options.filter)
        client_subscribe(client, &options);
    if (options.topic)
        client_publish(client, &options);
    client_receive(client, &options);
    if (options.is_five)
        code = MQTTClient_disconnect5(client, 1000, MQTTREASONCODE_SUCCESS, NULL);
    else
        code = MQTTClient_disconnect(client, 1000);
    paho_must(code == MQTTCLIENT_SUCCESS, "disconnect", code);
    MQTTClient_destroy(&client);
    printf("left\n");
    return 0;
}
