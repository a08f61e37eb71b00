/* The beginning of every compiled step: what depends on the machine, so that the loop language does
   not express it. */

/* Passes of GCC that gain nothing for loops of constant length, and take a fifth of its time. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize( \
    "no-tree-loop-distribution,no-split-loops,no-unswitch-loops,no-peel-loops,no-tree-partial-pre," \
    "no-gcse-after-reload,no-version-loops-for-strides,no-loop-interchange,no-loop-unroll-and-jam")
#endif

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "team.h"

/* The address of an array of a function. */
#define AT(i) (p[at[i].slot] + at[i].offset)

INLINE int64_t abs_i64(int64_t x) { return x < 0 ? -x : x; }

/* The bytes of a number, read as another type. */
INLINE int32_t bits_of_f32(float x) { int32_t i; memcpy(&i, &x, 4); return i; }
INLINE int64_t bits_of_f64(double x) { int64_t i; memcpy(&i, &x, 8); return i; }
INLINE float f32_of_bits(int32_t i) { float x; memcpy(&x, &i, 4); return x; }
INLINE double f64_of_bits(int64_t i) { double x; memcpy(&x, &i, 8); return x; }

/* A fused multiply-add where the CPU has one; elsewhere the C library's would be a slow call. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FMA(a, b, c) __builtin_fma((a), (b), (c))
#define FMAF(a, b, c) __builtin_fmaf((a), (b), (c))
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#define FMAF(a, b, c) ((a) * (b) + (c))
#endif

/* A compensated sum: adds `part` to `total`, and the rounding error of that, which is exact (Knuth,
   The Art of Computer Programming 2, 4.2.2), to `lost`. Where the total is inf or nan, the error is
   nan, and left out. */
#define ADD_COMPENSATED(total, lost, part)                                                         \
    do {                                                                                           \
        __typeof__(total) old = total, back;                                                       \
        total = old + part;                                                                        \
        back = total - old;                                                                        \
        lost += (old - (total - back)) + (part - back);                                            \
    } while (0)
#define COMPENSATED(total, lost) ((lost) - (lost) == 0 ? (total) + (lost) : (total))

/* --- the tile of a matrix product ------------------------------------------------------------- */

typedef float v_f32 __attribute__((vector_size(VECTOR), aligned(4), may_alias));
typedef double v_f64 __attribute__((vector_size(VECTOR), aligned(8), may_alias));

#ifndef __has_builtin
#define __has_builtin(x) 0
#endif
#if __has_builtin(__builtin_elementwise_fma)
#define FMA_v_f32(a, b, c) __builtin_elementwise_fma(a, b, c)
#define FMA_v_f64(a, b, c) __builtin_elementwise_fma(a, b, c)
#elif defined(__AVX512F__) && VECTOR == 64
#define FMA_v_f32(a, b, c) __builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4)
#define FMA_v_f64(a, b, c) __builtin_ia32_vfmaddpd512_mask(a, b, c, -1, 4)
#elif defined(__FMA__) && VECTOR == 16
#define FMA_v_f32(a, b, c) __builtin_ia32_vfmaddps(a, b, c)
#define FMA_v_f64(a, b, c) __builtin_ia32_vfmaddpd(a, b, c)
#elif defined(__FMA__) && VECTOR == 32
#define FMA_v_f32(a, b, c) __builtin_ia32_vfmaddps256(a, b, c)
#define FMA_v_f64(a, b, c) __builtin_ia32_vfmaddpd256(a, b, c)
#else
#define FMA_v_f32(a, b, c) ((a) * (b) + (c))
#define FMA_v_f64(a, b, c) ((a) * (b) + (c))
#endif

/* out (ROWS x width) = left (rows x K) @ right (K x width); the width is one or two vectors'.
   am, ak: the strides of left; bk: that of right's rows. If fewer than ROWS rows are left, the last
   is computed several times, and not used. Every CHUNK terms are summed in registers and added to
   `out`. The function is not inlined: that would be 2 % faster, but a step of many products would
   take a quarter longer to compile. Unrolling by pragma saves compile time, too. */
