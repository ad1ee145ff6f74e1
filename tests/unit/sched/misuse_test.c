// Goal: misuse by our own code ends the process with a sentence that names who is at fault. Method:
// each is done in a child process, whose last line and signal are read.
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/supervisor.h"
#include "tests/unit/sched/cores.h"

// What the child said before it aborted.
static void expect_abort(void (*misuse)(uint64_t pid), uint64_t pid, const char *sentence) {
    int channel[2];
    ck_assert_int_eq(pipe(channel), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(channel[1], STDERR_FILENO);
        misuse(pid);
        _exit(0);
    }
    (void)close(channel[1]);
    char said[1024] = "";
    size_t size = 0;
    ssize_t more;
    while (size < sizeof(said) - 1 &&
           (more = read(channel[0], said + size, sizeof(said) - 1 - size)) > 0)
        size += (size_t)more;
    (void)close(channel[0]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %x: %s", status,
                  said);
    ck_assert_msg(strstr(said, sentence), "expected \"%s\", it said: %s", sentence, said);
}

static uint64_t open_one(void) {
    cores_open(1, &(struct scheduler_config){.message_cells_max = 16, .relations_max = 8});
    return cores_spawn(0, PUPPET);
}

static void link_to_service(uint64_t pid) {
    (void)!signal_link(cores_of(pid), PUPPET, pid_slot(pid).index, pid_service(0, PUPPET));
}

START_TEST(a_link_to_a_services_pid_names_who_links) {
    uint64_t pid = open_one();
    char sentence[80];
    snprintf(sentence, sizeof(sentence), "actor %lx links to a service", pid);
    expect_abort(link_to_service, pid, sentence);
    cores_close();
}
END_TEST

static void exit_beyond(uint64_t pid) {
    signal_exit(cores_of(pid), PID_NONE, pid, EXIT_USER_MAX + 1);
}

START_TEST(a_reason_beyond_the_last_names_the_actor) {
    uint64_t pid = open_one();
    char sentence[80];
    snprintf(sentence, sizeof(sentence), "actor %lx exits with reason 10000", pid);
    expect_abort(exit_beyond, pid, sentence);
    signal_exit(cores_of(pid), PID_NONE, pid, EXIT_USER_MAX);
    cores_settle();
    ck_assert(!cores_is_alive(pid));
    cores_close();
}
END_TEST

static void continue_after_exit(uint64_t pid) {
    scheduler_exit(cores_of(pid), PUPPET, pid_slot(pid).index, EXIT_NORMAL);
    scheduler_continue(cores_of(pid), PUPPET, pid_slot(pid).index);
}

START_TEST(the_use_of_an_actor_that_ended_names_its_kind_and_slot) {
    uint64_t pid = open_one();
    expect_abort(continue_after_exit, pid, "slab puppets: slot 0");
    cores_close();
}
END_TEST

static void send_to_no_core(uint64_t pid) {
    scheduler_send(
        cores_of(pid),
        &(struct message){.target = pid_of(9, PUPPET, pid_slot(pid)), .sender = pid, .type = SAY});
}

START_TEST(a_message_to_a_core_that_is_none_names_its_target) {
    uint64_t pid = open_one();
    char sentence[80];
    snprintf(sentence, sizeof(sentence), "message %u to %lx, on no core", SAY,
             pid_of(9, PUPPET, pid_slot(pid)));
    expect_abort(send_to_no_core, pid, sentence);
    cores_close();
}
END_TEST

static void flood_with_control(uint64_t pid) {
    for (uint32_t i = 0; i < 16 + 8 + 1; i++)
        cores_send(pid, pid, SAY, i);
}

START_TEST(control_messages_beyond_all_cells_name_their_target) {
    uint64_t pid = open_one();
    char sentence[80];
    snprintf(sentence, sizeof(sentence), "control message %u to %lx found no room", SAY, pid);
    expect_abort(flood_with_control, pid, sentence);
    for (uint32_t i = 0; i < 16 + 8; i++)
        cores_send(pid, pid, SAY, i);
    cores_settle();
    ck_assert_uint_eq(cores_logged(pid, SAY, NULL), 16 + 8);
    cores_close();
}
END_TEST

static void register_again(uint64_t pid) {
    (void)!scheduler_register(cores_of(pid), &puppet_behaviours[0], NULL, 1);
}

START_TEST(a_kind_that_is_registered_twice_is_named) {
    uint64_t pid = open_one();
    expect_abort(register_again, pid, "kind 1 is registered twice");
    cores_close();
}
END_TEST

static void supervise_without_kind(uint64_t pid) {
    static struct supervisor_config config;
    config = (struct supervisor_config){.scheduler = cores_of(pid), .supervisors_max = 2};
    const struct supervisor_child_spec child = {.name = "nobody", .kind = 11};
    ck_assert_int_eq(supervisor_register(&config), 0);
    (void)!supervisor_start(cores_of(pid), &(struct supervisor_spec){.name = "root",
                                                                     .period_ms = 1000,
                                                                     .children = &child,
                                                                     .child_count = 1});
}

START_TEST(a_child_of_no_kind_names_its_supervisor) {
    uint64_t pid = open_one();
    expect_abort(supervise_without_kind, pid, "supervisor root: child nobody of no kind");
    cores_close();
}
END_TEST

UNIT_MAIN("sched/misuse", a_link_to_a_services_pid_names_who_links,
          a_reason_beyond_the_last_names_the_actor,
          the_use_of_an_actor_that_ended_names_its_kind_and_slot,
          a_message_to_a_core_that_is_none_names_its_target,
          control_messages_beyond_all_cells_name_their_target,
          a_kind_that_is_registered_twice_is_named, a_child_of_no_kind_names_its_supervisor)
