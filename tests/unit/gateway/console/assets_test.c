// Goal: every file of the console is found under its path, inflates to what was embedded, and the
// client library stays within its four segments. Method: the embedded table itself, with zlib.
#include "gateway/console/assets.h"

#include <string.h>
#include <zlib.h>

#include "tests/unit/unit.h"

// Four TCP segments of 1,448 bytes: what the first round trip of a slow network carries.
enum { CLIENT_GZIP_BYTES_MAX = 4 * 1448, INFLATED_BYTES_MAX = 1 << 20 };

START_TEST(assets_are_found_by_exact_path) {
    static const char *const paths[] = {"/", "/style.css", "/app.js", "/fairlead.js",
                                        "/fairlead.mjs"};
    ck_assert_uint_eq(console_asset_count, sizeof(paths) / sizeof(paths[0]));
    for (size_t i = 0; i < console_asset_count; i++) {
        const struct console_asset *asset = console_asset_lookup(paths[i]);
        ck_assert_ptr_nonnull(asset);
        ck_assert_str_eq(asset->path, paths[i]);
    }
    ck_assert_ptr_eq(console_asset_lookup("/index.html"), console_asset_lookup("/"));
}
END_TEST

START_TEST(assets_other_paths_are_not_found) {
    static const char *const paths[] = {"",           "//",          "/app",        "/app.jsx",
                                        "app.js",     "/../app.js",  "/style.css/", "/style.css?x",
                                        "/STYLE.CSS", "/console.mk", "/index.htm"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        ck_assert_ptr_null(console_asset_lookup(paths[i]));
}
END_TEST

START_TEST(assets_inflate_to_their_raw_copy) {
    uint8_t *inflated = malloc(INFLATED_BYTES_MAX);
    ck_assert_ptr_nonnull(inflated);
    for (size_t i = 0; i < console_asset_count; i++) {
        const struct console_asset *asset = &console_assets[i];
        z_stream z = {.next_in = (Bytef *)asset->data,
                      .avail_in = (uInt)asset->size,
                      .next_out = inflated,
                      .avail_out = INFLATED_BYTES_MAX};
        ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
        ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
        ck_assert_uint_eq(z.avail_in, 0);
        ck_assert_uint_eq(z.total_out, asset->raw_size);
        ck_assert_mem_eq(inflated, asset->raw, asset->raw_size);
        inflateEnd(&z);
    }
    free(inflated);
}
END_TEST

START_TEST(assets_carry_distinct_weak_etags_and_types) {
    for (size_t i = 0; i < console_asset_count; i++) {
        const struct console_asset *asset = &console_assets[i];
        ck_assert_int_eq(strncmp(asset->etag, "W/\"", 3), 0);
        ck_assert_ptr_nonnull(strstr(asset->content_type, "; charset=utf-8"));
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(asset->etag, console_assets[j].etag);
    }
    ck_assert_str_eq(console_asset_lookup("/")->content_type, "text/html; charset=utf-8");
    ck_assert_str_eq(console_asset_lookup("/app.js")->content_type,
                     "text/javascript; charset=utf-8");
}
END_TEST

START_TEST(assets_client_library_fits_four_segments) {
    ck_assert_uint_le(console_asset_lookup("/fairlead.js")->size, CLIENT_GZIP_BYTES_MAX);
}
END_TEST

// The content security policy allows no inline script or style; a page that needs one is broken.
START_TEST(assets_page_holds_no_inline_script_or_style) {
    const struct console_asset *page = console_asset_lookup("/");
    char *text = strndup((const char *)page->raw, page->raw_size);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_null(strstr(text, "<style"));
    ck_assert_ptr_null(strstr(text, " style="));
    ck_assert_ptr_null(strstr(text, " onclick="));
    for (const char *tag = strstr(text, "<script"); tag != NULL; tag = strstr(tag + 1, "<script"))
        ck_assert_ptr_eq(strstr(tag, "></script>") - strcspn(tag, ">"), tag);
    free(text);
}
END_TEST

UNIT_MAIN("gateway/console/assets", assets_are_found_by_exact_path,
          assets_other_paths_are_not_found, assets_inflate_to_their_raw_copy,
          assets_carry_distinct_weak_etags_and_types, assets_client_library_fits_four_segments,
          assets_page_holds_no_inline_script_or_style)
