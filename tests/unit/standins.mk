# Tests of MQTT connections alone: their sessions and routes are stand-ins in the test itself, which win over those of
# the archives when something else pulls these in.
$(foreach t,mqtt_conn mqtt_greeting conn_move_mqtt,$(foreach m,release debug tsan coverage,build/$(m)/unit/gateway/$(t)_test)): LDFLAGS += -Wl,-z,muldefs
