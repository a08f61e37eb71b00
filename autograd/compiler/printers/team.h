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

/* Where an array of a function begins: so many bytes from where a slot of the block points. */
struct place {
    long slot, offset;
};

/* Does share number `part` of `parts`: of entries computed whole, so that it changes nothing how
   many shares there are, who does which, and when. */
typedef void work(char *const *p, const struct place *at, struct ahead *ahead, long part,
                  long parts);

/* A function, given its arrays. The last of a list has none. */
struct call {
    work *function;
    const struct place *at;
};

/* What a step does next, one call after the other. shares: in how many it may be done, each worth a
   thread's while, or 0, by one thread. waits: whether all before it must have been done. The last of
   a list has no calls. */
struct stage {
    const struct call *calls;
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
