use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};

use super::*;

const GENERATOR: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn fault(check: Result<(), VerifyError>) -> PointFault {
    match check {
        Err(VerifyError::InvalidPublicKey { fault, .. }) => fault,
        other => panic!("expected a refused key, got {other:?}"),
    }
}

fn secp(text: &str) -> Result<(), VerifyError> {
    check_secp256k1_point(&hex::decode(text).unwrap())
}

#[test]
fn secp256k1_point__should_pass_with_both_signs_of_y() {
    assert_eq!(secp(GENERATOR), Ok(()));
    assert_eq!(secp(&GENERATOR.replacen("02", "03", 1)), Ok(()));
    let generator = hex::decode(GENERATOR).unwrap();
    assert_eq!(check_point(Curve::Secp256k1, &generator), Ok(()));
    assert_eq!(
        fault(check_point(Curve::Ed25519, &generator)),
        PointFault::Length
    );
}

#[test]
fn secp256k1_coordinates__should_be_those_of_sec_2() {
    let generator = hex::decode(GENERATOR).unwrap();
    let expected = format!(
        "{}483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
        &GENERATOR[2..]
    );
    let coordinates = secp256k1_coordinates(&generator).unwrap();
    assert_eq!(hex::encode(coordinates), expected);
    assert!(secp256k1_coordinates(&[0; 33]).is_err());
}

#[test]
fn c10_secp256k1_point__must_refuse_identity_off_curve_and_other_encodings() {
    assert_eq!(fault(secp(&"00".repeat(33))), PointFault::Identity);
    assert_eq!(fault(secp("00")), PointFault::Length);
    assert_eq!(fault(secp("")), PointFault::Length);
    // No point has x = 5.
    assert_eq!(
        fault(secp(&format!("02{}05", "00".repeat(31)))),
        PointFault::NotOnCurve
    );
    // x = 1 is on the curve; p + 1 is the same x, not reduced.
    assert_eq!(secp(&format!("02{}01", "00".repeat(31))), Ok(()));
    let unreduced = format!("02{}fefffffc30", "ff".repeat(27));
    assert_eq!(fault(secp(&unreduced)), PointFault::NotCanonical);
    for tag in ["00", "01", "04", "05", "06", "ff"] {
        assert_eq!(
            fault(secp(&GENERATOR.replacen("02", tag, 1))),
            PointFault::Tag,
            "tag {tag}"
        );
    }
    let uncompressed = format!("04{}{}", &GENERATOR[2..], "11".repeat(32));
    assert_eq!(fault(secp(&uncompressed)), PointFault::Length);
}

#[test]
fn ed25519_point__should_pass_in_the_prime_order_subgroup() {
    let base = ED25519_BASEPOINT_POINT.compress();
    assert_eq!(check_ed25519_point(base.as_bytes()), Ok(()));
    assert_eq!(check_point(Curve::Ed25519, base.as_bytes()), Ok(()));
}

#[test]
fn c10_ed25519_point__must_refuse_identity_and_torsion() {
    for (position, torsion) in EIGHT_TORSION.iter().enumerate() {
        let small = torsion.compress();
        let mixed = (ED25519_BASEPOINT_POINT + torsion).compress();
        if position == 0 {
            assert_eq!(
                fault(check_ed25519_point(small.as_bytes())),
                PointFault::Identity
            );
            continue;
        }
        assert_eq!(
            fault(check_ed25519_point(small.as_bytes())),
            PointFault::Torsion
        );
        assert_eq!(
            fault(check_ed25519_point(mixed.as_bytes())),
            PointFault::Torsion
        );
    }
}

#[test]
fn c10_ed25519_point__must_refuse_off_curve_and_non_canonical_encodings() {
    // y = 2 has no x.
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    assert_eq!(
        fault(check_ed25519_point(&off_curve)),
        PointFault::NotOnCurve
    );
    // y = p + 1 is y = 1, the identity, not reduced.
    let mut unreduced = [0xff; 32];
    unreduced[0] = 0xee;
    unreduced[31] = 0x7f;
    assert_eq!(
        fault(check_ed25519_point(&unreduced)),
        PointFault::NotCanonical
    );
    // The identity with the sign bit of x = 0 set.
    let mut negative_zero = [0; 32];
    negative_zero[0] = 1;
    negative_zero[31] = 0x80;
    let refused = fault(check_ed25519_point(&negative_zero));
    assert!(matches!(
        refused,
        PointFault::NotCanonical | PointFault::NotOnCurve
    ));
    assert_eq!(fault(check_ed25519_point(&[1; 31])), PointFault::Length);
}
