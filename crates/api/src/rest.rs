//! Bodies of the REST interface, base `/api/v1`.

mod answer;
mod batch;
mod key;
mod node;
mod session;
mod sign;

pub use answer::{ErrorBody, Failure, Meta, Success};
pub use batch::{BatchItem, BatchSignRequest, BatchSignResult};
pub use key::{
    CommitteeMember, CreateKeyRequest, KeyList, KeyView, NodeSignature, UpdateKeyRequest,
};
pub use node::{LiftBanRequest, LiftedBan, LinkView, NodeList, NodeView, PairView};
pub use session::{SessionError, SessionList, SessionView, WaitedOn};
pub use sign::{SignRequest, SignResult, VerifyRequest, VerifyResult};
