/* The thread pool of compiled steps.

   A step is a list of stages, each cut into shares. Each thread has its own shares, whose memory is
   in its cache, and takes others' when it has done those. So no thread waits for one that has taken
   no share (because the system runs something else on its core, say), only for shares that were
   taken and are not done: it spins for a moment, then sleeps. The thread that does the last share of
   a stage opens the next. */

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O1") /* it waits for memory, and the first call waits for the compiler */
#endif

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "team.h"

#if defined(__linux__) && !defined(PORTABLE)
#define FUTEX
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define MAX_THREADS 64      /* as in build.py */
#define SHARES_PER_THREAD 4 /* of a stage: enough to divide the work, too few to cost much */

/* How long a thread spins before it sleeps: longer than another takes for a share, and than the
   time between two steps. If it spun in vain, because the machine has other work, the next spin is
   short. */
#ifndef SPIN_SECONDS
#define SPIN_SECONDS 100e-6
#endif
#ifndef SHORT_SPIN_SECONDS
#define SHORT_SPIN_SECONDS 5e-6
#endif

#if defined(__x86_64__) || defined(__i386__) /* leave the core to its other hardware thread */
#define RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define RELAX() __asm__ volatile("yield")
#else
#define RELAX()
#endif

#define LOAD(from) __atomic_load_n(from, __ATOMIC_ACQUIRE)
#define STORE(into, x) __atomic_store_n(into, x, __ATOMIC_RELEASE)
#define ADD(to, x) __atomic_fetch_add(to, x, __ATOMIC_SEQ_CST) /* gives the old value */

struct thread {
    struct ahead ahead;
    long part, job;
    double spin_seconds;
    struct team *team;
} __attribute__((aligned(LINE)));

/* An input of a loop: rows of so many bytes, gathered into a batch. */
struct gathered {
    const char *from;
    char *into;
    long bytes;
};

/* A result of a loop: where that of the first step goes, its bytes, and its slot of the block. */
struct stacked {
    char *into;
    long bytes, slot;
};

/* A step run many times, on batches that are gathered. */
struct loop {
    const struct stage *step;
    const long *wrong; /* not 0 once an index is out of range; null where nothing is checked */
    char **block;
    const long *order;
    long steps, batch, inputs, results, done;
    struct gathered *gathered;
    struct stacked *stacked;
};

struct team {
    /* The stages that are open: `first` to `end`. Each thread has `each` shares of them; the first
       thread has those of `singles` besides, stages for one thread. This does not change while a
       share is taken and not done. */
    const struct stage *first, *end;
    char *const *p;
    struct loop *loop;
    const long *wrong;
    struct stage gather[2];
    long parts, each, singles, job;
    long unfinished __attribute__((aligned(LINE))); /* shares */
    int opened __attribute__((aligned(LINE)));      /* counts stages: waiting threads watch it */
    int sleepers, running;
    struct {
        long left __attribute__((aligned(LINE))); /* shares of a thread; none if 0 or less */
    } of[MAX_THREADS];
};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* --- waiting ----------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;

/* Sleep until `opened` is not `seen`. A thread counts as a sleeper before it reads `opened`, and
   `sleepers` is read after `opened` has changed: so every sleeper is woken. */
static void sleep_on(struct team *team, int seen) {
#ifdef FUTEX
    ADD(&team->sleepers, 1);
    while (__atomic_load_n(&team->opened, __ATOMIC_SEQ_CST) == seen)
        syscall(SYS_futex, &team->opened, FUTEX_WAIT_PRIVATE, seen, 0, 0, 0);
    ADD(&team->sleepers, -1);
#else
    pthread_mutex_lock(&lock);
    ADD(&team->sleepers, 1);
    while (__atomic_load_n(&team->opened, __ATOMIC_SEQ_CST) == seen) pthread_cond_wait(&wake, &lock);
    ADD(&team->sleepers, -1);
    pthread_mutex_unlock(&lock);
#endif
}

static void wake_all(struct team *team) {
#ifdef FUTEX
    syscall(SYS_futex, &team->opened, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
#else
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&wake);
    pthread_mutex_unlock(&lock);
#endif
}

