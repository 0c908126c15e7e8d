//! Addresses, decoding, digests and assembling of signed transactions.
//!
//! Client, coordinator and every participant call the same [`effect_of`] on the same payload, so a
//! participant signs only a digest that it computed itself from what its operator can read (attack
//! row D1). A payload has one encoding: `encode(decode(x)) == x` byte for byte, or it is refused
//! (row D5).
//!
//! Architecture invariant: pure functions of hostile bytes. No IO, clock, randomness or secrets;
//! no panic; nothing allocated beyond a small multiple of the input, which [`MAX_PAYLOAD`] limits.
//!
//! A further chain is one more variant of [`Chain`] and one module like `ethereum`.

#![cfg_attr(
    test,
    allow(non_snake_case, reason = "test names are subject__should_result")
)]

mod bitcoin;
mod chain;
mod decoded;
mod effect;
mod ethereum;
mod fee_limits;
mod key_context;
mod reader;
mod refusal;
mod signed;
mod solana;
mod target;
mod uint256;

pub use bitcoin::BitcoinNetwork;
pub use chain::{Chain, DEFAULT_ADDRESS_KIND};
pub use decoded::{Asset, Decoded, EffectKind, Fact, Output, Warning};
pub use effect::{Effect, assemble, assemble_verified, effect_of};
pub use ethereum::EthereumNetwork;
pub use fee_limits::FeeLimits;
pub use key_context::KeyContext;
pub use quorate_types::MessageType;
pub use quorate_verify::Signature;
pub use refusal::{EncodingFault, Refusal};
pub use signed::SignedTransaction;
pub use solana::SolanaNetwork;
pub use target::{KeyTweak, SigningTarget};
pub use uint256::Uint256;

/// Most bytes of a payload of any message type: 128 KiB, what Ethereum nodes relay.
pub const MAX_PAYLOAD: usize = 128 * 1024;
