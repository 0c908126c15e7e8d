//! Unsigned EIP-1559 transactions, as `quorate tx ethereum` builds them.
//!
//! Only the outer list is written here; what the bytes mean is read back by `quorate-chains`, the
//! code that participants decide with.

use quorate_chains::{
    Chain, DEFAULT_ADDRESS_KIND, Decoded, EthereumNetwork, KeyContext, MessageType, Refusal,
    Uint256, effect_of,
};
use quorate_types::{Algorithm, Rights};

use crate::amount;
use crate::error::CliError;

/// The fields of a transfer or call.
#[derive(Debug, Clone)]
pub(crate) struct Eip1559 {
    pub(crate) chain_id: u64,
    pub(crate) nonce: u64,
    pub(crate) max_priority_fee: u128,
    pub(crate) max_fee: u128,
    pub(crate) gas_limit: u64,
    pub(crate) to: [u8; 20],
    pub(crate) value: u128,
    pub(crate) data: Vec<u8>,
}

impl Eip1559 {
    /// The unsigned payload: `0x02 ‖ rlp([chain_id, nonce, …, access_list])` (EIP-1559), with an
    /// empty access list.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut list = Vec::new();
        number(&mut list, self.chain_id.into());
        number(&mut list, self.nonce.into());
        number(&mut list, self.max_priority_fee);
        number(&mut list, self.max_fee);
        number(&mut list, self.gas_limit.into());
        string(&mut list, &self.to);
        number(&mut list, self.value);
        string(&mut list, &self.data);
        header(&mut list, 0xc0, 0);
        let mut payload = vec![0x02];
        header(&mut payload, 0xc0, list.len());
        payload.extend(list);
        payload
    }

    /// The network with this chain id.
    pub(crate) fn network(&self) -> Result<Chain, CliError> {
        let ids = Chain::ALL.into_iter();
        let found = ids
            .clone()
            .find(|chain| chain.network_chain_id() == Some(self.chain_id));
        found.ok_or_else(|| {
            let name = |chain: Chain| Some(format!("{} ({chain})", chain.network_chain_id()?));
            let known: Vec<String> = ids.filter_map(name).collect();
            let what = format!("no chain here has the id {}", self.chain_id);
            CliError::invalid(what, format!("known: {}", known.join(", ")))
        })
    }

    /// What the payload means to whoever signs it.
    pub(crate) fn decoded(&self) -> Result<Decoded, CliError> {
        meaning(self.network()?, &self.encode()).map_err(|refusal| {
            CliError::invalid(refusal.to_string(), "change the fields of the transaction")
        })
    }
}

/// What an Ethereum transaction means, whatever key signs it.
fn meaning(chain: Chain, payload: &[u8]) -> Result<Decoded, Refusal> {
    let key = KeyContext {
        chain,
        algorithm: Algorithm::Ecdsa,
        rights: &Rights::default(),
        address_kind: DEFAULT_ADDRESS_KIND,
        public_key: &[],
    };
    effect_of(&key, MessageType::Transaction, payload).map(|effect| effect.decoded)
}

/// A payload for measurements: a transfer on the local test chain.
pub(crate) fn bench_transfer(nonce: u64) -> Vec<u8> {
    let transfer = Eip1559 {
        chain_id: EthereumNetwork::Local.chain_id(),
        nonce,
        max_priority_fee: 1_000_000_000,
        max_fee: 100_000_000_000,
        gas_limit: 21_000,
        to: [0x42; 20],
        value: 1_000_000_000_000_000,
        data: Vec::new(),
    };
    transfer.encode()
}

/// An amount in wei: `123`, `1.5ether`, `30gwei`, `7wei`.
pub(crate) fn parse_amount(text: &str) -> Result<u128, String> {
    let units = [("ether", 18), ("gwei", 9), ("wei", 0)];
    let form = "an amount is a number of wei, or a number with gwei or ether behind it";
    amount::parse(text, &units, "wei", form)
}

/// An address; its checksum is checked if it has one (EIP-55).
pub(crate) fn parse_address(text: &str) -> Result<[u8; 20], String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut address = [0; 20];
    hex::decode_to_slice(digits, &mut address)
        .map_err(|_| "an address is 20 bytes in hex".to_owned())?;
    let is_mixed = digits.bytes().any(|byte| byte.is_ascii_uppercase())
        && digits.bytes().any(|byte| byte.is_ascii_lowercase());
    if is_mixed && checksummed(address).as_deref() != Some(&format!("0x{digits}")) {
        return Err(
            "the checksum of the address is wrong (EIP-55): a digit was mistyped".to_owned(),
        );
    }
    Ok(address)
}

