//! How much may be paid as a fee (row D6).

use crate::{Chain, Decoded, Refusal, Uint256};

/// Most that a node lets a transaction pay as a fee. Each node has its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeLimits {
    /// Bitcoin: satoshi in all. Default 5 000 000 (0.05 BTC).
    pub bitcoin_satoshi: u64,
    /// Bitcoin: satoshi a virtual byte. Default 1 000.
    pub bitcoin_satoshi_per_vbyte: u64,
    /// Ethereum: wei, gas limit times price. Default 10¹⁸ (1 ether).
    pub ethereum_wei: u128,
    /// Solana: lamports, with the priority fee. Default 100 000 000 (0.1 SOL).
    pub solana_lamports: u64,
}

impl Default for FeeLimits {
    fn default() -> Self {
        Self {
            bitcoin_satoshi: 5_000_000,
            bitcoin_satoshi_per_vbyte: 1_000,
            ethereum_wei: 1_000_000_000_000_000_000,
            solana_lamports: 100_000_000,
        }
    }
}

impl FeeLimits {
    /// Checks the fee of what a payload does.
    ///
    /// What has no fee (a message, a digest) passes: other rules decide about it.
    ///
    /// # Errors
    /// [`Refusal::FeeAboveCeiling`].
    pub fn check(&self, chain: Chain, decoded: &Decoded) -> Result<(), Refusal> {
        let Some(found) = decoded.fee else {
            return Ok(());
        };
        let (ceiling, unit) = match chain {
            Chain::None => return Ok(()),
            Chain::Bitcoin(_) => (self.bitcoin_ceiling(decoded), "satoshi"),
            Chain::Ethereum(_) => (self.ethereum_wei, "wei"),
            Chain::Solana(_) => (self.solana_lamports.into(), "lamports"),
        };
        let limit = Uint256::from(ceiling);
        if found <= limit {
            return Ok(());
        }
        Err(Refusal::FeeAboveCeiling { found, limit, unit })
    }

    /// The lower of both limits, for a transaction of this size.
    fn bitcoin_ceiling(&self, decoded: &Decoded) -> u128 {
        let in_all = u128::from(self.bitcoin_satoshi);
        let size = decoded.virtual_size.map_or(0, u128::from);
        in_all.min(size * u128::from(self.bitcoin_satoshi_per_vbyte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BitcoinNetwork, EffectKind, EthereumNetwork, SolanaNetwork};

    const BITCOIN: Chain = Chain::Bitcoin(BitcoinNetwork::Mainnet);

    fn paying(fee: u64, virtual_size: Option<u64>) -> Decoded {
        Decoded {
            fee: Some(Uint256::from(fee)),
            virtual_size,
            ..Decoded::new(EffectKind::Transfer)
        }
    }

    #[test]
    fn d6_fee__must_be_refused_above_the_ceiling_of_its_chain() {
        let limits = FeeLimits {
            bitcoin_satoshi: 50_000,
            bitcoin_satoshi_per_vbyte: 100,
            ethereum_wei: 7,
            solana_lamports: 8,
        };
        for (chain, size, ceiling) in [
            (BITCOIN, Some(200), 20_000),   // by its size
            (BITCOIN, Some(5_000), 50_000), // in all
            (Chain::Ethereum(EthereumNetwork::Local), None, 7),
            (Chain::Solana(SolanaNetwork::Devnet), None, 8),
        ] {
            assert_eq!(limits.check(chain, &paying(ceiling, size)), Ok(()));
            let refused = limits.check(chain, &paying(ceiling + 1, size));
            assert_eq!(refused.map_err(|r| r.code()), Err("fee_above_ceiling"));
        }
    }

    #[test]
    fn fee__should_pass_where_there_is_none() {
        let limits = FeeLimits::default();
        let unknown = Decoded::new(EffectKind::RawHash);
        assert_eq!(limits.check(BITCOIN, &unknown), Ok(()));
        let free = paying(u64::MAX, None);
        assert_eq!(limits.check(Chain::None, &free), Ok(()));
    }

    #[test]
    fn refusal__should_say_fee_limit_and_unit() {
        let refused = FeeLimits::default().check(BITCOIN, &paying(200_000, Some(110)));
        assert_eq!(
            refused.map_err(|refusal| refusal.to_string()),
            Err("the fee of 200000 satoshi is above this node's limit of 110000".to_owned())
        );
    }
}
