// CHECK: our own bug stops the process, in release too (docs/ARCHITECTURE.md "three kinds of
// wrong"). Never CHECK what a peer or the kernel can influence: those are handled by name and
// counted.
#ifndef FAIRLEAD_CHECK_H
#define FAIRLEAD_CHECK_H

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(string, first) __attribute__((__format__(__printf__, string, first)))

// For the few functions on a path that is counted in instructions (docs/BENCHMARKS.md): the body
// at its caller, and what hardly ever happens out of its way.
#define ALWAYS_INLINE __attribute__((always_inline)) inline
#define COLD __attribute__((cold, noinline))
#define NOINLINE __attribute__((noinline))

#define LIKELY(cond) __builtin_expect(!!(cond), 1)
#define UNLIKELY(cond) __builtin_expect(!!(cond), 0)

// Prints file, line, the condition and the sentence, then aborts.
_Noreturn void check_failed(const char *file, int line, const char *condition, const char *format,
                            ...) PRINTF_LIKE(4, 5);

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (UNLIKELY(!(cond)))                                                                     \
            check_failed(__FILE__, __LINE__, #cond, " ");                                          \
    } while (0)

// A socket that gets the line too, so that somebody else can tell it; set once by main, before
// other threads.
void check_set_witness(int fd);

// The sentence names the object at fault: CHECKF(slot->used, "slab %s: slot %u", name, index).
#define CHECKF(cond, ...)                                                                          \
    do {                                                                                           \
        if (UNLIKELY(!(cond)))                                                                     \
            check_failed(__FILE__, __LINE__, #cond, __VA_ARGS__);                                  \
    } while (0)

#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable", " ")

// Compiled in debug, tsan and coverage builds only: whole-structure validation at transitions.
#ifdef FAIRLEAD_DEBUG
#define DEBUG_CHECK(cond) CHECK(cond)
#else
#define DEBUG_CHECK(cond) ((void)0)
#endif

#endif
