//! Addresses. Source: yellow paper §4.1 (A(pr)); EIP-55; our `docs/protocols/ethereum.md` §1.

use quorate_verify::secp256k1_coordinates;

use super::keccak256;
use crate::Refusal;

/// The last 20 bytes of Keccak-256 of `x ‖ y`.
pub(super) type Address = [u8; 20];

/// The EIP-55 address of a compressed public key.
///
/// # Errors
/// [`Refusal::InvalidPublicKey`].
pub(crate) fn address_of(public_key: &[u8]) -> Result<String, Refusal> {
    let coordinates = secp256k1_coordinates(public_key).map_err(Refusal::InvalidPublicKey)?;
    let hash = keccak256(&coordinates);
    let address: &Address = hash
        .as_bytes()
        .last_chunk()
        .expect("a digest ends with 20 bytes");
    Ok(checksummed(address))
}

/// `0x` and 40 hex digits, whose case is a checksum (EIP-55).
pub(super) fn checksummed(address: &Address) -> String {
    let digits = hex::encode(address);
    let hash = keccak256(digits.as_bytes());
    let nibbles = hash.as_bytes().iter().flat_map(|b| [b >> 4, b & 0x0f]);
    let cased = digits.chars().zip(nibbles).map(|(digit, nibble)| {
        if nibble >= 8 {
            digit.to_ascii_uppercase()
        } else {
            digit
        }
    });
    "0x".chars().chain(cased).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address__should_have_the_case_of_eip_55() {
        for known in [
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "0xde709f2102306220921060314715629080e2fb77",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let address: Address = hex::decode(&known[2..]).unwrap().try_into().unwrap();
            assert_eq!(checksummed(&address), known);
        }
    }

    #[test]
    fn address__must_refuse_what_is_not_a_key() {
        for bad in [vec![], vec![0; 33], vec![2; 32], vec![4; 65]] {
            assert!(matches!(
                address_of(&bad),
                Err(Refusal::InvalidPublicKey(_))
            ));
        }
    }
}
