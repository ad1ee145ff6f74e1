// A client by Paho's MQTTAsync, the interface of callbacks, for mqtt_paho.test.mjs (mqtt_paho.h
// says what it prints). The library's threads call back; main waits for each step, under one lock.
#include "tests/e2e/mqtt_paho.h"

#include <MQTTAsync.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

struct client {
    MQTTAsync handle;
    struct paho_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done_count; // steps that ended well
    int failure;    // of the step that did not
    int granted;    // by the last SUBACK
    int session_present;
    int received_count;
};

static void client_step_done(struct client *client, int granted, int session_present) {
    pthread_mutex_lock(&client->lock);
    client->done_count++;
    client->granted = granted;
    client->session_present = session_present;
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static void on_connected(void *context, MQTTAsync_successData *data) {
    client_step_done(context, 0, data->alt.connect.sessionPresent);
}

static void on_connected_5(void *context, MQTTAsync_successData5 *data) {
    client_step_done(context, 0, data->alt.connect.sessionPresent);
}

static void on_subscribed(void *context, MQTTAsync_successData *data) {
    client_step_done(context, data->alt.qos, 0);
}

static void on_subscribed_5(void *context, MQTTAsync_successData5 *data) {
    client_step_done(context, (int)data->reasonCode, 0);
}

static void on_done(void *context, MQTTAsync_successData *data) {
    (void)data;
    client_step_done(context, 0, 0);
}

static void on_done_5(void *context, MQTTAsync_successData5 *data) {
    (void)data;
    client_step_done(context, 0, 0);
}

static void client_fail(struct client *client, int code) {
    pthread_mutex_lock(&client->lock);
    client->failure = code ? code : -1;
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static void on_failed(void *context, MQTTAsync_failureData *data) {
    client_fail(context, data ? data->code : -1);
}

static void on_failed_5(void *context, MQTTAsync_failureData5 *data) {
    client_fail(context, data ? (data->reasonCode ? (int)data->reasonCode : data->code) : -1);
}

static int on_message(void *context, char *topic, int topic_size, MQTTAsync_message *message) {
    struct client *client = context;
    (void)topic_size;
    pthread_mutex_lock(&client->lock);
    client->received_count++;
    paho_print_message(&(struct paho_arrival){.topic = topic,
                                              .payload = message->payload,
                                              .payload_size = message->payloadlen,
                                              .qos = message->qos,
                                              .retained = message->retained,
                                              .dup = message->dup});
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->lock);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

// Until *count has reached `wanted` (never: -1), or a step failed.
static void client_wait(struct client *client, const int *count, int wanted, const char *what) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PAHO_WAIT_MS / 1000;
    int code = 0;
    pthread_mutex_lock(&client->lock);
    while ((wanted < 0 || *count < wanted) && !client->failure && code == 0)
        code = wanted < 0 ? pthread_cond_wait(&client->changed, &client->lock)
                          : pthread_cond_timedwait(&client->changed, &client->lock, &end);
    pthread_mutex_unlock(&client->lock);
    paho_must(!client->failure, what, client->failure);
    paho_must(code == 0, what, code);
}

static MQTTAsync_responseOptions client_response(struct client *client) {
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = client;
    if (client->options.is_five) {
        response.onSuccess5 = on_done_5;
        response.onFailure5 = on_failed_5;
    } else {
        response.onSuccess = on_done;
        response.onFailure = on_failed;
    }
    return response;
}

static void client_connect(struct client *client) {
    const struct paho_options *options = &client->options;
    MQTTAsync_connectOptions four = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions five = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_connectOptions connect = options->is_five ? five : four;
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
    connect.keepAliveInterval = 30;
    connect.MQTTVersion = options->is_five ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    connect.context = client;
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
        connect.connectProperties = &properties;
        connect.cleanstart = !options->keeps_session;
        connect.onSuccess5 = on_connected_5;
        connect.onFailure5 = on_failed_5;
    } else {
        connect.cleansession = !options->keeps_session;
        connect.onSuccess = on_connected;
        connect.onFailure = on_failed;
    }
    int code = MQTTAsync_connect(client->handle, &connect);
    paho_must(code == MQTTASYNC_SUCCESS, "connect", code);
    client_wait(client, &client->done_count, 1, "connect");
    MQTTProperties_free(&properties);
    printf("connected|%d\n", client->session_present);
}

