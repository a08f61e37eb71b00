/* Jobs for the threads of threads.c, each of whose stages reads what others wrote in the one before:
   a share done twice, never, or too soon is a wrong number, and a race that a thread sanitizer sees.
   `jobs COUNT` does so many in each of two threads at once; the exit status says whether all were
   right. */

#include "threads.c"

#include <stdio.h>
#include <stdlib.h>

#define N 240
#define WORK char *const *p, const struct place *at, struct ahead *ahead, long part, long parts
#define CALL(f) (const struct call[]){{f}, {0}}
#define STEPS 5
#define WIDE 64 /* a row of a batch */

struct memory {
    long a[N], b[N], c[N], once, twice, batch[N][WIDE], wrong;
    long steps, stop, flag, after; /* a step whose check fails; what the check says; runs after it */
};

static void there(WORK) {
    struct memory *m = (struct memory *)p[0];
    for (long i = N * part / parts; i < N * (part + 1) / parts; i++) m->a[i] = m->b[N - 1 - i] + 1;
}

static void back(WORK) {
    struct memory *m = (struct memory *)p[0];
    for (long i = N * part / parts; i < N * (part + 1) / parts; i++) m->b[i] = m->a[N - 1 - i];
}

static void beside(WORK) {
    struct memory *m = (struct memory *)p[0];
    for (long i = N * part / parts; i < N * (part + 1) / parts; i++) m->c[i]++;
}

static void once(WORK) {
    struct memory *m = (struct memory *)p[0];
    if (m->once++ != m->twice / 2 || parts != 1) m->wrong++;
}

static void twice(WORK) {
    ((struct memory *)p[0])->twice += 2;
}

static void batch(WORK) {
    struct memory *m = (struct memory *)p[0];
    for (long i = N * part / parts; i < N * (part + 1) / parts; i++)
        if (m->batch[i][i % WIDE] != 7 * ((i + m->once) % N))
            __atomic_add_fetch(&m->wrong, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 10; i++) prefetch(ahead);
}

/* Beside others: what it finds counts from the next stage on. */
static void check(WORK) {
    struct memory *m = (struct memory *)p[0];
    if (m->steps++ == m->stop) m->flag = 1;
}

static void after(WORK) {
    struct memory *m = (struct memory *)p[0];
    if (part == 0) m->after++;
}

static const struct stage checked[] = {{CALL(there), 1 << 20, 1}, {CALL(check), 0, 0},
                                       {CALL(back), 9, 1},        {CALL(after), 9, 0},
                                       {0}};
static const struct stage step[] = {{CALL(there), 1 << 20, 1}, {CALL(beside), 1, 0},
                                    {CALL(back), 9, 1},        {CALL(once), 0, 0},
                                    {CALL(batch), 30, 1},      {CALL(twice), 0, 1},
                                    {0}};

static long whole[N][WIDE], order[STEPS][N];

/* A loop, or single steps, of which the last finds something wrong, if any does. */
static long stopped(long job) {
    struct memory *m = calloc(1, sizeof *m);
    char *p[1] = {(char *)m};
    struct gathered from = {(char *)whole, (char *)m->batch, sizeof *whole};
    struct loop loop = {checked, &m->flag, p, *order, STEPS, N, 1, 0, 0, &from, 0};
    long parts = 1 + job % 9, wrong = 0;
    m->stop = job % (STEPS + 2);
    long done = MIN(m->stop, STEPS);
    if (job % 2) wrong += run_loop(&loop, parts) != done;
    else for (long i = 0; i < STEPS && !m->flag; i++) run(checked, p, parts, &m->flag);
    wrong += m->after != done || m->flag != (m->stop < STEPS);
    for (long i = 0; i < N; i++) wrong += m->b[i] != done;
    free(m);
    return wrong;
}

static void *jobs(void *count) {
    for (long job = 0; job < (long)count; job++) {
        struct memory *m = calloc(1, sizeof *m);
        char *p[1] = {(char *)m};
        struct gathered from = {(char *)whole, (char *)m->batch, sizeof *whole};
        struct loop loop = {step, 0, p, *order, STEPS, N, 1, 0, 0, &from, 0};
        long parts = 1 + job % 9, steps = job % 3 ? STEPS : 1;
        if (steps > 1) {
            m->wrong += run_loop(&loop, parts) != steps;
        } else {
            gather((char **)&loop, 0, 0, 0, 1);
            run(step, p, parts, 0);
        }
        m->wrong += (m->once != steps) + (m->twice != 2 * steps);
        for (long i = 0; i < N; i++) m->wrong += m->b[i] != steps || m->c[i] != steps;
        m->wrong += stopped(job);
        if (m->wrong) return printf("job %ld: %ld wrong\n", job, m->wrong), (void *)1;
        free(m);
    }
    return 0;
}

int main(int arguments, char **argument) {
    pthread_t other;
    void *count = (void *)atol(argument[1]), *result;
    for (long i = 0; i < N; i++) {
        for (long k = 0; k < WIDE; k++) whole[i][k] = 7 * i;
        for (long step = 0; step < STEPS; step++) order[step][i] = (step + 1 + i) % N;
    }
    pthread_create(&other, 0, jobs, count);
    long wrong = jobs(count) != 0;
    pthread_join(other, &result);
    return wrong || result;
}
