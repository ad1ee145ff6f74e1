// Goal: small files are read and written under their prefix, and oddities count as not there.
// Method: texts; a folder of /tmp.
#include "tuning/host_file.h"

#include <errno.h>

#include "tests/unit/tuning/fake_tree.h"

START_TEST(numbers_are_decimal_or_unlimited) {
    static const struct {
        const char *text;
        uint32_t count;
        uint64_t first;
    } cases[] = {
        {"", 0, 0},
        {"x", 0, 0},
        {"-5", 0, 0},
        {"-131072", 0, 0}, // not -1
        {"maximum", 0, 0},
        {"unlimitedly", 0, 0},
        {"7", 1, 7},
        {" 7\t8 \n9 10", 3, 7},
        {"7x", 1, 7},
        {"max", 1, HOST_FILE_UNLIMITED},
        {"-1", 1, HOST_FILE_UNLIMITED},
        {"unlimited  5", 2, HOST_FILE_UNLIMITED},
        {"18446744073709551615", 1, UINT64_MAX},
        {"99999999999999999999999", 1, UINT64_MAX}, // strtoull's own end
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t numbers[3] = {0};
        ck_assert_msg(host_file_parse_numbers(cases[i].text, numbers) == cases[i].count, "%s",
                      cases[i].text);
        ck_assert_uint_eq(numbers[0], cases[i].first);
    }
}
END_TEST

START_TEST(what_is_not_there_is_not_read) {
    char text[16] = "old";
    uint64_t number = 5;
    ck_assert(!host_file_read_text("/nonexistent", "/x", text, sizeof(text)));
    ck_assert_str_eq(text, "");
    ck_assert(!host_file_read_number("/nonexistent", "/x", &number));
    ck_assert_uint_eq(number, 5);
    ck_assert(!host_file_read_line("/nonexistent", "/x", "a", text, sizeof(text)));
    ck_assert_ptr_null(host_file_open("/nonexistent", "/x"));
    ck_assert(!host_file_read_text("", "/proc", text, sizeof(text))); // a folder
}
END_TEST

START_TEST(texts_lose_the_end_of_their_line_and_are_cut_to_fit) {
    struct fake_tree tree;
    char text[8];
    fake_tree_init(&tree);
    fake_tree_put(&tree, "/a/b", "0123456789\n");
    ck_assert(host_file_read_text(tree.root, "/a/b", text, sizeof(text)));
    ck_assert_str_eq(text, "0123456");
    fake_tree_put(&tree, "/a/b", "on \n\n");
    ck_assert(host_file_read_text(tree.root, "/a/b", text, sizeof(text)));
    ck_assert_str_eq(text, "on");
    fake_tree_put(&tree, "/a/b", "");
    ck_assert(host_file_read_text(tree.root, "/a/b", text, sizeof(text)));
    ck_assert_str_eq(text, "");
    fake_tree_put(&tree, "/a/b", "Ab: 1\nA:\t  2 \nA: 3\n");
    ck_assert(host_file_read_line(tree.root, "/a/b", "A:", text, sizeof(text)));
    ck_assert_str_eq(text, "2 ");
    fake_tree_fini(&tree);
}
END_TEST

START_TEST(writing_needs_the_file_unless_it_is_to_be_made) {
    struct fake_tree tree;
    char text[16];
    fake_tree_init(&tree);
    ck_assert_int_eq(host_file_write_text(tree.root, "/x", "1", false), -ENOENT);
    ck_assert_int_eq(host_file_write_text(tree.root, "/d/x", "1", true), -ENOENT);
    ck_assert_int_eq(host_file_make_parents(tree.root, "/d/e/x"), 0);
    ck_assert_int_eq(host_file_make_parents(tree.root, "/d/e/x"), 0);
    ck_assert_int_eq(host_file_write_text(tree.root, "/d/e/x", "long text", true), 0);
    ck_assert_int_eq(host_file_write_text(tree.root, "/d/e/x", "1", false), 0);
    ck_assert(host_file_read_text(tree.root, "/d/e/x", text, sizeof(text)));
    ck_assert_str_eq(text, "1");
    fake_tree_fini(&tree);
}
END_TEST

START_TEST(paths_that_do_not_fit_are_refused) {
    char root[HOST_FILE_PATH_BYTES + 8], path[HOST_FILE_PATH_BYTES];
    memset(root, 'r', sizeof(root));
    root[HOST_FILE_PATH_BYTES - 3] = 0; // with "/x" and the end it just fits
    ck_assert(host_file_path(path, root, "%s", "/x"));
    ck_assert(!host_file_path(path, root, "%s", "/xy"));
    root[HOST_FILE_PATH_BYTES - 3] = 'r';
    root[HOST_FILE_PATH_BYTES] = 0;
    ck_assert(!host_file_path(path, root, "%s", ""));
    ck_assert_int_eq(host_file_write_text(root, "/x", "", true), -ENAMETOOLONG);
    ck_assert_int_eq(host_file_make_parents(root, "/x"), -ENAMETOOLONG);
}
END_TEST

UNIT_MAIN("tuning/host_file", numbers_are_decimal_or_unlimited, what_is_not_there_is_not_read,
          texts_lose_the_end_of_their_line_and_are_cut_to_fit,
          writing_needs_the_file_unless_it_is_to_be_made, paths_that_do_not_fit_are_refused)
