/* What every compiled step begins with: functions of one number, and the tile of a matrix
   product. The functions are free of branches and calls, so that loops over them become
   vector code; what they compute does not depend on the vector's width. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "team.h"

/* A fused multiply-add where the CPU has one; elsewhere the C library's would be a slow call. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FMA(a, b, c) __builtin_fma((a), (b), (c))
#define FMAF(a, b, c) __builtin_fmaf((a), (b), (c))
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#define FMAF(a, b, c) ((a) * (b) + (c))
#endif

/* A long sum: what rounding loses of the total when `part` joins it, exactly (Knuth, The Art of
   Computer Programming 2, 4.2.2), is summed beside it. Of inf and nan it is nan, and left out. */
#define GATHER(total, lost, part)                                                                  \
    do {                                                                                           \
        __typeof__(total) old = total, back;                                                       \
        total = old + part;                                                                        \
        back = total - old;                                                                        \
        lost += (old - (total - back)) + (part - back);                                            \
    } while (0)
#define GATHERED(total, lost) ((lost) - (lost) == 0 ? (total) + (lost) : (total))

/* --- float32: errors are below 2 units in the last place, over the whole range -------------- */

INLINE int32_t bits_of(float x) { int32_t i; memcpy(&i, &x, 4); return i; }
INLINE float float_of(int32_t i) { float x; memcpy(&x, &i, 4); return x; }

/* e^x = 2^n e^r with |r| <= ln(2)/2; ln(2) in two parts, so that r is exact (Cody and Waite). */
INLINE float exp_f32(float x) {
    float clamped = x > 89.0f ? 89.0f : x;
    clamped = clamped < -104.0f ? -104.0f : clamped;
    /* Adding 1.5 * 2^23 rounds to an integer, and leaves it in the low bits. */
    float shifted = clamped * 0x1.715476p+0f + 0x1.8p+23f;
    int32_t n = bits_of(shifted) - 0x4B400000;
    float whole = shifted - 0x1.8p+23f;
    float first = FMAF(whole, -0x1.62e400p-1f, clamped), second = whole * 0x1.7f7d1cp-20f;
    float r = first - second, lost = (first - r) - second;
    float p = 0x1.6c16c2p-10f; /* 1/720 ... : Taylor, to r^7 */
    p = FMAF(FMAF(0x1.a01a02p-13f, r, p), r, 0x1.111112p-7f);
    p = FMAF(p, r, 0x1.555556p-5f);
    p = FMAF(p, r, 0x1.555556p-3f);
    p = FMAF(p, r, 0.5f);
    float sum = 1.0f + r; /* its rounding error is exactly r - (sum - 1) */
    p = sum + FMAF(p * r, r, lost + (r - (sum - 1.0f)));
    /* In two factors: 2^n alone is no float where the result is subnormal or near to the end. */
    int32_t half = n >> 1;
    return p * float_of((half + 127) * 0x800000) * float_of((n - half + 127) * 0x800000);
}

/* log(2^e m) with m in [sqrt(1/2), sqrt(2)): e ln(2) + log(m) (Cephes, logf). */
INLINE float log_f32(float x) {
    int32_t tiny = x < 0x1p-126f;
    float scaled = tiny ? x * 0x1p+23f : x;
    int32_t i = bits_of(scaled) - 0x3F3504F3; /* sqrt(1/2) */
    float e = (float)((i >> 23) - (tiny ? 23 : 0));
    float m = float_of((i & 0x7FFFFF) + 0x3F3504F3) - 1.0f;
    float z = m * m;
    float p = 7.0376836292e-2f;
    p = FMAF(p, m, -1.1514610310e-1f);
    p = FMAF(p, m, 1.1676998740e-1f);
    p = FMAF(p, m, -1.2420140846e-1f);
    p = FMAF(p, m, 1.4249322787e-1f);
    p = FMAF(p, m, -1.6668057665e-1f);
    p = FMAF(p, m, 2.0000714765e-1f);
    p = FMAF(p, m, -2.4999993993e-1f);
    p = FMAF(p, m, 3.3333331174e-1f);
    float y = FMAF(e, -2.12194440e-4f, p * m * z);
    y = FMAF(e, 0.693359375f, m + FMAF(-0.5f, z, y));
    y = x == 0.0f ? -INFINITY : y;
    y = x < 0.0f ? NAN : y;
    return x - x == 0.0f || x < 0.0f ? y : x; /* infinity and nan are their own logarithm */
}

