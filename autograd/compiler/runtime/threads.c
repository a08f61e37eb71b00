/* The threads that compiled steps share.

   A step is a list of stages, each cut into shares. Shares are handed out: each thread has its own
   part of them, whose memory is in its cache, and takes others' when it has done those. So nobody
   waits for a thread that has taken nothing (the system runs something else on its core, say), but
   for shares that were taken and are not done yet: awake for a moment, then asleep. Whoever does the
   last share of a stage opens the next. */

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O1") /* it waits for memory; and who calls a first step waits for the compiler */
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

#define MOST 64  /* threads; build.py says so too */
#define SHARES 4 /* a thread's own of a stage: enough for others to help it, too few to cost much */

/* Seconds that a thread waits awake: longer than the others take for a share, and than between two
   steps. Where that was in vain, because the machine has other things to do, it is brief the next
   time. */
#ifndef AWAKE
#define AWAKE 100e-6
#endif
#ifndef BRIEF
#define BRIEF 5e-6
#endif

#if defined(__x86_64__) || defined(__i386__) /* leave the core to another thread of it meanwhile */
#define RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define RELAX() __asm__ volatile("yield")
#else
#define RELAX()
#endif

#define LOAD(from) __atomic_load_n(from, __ATOMIC_ACQUIRE)
#define STORE(into, x) __atomic_store_n(into, x, __ATOMIC_RELEASE)
#define ADD(to, x) __atomic_fetch_add(to, x, __ATOMIC_SEQ_CST) /* gives what was there before */

struct thread {
    struct ahead ahead;
    long part, job;
    double awake;
    struct team *team;
} __attribute__((aligned(LINE)));

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

/* A step again and again, on batches that are gathered. */
struct loop {
    const struct stage *step;
    const long *wrong; /* not 0 once a position is out of range; none, where nothing is checked */
    char **block;
    const long *order;
    long steps, batch, inputs, results, done;
    struct gathered *gathered;
    struct stacked *stacked;
};

struct team {
    /* What is done now: stages `first` to `end`, for all of which each thread has `own` shares, the
       first one `once` more. It stays as it is while anyone holds a share. */
    const struct stage *first, *end;
    char *const *p;
    struct loop *loop;
    const long *wrong;
    struct stage gather[2];
    long parts, own, once, job;
    long unfinished __attribute__((aligned(LINE))); /* shares */
    int opened __attribute__((aligned(LINE)));      /* counts stages: who waits watches it */
    int sleepers, running;
    struct {
        long left __attribute__((aligned(LINE))); /* of a thread's own shares; 0 or less: none */
    } of[MOST];
};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* --- waiting ----------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;

/* Until another stage than the one seen is open. Sleepers are counted before they look, and looked
   for after the count of stages has changed: so nobody falls asleep unseen. */
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

static void await(struct thread *me, int seen) {
    struct team *team = me->team;
    double start = seconds();
    for (long spins = 1; LOAD(&team->opened) == seen; spins++) {
        RELAX();
        if (spins % 64 == 0 && seconds() - start > me->awake) sleep_on(team, seen);
    }
    me->awake = seconds() - start < AWAKE ? AWAKE : BRIEF;
}

/* --- a loop's batches -------------------------------------------------------------------------- */

/* A share of the rows of a batch. They should be in this thread's cache, because it was told at the
   last step to fetch them beside its work. */
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

/* The widest input: the others' rows are a few lines. */
static struct gathered widest(const struct loop *loop) {
    struct gathered widest = {0};
    for (long i = 0; i < loop->inputs; i++)
        if (loop->gathered[i].bytes > widest.bytes) widest = loop->gathered[i];
    return widest;
}

/* Tell a thread to fetch its own rows of the next step's batch, once a step. */
static void look_ahead(struct thread *me, const struct loop *loop) {
    const long *next = loop->order + (loop->done + 1) * loop->batch;
    if (me->ahead.rows == next) return;
    struct gathered from = widest(loop);
    long parts = me->team->parts, row = loop->batch * me->part / parts;
    long last = loop->done + 1 == loop->steps ? row : loop->batch * (me->part + 1) / parts;
    long chunk = ((last - row) * from.bytes / (me->ahead.calls + 1) / LINE + 1) * LINE;
    me->ahead = (struct ahead){from.from, next, from.bytes, row, last, 0, chunk, 0};
}

static const struct stage end = {0};

