//! [`super::Tccr::hash`] with VAES: four blocks in a vector, as many vectors in flight as an input has
//! outputs. The crate `aes` uses the same instructions, but each of its calls goes through memory.

use std::arch::x86_64::*;

use super::Block;

/// Blocks of a vector.
const BLOCKS: usize = 4;
/// AES-128: one key before the rounds, and one for each of ten.
const KEYS: usize = 11;

/// If this processor has the instructions.
pub(super) fn has_instructions() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("aes")
}

/// [`super::Tccr::hash`] of as many inputs as come in fours; says how many.
#[target_feature(enable = "avx512f,vaes,aes")]
pub(super) fn hash<const OUTPUTS: usize>(
    key: Block,
    domain: u32,
    first: u32,
    inputs: &[Block],
    out: &mut [[Block; OUTPUTS]],
) -> usize {
    let keys = expanded(key);
    let mut places = [_mm512_setzero_si512(); OUTPUTS];
    let mut tweaks = [_mm512_setzero_si512(); OUTPUTS];
    for (vector, (place, tweak)) in places.iter_mut().zip(&mut tweaks).enumerate() {
        (*place, *tweak) = layout::<OUTPUTS>(vector, domain, first);
    }
    // The number of an input is the second word of 32 bits of its tweak.
    let next = _mm512_set4_epi64(0, (BLOCKS as i64) << 32, 0, (BLOCKS as i64) << 32);
    let groups = inputs.as_chunks::<BLOCKS>().0.iter();
    let groups = groups.zip(out.as_chunks_mut::<BLOCKS>().0);
    let mut done = 0;
    for (inputs, out) in groups {
        let [mapped] = permuted([load(inputs)], &keys);
        let mut bases = [mapped; OUTPUTS];
        let mut lanes = bases;
        for (((base, lane), place), tweak) in bases
            .iter_mut()
            .zip(&mut lanes)
            .zip(&places)
            .zip(&mut tweaks)
        {
            *base = _mm512_permutexvar_epi64(*place, *base);
            *lane = _mm512_xor_si512(*base, *tweak);
            *tweak = _mm512_add_epi64(*tweak, next);
        }
        let lanes = permuted(lanes, &keys);
        let places = out.as_flattened_mut().as_chunks_mut::<BLOCKS>().0;
        for ((place, base), lane) in places.iter_mut().zip(bases).zip(lanes) {
            store(_mm512_xor_si512(base, lane), place);
        }
        done += BLOCKS;
    }
    done
}

/// For the blocks of one vector of outputs: from where in a vector of four inputs each comes (in
/// words of 64 bits), and its first tweak. Outputs of an input are beside each other.
#[target_feature(enable = "avx512f")]
#[inline]
fn layout<const OUTPUTS: usize>(vector: usize, domain: u32, first: u32) -> (__m512i, __m512i) {
    let (mut places, mut tweaks) = ([0; BLOCKS], [0; BLOCKS]);
    for (block, (place, tweak)) in places.iter_mut().zip(&mut tweaks).enumerate() {
        let at = vector * BLOCKS + block;
        let (input, output) = (at / OUTPUTS, at % OUTPUTS);
        #[allow(clippy::cast_possible_truncation, reason = "below 4")]
        let number = first.wrapping_add(input as u32);
        *place = ((2 * input as u128 + 1) << 64) | (2 * input as u128);
        *tweak = (output as u128) << 64 | u128::from(number) << 32 | u128::from(domain);
    }
    (load(&places), load(&tweaks))
}

/// AES-128 of all blocks.
#[target_feature(enable = "avx512f,vaes")]
#[inline]
fn permuted<const VECTORS: usize>(
    mut vectors: [__m512i; VECTORS],
    keys: &[__m512i; KEYS],
) -> [__m512i; VECTORS] {
    let [whitening, rounds @ .., last] = keys;
    for vector in &mut vectors {
        *vector = _mm512_xor_si512(*vector, *whitening);
    }
    for key in rounds {
        for vector in &mut vectors {
            *vector = _mm512_aesenc_epi128(*vector, *key);
        }
    }
    for vector in &mut vectors {
        *vector = _mm512_aesenclast_epi128(*vector, *last);
    }
    vectors
}

/// The key of each round in all lanes. Source: FIPS 197 §5.2.
#[target_feature(enable = "avx512f,aes")]
#[inline]
fn expanded(key: Block) -> [__m512i; KEYS] {
    #[allow(clippy::cast_possible_truncation, reason = "its two halves")]
    let halves = (key as i64, (key >> 64) as i64);
    let k0 = _mm_set_epi64x(halves.1, halves.0);
    let k1 = next_key::<0x01>(k0);
    let k2 = next_key::<0x02>(k1);
    let k3 = next_key::<0x04>(k2);
    let k4 = next_key::<0x08>(k3);
    let k5 = next_key::<0x10>(k4);
    let k6 = next_key::<0x20>(k5);
    let k7 = next_key::<0x40>(k6);
    let k8 = next_key::<0x80>(k7);
    let k9 = next_key::<0x1b>(k8);
    let k10 = next_key::<0x36>(k9);
    let mut keys = [_mm512_setzero_si512(); KEYS];
    for (wide, key) in keys
        .iter_mut()
        .zip([k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10])
    {
        *wide = _mm512_broadcast_i32x4(key);
    }
    keys
}

#[target_feature(enable = "avx512f,aes")]
#[inline]
fn next_key<const CONSTANT: i32>(key: __m128i) -> __m128i {
    let substituted = _mm_shuffle_epi32::<0xff>(_mm_aeskeygenassist_si128::<CONSTANT>(key));
    // Each word is the sum of all words up to it.
    let key = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
    let key = _mm_xor_si128(key, _mm_slli_si128::<8>(key));
    _mm_xor_si128(key, substituted)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(blocks: &[Block; BLOCKS]) -> __m512i {
    // SAFETY: reads the 64 bytes behind the reference.
    #[allow(unsafe_code, reason = "unaligned loads take pointers")]
    unsafe {
        _mm512_loadu_si512(std::ptr::from_ref(blocks).cast())
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(vector: __m512i, blocks: &mut [Block; BLOCKS]) {
    // SAFETY: writes the 64 bytes behind the reference.
    #[allow(unsafe_code, reason = "unaligned stores take pointers")]
    unsafe {
        _mm512_storeu_si512(std::ptr::from_mut(blocks).cast(), vector);
    }
}
