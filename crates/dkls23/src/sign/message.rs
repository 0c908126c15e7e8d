//! Messages of signing: fixed layouts, no lengths, no indices. `docs/protocols/dkls23.md` §2.

use k256::Scalar;
use quorate_types::{Canonical, DecodeError, Digest32, PartyIndex, Reader, Writer};

use crate::engine::signing::{Broadcast3to4, TransmitPhase1to2, TransmitPhase2to3};
use crate::engine::{
    self, BATCH_SIZE, CHECK, HASH, KAPPA, L, MulDataToReceiver, OT_WIDTH, OTEDataToSender,
    PartiesMessage, ROW, SALT,
};
use crate::wire::{
    read_arrays, read_point, read_scalar, read_scalars, write_point, write_scalar, write_scalars,
};

/// Bytes of an [`Extension`].
pub(crate) const EXTENSION: usize = 4 * HASH + KAPPA as usize * (ROW + CHECK) + CHECK;
/// Bytes of a [`Product`].
pub(crate) const PRODUCT: usize =
    3 * HASH + 4 * 33 + 32 + SALT + (OT_WIDTH as usize * BATCH_SIZE as usize + 2 * L as usize) * 32;
/// Bytes of a [`SignatureShare`].
pub(crate) const SIGNATURE_SHARE: usize = 64;

/// Step 2.2: our OT extension as receiver of the pair's multiplication, and our commitments.
pub(crate) struct Extension {
    /// Which pair state the sender uses.
    pub(crate) generation: Digest32,
    transmit: TransmitPhase1to2,
}

impl Extension {
    pub(crate) fn new(generation: Digest32, transmit: TransmitPhase1to2) -> Self {
        Self {
            generation,
            transmit,
        }
    }

    /// The engine's message. Who sent it is what the driver says: no index crosses the wire.
    pub(crate) fn addressed(self, from: PartyIndex, to: PartyIndex) -> TransmitPhase1to2 {
        let mut transmit = self.transmit;
        transmit.parties = parties(from, to);
        transmit
    }
}

impl Canonical for Extension {
    fn write(&self, out: &mut Writer) {
        let ote = &self.transmit.mul_transmit;
        out.value(&self.generation)
            .fixed(&self.transmit.session_binding)
            .fixed(&self.transmit.commitment)
            .fixed(&ote.nonce)
            .fixed(ote.u.as_flattened())
            .fixed(&ote.verify_x)
            .fixed(ote.verify_t.as_flattened());
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let rows = usize::from(KAPPA);
        Ok(Self {
            generation: Digest32::read(input)?,
            transmit: TransmitPhase1to2 {
                parties: unaddressed(),
                session_binding: input.array("session binding")?,
                commitment: input.array("commitment")?,
                mul_transmit: OTEDataToSender {
                    nonce: input.array("nonce")?,
                    u: read_arrays(input, "u", rows)?,
                    verify_x: input.array("x")?,
                    verify_t: read_arrays(input, "t", rows)?,
                },
            },
        })
    }
}

/// Step 2.3: our product as sender of the pair's multiplication, and our opened commitments.
pub(crate) struct Product(TransmitPhase2to3);

impl Product {
    pub(crate) fn new(transmit: TransmitPhase2to3) -> Self {
        Self(transmit)
    }

    /// The engine's message; see [`Extension::addressed`].
    pub(crate) fn addressed(self, from: PartyIndex, to: PartyIndex) -> TransmitPhase2to3 {
        let mut transmit = self.0;
        transmit.parties = parties(from, to);
        transmit
    }
}

impl Canonical for Product {
    fn write(&self, out: &mut Writer) {
        let Self(message) = self;
        out.fixed(&message.session_binding);
        for point in [
            &message.gamma_u,
            &message.gamma_v,
            &message.public_share,
            &message.instance_point,
        ] {
            write_point(out, point);
        }
        write_scalar(out, &message.psi);
        out.fixed(&message.salt);
        let product = &message.mul_transmit;
        for row in &product.vector_of_tau {
            write_scalars(out, row);
        }
        out.fixed(&product.ote_salt).fixed(&product.verify_r);
        write_scalars(out, &product.verify_u);
        write_scalars(out, &product.gamma_sender);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(TransmitPhase2to3 {
            parties: unaddressed(),
            session_binding: input.array("session binding")?,
            gamma_u: read_point(input, "gamma u")?,
            gamma_v: read_point(input, "gamma v")?,
            public_share: read_point(input, "public share")?,
            instance_point: read_point(input, "instance point")?,
            psi: read_scalar(input, "psi")?,
            salt: input.take("salt", SALT)?.to_vec(),
            mul_transmit: MulDataToReceiver {
                vector_of_tau: (0..OT_WIDTH)
                    .map(|_| read_scalars(input, "tau", BATCH_SIZE.into()))
                    .collect::<Result<_, _>>()?,
                ote_salt: input.array("OT salt")?,
                verify_r: input.array("r")?,
                verify_u: read_scalars(input, "u", L.into())?,
                gamma_sender: read_scalars(input, "gamma", L.into())?,
            },
        }))
    }
}

/// Step 2.4: our share of numerator and denominator of `s`.
pub(crate) struct SignatureShare {
    pub(crate) u: Scalar,
    pub(crate) w: Scalar,
}

impl From<&Broadcast3to4> for SignatureShare {
    fn from(broadcast: &Broadcast3to4) -> Self {
        let (u, w) = (broadcast.u, broadcast.w);
        Self { u, w }
    }
}

impl Canonical for SignatureShare {
    fn write(&self, out: &mut Writer) {
        write_scalar(out, &self.u);
        write_scalar(out, &self.w);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let u = read_scalar(input, "u")?;
        let w = read_scalar(input, "w")?;
        Ok(Self { u, w })
    }
}

fn parties(from: PartyIndex, to: PartyIndex) -> PartiesMessage {
    PartiesMessage {
        sender: engine::index(from),
        receiver: engine::index(to),
    }
}

/// Until the driver says who sent a message. Sender and receiver are one party, which the engine
/// refuses from anybody.
fn unaddressed() -> PartiesMessage {
    let nobody = engine::Index::new(u8::MAX).expect("not zero");
    PartiesMessage {
        sender: nobody,
        receiver: nobody,
    }
}
