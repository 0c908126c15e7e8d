use super::super::rlp::{write_list, write_string, write_uint};
use super::*;
use crate::{EncodingFault as Fault, Uint256};

const NETWORK: EthereumNetwork = EthereumNetwork::Mainnet;

fn uint(number: u128) -> Vec<u8> {
    let mut out = Vec::new();
    write_uint(&mut out, number);
    out
}

fn string(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_string(&mut out, content);
    out
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    write_list(&mut out, &items.concat());
    out
}

fn typed(items: &[Vec<u8>]) -> Vec<u8> {
    [vec![EIP1559], list(items)].concat()
}

const LEGACY_FIELDS: [&str; 9] = [
    "nonce",
    "gas_price",
    "gas_limit",
    "to",
    "value",
    "data",
    "chain_id",
    "r",
    "s",
];

fn legacy_items() -> Vec<Vec<u8>> {
    vec![
        uint(9),
        uint(20_000_000_000),
        uint(21_000),
        string(&[0x35; 20]),
        uint(1_000_000_000_000_000_000),
        string(&[]),
        uint(1),
        uint(0),
        uint(0),
    ]
}

const EIP1559_FIELDS: [&str; 9] = [
    "chain_id",
    "nonce",
    "max_priority_fee_per_gas",
    "max_fee_per_gas",
    "gas_limit",
    "to",
    "value",
    "data",
    "access_list",
];

fn eip1559_items() -> Vec<Vec<u8>> {
    vec![
        uint(1),
        uint(9),
        uint(1_000_000_000),
        uint(20_000_000_000),
        uint(21_000),
        string(&[0x35; 20]),
        uint(1_000_000_000_000_000_000),
        string(&[]),
        list(&[]),
    ]
}

fn with(mut items: Vec<Vec<u8>>, position: usize, item: Vec<u8>) -> Vec<Vec<u8>> {
    items[position] = item;
    items
}

fn refusal(payload: &[u8]) -> Refusal {
    unsigned(NETWORK, payload).unwrap_err()
}

fn legacy_with(position: usize, item: Vec<u8>) -> Refusal {
    refusal(&list(&with(legacy_items(), position, item)))
}

fn eip1559_with(position: usize, item: Vec<u8>) -> Refusal {
    refusal(&typed(&with(eip1559_items(), position, item)))
}

#[test]
fn payload__should_decode_to_its_fields() {
    let payload = typed(&eip1559_items());
    let transaction = unsigned(NETWORK, &payload).unwrap();
    assert_eq!(transaction.encode_unsigned(), payload);
    assert_eq!(transaction.nonce, 9);
    assert_eq!(transaction.to, Some([0x35; 20]));
    assert_eq!(transaction.greatest_fee(), Some(21_000 * 20_000_000_000));

    // The example of EIP-155.
    let payload = hex::decode(
        "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080",
    )
    .unwrap();
    assert_eq!(payload, list(&legacy_items()));
    let transaction = unsigned(NETWORK, &payload).unwrap();
    assert_eq!(transaction.encode_unsigned(), payload);
    assert_eq!(
        super::super::keccak256(&payload).to_string(),
        "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53"
    );
}

#[test]
fn d5_payload__must_be_refused_with_trailing_bytes_or_extra_fields() {
    for payload in [list(&legacy_items()), typed(&eip1559_items())] {
        let trailing = [payload.clone(), vec![0]].concat();
        assert_eq!(
            refusal(&trailing),
            malformed("transaction", Fault::TrailingBytes)
        );
        let twice = [payload.clone(), payload].concat();
        assert_eq!(
            refusal(&twice),
            malformed("transaction", Fault::TrailingBytes)
        );
    }
    let longer = [legacy_items(), vec![uint(0)]].concat();
    assert_eq!(refusal(&list(&longer)), malformed("s", Fault::ExtraFields));
    for extra in [vec![uint(1)], vec![uint(1); 2], vec![uint(1); 4]] {
        let longer = [eip1559_items(), extra].concat();
        assert_eq!(
            refusal(&typed(&longer)),
            malformed("access_list", Fault::ExtraFields)
        );
    }
}

#[test]
fn d5_payload__must_be_refused_with_missing_fields() {
    for (count, field) in LEGACY_FIELDS.iter().enumerate() {
        let expected = match count {
            6 => Refusal::ReplayableEverywhere,
            _ => malformed(field, Fault::Missing),
        };
        assert_eq!(refusal(&list(&legacy_items()[..count])), expected);
    }
    for (count, field) in EIP1559_FIELDS.iter().enumerate() {
        assert_eq!(
            refusal(&typed(&eip1559_items()[..count])),
            malformed(field, Fault::Missing)
        );
    }
}

