use quorate_transport::LinkFault;
use quorate_transport::tls::{ClientTls, PeerIdentity, TlsLimits};
use quorate_types::NodeId;
use tonic::transport::Channel;

/// Makes the long-lived channel to a node. It must authenticate the node: whoever answers must
/// prove to be the node of this name.
pub trait NodeConnector: Send + Sync {
    /// A channel that connects when it is first used, and again when it broke.
    ///
    /// # Errors
    /// Text for the operator: why a channel to this node cannot be made.
    fn channel(&self, node: &NodeId, address: &str) -> Result<Channel, String>;

    /// Why the node could not be reached last; none once it let us in.
    fn fault(&self, node: &NodeId) -> Option<LinkFault>;
}

/// Mutual TLS 1.3, the node's name in its certificate.
impl NodeConnector for ClientTls {
    fn channel(&self, node: &NodeId, address: &str) -> Result<Channel, String> {
        let expected = PeerIdentity::participant(node.clone());
        Self::channel(self, address, expected, &TlsLimits::default())
            .map_err(|error| error.to_string())
    }

    fn fault(&self, node: &NodeId) -> Option<LinkFault> {
        Self::fault(self, &PeerIdentity::participant(node.clone()))
    }
}
