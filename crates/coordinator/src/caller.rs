use quorate_types::Tenant;

use crate::act::Arrival;

/// Who calls, as the gateway authenticated it. It says what may be seen; what may be done is said
/// by the intent's own signature.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Id of the credential, never its secret.
    pub credential: String,
    /// Whose keys it may see and use.
    pub tenant: Tenant,
    /// Names the request in logs and audit.
    pub request_id: String,
    /// From which address.
    pub ip_address: Option<String>,
    /// With which program.
    pub user_agent: Option<String>,
    /// Its place among what is let in, if it asks for a signature.
    pub arrival: Arrival,
}
