//! Randomness of the operating system.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

/// Reads the operating system for every byte. If it fails, the process stops: there is no safe way
/// to go on (architecture invariant 8).
pub(crate) struct SystemRandomness;

impl TryRng for SystemRandomness {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        if getrandom::fill(bytes).is_err() {
            tracing::error!("the operating system gives no randomness; stopping");
            std::process::abort();
        }
        Ok(())
    }
}

impl TryCryptoRng for SystemRandomness {}
