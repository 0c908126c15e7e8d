//! Eight numbers side by side, in limbs of 52 bits: what AVX-512 IFMA multiplies.
//!
//! A limb is a vector with a lane for each number. Limbs grow beyond 52 bits while numbers are
//! added, and [`carry`] brings all but the highest back: multiplication only sees the lower 52 bits.
//! No instruction here takes longer for some values than for others, and choices are mask registers.
//!
//! Written without closures over vectors: `map` and `from_fn` are not compiled for AVX-512, so that
//! each call of theirs would pass vectors through memory.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays, and loops over constants: the compiler sees that all indexes are within"
)]

use std::arch::x86_64::*;

use crate::tccr::Block;
use crate::triples::Group;

/// Limbs of a number of 256 bits and a little more.
pub(crate) const LIMBS: usize = 5;

/// Eight numbers, least significant limb first.
pub(crate) type Lanes = [__m512i; LIMBS];

/// Bits of a limb, set.
pub(crate) const LIMB: u64 = (1 << 52) - 1;
/// The highest limb of 256 bits has 48.
pub(crate) const HIGHEST: u64 = (1 << 48) - 1;

/// 32 bytes without padding, of which all values are valid.
pub(crate) trait Number {}
impl Number for [Block; 2] {}
impl Number for [u64; 4] {}
impl Number for [u8; 32] {}

/// The same value in all lanes.
#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn all(value: u64) -> __m512i {
    _mm512_set1_epi64(value.cast_signed())
}

/// One number in all lanes.
#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn everywhere(words: &[u64; 4]) -> Lanes {
    let [w0, w1, w2, w3] = *words;
    limbs([all(w0), all(w1), all(w2), all(w3)])
}

/// Eight numbers of four words each, the least significant first.
#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn load<N: Number>(numbers: Group<&N>) -> Lanes {
    limbs(load_words(numbers))
}

/// Eight numbers of 32 bytes each, big-endian.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(crate) fn load_big_endian(numbers: Group<&[u8; 32]>) -> Lanes {
    let [w3, w2, w1, w0] = load_words(numbers);
    limbs([
        reverse_bytes(w0),
        reverse_bytes(w1),
        reverse_bytes(w2),
        reverse_bytes(w3),
    ])
}

/// Two numbers, one behind the other.
#[target_feature(enable = "avx512f")]
#[inline]
fn pair<N: Number>(low: &N, high: &N) -> __m512i {
    const { assert!(size_of::<N>() == 32) };
    // SAFETY: reads the 32 bytes behind each reference; a `Number` has no padding.
    #[allow(unsafe_code, reason = "unaligned loads take pointers")]
    let (low, high) = unsafe {
        (
            _mm256_loadu_si256(std::ptr::from_ref(low).cast()),
            _mm256_loadu_si256(std::ptr::from_ref(high).cast()),
        )
    };
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}

/// Words `k` of all numbers into vector `k`.
#[target_feature(enable = "avx512f")]
#[inline]
fn load_words<N: Number>(numbers: Group<&N>) -> [__m512i; 4] {
    let [n0, n1, n2, n3, n4, n5, n6, n7] = numbers;
    let (a, b, c, d) = (pair(n0, n1), pair(n2, n3), pair(n4, n5), pair(n6, n7));
    // Of two vectors, words 0 and 1 (or 2 and 3) of their four numbers.
    let lower = _mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13);
    let upper = _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15);
    let (ab_lower, cd_lower) = (
        _mm512_permutex2var_epi64(a, lower, b),
        _mm512_permutex2var_epi64(c, lower, d),
    );
    let (ab_upper, cd_upper) = (
        _mm512_permutex2var_epi64(a, upper, b),
        _mm512_permutex2var_epi64(c, upper, d),
    );
    [
        _mm512_shuffle_i64x2::<0x44>(ab_lower, cd_lower),
        _mm512_shuffle_i64x2::<0xee>(ab_lower, cd_lower),
        _mm512_shuffle_i64x2::<0x44>(ab_upper, cd_upper),
        _mm512_shuffle_i64x2::<0xee>(ab_upper, cd_upper),
    ]
}

