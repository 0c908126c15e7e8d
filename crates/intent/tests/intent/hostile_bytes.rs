//! Decoders against bytes that nobody honest made. Rows D5, D7.

use proptest::collection::vec;
use proptest::prelude::*;
use quorate_intent::{Intent, KeyCertificate, KeyStatement, Manifest, SignedIntent};
use quorate_types::Canonical;

use crate::fixture::{self, TOLERANCE_SECONDS};

/// What decodes re-encodes to the same bytes; nothing panics.
fn decodes_to_itself<T: Canonical>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes);
    }
}

fn every_decoder(bytes: &[u8]) {
    decodes_to_itself::<Intent>(bytes);
    decodes_to_itself::<SignedIntent>(bytes);
    decodes_to_itself::<Manifest>(bytes);
    decodes_to_itself::<KeyStatement>(bytes);
    decodes_to_itself::<KeyCertificate>(bytes);
}

fn valid_encodings() -> Vec<Vec<u8>> {
    vec![
        fixture::create_intent().to_bytes(),
        fixture::sign_intent().to_bytes(),
        fixture::lift_ban_intent().to_bytes(),
        fixture::signed_intent(&fixture::sign_intent()).to_bytes(),
        fixture::manifest().to_bytes(),
        fixture::certificate().to_bytes(),
    ]
}

fn is_refused(signed: &SignedIntent) -> bool {
    signed
        .verify(&fixture::manifest(), fixture::now(), TOLERANCE_SECONDS)
        .is_err()
}

proptest! {
    #[test]
    fn d5_decoders__must_not_panic_on_random_bytes(bytes in vec(any::<u8>(), 0..600)) {
        every_decoder(&bytes);
    }

    #[test]
    fn d5_decoders__must_take_one_spelling_only(
        which in 0_usize..5,
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let mut bytes = valid_encodings().swap_remove(which);
        for (place, value) in edits {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        every_decoder(&bytes);
    }

    #[test]
    fn manifest_file__must_not_panic_on_any_text(text in ".{0,400}") {
        prop_assert!(quorate_intent::SignedManifest::from_json(&text).is_err());
    }
}

#[test]
fn d7_signed_intent__must_be_refused_after_any_bit_flip() {
    for intent in [
        fixture::create_intent(),
        fixture::sign_intent(),
        fixture::lift_ban_intent(),
    ] {
        let signed = fixture::signed_intent(&intent);
        assert!(!is_refused(&signed));
        for bit in 0..signed.bytes.len() * 8 {
            let mut flipped = signed.clone();
            flipped.bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(is_refused(&flipped), "bit {bit} of the intent");
        }
        for bit in 0..signed.signature.len() * 8 {
            let mut flipped = signed.clone();
            flipped.signature[bit / 8] ^= 1 << (bit % 8);
            assert!(is_refused(&flipped), "bit {bit} of the signature");
        }
    }
}

#[test]
fn d12_certificate__must_be_refused_after_any_bit_flip() {
    let manifest = fixture::manifest();
    let good = fixture::certificate().to_bytes();
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let accepted = KeyCertificate::from_bytes(&flipped)
            .is_ok_and(|certificate| certificate.verify(&manifest).is_ok());
        assert!(!accepted, "bit {bit}");
    }
}
