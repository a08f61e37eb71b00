/* The types that compiled steps (c_files.py) and the threads that run them (threads.c) share. */

#define INLINE static inline __attribute__((always_inline))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define LINE 64 /* bytes of a cache line */

/* The rows of the next batch that a thread will need: the first byte that it has not prefetched,
   how many bytes it prefetches in a call, and the number of calls. */
struct ahead {
    const char *from;
    const long *rows;
    long width, row, last, byte, chunk, calls;
};

/* The address of an array: so many bytes after the pointer in a slot of the step's block. */
struct place {
    long slot, offset;
};

/* Does part number `part` of `parts`. Each entry is computed whole in one part, so the bits do not
   depend on how many parts there are, which thread does them, and in which order. */
typedef void work(char *const *p, const struct place *at, struct ahead *ahead, long part,
                  long parts);

/* A function and its arrays. The last of a list has no function. */
struct call {
    work *function;
    const struct place *at;
};

/* Calls, done one after the other. shares: how many parts are each worth waking a thread for; 0:
   one thread does it all. waits: whether a barrier stands before it. The last of a list has no
   calls. */
struct stage {
    const struct call *calls;
    long shares, waits;
};

/* Prefetches a few rows. Called between the tiles of a product, which leave memory idle. */
INLINE void prefetch(struct ahead *a) {
    a->calls++;
    if (a->row >= a->last) return;
    const char *row = a->from + a->rows[a->row] * a->width;
    long end = MIN(a->byte + a->chunk, a->width);
    for (; a->byte < end; a->byte += LINE) __builtin_prefetch(row + a->byte, 0, 2);
    if (a->byte >= a->width) a->row++, a->byte = 0;
}
