//! Hashing of correlated inputs by AES: `H(x, i) = π(π(x) ⊕ i) ⊕ π(x)`, where `π` is AES-128 under
//! a key that is fixed and public within one session, and `i` is a tweak that never repeats in it.
//!
//! Source: Guo, Katz, Wang, Yu, *Efficient and Secure Multiparty Computation from Fixed-Key Block
//! Ciphers* (eprint 2019/074), §7.4, "TMMO": tweakable circular correlation robust in the ideal
//! cipher model. `docs/protocols/dkls23.md` §5.

#[cfg(target_arch = "x86_64")]
mod vaes;

use std::sync::OnceLock;

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use crate::self_test;

/// 128 bits: one input or output of the hash. Its bytes are little-endian.
pub type Block = u128;

/// Inputs that are hashed together: the widest unit of the cipher takes 64 blocks at once.
const GROUP: usize = 64;

/// The hash under one session's key. The key is no secret; inputs and outputs may be.
pub struct Tccr {
    cipher: Aes128,
    #[cfg(target_arch = "x86_64")]
    key: Block,
}

impl Tccr {
    /// Takes the key of a session.
    #[must_use]
    pub fn new(key: Block) -> Self {
        Self {
            cipher: Aes128::new(&Array::from(key.to_le_bytes())),
            #[cfg(target_arch = "x86_64")]
            key,
        }
    }

    /// Hashes each of `inputs` to `OUTPUTS` blocks, in order.
    ///
    /// The tweak of output `k` of input `n` is `domain ‖ first + n ‖ k ‖ 0`, 4 bytes each,
    /// little-endian.
    ///
    /// - `out`: `OUTPUTS` blocks for each input.
    ///
    /// # Panics
    /// If there are more or fewer.
    ///
    /// # Security
    /// A tweak must not be used twice under one key with inputs that an adversary can relate:
    /// `domain` and `first` keep the uses of a session apart.
    pub fn hash<const OUTPUTS: usize>(
        &self,
        domain: u32,
        first: u32,
        inputs: &[Block],
        out: &mut [[Block; OUTPUTS]],
    ) {
        assert_eq!(inputs.len(), out.len(), "a place for each input");
        if !(wide_is_used() && self.hash_wide(domain, first, inputs, out)) {
            self.hash_portable(domain, first, inputs, out);
        }
    }

    /// Four blocks at once. `false`, and nothing done, where the processor cannot.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(unused_variables, clippy::unused_self, reason = "there is none")
    )]
    fn hash_wide<const OUTPUTS: usize>(
        &self,
        domain: u32,
        first: u32,
        inputs: &[Block],
        out: &mut [[Block; OUTPUTS]],
    ) -> bool {
        #[cfg(target_arch = "x86_64")]
        if vaes::has_instructions() {
            // SAFETY: the processor has what the function is compiled for.
            #[allow(unsafe_code, reason = "four blocks at once")]
            let done = unsafe { vaes::hash(self.key, domain, first, inputs, out) };
            let inputs = inputs.get(done..).unwrap_or_default();
            let out = out.get_mut(done..).unwrap_or_default();
            let done = u32::try_from(done).expect("numbers of inputs have 32 bits");
            self.hash_portable(domain, first.wrapping_add(done), inputs, out);
            return true;
        }
        false
    }

    /// The reference of [`Self::hash`], by the crate `aes`.
    pub(crate) fn hash_portable<const OUTPUTS: usize>(
        &self,
        domain: u32,
        first: u32,
        inputs: &[Block],
        out: &mut [[Block; OUTPUTS]],
    ) {
        if inputs.is_empty() {
            return;
        }
        let mut mapped = Zeroizing::new([0; GROUP]);
        let groups = inputs.chunks(GROUP).zip(out.chunks_mut(GROUP));
        for (start, (inputs, out)) in (first..).step_by(GROUP).zip(groups) {
            for (mapped, input) in mapped.iter_mut().zip(inputs) {
                *mapped = *input;
            }
            // All of them, since the cipher is slow with what is left over from its widest unit.
            self.permute(mapped.as_mut_slice());
            let count = inputs.len().min(out.len());
            let out = out.get_mut(..count).unwrap_or_default();
            for ((number, out), base) in (start..).zip(out.iter_mut()).zip(mapped.iter()) {
                let index = u128::from(number) << 32 | u128::from(domain);
                for (output, block) in (0_u32..).zip(out) {
                    *block = base ^ (u128::from(output) << 64 | index);
                }
            }
            self.permute(out.as_flattened_mut());
            for (out, base) in out.iter_mut().zip(mapped.iter()) {
                for block in out {
                    *block ^= base;
                }
            }
        }
    }

    /// `π`, in place.
    fn permute(&self, blocks: &mut [Block]) {
        for block in blocks.iter_mut() {
            *block = block.to_le();
        }
        // SAFETY: both types are 16 bytes, of which all values are valid; the pointer is aligned
        // for a block, and for bytes too.
        #[allow(unsafe_code, reason = "without a copy of all blocks")]
        let lanes: &mut [aes::Block] = unsafe {
            const { assert!(size_of::<Block>() == size_of::<aes::Block>()) };
            std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), blocks.len())
        };
        self.cipher.encrypt_blocks(lanes);
        for block in blocks.iter_mut() {
            *block = Block::from_le(*block);
        }
    }
}

