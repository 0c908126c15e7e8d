//! What a transaction does (`docs/protocols/ethereum.md` §4).

use super::address::{Address, checksummed};
use super::calldata::TokenCall;
use super::transaction::Transaction;
use crate::{Asset, Decoded, EffectKind, Output, Uint256, Warning};

/// From this amount on, an approval counts as one of everything: 2²⁵⁵.
const UNLIMITED: Uint256 = {
    let mut bytes = [0; 32];
    bytes[0] = 0x80;
    Uint256::from_be_bytes(bytes)
};

impl Transaction {
    /// Most wei that the transaction can cost beside its value; none if that is 2¹²⁸ or more.
    pub(super) fn greatest_fee(&self) -> Option<u128> {
        self.pricing
            .greatest_price()
            .checked_mul(u128::from(self.gas_limit))
    }

    /// What it does, for people and policies.
    pub(super) fn meaning(&self) -> Decoded {
        let mut decoded = Decoded {
            fee: self.greatest_fee().map(Uint256::from),
            nonce: Some(self.nonce),
            ..Decoded::new(EffectKind::Transfer)
        };
        match self.to {
            None => self.describe_creation(&mut decoded),
            Some(to) => match TokenCall::parse(&self.data) {
                Some(call) => self.describe_token_call(&mut decoded, &to, call),
                None => self.describe_call(&mut decoded, &to),
            },
        }
        decoded
    }

    fn describe_creation(&self, decoded: &mut Decoded) {
        decoded.kind = EffectKind::ContractCreation;
        decoded.warnings.push(Warning::ContractCreation);
        decoded.outputs.push(self.value_to(None));
    }

    fn describe_call(&self, decoded: &mut Decoded, to: &Address) {
        if !self.data.is_empty() {
            decoded.kind = EffectKind::ContractCall;
            decoded.warnings.push(Warning::ContractCall);
        }
        decoded.warnings.extend(zero_address(to));
        decoded.outputs.push(self.value_to(Some(to)));
    }

    fn describe_token_call(&self, decoded: &mut Decoded, token: &Address, call: TokenCall) {
        if !self.value.is_zero() {
            decoded.warnings.push(Warning::ValueToToken);
            decoded.outputs.push(self.value_to(Some(token)));
        }
        let (to, amount) = match call {
            TokenCall::Transfer { to, amount } => {
                decoded.kind = EffectKind::TokenTransfer;
                (to, amount)
            }
            TokenCall::Approve { spender, amount } => {
                decoded.kind = EffectKind::TokenApproval;
                decoded.warnings.push(Warning::TokenApproval);
                if amount >= UNLIMITED {
                    decoded.warnings.push(Warning::UnlimitedApproval);
                }
                (spender, amount)
            }
        };
        decoded.warnings.extend(zero_address(&to));
        decoded.outputs.push(Output {
            to: Some(checksummed(&to)),
            asset: Asset::Token(checksummed(token)),
            amount,
            is_change: false,
        });
    }

    fn value_to(&self, to: Option<&Address>) -> Output {
        Output {
            to: to.map(checksummed),
            asset: Asset::Native,
            amount: self.value,
            is_change: false,
        }
    }
}

fn zero_address(to: &Address) -> Option<Warning> {
    (*to == [0; 20]).then_some(Warning::ZeroAddress)
}
