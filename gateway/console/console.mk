# Embeds the console's files into the gateway: a host tool (never sanitized, one for all modes)
# writes one C table per mode, which is compiled beside the look-up.
CONSOLE_FILES := $(addprefix gateway/console/,index.html style.css app.js fairlead.js fairlead.mjs)
CONSOLE_EMBED := build/host/embed
CONSOLE_TABLE := $(B)/gen/gateway/console/assets_table

$(CONSOLE_EMBED): gateway/console/embed.c
	@mkdir -p $(@D)
	@$(if $(V),,echo "  host $<")
	$(Q)$(CC) -std=gnu17 -O1 $(WARN) -D_GNU_SOURCE -o $@.part $< -lz && mv $@.part $@

$(CONSOLE_TABLE).c: $(CONSOLE_EMBED) $(CONSOLE_FILES) gateway/console/console.mk
	@mkdir -p $(@D)
	@$(if $(V),,echo "  gen  $@")
	$(Q)$(CONSOLE_EMBED) $@ $(CONSOLE_FILES)

$(CONSOLE_TABLE).o: $(CONSOLE_TABLE).c gateway/console/assets.h
	$(Q)$(CC) $(CFLAGS_ALL) -c $< -o $@

EXTRA_gateway := $(B)/obj/gateway/console/assets.o $(CONSOLE_TABLE).o
