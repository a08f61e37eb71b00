/* The threads that compiled steps share. A job is a function that each of them calls with its own
   part; they wait for the next job awake for a moment, then asleep. */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "team.h"

#define AWAKE 100e-6 /* seconds: longer than between two steps, shorter than anyone would notice */

typedef void job(char *const *p, struct team *team, long part, long parts);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static long workers, sleepers, number, running, busy;
static long hired[MOST]; /* of each worker: the number of jobs before its first */
static struct team team;
static struct {
    job *function;
    char *const *p;
    long parts;
} now;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static long number_now(void) { return __atomic_load_n(&number, __ATOMIC_SEQ_CST); }

static void await(long seen) {
    double start = seconds();
    for (long spins = 1; number_now() == seen; spins++)
        if (spins % 64 == 0 && seconds() - start > AWAKE) break;
    if (number_now() != seen) return;
    pthread_mutex_lock(&lock);
    __atomic_add_fetch(&sleepers, 1, __ATOMIC_SEQ_CST);
    while (number_now() == seen) pthread_cond_wait(&wake, &lock);
    __atomic_sub_fetch(&sleepers, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&lock);
}

static void *work(void *argument) {
    long part = (long)argument, seen = hired[part];
    for (;;) {
        await(seen);
        seen = number_now();
        if (part < now.parts) now.function(now.p, &team, part, now.parts);
        __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
    }
    return 0;
}

/* A child has none of its parent's threads. */
static void forget(void) {
    workers = sleepers = number = running = busy = 0;
    team.arrived = team.round = 0;
    pthread_mutex_init(&lock, 0);
    pthread_cond_init(&wake, 0);
}

/* Start workers until there are enough; gives how many threads there are with the caller's. */
static long hire(long parts) {
    static int watched;
    if (!watched++) pthread_atfork(0, 0, forget);
    sigset_t all, before; /* signals are for Python's threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (workers + 1 < parts && workers + 1 < MOST) {
        pthread_t thread;
        hired[workers + 1] = number;
        if (pthread_create(&thread, 0, work, (void *)(workers + 1))) break;
        pthread_detach(thread);
        workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return workers + 1;
}

/* Do a job in so many parts. Where the threads are busy with another's job, in one. */
void run(job *function, char *const *p, long parts) {
    struct team alone = {0};
    if (parts == 1 || __atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE)) {
        function(p, &alone, 0, 1);
        return;
    }
    if (parts > workers + 1) parts = MIN(parts, hire(parts));
    now.function = function, now.p = p, now.parts = parts;
    __atomic_store_n(&running, workers, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&number, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&lock);
        pthread_cond_broadcast(&wake);
        pthread_mutex_unlock(&lock);
    }
    function(p, &team, 0, parts);
    for (long spins = 0; __atomic_load_n(&running, __ATOMIC_SEQ_CST); spins++)
        if (spins > 1000) sched_yield();
    __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
}

/* --- a step again and again -------------------------------------------------------------------- */

/* An input that is gathered: rows of so many bytes, from everywhere into a batch. */
struct gathered {
    const char *from;
    char *into;
    long bytes;
};

/* A result: where its first entry goes, its bytes a step, and its place in the block. */
struct stacked {
    char *into;
    long bytes, slot;
};

struct loop {
    job *step;
    long (*check)(char *const *p);
    char **block;
    const long *order;
    long steps, batch, inputs, results, done;
    struct gathered *gathered;
    struct stacked *stacked;
};

/* Gather this thread's rows of a batch. They should be in its cache, because it was told at the
   last step to fetch them beside its work; so it is now with those of the next (of the widest
   input: the others' rows are a few lines). */
static void gather(const struct loop *loop, struct team *team, long step, long part, long parts) {
    const long *rows = loop->order + step * loop->batch;
    long first = loop->batch * part / parts, last = loop->batch * (part + 1) / parts;
    struct gathered widest = {0};
    for (long i = 0; i < loop->inputs; i++) {
        struct gathered g = loop->gathered[i];
        for (long r = first; r < last; r++)
            memcpy(g.into + r * g.bytes, g.from + rows[r] * g.bytes, g.bytes);
        if (g.bytes > widest.bytes) widest = g;
    }
    long total = (last - first) * widest.bytes, calls = team->ahead[part].calls;
    long chunk = (total / (calls + 1) / LINE + 1) * LINE;
    if (step + 1 == loop->steps) last = first;
    const long *next = rows + loop->batch;
    team->ahead[part] = (struct ahead){widest.from, next, widest.bytes, first, last, 0, chunk, 0};
    for (long i = 0; part == 0 && i < loop->results; i++) {
        struct stacked s = loop->stacked[i];
        loop->block[s.slot] = s.into + step * s.bytes;
    }
}

static void steps(char *const *p, struct team *team, long part, long parts) {
    struct loop *loop = (struct loop *)p;
    for (long step = 0; step < loop->steps; step++) {
        meet(team, parts);
        gather(loop, team, step, part, parts);
        meet(team, parts);
        char *const *block = loop->block;
        if (loop->check && !loop->check(block)) break; /* all threads see the same */
        loop->step(block, team, part, parts);
        if (part == 0) loop->done = step + 1;
    }
    team->ahead[part] = (struct ahead){0};
}

/* Do the steps of a loop; stops before one whose labels are wrong. Gives how many were done. */
long run_loop(struct loop *loop, long parts) {
    loop->done = 0;
    run(steps, (char *const *)loop, parts);
    return loop->done;
}