#[test]
fn d5_payload__must_be_refused_at_every_cut() {
    for payload in [list(&legacy_items()), typed(&eip1559_items())] {
        for cut in 0..payload.len() {
            assert!(unsigned(NETWORK, &payload[..cut]).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn d5_number__must_be_refused_with_leading_zeros() {
    for position in [0, 1, 2, 4, 6, 7, 8] {
        for padded in [vec![0x00], vec![0x82, 0x00, 0x01]] {
            assert_eq!(
                legacy_with(position, padded),
                malformed(LEGACY_FIELDS[position], Fault::LeadingZero)
            );
        }
    }
    for position in [0, 1, 2, 3, 4, 6] {
        for padded in [vec![0x00], vec![0x82, 0x00, 0x01]] {
            assert_eq!(
                eip1559_with(position, padded),
                malformed(EIP1559_FIELDS[position], Fault::LeadingZero)
            );
        }
    }
}

#[test]
fn d5_item__must_be_refused_in_a_longer_spelling() {
    for (position, field) in LEGACY_FIELDS.into_iter().enumerate() {
        assert_eq!(
            legacy_with(position, vec![0x81, 0x05]),
            malformed(field, Fault::NotMinimal)
        );
    }
    let long_data = [vec![0xb8, 3], vec![1; 3]].concat();
    assert_eq!(
        eip1559_with(7, long_data),
        malformed("data", Fault::NotMinimal)
    );
    let long_list = eip1559_with(8, vec![0xf8, 0x00]);
    assert_eq!(long_list, malformed("access_list", Fault::NotMinimal));
    let inner = eip1559_items().concat();
    let length = u8::try_from(inner.len()).unwrap();
    let outer = [vec![EIP1559, 0xf8, length], inner].concat();
    assert_eq!(refusal(&outer), malformed("transaction", Fault::NotMinimal));
}

#[test]
fn d5_item__must_be_refused_as_the_wrong_kind() {
    for (position, field) in LEGACY_FIELDS.into_iter().enumerate() {
        assert_eq!(
            legacy_with(position, list(&[])),
            malformed(field, Fault::NotAString)
        );
    }
    for (position, field) in EIP1559_FIELDS.into_iter().enumerate().take(8) {
        assert_eq!(
            eip1559_with(position, list(&[])),
            malformed(field, Fault::NotAString)
        );
    }
    assert_eq!(
        eip1559_with(8, string(&[])),
        malformed("access_list", Fault::NotAList)
    );
    assert_eq!(
        refusal(&[vec![EIP1559], string(&[1; 60])].concat()),
        malformed("transaction", Fault::NotAList)
    );
}

#[test]
fn d5_number__must_be_refused_beyond_its_field() {
    let wide = |bytes: usize| string(&vec![0xff; bytes]);
    for (position, bytes) in [(0, 9), (1, 17), (2, 9), (4, 33), (6, 9), (7, 33), (8, 33)] {
        assert_eq!(
            legacy_with(position, wide(bytes)),
            malformed(LEGACY_FIELDS[position], Fault::TooLarge)
        );
    }
    for (position, bytes) in [(0, 9), (1, 9), (2, 17), (3, 17), (4, 9), (6, 33)] {
        assert_eq!(
            eip1559_with(position, wide(bytes)),
            malformed(EIP1559_FIELDS[position], Fault::TooLarge)
        );
    }
    // EIP-2681.
    let last = uint(u128::from(u64::MAX));
    assert_eq!(
        legacy_with(0, last.clone()),
        malformed("nonce", Fault::TooLarge)
    );
    assert_eq!(eip1559_with(1, last), malformed("nonce", Fault::TooLarge));
}

#[test]
fn d5_receiver__must_have_twenty_bytes_or_none() {
    for length in [1, 19, 21, 32] {
        let receiver = string(&vec![0x35; length]);
        let expected = malformed("to", Fault::WrongLength);
        assert_eq!(legacy_with(3, receiver.clone()), expected);
        assert_eq!(eip1559_with(5, receiver), expected);
    }
}

#[test]
fn d5_access_list__must_be_refused_unless_exactly_addresses_and_slots() {
    let entry = |address: usize, slot: usize| {
        list(&[string(&vec![1; address]), list(&[string(&vec![2; slot])])])
    };
    let payload = typed(&with(eip1559_items(), 8, list(&[entry(20, 32)])));
    assert!(unsigned(NETWORK, &payload).is_ok());

    let address = string(&[1; 20]);
    let cases = [
        (entry(19, 32), "access_list address", Fault::WrongLength),
        (entry(21, 32), "access_list address", Fault::WrongLength),
        (entry(20, 31), "access_list storage_key", Fault::WrongLength),
        (entry(20, 33), "access_list storage_key", Fault::WrongLength),
        (address.clone(), "access_list entry", Fault::NotAList),
        (list(&[]), "access_list address", Fault::Missing),
        (
            list(std::slice::from_ref(&address)),
            "access_list storage_keys",
            Fault::Missing,
        ),
        (
            list(&[address.clone(), string(&[2; 32])]),
            "access_list storage_keys",
            Fault::NotAList,
        ),
        (
            list(&[address.clone(), list(&[]), list(&[])]),
            "access_list entry",
            Fault::ExtraFields,
        ),
        (
            list(&[address, list(&[list(&[])])]),
            "access_list storage_key",
            Fault::NotAString,
        ),
    ];
    for (bad, field, fault) in cases {
        assert_eq!(eip1559_with(8, list(&[bad])), malformed(field, fault));
    }
}

#[test]
fn payload__must_be_refused_over_the_size_limit() {
    let fits = |data: usize| {
        let items = with(eip1559_items(), 7, string(&vec![7; data]));
        typed(&items)
    };
    let overhead = fits(100_000).len() - 100_000;
    let largest = fits(MAX_PAYLOAD - overhead);
    assert_eq!(largest.len(), MAX_PAYLOAD);
    assert!(unsigned(NETWORK, &largest).is_ok());
    assert_eq!(
        refusal(&fits(MAX_PAYLOAD - overhead + 1)),
        Refusal::TooLong {
            length: MAX_PAYLOAD + 1,
            limit: MAX_PAYLOAD
        }
    );
}

#[test]
fn type__must_be_refused_unless_legacy_or_1559() {
    assert_eq!(refusal(&[]), malformed("type", Fault::Missing));
    let body = list(&eip1559_items());
    for code in (0..0xc0).filter(|code| *code != EIP1559) {
        let payload = [vec![code], body.clone()].concat();
        match refusal(&payload) {
            Refusal::UnsupportedTransactionType {
                code: found, name, ..
            } => {
                assert_eq!(found, code);
                let known = matches!(code, 1 | 3 | 4);
                assert_eq!(name != "unknown", known, "type {code}");
            }
            other => assert!(code >= 0x80 && other == malformed("type", Fault::NotAList)),
        }
    }
}

#[test]
fn network__must_be_the_key_s_own() {
    let networks = [
        EthereumNetwork::Mainnet,
        EthereumNetwork::Sepolia,
        EthereumNetwork::Holesky,
        EthereumNetwork::Local,
    ];
    for ours in networks {
        for other in networks
            .map(EthereumNetwork::chain_id)
            .into_iter()
            .chain([0, 137])
        {
            let number = uint(other.into());
            let dynamic = typed(&with(eip1559_items(), 0, number.clone()));
            let legacy = list(&with(legacy_items(), 6, number));
            for payload in [dynamic, legacy] {
                let decoded = unsigned(ours, &payload);
                if other == ours.chain_id() {
                    assert!(decoded.is_ok());
                } else {
                    assert_eq!(
                        decoded,
                        Err(Refusal::WrongNetwork {
                            chain: ours.as_str(),
                            expected: ours.chain_id(),
                            found: other
                        })
                    );
                }
            }
        }
    }
}

#[test]
fn signed_transaction__must_be_refused() {
    assert_eq!(legacy_with(7, uint(1)), Refusal::AlreadySigned);
    assert_eq!(legacy_with(8, uint(1)), Refusal::AlreadySigned);
    let signature = vec![uint(0), uint(1), uint(1)];
    let signed = typed(&[eip1559_items(), signature].concat());
    assert_eq!(refusal(&signed), Refusal::AlreadySigned);
}

#[test]
fn fee__must_be_possible() {
    assert_eq!(eip1559_with(2, uint(20_000_000_001)), Refusal::TipAboveFee);
    assert!(
        unsigned(
            NETWORK,
            &typed(&with(eip1559_items(), 2, uint(20_000_000_000)))
        )
        .is_ok()
    );
    assert_eq!(legacy_with(1, uint(u128::MAX)), Refusal::FeeTooLarge);
    assert_eq!(eip1559_with(3, uint(u128::MAX)), Refusal::FeeTooLarge);
    let greatest = u128::MAX / 21_000;
    let payload = list(&with(legacy_items(), 1, uint(greatest)));
    let decoded = unsigned(NETWORK, &payload).unwrap().meaning();
    assert_eq!(decoded.fee, Some(Uint256::from(greatest * 21_000)));
}
