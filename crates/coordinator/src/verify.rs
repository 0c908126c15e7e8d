//! Whether a signature is valid, by public keys alone.

use quorate_api::rest::{VerifyRequest, VerifyResult};
use quorate_chains::{Chain, KeyContext, effect_of};
use quorate_types::{Algorithm, ChainId, MessageType, Right, Rights};

use crate::admission::known_chain;
use crate::caller::Caller;
use crate::coordinator::Coordinator;
use crate::error::CoordinatorError;
use crate::keys::{optional, visible_id};
use crate::request::{bytes, invalid, parse};

/// With what to verify.
struct Subject {
    public_key: Vec<u8>,
    algorithm: Algorithm,
    chain: Chain,
    address_kind: String,
}

impl Coordinator {
    /// Verifies a signature with a key of the caller's tenant or with a given public key.
    ///
    /// # Errors
    /// [`CoordinatorError`] for a request that cannot be decided; an invalid signature is an
    /// answer, not an error.
    pub async fn verify(
        &self,
        caller: &Caller,
        request: VerifyRequest,
    ) -> Result<VerifyResult, CoordinatorError> {
        let subject = self.subject(caller, &request).await?;
        let message = bytes("message", &request.message)?;
        let signature = bytes("signature", &request.signature)?;
        let signature = <[u8; 64]>::try_from(signature.as_slice())
            .map_err(|_| invalid("signature", "64 bytes: r and s, or R and S"))?;
        let message_type: MessageType = parse("message_type", &request.message_type)?;
        // Verification signs nothing: what a key may sign does not matter here.
        let all = [Right::RawHash, Right::RawMessage];
        let rights: Rights = all.into_iter().collect();
        let context = KeyContext {
            chain: subject.chain,
            algorithm: subject.algorithm,
            rights: &rights,
            address_kind: &subject.address_kind,
            public_key: &subject.public_key,
        };
        let effect = effect_of(&context, message_type, &message)?;
        let found = effect.signed_target(&context, signature);
        let target = found.ok().or_else(|| effect.targets.first());
        let target = target.ok_or_else(|| CoordinatorError::bug("nothing to verify"))?;
        let (digest, checked) = (target.digest(), found.map(drop));
        Ok(VerifyResult {
            valid: checked.is_ok(),
            reason: checked.err().flatten().map(|error| error.to_string()),
            public_key: hex::encode(&subject.public_key),
            message_hash: digest.to_string(),
        })
    }

    async fn subject(
        &self,
        caller: &Caller,
        request: &VerifyRequest,
    ) -> Result<Subject, CoordinatorError> {
        let asked: Option<Algorithm> = optional("algorithm", request.algorithm.clone())?;
        let chain: Option<ChainId> = optional("chain_type", request.chain_type.clone())?;
        if let Some(key_id) = &request.key_id {
            let row = self.visible_key(caller, visible_id("key", key_id)?).await?;
            let differs = "differs from the key's own";
            if request.public_key.is_some() {
                return Err(invalid("public_key", "give key_id or public_key, not both"));
            }
            if asked.is_some_and(|asked| asked != row.algorithm) {
                return Err(invalid("algorithm", differs));
            }
            if chain.is_some_and(|chain| chain != row.chain_type) {
                return Err(invalid("chain_type", differs));
            }
            let (key, status) = (row.key_id, row.status);
            let inactive = CoordinatorError::KeyNotActive { key, status };
            return Ok(Subject {
                public_key: row.material.ok_or(inactive)?.public_key,
                algorithm: row.algorithm,
                chain: known_chain(&row.chain_type)?,
                address_kind: row.address_kind.unwrap_or_default(),
            });
        }
        let public_key = request.public_key.as_ref();
        let public_key = public_key.ok_or_else(|| invalid("public_key", "give it or key_id"))?;
        let mut public_key = bytes("public_key", public_key)?;
        let algorithm = asked.unwrap_or(Algorithm::Ecdsa);
        // BIP340 writes keys without the sign of y, and means the even one.
        if algorithm == Algorithm::Schnorr && public_key.len() == 32 {
            public_key.insert(0, 2);
        }
        quorate_verify::check_point(algorithm.curve(), &public_key)
            .map_err(|error| invalid("public_key", error))?;
        Ok(Subject {
            public_key,
            algorithm,
            chain: chain.map_or(Ok(Chain::None), |chain| known_chain(&chain))?,
            address_kind: quorate_chains::DEFAULT_ADDRESS_KIND.to_owned(),
        })
    }
}
