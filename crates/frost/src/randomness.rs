//! Our caller's randomness, in the form that the engine knows.

use frost_secp256k1_tr::rand_core as engine;
use rand_core::CryptoRng;

/// A generator of `rand_core` 0.10 as one of 0.6.
pub(crate) struct EngineRng<'a>(pub(crate) &'a mut dyn CryptoRng);

impl engine::RngCore for EngineRng<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), engine::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl engine::CryptoRng for EngineRng<'_> {}
