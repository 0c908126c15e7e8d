//! Why key generation aborts. Each check has one name, in the order of `docs/protocols/dkg.md`.

use quorate_protocol::Reason;

/// 2.1 The opening is not what the dealer committed to.
pub const OPENING: Reason = Reason::check("dkg_opening");
/// 2.2 Not exactly t commitments, or the leading one is the identity (row B1).
pub const WRONG_DEGREE: Reason = Reason::check("dkg_wrong_degree");
/// 2.3 A commitment is not a valid point (row C10).
pub const INVALID_POINT: Reason = Reason::check("dkg_invalid_point");
/// 2.4 A proof of possession does not verify (rows B3, A7).
pub const BAD_PROOF: Reason = Reason::check("dkg_bad_proof");
/// 2.5 Two dealers made the same contribution; blames who repeats ours, else nobody.
pub const REPEATED: Reason = Reason::check("dkg_repeated_contribution");
/// 2.6 The contributions cancel: X or K, or a leading coefficient, would be the identity.
pub const DEGENERATE: Reason = Reason::check("dkg_degenerate_sum");
/// 3.1 A share is not below the group order (row C10).
pub const INVALID_SCALAR: Reason = Reason::check("dkg_invalid_scalar");
/// 3.2 A share does not fit the dealer's commitments (row B6).
pub const WRONG_SHARE: Reason = Reason::check("dkg_wrong_share");