/// Whether the wide function is there and has passed its self-test, which runs once.
pub(crate) fn wide_is_used() -> bool {
    static IS_USED: OnceLock<bool> = OnceLock::new();
    *IS_USED.get_or_init(|| passes::<5>(Tccr::hash_wide) && passes::<6>(Tccr::hash_wide))
}

/// The self-test: whether a function computes what the reference does, at the edges and elsewhere.
/// Rows have five outputs, pads six.
fn passes<const OUTPUTS: usize>(
    hash: impl Fn(&Tccr, u32, u32, &[Block], &mut [[Block; OUTPUTS]]) -> bool,
) -> bool {
    let mut inputs = self_test::blocks::<8>(1);
    let [zero, largest, highest, ..] = &mut inputs;
    (*zero, *largest, *highest) = (0, u128::MAX, 1 << 127);
    [
        (0, 1, 0),
        (u128::MAX, u32::MAX, 0x00ff_fffc),
        (3 << 100 | 5, 2, 1 << 31),
    ]
    .into_iter()
    .all(|(key, domain, first)| {
        let tccr = Tccr::new(key);
        let (mut expected, mut found) = ([[0; OUTPUTS]; 8], [[0; OUTPUTS]; 8]);
        tccr.hash_portable(domain, first, &inputs, &mut expected);
        hash(&tccr, domain, first, &inputs, &mut found) && found == expected
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula, one block at a time.
    fn literal(key: Block, input: Block, domain: u32, index: u32, output: u32) -> Block {
        let cipher = Aes128::new(&Array::from(key.to_le_bytes()));
        let permute = |block: Block| {
            let mut lane = Array::from(block.to_le_bytes());
            cipher.encrypt_block(&mut lane);
            u128::from_le_bytes(lane.into())
        };
        let mut tweak = [0; 16];
        tweak[..4].copy_from_slice(&domain.to_le_bytes());
        tweak[4..8].copy_from_slice(&index.to_le_bytes());
        tweak[8..12].copy_from_slice(&output.to_le_bytes());
        let once = permute(input);
        permute(once ^ u128::from_le_bytes(tweak)) ^ once
    }

    #[test]
    fn hash__should_be_the_formula_for_any_number_of_inputs() {
        let key = 3 << 100 | 5;
        for count in [0, 1, 3, 4, 7, 63, 64, 65, 416] {
            let inputs: Vec<Block> = (0..count)
                .map(|n: u128| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834))
                .collect();
            let mut out = vec![[0; 6]; inputs.len()];
            Tccr::new(key).hash(7, 40, &inputs, &mut out);
            let mut portable = vec![[0; 6]; inputs.len()];
            Tccr::new(key).hash_portable(7, 40, &inputs, &mut portable);
            assert_eq!(out, portable);
            let mut wide = vec![[0; 6]; inputs.len()];
            let done = Tccr::new(key).hash_wide(7, 40, &inputs, &mut wide);
            if self_test::is_tested("correlation-robust hash", done) {
                assert_eq!(wide, portable);
            }
            for ((n, input), blocks) in (0..).zip(&inputs).zip(&out) {
                for (k, block) in (0..).zip(blocks) {
                    assert_eq!(*block, literal(key, *input, 7, 40 + n, k));
                }
            }
        }
    }

    #[test]
    fn hash__should_be_the_formula_for_any_number_of_outputs_and_any_start() {
        fn check<const OUTPUTS: usize>(first: u32) {
            let inputs: Vec<Block> = (0..13).map(|n| n << 90 | n).collect();
            let mut out = vec![[0; OUTPUTS]; inputs.len()];
            Tccr::new(u128::MAX - 5).hash(u32::MAX, first, &inputs, &mut out);
            let mut wide = vec![[0; OUTPUTS]; inputs.len()];
            let done = Tccr::new(u128::MAX - 5).hash_wide(u32::MAX, first, &inputs, &mut wide);
            if self_test::is_tested("correlation-robust hash", done) {
                assert_eq!(wide, out);
            }
            for ((n, input), blocks) in (0..).zip(&inputs).zip(&out) {
                for (k, block) in (0..).zip(blocks) {
                    let index = first.wrapping_add(n);
                    assert_eq!(*block, literal(u128::MAX - 5, *input, u32::MAX, index, k));
                }
            }
        }
        for first in [0, 7, 1 << 31] {
            check::<1>(first);
            check::<2>(first);
            check::<3>(first);
            check::<5>(first);
            check::<8>(first);
        }
    }

    #[test]
    fn self_test__must_refuse_one_wrong_bit_and_nothing_else() {
        assert!(passes::<6>(|tccr, domain, first, inputs, out| {
            tccr.hash_portable(domain, first, inputs, out);
            true
        }));
        assert!(!passes::<6>(|_, _, _, _, _| false));
        for at in 0..8 {
            assert!(!passes::<6>(|tccr, domain, first, inputs, out| {
                tccr.hash_portable(domain, first, inputs, out);
                out[at][5] ^= 1 << 127;
                true
            }));
        }
        let is_there = Tccr::new(0).hash_wide::<6>(0, 0, &[], &mut []);
        assert_eq!(wide_is_used(), is_there);
    }

    #[test]
    fn a5_hash__must_differ_for_each_domain_index_output_and_key() {
        let mut seen = std::collections::BTreeSet::new();
        for key in [0, 1] {
            for domain in 0..3 {
                let mut out = [[0; 3]; 20];
                Tccr::new(key).hash(domain, 5, &[9; 20], &mut out);
                assert!(out.iter().flatten().all(|block| seen.insert(*block)));
            }
        }
    }
}