/* Spin, then sleep, until `opened` is not `seen`. */
static void wait_for_stage(struct thread *me, int seen) {
    struct team *team = me->team;
    double start = seconds();
    for (long spins = 1; LOAD(&team->opened) == seen; spins++) {
        RELAX();
        if (spins % 64 == 0 && seconds() - start > me->spin_seconds) sleep_on(team, seen);
    }
    me->spin_seconds = seconds() - start < SPIN_SECONDS ? SPIN_SECONDS : SHORT_SPIN_SECONDS;
}

/* --- a loop's batches -------------------------------------------------------------------------- */

/* Gather a share of the rows of a batch. This thread has prefetched them during the last step. */
static void gather(char *const *p, const struct place *at, struct ahead *ahead, long part,
                   long parts) {
    const struct loop *loop = (const struct loop *)p;
    const long *rows = loop->order + loop->done * loop->batch;
    long first = loop->batch * part / parts, last = loop->batch * (part + 1) / parts;
    for (long i = 0; i < loop->inputs; i++) {
        struct gathered g = loop->gathered[i];
        for (long r = first; r < last; r++)
            memcpy(g.into + r * g.bytes, g.from + rows[r] * g.bytes, g.bytes);
    }
}

/* The input with the widest rows: those of the others are a few cache lines. */
static struct gathered widest(const struct loop *loop) {
    struct gathered widest = {0};
    for (long i = 0; i < loop->inputs; i++)
        if (loop->gathered[i].bytes > widest.bytes) widest = loop->gathered[i];
    return widest;
}

/* Let a thread prefetch its rows of the next step's batch; once a step. */
static void plan_prefetch(struct thread *me, const struct loop *loop) {
    const long *next = loop->order + (loop->done + 1) * loop->batch;
    if (me->ahead.rows == next) return;
    struct gathered from = widest(loop);
    long parts = me->team->parts, row = loop->batch * me->part / parts;
    long last = loop->done + 1 == loop->steps ? row : loop->batch * (me->part + 1) / parts;
    long chunk = ((last - row) * from.bytes / (me->ahead.calls + 1) / LINE + 1) * LINE;
    me->ahead = (struct ahead){from.from, next, from.bytes, row, last, 0, chunk, 0};
}

static const struct stage end = {0};

/* The stage after the last one of a step, or of a gather; the end if all steps are done. */
static const struct stage *following_stage(struct team *team, struct loop *loop) {
    if (team->p == (char *const *)loop) {
        for (long i = 0; i < loop->results; i++) {
            struct stacked s = loop->stacked[i];
            loop->block[s.slot] = s.into + loop->done * s.bytes;
        }
        team->p = loop->block;
        return loop->step;
    }
    team->p = (char *const *)loop;
    return ++loop->done < loop->steps ? team->gather : &end;
}

/* --- stages ------------------------------------------------------------------------------------ */

/* How many shares of a stage each thread has. */
static long shares_per_thread(const struct stage *stage, long parts) {
    if (!stage->shares) return 0;
    return parts == 1 ? 1 : MAX(1, MIN(SHARES_PER_THREAD, stage->shares / parts));
}

/* Open the stages that can run next, or end the job. One thread runs this while the others find no
   shares. The first thread's shares are stored last, so the stages cannot end before that. */
static void open_next_stage(struct team *team) {
    const struct stage *s = team->end;
    if (team->wrong && *team->wrong) s = &end; /* no later stage runs */
    else if (!s->calls && team->loop) s = following_stage(team, team->loop);
    int notify = 0;
    if (s->calls) {
        team->first = s, team->each = team->singles = 0;
        do team->each += shares_per_thread(s, team->parts), team->singles += !s->shares;
        while ((++s)->calls && !s->waits);
        team->end = s, team->unfinished = team->each * team->parts + team->singles;
        notify = team->each > 0;
        long each = team->each, singles = team->singles;
        for (long part = team->parts - 1; part >= 0; part--)
            STORE(&team->of[part].left, each + (part ? 0 : singles));
    } else {
        STORE(&team->running, 0);
        notify = 1;
    }
    ADD(&team->opened, 1);
    /* A stage for one thread ends before another would be awake. */
    if (notify && __atomic_load_n(&team->sleepers, __ATOMIC_SEQ_CST)) wake_all(team);
}

