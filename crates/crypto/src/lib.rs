//! Groups, polynomials, Feldman commitments, proofs, transcripts and key shares.