INLINE float tanh_f32(float x) {
    float a = fabsf(x), z = x * x;
    float p = FMAF(-5.70498872745e-3f, z, 2.06390887954e-2f); /* below 0.625: Cephes, tanhf */
    p = FMAF(p, z, -5.37397155531e-2f);
    p = FMAF(p, z, 1.33314422036e-1f);
    p = FMAF(p, z, -3.33332819422e-1f);
    float small = FMAF(p * z, x, x);
    float large = copysignf(1.0f - 2.0f / (exp_f32(2.0f * a) + 1.0f), x);
    return a > 0.625f ? large : x != x || x == 0.0f ? x : small; /* -0 is -0 */
}

/* By the exponential of -|x|, which neither overflows nor rounds a small answer to 0. */
INLINE float sigmoid_f32(float x) {
    float e = exp_f32(-fabsf(x));
    float q = (x < 0.0f ? e : 1.0f) / (1.0f + e);
    return x < -1.0f ? FMAF(-e, q, e) : q; /* there the rounding of 1 + e would count whole */
}

/* --- names that rows use, for both types of numbers ------------------------------------------- */

#define BY_TYPE(x, f32, f64) _Generic((x), float: f32, default: f64)
#define EXP(x) BY_TYPE(x, exp_f32, exp)(x)
#define LOG(x) BY_TYPE(x, log_f32, log)(x)
#define TANH(x) BY_TYPE(x, tanh_f32, tanh)(x)
#define EXPM1(x) BY_TYPE(x, expm1f, expm1)(x)
#define LOG1P(x) BY_TYPE(x, log1pf, log1p)(x)
#define SQRT(x) BY_TYPE(x, sqrtf, sqrt)(x)
#define SIN(x) BY_TYPE(x, sinf, sin)(x)
#define COS(x) BY_TYPE(x, cosf, cos)(x)
#define POW(x, y) BY_TYPE(x, powf, pow)(x, y)
#define SIGMOID(x) BY_TYPE(x, sigmoid_f32, sigmoid_f64)(x)
#define SOFTPLUS(x) ((x > 0 ? x : 0) + LOG1P(EXP(-ABS(x))))
#define ABS(x) _Generic((x), float: fabsf, double: fabs, default: abs_i64)(x)