/* Run a share that was taken: number i of a thread's. */
static void run_share(struct thread *me, long part, long i) {
    struct team *team = me->team;
    if (me->job != team->job) me->job = team->job, me->ahead = (struct ahead){0};
    const struct stage *s = team->first;
    long n;
    while (n = s->shares ? shares_per_thread(s, team->parts) : part == 0, i >= n) i -= n, s++;
    long mine = s->shares ? part * n + i : 0, all = s->shares ? team->parts * n : 1;
    if (s->calls->function == gather) plan_prefetch(me, team->loop);
    for (const struct call *c = s->calls; c->function; c++)
        c->function(team->p, c->at, &me->ahead, mine, all);
}

/* Take shares and run them, this thread's first; gives how many. */
static long run_shares(struct thread *me) {
    struct team *team = me->team;
    long done = 0, parts = __atomic_load_n(&team->parts, __ATOMIC_RELAXED);
    for (long i = 0; i < parts && me->part < parts; i++) {
        long part = (me->part + i) % parts, *left = &team->of[part].left, n;
        while (LOAD(left) > 0 && (n = __atomic_fetch_sub(left, 1, __ATOMIC_ACQUIRE)) > 0) {
            run_share(me, part, team->each + (part ? 0 : team->singles) - n);
            done++;
        }
    }
    if (done && ADD(&team->unfinished, -done) == done) open_next_stage(team);
    return done;
}

/* --- jobs -------------------------------------------------------------------------------------- */

static struct team shared;
static struct thread threads[MAX_THREADS];
static long workers;
static int busy;

static void *worker(void *me) {
    for (;;) {
        int seen = LOAD(&shared.opened);
        if (!run_shares(me)) wait_for_stage(me, seen);
    }
    return 0;
}

/* A child process has none of its parent's threads. */
static void reset_after_fork(void) {
    workers = busy = 0;
    memset(&shared, 0, sizeof shared);
    pthread_mutex_init(&lock, 0);
    pthread_cond_init(&wake, 0);
}

/* Start workers until there are enough; gives how many threads there are, with the caller. */
static long start_workers(long parts) {
    static int watched;
    if (!watched++) pthread_atfork(0, 0, reset_after_fork);
    sigset_t all, before; /* Python's threads handle signals */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (workers + 1 < parts && workers + 1 < MAX_THREADS) {
        pthread_t thread;
        struct thread *me = threads + workers + 1;
        *me = (struct thread){.part = workers + 1, .spin_seconds = SPIN_SECONDS, .team = &shared};
        if (pthread_create(&thread, 0, worker, me)) break;
        pthread_detach(thread);
        workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return workers + 1;
}

/* Start a job, and take part in it until it ends. */
static void run_as_caller(struct thread *me, const struct stage *stages, char *const *p,
                          struct loop *loop, const long *wrong, long parts) {
    struct team *team = me->team;
    long bytes = loop ? loop->batch * widest(loop).bytes : 0;
    static const struct call gathers[] = {{gather}, {0}};
    team->gather[0] = (struct stage){gathers, bytes < 1 << 14 ? 0 : bytes >> 12, 1};
    team->p = p, team->loop = loop, team->wrong = wrong;
    team->end = loop ? team->gather : stages;
    team->job++;
    __atomic_store_n(&team->parts, parts, __ATOMIC_RELAXED);
    STORE(&team->running, 1);
    open_next_stage(team);
    for (;;) {
        int seen = LOAD(&team->opened);
        if (!LOAD(&team->running)) return;
        if (!run_shares(me)) wait_for_stage(me, seen);
    }
}

/* Run a job on so many threads; on the caller's alone if another job has the workers. */
static void run_job(const struct stage *stages, char *const *p, struct loop *loop,
                    const long *wrong, long parts) {
    if (parts == 1 || __atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE)) {
        struct team alone = {0};
        struct thread me = {.team = &alone};
        run_as_caller(&me, stages, p, loop, wrong, 1);
        return;
    }
    if (parts > workers + 1) parts = MIN(parts, start_workers(parts));
    threads->team = &shared;
    run_as_caller(threads, stages, p, loop, wrong, parts);
    STORE(&busy, 0);
}

/* Run a list of stages; ends between two of them if `wrong` is not 0. */
void run(const struct stage *stages, char *const *p, long parts, const long *wrong) {
    run_job(stages, p, 0, wrong, parts);
}

/* Run the steps of a loop; stops in a step with an index out of range, before it writes a state.
   Gives how many were done. */
long run_loop(struct loop *loop, long parts) {
    loop->done = 0;
    if (loop->steps) run_job(0, (char *const *)loop, loop, loop->wrong, parts);
    return loop->done;
}
