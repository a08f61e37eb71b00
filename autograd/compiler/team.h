/* What compiled steps and the threads that run them agree on. */

#define INLINE static inline __attribute__((always_inline))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define LINE 64 /* bytes of a cache line */

/* The rows of the next batch that a thread will need, from the first byte that is not yet in its
   cache; how many bytes it fetches at a time, and how often it has done so. */
struct ahead {
    const char *from;
    const long *rows;
    long width, row, last, byte, chunk, calls;
};

/* Does share number `part` of `parts`: of entries computed whole, so that it changes nothing how
   many shares there are, who does which, and when. */
typedef void work(char *const *p, struct ahead *ahead, long part, long parts);

/* A function of a step. shares: in how many it may be done, each worth a thread's while, or 0, by
   one thread. waits: whether all before it must have been done. The last of a list has none. */
struct stage {
    work *function;
    long shares, waits;
};

/* Called between the tiles of products, when memory has little to do. */
INLINE void aside(struct ahead *a) {
    a->calls++;
    if (a->row >= a->last) return;
    const char *row = a->from + a->rows[a->row] * a->width;
    long end = MIN(a->byte + a->chunk, a->width);
    for (; a->byte < end; a->byte += LINE) __builtin_prefetch(row + a->byte, 0, 2);
    if (a->byte >= a->width) a->row++, a->byte = 0;
}