static void client_subscribe(struct client *client) {
    MQTTAsync_responseOptions response = client_response(client);
    if (client->options.is_five)
        response.onSuccess5 = on_subscribed_5;
    else
        response.onSuccess = on_subscribed;
    int wanted = client->done_count + 1;
    const struct paho_options *options = &client->options;
    int code = MQTTAsync_subscribe(client->handle, options->filter, options->qos, &response);
    paho_must(code == MQTTASYNC_SUCCESS, "subscribe", code);
    client_wait(client, &client->done_count, wanted, "subscribe");
    paho_must(client->granted >= 0 && client->granted <= 2, "subscribe", client->granted);
    printf("subscribed|%d\n", client->granted);
}

// All at once: their acknowledgements are waited for together.
static void client_publish(struct client *client) {
    const struct paho_options *options = &client->options;
    pthread_mutex_lock(&client->lock);
    int wanted = client->done_count + options->publish_count;
    pthread_mutex_unlock(&client->lock);
    for (int i = 0; i < options->publish_count; i++) {
        char payload[16];
        MQTTAsync_message message = MQTTAsync_message_initializer;
        MQTTAsync_responseOptions response = client_response(client);
        message.payloadlen = snprintf(payload, sizeof(payload), "%d", i);
        message.payload = payload;
        message.qos = options->qos;
        message.retained = options->is_retained;
        int code = MQTTAsync_sendMessage(client->handle, options->topic, &message, &response);
        paho_must(code == MQTTASYNC_SUCCESS, "publish", code);
    }
    client_wait(client, &client->done_count, wanted, "publish, its end");
    printf("published|%d\n", options->publish_count);
}

static void client_leave(struct client *client) {
    MQTTAsync_disconnectOptions four = MQTTAsync_disconnectOptions_initializer;
    MQTTAsync_disconnectOptions five = MQTTAsync_disconnectOptions_initializer5;
    MQTTAsync_disconnectOptions disconnect = client->options.is_five ? five : four;
    disconnect.timeout = 1000;
    disconnect.context = client;
    if (client->options.is_five) {
        disconnect.onSuccess5 = on_done_5;
        disconnect.onFailure5 = on_failed_5;
    } else {
        disconnect.onSuccess = on_done;
        disconnect.onFailure = on_failed;
    }
    int wanted = client->done_count + 1;
    int code = MQTTAsync_disconnect(client->handle, &disconnect);
    paho_must(code == MQTTASYNC_SUCCESS, "disconnect", code);
    client_wait(client, &client->done_count, wanted, "disconnect");
    printf("left\n");
}

int main(int argc, char **argv) {
    struct client client = {.options = paho_options_parse(argc, argv),
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER};
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    create.MQTTVersion = client.options.is_five ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    int code = MQTTAsync_createWithOptions(&client.handle, client.options.uri, client.options.id,
                                           MQTTCLIENT_PERSISTENCE_NONE, NULL, &create);
    paho_must(code == MQTTASYNC_SUCCESS, "create", code);
    code = MQTTAsync_setCallbacks(client.handle, &client, NULL, on_message, NULL);
    paho_must(code == MQTTASYNC_SUCCESS, "callbacks", code);
    client_connect(&client);
    if (client.options.filter)
        client_subscribe(&client);
    if (client.options.topic)
        client_publish(&client);
    client_wait(&client, &client.received_count, client.options.receive_count, "receive");
    client_leave(&client);
    MQTTAsync_destroy(&client.handle);
    return 0;
}