INLINE int64_t abs_i64(int64_t x) { return x < 0 ? -x : x; }
INLINE double sigmoid_f64(double x) {
    double e = exp(-fabs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

/* --- random numbers: autograd/random.py says what they are ------------------------------------ */

INLINE uint32_t mix(uint32_t x) {
    x = (x ^ x >> 16) * 0x21F0AAADu;
    x = (x ^ x >> 15) * 0xD35A2D97u;
    return x ^ x >> 15;
}
INLINE uint32_t draw_start(uint64_t seed, uint64_t draw) {
    uint32_t x = mix((uint32_t)seed + 1) ^ (uint32_t)(seed >> 32);
    return mix(mix(x) ^ (uint32_t)draw) ^ (uint32_t)(draw >> 32);
}
INLINE float draw_at(uint32_t start, uint32_t stride, uint32_t i) {
    return (float)(int32_t)(mix(start + stride * i) >> 8) * 0x1p-24f;
}

/* --- the tile of a matrix product ------------------------------------------------------------- */

/* Where part number i of n things begins, in whole steps. */
#define PART(n, step, i, parts) (((n) + (step)-1) / (step) * (i) / (parts) * (step))

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

/* out (ROWS x vectors, in registers until the end) = left (rows x K) @ right (K x vectors).
   am, ak: the strides of left; bk: that of right's rows. Where fewer than ROWS rows are left, the
   last one is computed again and again, and not used. Of a deep product, every DEEP terms are
   summed in registers, and gathered in `out`. */
#define DEEP 256
#define FAR (64 * DEEP)
#define TILE(name, T, V)                                                                           \
    INLINE void name(const T *a, long am, long ak, const T *b, long bk, long K, long last,         \
                     const int vectors, T *out) {                                                  \
        const long lanes = sizeof(V) / sizeof(T);                                                  \
        const T *row[ROWS];                                                                        \
        V lost[ROWS][2] = {0};                                                                     \
        for (int r = 0; r < ROWS; r++) row[r] = a + MIN(r, last) * am;                             \
        long k = 0;                                                                                \
        do {                                                                                       \
            V sums[ROWS][2] = {0};                                                                 \
            long first = k, end = MIN(K, k + DEEP);                                                \
            for (; k < end; k++, b += bk) {                                                        \
                V b0 = *(const V *)b, b1 = vectors > 1 ? *(const V *)(b + lanes) : b0;             \
                for (int r = 0; r < ROWS; r++) {                                                   \
                    V x = row[r][k * ak] - (V){0};                                                 \
                    sums[r][0] = FMA_##V(x, b0, sums[r][0]);                                       \
                    if (vectors > 1) sums[r][1] = FMA_##V(x, b1, sums[r][1]);                      \
                }                                                                                  \
            }                                                                                      \
            for (int r = 0; r < ROWS; r++)                                                         \
                for (int c = 0; c < vectors; c++) {                                                \
                    V *total = (V *)(out + (r * vectors + c) * lanes);                             \
                    if (first == 0) *total = sums[r][c];                                           \
                    else if (K > FAR) GATHER(*total, lost[r][c], sums[r][c]);                      \
                    else *total += sums[r][c];                                                     \
                }                                                                                  \
        } while (k < K);                                                                           \
        if (K > FAR)                                                                               \
            for (int r = 0; r < ROWS; r++)                                                         \
                for (int c = 0; c < vectors * lanes; c++)                                          \
                    out[r * vectors * lanes + c] =                                                 \
                        GATHERED(out[r * vectors * lanes + c], ((const T *)lost[r])[c]);           \
    }
TILE(tile_f32, float, v_f32)
TILE(tile_f64, double, v_f64)

/* ROWS rows of the left operand side by side, so that a tile reads them one after the other. */
#define LINE_UP(name, T)                                                                           \
    INLINE void name(const T *a, long am, long ak, long K, long last, T *restrict into) {          \
        for (long k = 0; k < K; k++)                                                               \
            for (int r = 0; r < ROWS; r++) into[k * ROWS + r] = a[MIN(r, last) * am + k * ak];     \
    }
LINE_UP(line_up_f32, float)
LINE_UP(line_up_f64, double)

/* Columns to rows, of a square of as many float32 as a vector has lanes: shuffle the first half of
   the rows with the second, as cards, as often as the number of lanes can be halved. */
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
INLINE void turn_f32(const float *from, long stride, float *into, long width) {
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
#define SQUARE (1L << 62) /* none */
INLINE void turn_f32(const float *from, long stride, float *into, long width) {}
#endif

/* A panel of the right operand, `width` wide and dense; zeros beyond its `columns`. */
#define PACK(name, T)                                                                              \
    INLINE void name(const T *b, long down, long along, long K, long columns, long width,          \
                     T *restrict into) {                                                           \
        for (long k = 0; k < K; k++) {                                                             \
            for (long j = 0; j < columns; j++) into[k * width + j] = b[k * down + j * along];      \
            for (long j = columns; j < width; j++) into[k * width + j] = 0;                        \
        }                                                                                          \
    }
PACK(copy_f32, float)
PACK(pack_f64, double)

INLINE void pack_f32(const float *b, long down, long along, long K, long columns, long width,
                     float *restrict into) {
    long k = 0;
    for (; down == 1 && columns == width && k + SQUARE <= K; k += SQUARE)
        for (long j = 0; j < width; j += SQUARE)
            turn_f32(b + k + j * along, along, into + k * width + j, width);
    copy_f32(b + k * down, down, along, K - k, columns, width, into + k * width);
}