/// Writes eight numbers below 2²⁵⁶, 32 bytes each, big-endian. Limbs have been carried.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(crate) fn store_big_endian(number: &Lanes, out: Group<&mut [u8; 32]>) {
    let [w0, w1, w2, w3] = words(number);
    let (w0, w1) = (reverse_bytes(w0), reverse_bytes(w1));
    let (w2, w3) = (reverse_bytes(w2), reverse_bytes(w3));
    // Pairs of words of the even and of the odd numbers, then both pairs of two numbers.
    let (even_upper, odd_upper) = (_mm512_unpacklo_epi64(w3, w2), _mm512_unpackhi_epi64(w3, w2));
    let (even_lower, odd_lower) = (_mm512_unpacklo_epi64(w1, w0), _mm512_unpackhi_epi64(w1, w0));
    let first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    let last = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    let [n0, n1, n2, n3, n4, n5, n6, n7] = out;
    store_pair(
        n0,
        n2,
        _mm512_permutex2var_epi64(even_upper, first, even_lower),
    );
    store_pair(
        n4,
        n6,
        _mm512_permutex2var_epi64(even_upper, last, even_lower),
    );
    store_pair(
        n1,
        n3,
        _mm512_permutex2var_epi64(odd_upper, first, odd_lower),
    );
    store_pair(
        n5,
        n7,
        _mm512_permutex2var_epi64(odd_upper, last, odd_lower),
    );
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store_pair(low: &mut [u8; 32], high: &mut [u8; 32], both: __m512i) {
    // SAFETY: writes the 32 bytes behind each reference.
    #[allow(unsafe_code, reason = "unaligned stores take pointers")]
    unsafe {
        _mm256_storeu_si256(std::ptr::from_mut(low).cast(), _mm512_castsi512_si256(both));
        _mm256_storeu_si256(
            std::ptr::from_mut(high).cast(),
            _mm512_extracti64x4_epi64::<1>(both),
        );
    }
}

/// The bytes of each word in the other order.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn reverse_bytes(words: __m512i) -> __m512i {
    let order = _mm512_set4_epi32(0x0809_0a0b, 0x0c0d_0e0f, 0x0001_0203, 0x0405_0607);
    _mm512_shuffle_epi8(words, order)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn limbs([w0, w1, w2, w3]: [__m512i; 4]) -> Lanes {
    let limb = all(LIMB);
    [
        _mm512_and_si512(w0, limb),
        _mm512_and_si512(joined::<52, 12>(w0, w1), limb),
        _mm512_and_si512(joined::<40, 24>(w1, w2), limb),
        _mm512_and_si512(joined::<28, 36>(w2, w3), limb),
        _mm512_srli_epi64::<16>(w3),
    ]
}

#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn words(number: &Lanes) -> [__m512i; 4] {
    let [l0, l1, l2, l3, l4] = *number;
    [
        joined::<0, 52>(l0, l1),
        joined::<12, 40>(l1, l2),
        joined::<24, 28>(l2, l3),
        joined::<36, 16>(l3, l4),
    ]
}

/// `low >> RIGHT | high << LEFT`.
#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn joined<const RIGHT: u32, const LEFT: u32>(low: __m512i, high: __m512i) -> __m512i {
    _mm512_or_si512(
        _mm512_srli_epi64::<RIGHT>(low),
        _mm512_slli_epi64::<LEFT>(high),
    )
}

/// Brings all limbs but the highest into 52 bits. Limbs count as signed: what is negative borrows.
#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn carry<const N: usize>(number: &mut [__m512i; N]) {
    for k in 1..N {
        let above = _mm512_srai_epi64::<52>(number[k - 1]);
        number[k - 1] = _mm512_and_si512(number[k - 1], all(LIMB));
        number[k] = _mm512_add_epi64(number[k], above);
    }
}

/// `a + b`, limb by limb.
#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn plus(a: &Lanes, b: &Lanes) -> Lanes {
    let mut sum = *a;
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum = _mm512_add_epi64(*sum, *b);
    }
    sum
}

/// `a − b`, limb by limb.
#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn minus(a: &Lanes, b: &Lanes) -> Lanes {
    let mut difference = *a;
    for (difference, b) in difference.iter_mut().zip(b) {
        *difference = _mm512_sub_epi64(*difference, *b);
    }
    difference
}

/// The numbers whose bit is set; zero for the others.
#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn chosen(choices: __mmask8, number: &Lanes) -> Lanes {
    let mut chosen = *number;
    for limb in &mut chosen {
        *limb = _mm512_maskz_mov_epi64(choices, *limb);
    }
    chosen
}

/// Adds `a · b` to `sum`, limb by limb: each of its limbs grows by less than `2·min(A, B)·2⁵²`.
///
/// Only the lower 52 bits of limbs of `a` and `b` count, and `SUM` is at least `A + B`.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
pub(crate) fn add_product<const A: usize, const B: usize, const SUM: usize>(
    sum: &mut [__m512i; SUM],
    a: &[__m512i; A],
    b: &[__m512i; B],
) {
    const { assert!(SUM >= A + B) };
    for i in 0..A {
        for j in 0..B {
            sum[i + j] = _mm512_madd52lo_epu64(sum[i + j], a[i], b[j]);
            sum[i + j + 1] = _mm512_madd52hi_epu64(sum[i + j + 1], a[i], b[j]);
        }
    }
}