/* What comes after the last stage of a step, or of a batch; the end if all is done. */
static const struct stage *next(struct team *team, struct loop *loop) {
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

/* How many shares of a function each thread has. */
static long own(const struct stage *stage, long parts) {
    if (!stage->shares) return 0;
    return parts == 1 ? 1 : MAX(1, MIN(SHARES, stage->shares / parts));
}

/* Open what can be done next, or end the job. A thread does this alone: others find no share until
   there are some, and cannot finish before the first thread's, which are the last. */
static void open_next(struct team *team) {
    const struct stage *s = team->end;
    if (team->wrong && *team->wrong) s = &end; /* nothing that depends on it is done */
    else if (!s->calls && team->loop) s = next(team, team->loop);
    int busy = 0;
    if (s->calls) {
        team->first = s, team->own = team->once = 0;
        do team->own += own(s, team->parts), team->once += !s->shares;
        while ((++s)->calls && !s->waits);
        team->end = s, team->unfinished = team->own * team->parts + team->once;
        busy = team->own > 0;
        long once = team->once, mine = team->own;
        for (long part = team->parts - 1; part >= 0; part--)
            STORE(&team->of[part].left, mine + (part ? 0 : once));
    } else {
        STORE(&team->running, 0);
        busy = 1;
    }
    ADD(&team->opened, 1);
    /* What one thread does is done before another is awake. */
    if (busy && __atomic_load_n(&team->sleepers, __ATOMIC_SEQ_CST)) wake_all(team);
}

/* Do a share that was taken: number i of a part's own. */
static void perform(struct thread *me, long part, long i) {
    struct team *team = me->team;
    if (me->job != team->job) me->job = team->job, me->ahead = (struct ahead){0};
    const struct stage *s = team->first;
    long n;
    while (n = s->shares ? own(s, team->parts) : part == 0, i >= n) i -= n, s++;
    long mine = s->shares ? part * n + i : 0, all = s->shares ? team->parts * n : 1;
    if (s->calls->function == gather) look_ahead(me, team->loop);
    for (const struct call *c = s->calls; c->function; c++)
        c->function(team->p, c->at, &me->ahead, mine, all);
}

/* Take shares and do them, this thread's own first; gives how many there were. */
static long help(struct thread *me) {
    struct team *team = me->team;
    long done = 0, parts = __atomic_load_n(&team->parts, __ATOMIC_RELAXED);
    for (long i = 0; i < parts && me->part < parts; i++) {
        long part = (me->part + i) % parts, *left = &team->of[part].left, n;
        while (LOAD(left) > 0 && (n = __atomic_fetch_sub(left, 1, __ATOMIC_ACQUIRE)) > 0) {
            perform(me, part, team->own + (part ? 0 : team->once) - n);
            done++;
        }
    }
    if (done && ADD(&team->unfinished, -done) == done) open_next(team);
    return done;
}

/* --- jobs -------------------------------------------------------------------------------------- */

static struct team shared;
static struct thread threads[MOST];
static long workers;
static int busy;

static void *worker(void *me) {
    for (;;) {
        int seen = LOAD(&shared.opened);
        if (!help(me)) await(me, seen);
    }
    return 0;
}

/* A child has none of its parent's threads. */
static void forget(void) {
    workers = busy = 0;
    memset(&shared, 0, sizeof shared);
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
        struct thread *me = threads + workers + 1;
        *me = (struct thread){.part = workers + 1, .awake = AWAKE, .team = &shared};
        if (pthread_create(&thread, 0, worker, me)) break;
        pthread_detach(thread);
        workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return workers + 1;
}

/* The caller's part in a job, until all is done. */
static void lead(struct thread *me, const struct stage *stages, char *const *p, struct loop *loop,
                 const long *wrong, long parts) {
    struct team *team = me->team;
    long bytes = loop ? loop->batch * widest(loop).bytes : 0;
    static const struct call gathers[] = {{gather}, {0}};
    team->gather[0] = (struct stage){gathers, bytes < 1 << 14 ? 0 : bytes >> 12, 1};
    team->p = p, team->loop = loop, team->wrong = wrong;
    team->end = loop ? team->gather : stages;
    team->job++;
    __atomic_store_n(&team->parts, parts, __ATOMIC_RELAXED);
    STORE(&team->running, 1);
    open_next(team);
    for (;;) {
        int seen = LOAD(&team->opened);
        if (!LOAD(&team->running)) return;
        if (!help(me)) await(me, seen);
    }
}

/* Do a job on so many threads. Where they are busy with another's, on the caller's alone. */
static void employ(const struct stage *stages, char *const *p, struct loop *loop,
                   const long *wrong, long parts) {
    if (parts == 1 || __atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE)) {
        struct team alone = {0};
        struct thread me = {.team = &alone};
        lead(&me, stages, p, loop, wrong, 1);
        return;
    }
    if (parts > workers + 1) parts = MIN(parts, hire(parts));
    threads->team = &shared;
    lead(threads, stages, p, loop, wrong, parts);
    STORE(&busy, 0);
}

/* Do a list of stages; ends where `wrong` is not 0 any more, between two of them. */
void run(const struct stage *stages, char *const *p, long parts, const long *wrong) {
    employ(stages, p, 0, wrong, parts);
}

/* Do the steps of a loop; stops in one whose positions are wrong, before it writes a state. Gives how
   many were done. */
long run_loop(struct loop *loop, long parts) {
    loop->done = 0;
    if (loop->steps) employ(0, (char *const *)loop, loop, loop->wrong, parts);
    return loop->done;
}
