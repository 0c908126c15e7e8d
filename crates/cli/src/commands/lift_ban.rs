//! `quorate node lift-ban`: an owner lets two nodes make new pair state after a ban.

use std::collections::BTreeSet;

use quorate_api::rest::{LiftBanRequest, LiftedBan, NodeView};
use quorate_intent::{Act, LiftBan};
use quorate_types::{Digest32, InitiatorId, NodeId};

use super::Context;
use super::key::parse;
use crate::args::LiftBanArgs;
use crate::console::Report;
use crate::error::CliError;
use crate::http::ApiClient;
use crate::intents::{IntentOptions, IntentSigner, read_manifest};

pub(super) async fn run(context: &Context, args: LiftBanArgs) -> Result<Report, CliError> {
    let manifest = read_manifest(&context.settings)?;
    let client = ApiClient::new(&context.settings)?;
    let (node, peer): (NodeId, NodeId) = (
        parse("node id", &args.node_id)?,
        parse("node id", &args.peer)?,
    );
    if node == peer {
        let what = format!("`{node}` is no pair with itself");
        return Err(CliError::invalid(what, "name the two nodes of the pair"));
    }
    let owner: InitiatorId = parse("--owner", &args.owner)?;
    let key = &args.owner_key_file;
    let signer = IntentSigner::of_owner(&context.settings, &manifest, owner, key)?;
    let generations = match &args.generation {
        Some(generation) => BTreeSet::from([parse::<Digest32>("--generation", generation)?]),
        None => banned(&client, &node, &peer).await?,
    };
    let options = IntentOptions {
        idempotency_key: None,
        lifetime_seconds: args.expires_in,
    };
    let mut lifted = Vec::new();
    for generation in generations {
        let act = Act::LiftBan(LiftBan {
            first: node.clone().min(peer.clone()),
            second: node.clone().max(peer.clone()),
            generation,
        });
        let built = signer.build(act, &options)?;
        let request = LiftBanRequest {
            peer: peer.to_string(),
            generation: generation.to_string(),
            intent: hex::encode(&built.signed.bytes),
            initiator_signature: hex::encode(built.signed.signature),
        };
        let (path, name) = (
            format!("/nodes/{node}/lift-ban"),
            built.intent.idempotency_key.as_str(),
        );
        let answer = client
            .post::<LiftedBan>(&path, &request, Some(name))
            .await?;
        lifted.push(answer.data);
    }
    let lines = lifted.iter().map(|ban| {
        let nodes = ban.nodes.join(" and ");
        format!(
            "{nodes} may make new pair state in place of {}",
            ban.generation
        )
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    Ok(Report::new(&lifted, text))
}

/// The generations whose ban stands between the two, as either of them says.
async fn banned(
    client: &ApiClient,
    node: &NodeId,
    peer: &NodeId,
) -> Result<BTreeSet<Digest32>, CliError> {
    let mut generations = BTreeSet::new();
    for (one, other) in [(node, peer), (peer, node)] {
        let view = client.get::<NodeView>(&format!("/nodes/{one}")).await?.data;
        let pair = view.pairs.iter().find(|pair| pair.peer == other.as_str());
        for generation in pair.into_iter().flat_map(|pair| &pair.banned) {
            generations.insert(parse::<Digest32>(
                "a generation of the service",
                generation,
            )?);
        }
    }
    if generations.is_empty() {
        let what = format!("no ban of `{node}` and `{peer}` stands");
        let remedy = "look at `quorate node show`; give --generation if you know better";
        return Err(CliError::failed(what, remedy));
    }
    Ok(generations)
}
