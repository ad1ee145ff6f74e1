# What --html embeds: Chart.js as Debian ships it (libjs-chart.js), found at build time, and our own style and script.
CHART_JS ?= /usr/share/javascript/chart.js/chart.min.js
$(B)/obj/loadgen/html_assets.o: CFLAGS += -DHTML_CHART_JS='"$(CHART_JS)"'
$(B)/obj/loadgen/html_assets.o: loadgen/html_page.css loadgen/html_page.js $(wildcard $(CHART_JS)) loadgen/html.mk
