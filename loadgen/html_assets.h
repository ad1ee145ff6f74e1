// What every HTML report carries: our style and script (loadgen/html_page.css, .js) and Debian's
// Chart.js, put into the program at build time (loadgen/html.mk). Constant, nobody owns them.
#ifndef FAIRLEAD_HTML_ASSETS_H
#define FAIRLEAD_HTML_ASSETS_H

#include <stddef.h>

struct html_asset {
    const char *data; // not terminated
    size_t size;
};

struct html_asset html_assets_css(void);
struct html_asset html_assets_js(void);
struct html_asset html_assets_chart_js(void);

#endif
