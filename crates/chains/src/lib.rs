//! Addresses, decoding, digests and assembling of signed transactions.
