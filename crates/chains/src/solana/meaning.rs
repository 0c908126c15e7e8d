//! What a transaction does (`docs/protocols/solana.md` §4).

use super::address::{Account, written};
use super::instruction::Act;
use super::message::Message;
use super::program;
use crate::{Asset, Decoded, EffectKind, Fact, Output, Refusal, Uint256, Warning};

impl Message {
    /// What it does, for people and policies.
    ///
    /// # Errors
    /// [`Refusal::UnknownReceiver`], and as [`Message::greatest_fee`].
    pub(super) fn meaning(&self) -> Result<Decoded, Refusal> {
        let mut decoded = Decoded {
            from: self.account(0).map(written),
            fee: Some(Uint256::from(self.greatest_fee()?)),
            facts: vec![Fact::new(
                "recent_blockhash",
                written(&self.recent_blockhash),
            )],
            ..Decoded::new(EffectKind::Transfer)
        };
        for instruction in &self.instructions {
            match self.act(instruction) {
                Act::Transfer { to, lamports } => {
                    let to = self.account(to).ok_or(Refusal::UnknownReceiver)?;
                    decoded.outputs.push(output(to, lamports));
                    if *to == program::SYSTEM {
                        decoded.warn(Warning::ZeroAddress);
                    }
                }
                Act::Memo(text) => decoded.facts.push(Fact::new("memo", text)),
                Act::Call(program) => {
                    decoded.kind = EffectKind::ContractCall;
                    decoded.outputs.push(output(program, 0));
                    decoded.warn(Warning::ContractCall);
                }
                Act::AdvanceNonce | Act::ComputeBudget => {}
            }
        }
        if self.has_durable_nonce() {
            decoded.warn(Warning::DurableNonce);
        }
        if !self.lookups.is_empty() {
            decoded.warn(Warning::AddressTable);
        }
        Ok(decoded)
    }
}

fn output(to: &Account, lamports: u64) -> Output {
    Output {
        to: Some(written(to)),
        asset: Asset::Native,
        amount: Uint256::from(lamports),
        is_change: false,
    }
}
