use quorate_api::rest::CreateKeyRequest;
use quorate_chains::Chain;
use quorate_intent::{Act, CreateKey, SignedIntent};
use quorate_types::{Algorithm, ChainId, Curve, ProtocolName, Right, Rights, Threshold};

use super::{Plan, Rules, What, check_tenant, known_chain};
use crate::caller::Caller;
use crate::error::CoordinatorError;
use crate::request::{agree, check_notes, invalid, parse, signed_intent};

/// The readable fields, checked in themselves.
struct Readable {
    algorithm: Algorithm,
    curve: Curve,
    threshold: Threshold,
    chain: ChainId,
    protocol: ProtocolName,
    address_kind: String,
    rights: Rights,
}

impl Rules {
    /// Checks a request to create a key.
    pub(crate) fn admit_create(
        &self,
        caller: &Caller,
        request: CreateKeyRequest,
    ) -> Result<Plan, CoordinatorError> {
        let readable = self.read_create(&request)?;
        check_notes(&request.metadata)?;
        let signed = signed_intent(&request.intent, &request.initiator_signature)?;
        let mut plan = self.plan_create(&signed, false)?;
        check_tenant(caller, &plan.verified)?;
        if let What::Create {
            create,
            description,
            tags,
            ..
        } = &mut plan.what
        {
            readable.agrees_with(create)?;
            *description = request.description.unwrap_or_default();
            let notes = request.metadata.iter();
            let notes = notes.map(|(name, value)| format!("{name}={value}"));
            *tags = request.tags.iter().cloned().chain(notes).collect();
        }
        Ok(plan)
    }

    /// Checks the intent alone: for a new request, and after a restart.
    pub(crate) fn plan_create(
        &self,
        signed: &SignedIntent,
        allow_expired: bool,
    ) -> Result<Plan, CoordinatorError> {
        let verified = self.verify(signed, allow_expired)?;
        let Act::CreateKey(create) = verified.intent().act.clone() else {
            return Err(CoordinatorError::IntentMismatch { field: "act" });
        };
        let chain = self.check_create(&create)?;
        let protocol = self
            .protocols
            .usable(&create.protocol, create.algorithm)?
            .clone();
        let (description, tags) = Default::default();
        Ok(Plan {
            verified,
            protocol,
            what: What::Create {
                create,
                chain,
                description,
                tags,
            },
        })
    }

    fn check_create(&self, create: &CreateKey) -> Result<Chain, CoordinatorError> {
        let chain = known_chain(&create.chain)?;
        chain.check_key(create.algorithm, create.curve)?;
        chain.check_address_kind(create.algorithm, &create.address_kind)?;
        // Row D12: roster and keys of peers come from the manifest alone.
        for (_, node) in create.committee.members() {
            if self.manifest.node(node).is_none() {
                let why = format!("node `{node}` of the committee is not in the manifest");
                return Err(invalid("intent", why));
            }
        }
        for right in [Right::Import, Right::Export] {
            if create.rights.allows(right) {
                let why = format!("the right `{}` cannot be given yet", right.as_str());
                return Err(invalid("rights", why));
            }
        }
        Ok(chain)
    }

    fn read_create(&self, request: &CreateKeyRequest) -> Result<Readable, CoordinatorError> {
        let algorithm: Algorithm = parse("algorithm", &request.algorithm)?;
        let curve: Curve = parse("curve", &request.curve)?;
        let chain: ChainId = parse("chain_type", &request.chain_type)?;
        let known = known_chain(&chain)?;
        known.check_key(algorithm, curve)?;
        let threshold = Threshold::new(request.threshold, request.total_nodes)?;
        let nodes = self.manifest.nodes.len();
        if usize::from(threshold.max_signers()) > nodes {
            let asked = request.total_nodes;
            return Err(CoordinatorError::TooManyNodes { asked, nodes });
        }
        let protocol = match &request.protocol {
            Some(name) => parse("protocol", name)?,
            None => parse("protocol", self.protocols.default_for(algorithm)?.name)?,
        };
        self.protocols.usable(&protocol, algorithm)?;
        let right = |name: &String| {
            Right::parse(name).ok_or_else(|| invalid("rights", format!("unknown right `{name}`")))
        };
        let kind = request.address_kind.as_deref().unwrap_or_default();
        Ok(Readable {
            algorithm,
            curve,
            threshold,
            chain,
            protocol,
            address_kind: named_kind(known, algorithm, kind),
            rights: request.rights.iter().map(right).collect::<Result<_, _>>()?,
        })
    }
}

impl Readable {
    fn agrees_with(&self, create: &CreateKey) -> Result<(), CoordinatorError> {
        agree("algorithm", &self.algorithm, &create.algorithm)?;
        agree("curve", &self.curve, &create.curve)?;
        agree("threshold", &self.threshold, &create.threshold)?;
        agree("chain_type", &self.chain, &create.chain)?;
        agree("protocol", &self.protocol, &create.protocol)?;
        let chain = known_chain(&create.chain)?;
        let intended = named_kind(chain, create.algorithm, &create.address_kind);
        agree("address_kind", &self.address_kind, &intended)?;
        agree("rights", &self.rights, &create.rights)
    }
}

/// The kind's own name, which `default` stands for; what is no kind stays as it is.
fn named_kind(chain: Chain, algorithm: Algorithm, kind: &str) -> String {
    let named = chain.named_address_kind(algorithm, kind);
    named.unwrap_or(kind).to_owned()
}