#define NOINLINE static __attribute__((noinline, noclone))
#define UNROLL _Pragma("GCC unroll 16")
#define CHUNK 256 /* as in tiles.py */
#define LONG_SUM (64 * CHUNK)
#define TILE(name, T, V)                                                                           \
    INLINE void name##_any(const T *a, long am, long ak, const T *b, long bk, long K, long last,   \
                           const int vectors, T *out) {                                            \
        const long lanes = sizeof(V) / sizeof(T), width = vectors * lanes;                         \
        const T *row[ROWS];                                                                        \
        V lost[ROWS][2] = {0};                                                                     \
        UNROLL                                                                                     \
        for (int r = 0; r < ROWS; r++) row[r] = a + MIN(r, last) * am;                             \
        long k = 0;                                                                                \
        do {                                                                                       \
            V sums[ROWS][2] = {0};                                                                 \
            long first = k, end = MIN(K, k + CHUNK);                                               \
            for (; k < end; k++, b += bk) {                                                        \
                V b0 = *(const V *)b, b1 = vectors > 1 ? *(const V *)(b + lanes) : b0;             \
                UNROLL                                                                             \
                for (int r = 0; r < ROWS; r++) {                                                   \
                    V x = row[r][k * ak] - (V){0};                                                 \
                    sums[r][0] = FMA_##V(x, b0, sums[r][0]);                                       \
                    if (vectors > 1) sums[r][1] = FMA_##V(x, b1, sums[r][1]);                      \
                }                                                                                  \
            }                                                                                      \
            UNROLL                                                                                 \
            for (int r = 0; r < ROWS; r++)                                                         \
                UNROLL                                                                             \
                for (int c = 0; c < vectors; c++) {                                                \
                    V *total = (V *)(out + (r * vectors + c) * lanes);                             \
                    if (first == 0) *total = sums[r][c];                                           \
                    else if (K > LONG_SUM) ADD_COMPENSATED(*total, lost[r][c], sums[r][c]);        \
                    else *total += sums[r][c];                                                     \
                }                                                                                  \
        } while (k < K);                                                                           \
        if (K > LONG_SUM)                                                                          \
            UNROLL                                                                                 \
            for (int r = 0; r < ROWS; r++)                                                         \
                for (int c = 0; c < width; c++)                                                    \
                    out[r * width + c] =                                                           \
                        COMPENSATED(out[r * width + c], ((const T *)lost[r])[c]);                  \
    }                                                                                              \
    NOINLINE void name##_1(const T *a, long am, long ak, const T *b, long bk, long K, long last,   \
                           T *out) {                                                               \
        name##_any(a, am, ak, b, bk, K, last, 1, out);                                             \
    }                                                                                              \
    NOINLINE void name##_2(const T *a, long am, long ak, const T *b, long bk, long K, long last,   \
                           T *out) {                                                               \
        name##_any(a, am, ak, b, bk, K, last, 2, out);                                             \
    }                                                                                              \
    INLINE void name(const T *a, long am, long ak, const T *b, long bk, long K, long last,         \
                     const long width, T *out) {                                                   \
        if (width == sizeof(V) / sizeof(T)) name##_1(a, am, ak, b, bk, K, last, out);              \
        else name##_2(a, am, ak, b, bk, K, last, out);                                             \
    }
TILE(tile_f32, float, v_f32)
TILE(tile_f64, double, v_f64)

/* Transposes a square of as many rows of float32 as a vector has lanes: interleave the first half
   of the rows with the second, as often as the number of lanes can be halved. */
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLE(...) __builtin_shufflevector(__VA_ARGS__)
#if VECTOR == 64
#define LOW(a, b) SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH(a, b) SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif VECTOR == 32
#define LOW(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH(a, b) SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#elif VECTOR == 16
#define LOW(a, b) SHUFFLE(a, b, 0, 4, 1, 5)
#define HIGH(a, b) SHUFFLE(a, b, 2, 6, 3, 7)
#endif
#endif

#ifdef LOW
#define SQUARE (VECTOR / 4)
INLINE void transpose_f32(const float *from, long stride, float *into, long width) {
    v_f32 rows[SQUARE], next[SQUARE];
    for (int i = 0; i < SQUARE; i++) rows[i] = *(const v_f32 *)(from + i * stride);
    for (int n = SQUARE; n > 1; n /= 2) {
        for (int i = 0; i < SQUARE / 2; i++) {
            next[2 * i] = LOW(rows[i], rows[i + SQUARE / 2]);
            next[2 * i + 1] = HIGH(rows[i], rows[i + SQUARE / 2]);
        }
        for (int i = 0; i < SQUARE; i++) rows[i] = next[i];
    }
    for (int i = 0; i < SQUARE; i++) *(v_f32 *)(into + i * width) = rows[i];
}
#else
#define SQUARE (1L << 62) /* no panel is as wide */
INLINE void transpose_f32(const float *from, long stride, float *into, long width) {}
#endif

/* Copies a panel of an operand: K rows of `width` entries, zeros beyond the first `columns`. */
#define PACK(name, T)                                                                              \
    INLINE void name(const T *b, long down, long along, long K, long columns, long width,          \
                     T *restrict into) {                                                           \
        for (long k = 0; k < K; k++) {                                                             \
            if (columns == width) /* a constant, once inlined */                           \
                for (long j = 0; j < width; j++) into[k * width + j] = b[k * down + j * along];    \
            else                                                                                   \
                for (long j = 0; j < columns; j++) into[k * width + j] = b[k * down + j * along];  \
            for (long j = columns; j < width; j++) into[k * width + j] = 0;                        \
        }                                                                                          \
    }
PACK(copy_f32, float)
PACK(pack_f64, double)

NOINLINE void pack_f32(const float *b, long down, long along, long K, long columns, long width,
                       float *restrict into) {
    long k = 0;
    long squares = down == 1 && columns == width && width % SQUARE == 0 ? K / SQUARE : 0;
    for (; k < squares * SQUARE; k += SQUARE)
        for (long j = 0; j < width; j += SQUARE)
            transpose_f32(b + k + j * along, along, into + k * width + j, width);
    copy_f32(b + k * down, down, along, K - k, columns, width, into + k * width);
}
