//! What a coordinator does for one intent: choice of signers, attempts, retries.
