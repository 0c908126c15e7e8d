//! Oblivious transfer: base OTs once per pair, extensions for every product.

pub(crate) mod base;
pub(crate) mod extension;

use quorate_kernels::Block;
use zeroize::Zeroize;

/// Base OTs of one direction: κ = 128, one for each bit of the sender's correlation.
pub(crate) const BASE_OTS: usize = 128;

/// What the receiver of extensions keeps: both seeds of each base OT. It was the sender there.
pub(crate) struct ReceiverSeeds {
    pub(crate) zeros: Box<[Block; BASE_OTS]>,
    pub(crate) ones: Box<[Block; BASE_OTS]>,
}

impl Drop for ReceiverSeeds {
    fn drop(&mut self) {
        self.zeros.zeroize();
        self.ones.zeroize();
    }
}

/// What the sender of extensions keeps: its choice bits Δ, and the seed that each chose.
pub(crate) struct SenderSeeds {
    pub(crate) delta: u128,
    pub(crate) chosen: Box<[Block; BASE_OTS]>,
}

impl Drop for SenderSeeds {
    fn drop(&mut self) {
        self.delta.zeroize();
        self.chosen.zeroize();
    }
}
