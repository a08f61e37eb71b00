/* How the threads of a step wait for each other. */

#include <sched.h>

#define INLINE static inline __attribute__((always_inline))
#define MIN(a, b) ((a) < (b) ? (a) : (b))

struct team {
    long arrived, round;
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
