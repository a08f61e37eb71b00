/* How the threads of a step wait for each other, and what they do beside their work. */

#include <sched.h>

#define INLINE static inline __attribute__((always_inline))
#define MIN(a, b) ((a) < (b) ? (a) : (b))

#define MOST 64 /* threads */
#define LINE 64 /* bytes of a cache line */

/* The rows of the next batch that a thread will need, from the first byte that is not yet in its
   cache; how many bytes it fetches at a time, and how often it has done so. */
struct ahead {
    const char *from;
    const long *rows;
    long width, row, last, byte, chunk, calls;
};

struct team {
    long arrived, round;
    struct ahead ahead[MOST] __attribute__((aligned(LINE)));
};

/* Wait until all threads of a step are here. They are, within microseconds, unless the machine has
   given a core to someone else: then it is given ours too. */
INLINE void meet(struct team *team, long parts) {
    if (parts == 1) return;
    long round = __atomic_load_n(&team->round, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&team->arrived, 1, __ATOMIC_ACQ_REL) == parts) {
        __atomic_store_n(&team->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&team->round, round + 1, __ATOMIC_RELEASE);
        return;
    }
    for (long spins = 0; __atomic_load_n(&team->round, __ATOMIC_ACQUIRE) == round; spins++)
        if (spins > 1000) sched_yield();
}

/* Called between the tiles of products, when memory has little to do. */
INLINE void aside(struct team *team, long part) {
    struct ahead *a = team->ahead + part;
    a->calls++;
    if (a->row >= a->last) return;
    const char *row = a->from + a->rows[a->row] * a->width;
    long end = MIN(a->byte + a->chunk, a->width);
    for (; a->byte < end; a->byte += LINE) __builtin_prefetch(row + a->byte, 0, 2);
    if (a->byte >= a->width) a->row++, a->byte = 0;
}
