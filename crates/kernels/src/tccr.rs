//! Hashing of correlated inputs by AES: `H(x, i) = π(π(x) ⊕ i) ⊕ π(x)`, where `π` is AES-128 under
//! a key that is fixed and public within one session, and `i` is a tweak that never repeats in it.
//!
//! Source: Guo, Katz, Wang, Yu, *Efficient and Secure Multiparty Computation from Fixed-Key Block
//! Ciphers* (eprint 2019/074), §7.4, "TMMO": tweakable circular correlation robust in the ideal
//! cipher model. `docs/protocols/dkls23.md` §5.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

/// 128 bits: one input or output of the hash. Its bytes are little-endian.
pub type Block = u128;

type Lane = Array<u8, aes::cipher::consts::U16>;

/// Inputs that are hashed together, so that the cipher's pipeline is full.
const GROUP: usize = 8;
/// Most outputs of one input.
const MAX_OUTPUTS: usize = 8;

/// The hash under one session's key. The key is no secret; inputs and outputs may be.
pub struct Tccr(Aes128);

impl Tccr {
    /// Takes the key of a session.
    #[must_use]
    pub fn new(key: Block) -> Self {
        Self(Aes128::new(&Array::from(key.to_le_bytes())))
    }

    /// Hashes each of `inputs` to `OUTPUTS` blocks, in order.
    ///
    /// The tweak of output `k` of input `n` is `domain ‖ first + n ‖ k ‖ 0`, 4 bytes each,
    /// little-endian.
    ///
    /// - `out`: `OUTPUTS` blocks for each input; inputs beyond it, and space beyond them, are left
    ///   alone.
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
        const { assert!(OUTPUTS > 0 && OUTPUTS <= MAX_OUTPUTS) };
        let mut mapped = Zeroizing::new([Lane::default(); GROUP]);
        let mut lanes = Zeroizing::new([Lane::default(); GROUP * MAX_OUTPUTS]);
        let groups = inputs.chunks(GROUP).zip(out.chunks_mut(GROUP));
        for (group, (inputs, out)) in (0_u32..).zip(groups) {
            let start = first.wrapping_add(group.wrapping_mul(8));
            self.hash_group(domain, start, inputs, out, &mut mapped, &mut lanes);
        }
    }

    fn hash_group<const OUTPUTS: usize>(
        &self,
        domain: u32,
        first: u32,
        inputs: &[Block],
        out: &mut [[Block; OUTPUTS]],
        mapped: &mut [Lane; GROUP],
        lanes: &mut [Lane; GROUP * MAX_OUTPUTS],
    ) {
        for (lane, input) in mapped.iter_mut().zip(inputs) {
            *lane = Array::from(input.to_le_bytes());
        }
        self.0.encrypt_blocks(mapped);
        let outputs = lanes.chunks_exact_mut(OUTPUTS);
        for ((number, lanes), base) in (0_u32..).zip(outputs).zip(mapped.iter()) {
            let base = u128::from_le_bytes((*base).into());
            let index = u128::from(first.wrapping_add(number)) << 32 | u128::from(domain);
            for (output, lane) in (0_u32..).zip(lanes) {
                let tweak = u128::from(output) << 64 | index;
                *lane = Array::from((base ^ tweak).to_le_bytes());
            }
        }
        let used = lanes.get_mut(..GROUP * OUTPUTS);
        self.0
            .encrypt_blocks(used.expect("at most MAX_OUTPUTS of each"));
        let hashed = lanes.chunks_exact(OUTPUTS).zip(mapped.iter());
        for (out, (lanes, base)) in out.iter_mut().zip(hashed) {
            let base = u128::from_le_bytes((*base).into());
            for (out, lane) in out.iter_mut().zip(lanes) {
                *out = u128::from_le_bytes((*lane).into()) ^ base;
            }
        }
    }
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
        for count in [0, 1, 7, 8, 9, 416] {
            let inputs: Vec<Block> = (0..count)
                .map(|n: u128| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834))
                .collect();
            let mut out = vec![[0; 6]; inputs.len()];
            Tccr::new(key).hash(7, 40, &inputs, &mut out);
            for ((n, input), blocks) in (0..).zip(&inputs).zip(&out) {
                for (k, block) in (0..).zip(blocks) {
                    assert_eq!(*block, literal(key, *input, 7, 40 + n, k));
                }
            }
        }
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
