//! The two token calls that are decoded. Source: ERC-20; Solidity ABI specification.

use super::address::Address;
use crate::Uint256;

/// First 4 bytes of Keccak-256 of `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];
/// First 4 bytes of Keccak-256 of `approve(address,uint256)`.
const APPROVE: [u8; 4] = [0x09, 0x5e, 0xa7, 0xb3];

/// A call that a token contract understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenCall {
    /// Tokens of the signer go to `to`.
    Transfer { to: Address, amount: Uint256 },
    /// `spender` may take tokens of the signer.
    Approve { spender: Address, amount: Uint256 },
}

impl TokenCall {
    /// Decodes call data of exactly one spelling; anything else is not a token call.
    ///
    /// Extra bytes after the arguments, or dirt before the address, are ignored by some contracts
    /// and refused by others: such data has no one meaning, so it is not decoded (row D5).
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let (selector, arguments) = data.split_first_chunk::<4>()?;
        let (word, amount) = arguments.split_first_chunk::<32>()?;
        let amount = Uint256::from_be_bytes(amount.try_into().ok()?);
        let (padding, account) = word.split_first_chunk::<12>()?;
        let account: Address = account.try_into().ok()?;
        match *selector {
            _ if padding != &[0; 12] => None,
            TRANSFER => Some(Self::Transfer {
                to: account,
                amount,
            }),
            APPROVE => Some(Self::Approve {
                spender: account,
                amount,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::keccak256;
    use super::*;

    fn call(selector: [u8; 4], padding: u8, amount: u8) -> Vec<u8> {
        let mut data = selector.to_vec();
        data.extend([padding; 12]);
        data.extend([0x11; 20]);
        data.extend(Uint256::from(u64::from(amount)).as_be_bytes());
        data
    }

    #[test]
    fn selectors__should_be_hashes_of_the_signatures() {
        for (selector, signature) in [
            (TRANSFER, "transfer(address,uint256)"),
            (APPROVE, "approve(address,uint256)"),
        ] {
            assert_eq!(keccak256(signature.as_bytes()).as_bytes()[..4], selector);
        }
    }

    #[test]
    fn token_call__should_decode_transfer_and_approve() {
        let amount = Uint256::from(7u64);
        assert_eq!(
            TokenCall::parse(&call(TRANSFER, 0, 7)),
            Some(TokenCall::Transfer {
                to: [0x11; 20],
                amount
            })
        );
        assert_eq!(
            TokenCall::parse(&call(APPROVE, 0, 7)),
            Some(TokenCall::Approve {
                spender: [0x11; 20],
                amount
            })
        );
    }

    #[test]
    fn d5_token_call__must_not_decode_other_spellings() {
        let exact = call(TRANSFER, 0, 7);
        let mut longer = exact.clone();
        longer.push(0);
        let shorter = &exact[..exact.len() - 1];
        let dirty = call(TRANSFER, 1, 7);
        let unknown = call([1, 2, 3, 4], 0, 7);
        for data in [&longer, shorter, &dirty, &unknown, &TRANSFER[..], &[]] {
            assert_eq!(TokenCall::parse(data), None);
        }
    }
}
