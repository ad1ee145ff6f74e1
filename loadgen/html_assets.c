// The assembler reads the files: no generated table, no copy of 200 KB in C, and the bytes are the
// files' own. HTML_CHART_JS is the path that loadgen/html.mk gives; what was read is a dependency
// there.
#include "loadgen/html_assets.h"

#define EMBED(name, path)                                                                          \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global html_assets_" #name "_begin\nhtml_assets_" #name "_begin:\n"                  \
            ".incbin \"" path "\"\n"                                                               \
            ".global html_assets_" #name "_end\nhtml_assets_" #name "_end:\n"                      \
            ".byte 0\n.popsection\n");                                                             \
    extern const char html_assets_##name##_begin[];                                                \
    extern const char html_assets_##name##_end[];                                                  \
    struct html_asset html_assets_##name(void) {                                                   \
        return (struct html_asset){                                                                \
            html_assets_##name##_begin,                                                            \
            (size_t)(html_assets_##name##_end - html_assets_##name##_begin)};                      \
    }

EMBED(css, "loadgen/html_page.css")
EMBED(js, "loadgen/html_page.js")
EMBED(chart_js, HTML_CHART_JS)
