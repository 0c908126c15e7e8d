//! Names of coins on the command line.

use std::fmt;

/// A coin: which output of which transaction, and its amount if that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoinName {
    /// Id of the transaction, in the order of its bytes.
    pub(crate) transaction: [u8; 32],
    /// Which of its outputs, from 0.
    pub(crate) index: u32,
    /// Satoshi.
    pub(crate) amount: Option<u64>,
}

impl fmt::Display for CoinName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.transaction;
        shown.reverse();
        write!(f, "{}:{}", hex::encode(shown), self.index)
    }
}

/// `TXID:INDEX` or `TXID:INDEX:AMOUNT`.
pub(crate) fn parse_coin(text: &str) -> Result<CoinName, String> {
    let form = || "a coin is TXID:INDEX or TXID:INDEX:AMOUNT, with 64 hex digits first".to_owned();
    let mut parts = text.splitn(3, ':');
    let (id, index) = parts.next().zip(parts.next()).ok_or_else(form)?;
    let mut transaction = [0; 32];
    hex::decode_to_slice(id, &mut transaction).map_err(|_| form())?;
    // It is shown backwards everywhere.
    transaction.reverse();
    Ok(CoinName {
        transaction,
        index: index.parse().map_err(|_| form())?,
        amount: parts.next().map(super::parse_amount).transpose()?,
    })
}