/// The address as `quorate-chains` writes it: what it reads from a transaction to it.
fn checksummed(to: [u8; 20]) -> Option<String> {
    let probe = Eip1559 {
        chain_id: EthereumNetwork::Local.chain_id(),
        nonce: 0,
        max_priority_fee: 0,
        max_fee: 0,
        gas_limit: 21_000,
        to,
        value: 0,
        data: Vec::new(),
    };
    let output = probe.decoded().ok()?.outputs.into_iter().next()?;
    output.to
}

/// RLP of an integer: its digits without leading zeros.
fn number(out: &mut Vec<u8>, value: u128) {
    string(out, Uint256::from(value).minimal_be_bytes());
}

/// RLP of a byte string (Ethereum yellow paper, appendix B).
fn string(out: &mut Vec<u8>, content: &[u8]) {
    match content {
        [single @ 0..=0x7f] => out.push(*single),
        _ => {
            header(out, 0x80, content.len());
            out.extend_from_slice(content);
        }
    }
}

fn header(out: &mut Vec<u8>, base: u8, length: usize) {
    match u8::try_from(length) {
        Ok(short @ 0..=55) => out.push(base + short),
        _ => {
            let length = Uint256::from(length as u64);
            let digits = length.minimal_be_bytes();
            let size = u8::try_from(digits.len()).expect("a length has at most 8 digits");
            out.push(base + 55 + size);
            out.extend_from_slice(digits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(data: Vec<u8>, value: u128) -> Eip1559 {
        Eip1559 {
            chain_id: 31_337,
            nonce: 128,
            max_priority_fee: 0,
            max_fee: 30_000_000_000,
            gas_limit: 100_000,
            to: [0x11; 20],
            value,
            data,
        }
    }

    #[test]
    fn payload__should_be_what_the_participants_read() {
        for length in [0, 1, 55, 56, 300, 70_000] {
            for value in [0, 1, 127, 128, 10_u128.pow(18), u128::MAX] {
                let decoded = sample(vec![7; length], value).decoded().unwrap();
                assert_eq!(decoded.nonce, Some(128));
                let sent = decoded.outputs.first().unwrap();
                assert_eq!(sent.amount, Uint256::from(value), "{length} {value}");
                assert_eq!(
                    sent.to.as_deref(),
                    Some("0x1111111111111111111111111111111111111111")
                );
            }
        }
        let local = Chain::Ethereum(EthereumNetwork::Local);
        assert!(meaning(local, &bench_transfer(0)).is_ok());
    }

    #[test]
    fn network__must_be_a_known_one() {
        let mut transfer = sample(Vec::new(), 1);
        assert_eq!(transfer.network().unwrap().as_str(), "ethereum-local");
        transfer.chain_id = 5;
        assert!(
            transfer
                .network()
                .unwrap_err()
                .remedy()
                .contains("11155111")
        );
    }

    #[test]
    fn amount__should_be_read_in_wei_gwei_and_ether() {
        for (text, wei) in [
            ("0", 0),
            ("21", 21),
            ("7wei", 7),
            ("30gwei", 30_000_000_000),
            ("1.5ether", 1_500_000_000_000_000_000),
            ("0.000000000000000001 ether", 1),
        ] {
            assert_eq!(parse_amount(text), Ok(wei), "{text}");
        }
        for bad in [
            "",
            "1.5",
            "-1",
            "1e18",
            "ether",
            "1.",
            "0.0000000000000000001ether",
            "1 2",
        ] {
            assert!(parse_amount(bad).is_err(), "{bad}");
        }
        assert!(parse_amount(&format!("{}0", u128::MAX)).is_err());
    }

    #[test]
    fn address__must_have_a_right_checksum_if_it_has_one() {
        // EIP-55, test cases.
        let good = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert_eq!(parse_address(good), parse_address(&good.to_lowercase()));
        assert!(parse_address(good).is_ok());
        assert!(parse_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed").is_err());
        assert!(parse_address("0x5aAe").is_err());
    }
}
