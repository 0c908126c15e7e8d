/// A transaction ready to be sent to its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    /// What the chain takes, byte for byte.
    pub bytes: Vec<u8>,
    /// Name of the transaction on the chain, as explorers write it.
    pub tx_id: String,
    /// Address that the chain will see as the sender.
    ///
    /// # Security
    /// Follows from the signature where the chain recovers the sender from it (Ethereum): another
    /// signature gives another sender, not an error. Compare it with the address of the key.
    pub from: String,
}
