//! Threshold ECDSA by DKLs23: OT set-up on our own shares, and signing.
