//! What the network itself would say: the script engine of Bitcoin Core.

use bitcoinconsensus::{Error, Utxo, VERIFY_ALL_PRE_TAPROOT, VERIFY_TAPROOT};

/// A spent coin.
pub(crate) struct Coin {
    pub(crate) amount: u64,
    pub(crate) script: Vec<u8>,
}

/// Checks every input of a signed transaction against the coins that it spends.
pub(crate) fn check_spends(signed: &[u8], coins: &[Coin]) -> Result<(), Error> {
    let spent: Vec<Utxo> = coins
        .iter()
        .map(|coin| Utxo {
            script_pubkey: coin.script.as_ptr(),
            script_pubkey_len: u32::try_from(coin.script.len()).expect("short"),
            value: i64::try_from(coin.amount).expect("less than all coins"),
        })
        .collect();
    for (place, coin) in coins.iter().enumerate() {
        bitcoinconsensus::verify_with_flags(
            &coin.script,
            coin.amount,
            signed,
            Some(&spent),
            place,
            VERIFY_ALL_PRE_TAPROOT | VERIFY_TAPROOT,
        )?;
    }
    Ok(())
}
