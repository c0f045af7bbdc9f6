/* What all kernels are made of: vectors of 16 floats, in versions for several processors, and threads. Sums that are to
 * stay in registers are vectors of as many floats as a register holds: compilers keep wider ones in memory. */
#pragma once
#include <stdint.h>

#define V 16
#define MOST_THREADS 64
typedef float vec __attribute__((vector_size(64), aligned(4)));
typedef float half __attribute__((vector_size(32), aligned(4)));
typedef float quarter __attribute__((vector_size(16), aligned(4)));
#define INLINE static inline __attribute__((always_inline))
/* Versions for several processors, and the floats that a register holds in the one that runs. Compilers that make none
 * are told which features there are, for a single version; tests define HELD, and have the blocks of other registers. */
#if defined(__x86_64__) && !defined(HELD) && defined(__AVX512VL__)
#define HELD 16
#define LISTS
#include <immintrin.h>
#elif defined(__x86_64__) && !defined(HELD) && defined(__AVX2__)
#define HELD 8
#elif defined(__x86_64__) && !defined(HELD)
#if !defined(__GNUC__) || defined(__clang__) || __GNUC__ < 12
#error "this compiler makes no versions for several processors; say which features there are"
#endif
#define TARGETED
#define DISPATCHED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define HELD (__builtin_cpu_supports("x86-64-v4") ? 16 : __builtin_cpu_supports("x86-64-v3") ? 8 : 4)
/* One more version, for processors that multiply pairs of bfloat16. */
#define PAIRED
#define LISTS __attribute__((target("arch=x86-64-v4")))
#include <immintrin.h>
#endif
#ifndef DISPATCHED
#define DISPATCHED
#endif
#ifndef HELD
#define HELD 4
#endif
