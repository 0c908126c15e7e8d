//! Set-up round 2: both have the same. `docs/protocols/dkls23.md` §1.3.

use quorate_protocol::{Abort, Inbox, Reason};
use subtle::ConstantTimeEq;

use crate::pair::PairState;
use crate::setup::message::Confirmation;

/// Has confirmed; waits for the other's confirmation.
pub(crate) struct Round2 {
    pub(crate) state: PairState,
    pub(crate) expected: [u8; 32],
}

impl Round2 {
    /// Step 1.3: the state, if the other confirms the same.
    ///
    /// # Errors
    /// `pair_confirmation` (retry).
    pub(crate) fn proceed(self, inbox: &Inbox<Confirmation>) -> Result<PairState, Abort> {
        let differs = inbox.failing(|_, message| message.0.ct_eq(&self.expected).into());
        Abort::if_any(differs, Reason::check("pair_confirmation"))?;
        Ok(self.state)
    }
}
