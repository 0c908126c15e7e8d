//! `mpc.v1.MPCService`: translates, and does what REST does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use quorate_api::ErrorCode;
use quorate_api::mpc_v1 as pb;
use quorate_api::mpc_v1::mpc_service_server::{MpcService, SERVICE_NAME};
use quorate_coordinator::Caller;
use quorate_store::StoredResponse;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use super::{Message, convert};
use crate::answer::{Ended, Outcome};
use crate::envelope::Deadline;
use crate::error::ApiError;
use crate::gateway::{Gateway, Inner};
use crate::idempotency::{self, Begin};
use crate::operations;
use crate::watch::follow;

/// Answers below this are not worth compressing.
const COMPRESS_FROM_BYTES: usize = 1_024;

/// The service over a gateway.
#[derive(Clone)]
pub(super) struct MpcApi {
    inner: Arc<Inner>,
}

/// What the layers outside found out about a request.
struct Call {
    caller: Caller,
    message: Bytes,
    idempotency_key: Option<Bytes>,
    deadline: Option<tokio::time::Instant>,
}

impl Call {
    fn of<T>(request: &Request<T>) -> Result<Self, ApiError> {
        let extensions = request.extensions();
        let (caller, message) = (extensions.get::<Caller>(), extensions.get::<Message>());
        let (Some(caller), Some(message)) = (caller, message) else {
            let message = "a method without authentication";
            return Err(ApiError::new(ErrorCode::Internal, message));
        };
        let key = request.metadata().get(idempotency::HEADER);
        Ok(Self {
            caller: caller.clone(),
            message: message.0.clone(),
            idempotency_key: key.map(|key| Bytes::copy_from_slice(key.as_encoded_bytes())),
            deadline: extensions.get::<Deadline>().and_then(|deadline| deadline.0),
        })
    }
}

impl MpcApi {
    pub(super) fn new(gateway: &Gateway) -> Self {
        let inner = Arc::clone(&gateway.0);
        Self { inner }
    }

    /// Runs a call once for its `idempotency-key`, if it has one.
    async fn once<M: prost::Message + Default>(
        &self,
        method: &str,
        call: &Call,
        run: impl Future<Output = Result<Outcome<M>, ApiError>>,
    ) -> Result<Response<M>, Status> {
        let Some(key) = &call.idempotency_key else {
            return Ok(answer(run.await?.data));
        };
        let path = format!("/{SERVICE_NAME}/{method}");
        let content: [&[u8]; 3] = [b"POST", path.as_bytes(), &call.message];
        let inner = &self.inner;
        let ticket = match idempotency::begin(inner, &call.caller, key, &content).await? {
            Begin::Run(ticket) => ticket,
            Begin::Replay(stored) => return Ok(replay(&stored)?),
        };
        let outcome = run.await;
        let kept = outcome.as_ref().ok().map(|outcome| {
            let body = outcome.data.encode_to_vec();
            let status_code = 200;
            (outcome.ended, StoredResponse { status_code, body })
        });
        idempotency::end(inner, ticket, kept).await;
        Ok(answer(outcome?.data))
    }
}

fn answer<M: prost::Message>(message: M) -> Response<M> {
    let is_small = message.encoded_len() < COMPRESS_FROM_BYTES;
    let mut response = Response::new(message);
    if is_small {
        response.disable_compression();
    }
    response
}

fn replay<M: prost::Message + Default>(stored: &StoredResponse) -> Result<Response<M>, ApiError> {
    let message = M::decode(stored.body.as_slice()).map_err(|error| {
        tracing::error!(%error, "a stored answer is malformed");
        ApiError::new(ErrorCode::Internal, "a defect of Quorate")
    })?;
    let mut response = answer(message);
    let yes = MetadataValue::from_static("true");
    response.metadata_mut().insert(idempotency::REPLAYED, yes);
    Ok(response)
}

fn map<T, M>(outcome: Outcome<T>, convert: impl FnOnce(T) -> M) -> Outcome<M> {
    Outcome {
        data: convert(outcome.data),
        ended: outcome.ended,
    }
}

#[tonic::async_trait]
impl MpcService for MpcApi {
    async fn create_key(
        &self,
        request: Request<pb::CreateKeyRequest>,
    ) -> Result<Response<pb::CreateKeyResponse>, Status> {
        let call = Call::of(&request)?;
        let run = async {
            let convert::Request(body) = request.into_inner().into();
            let outcome = operations::create_key(&self.inner, &call.caller, body).await?;
            let complete = outcome.ended == Ended::Done;
            Ok(map(outcome, |key| convert::created_key(key, complete)))
        };
        self.once("CreateKey", &call, run).await
    }

    async fn get_key(
        &self,
        request: Request<pb::GetKeyRequest>,
    ) -> Result<Response<pb::GetKeyResponse>, Status> {
        let call = Call::of(&request)?;
        let key = self
            .inner
            .coordinator
            .key(&call.caller, &request.get_ref().key_id)
            .await;
        let key = Some(convert::key(key.map_err(ApiError::from)?));
        Ok(answer(pb::GetKeyResponse { key }))
    }

    async fn list_keys(
        &self,
        request: Request<pb::ListKeysRequest>,
    ) -> Result<Response<pb::ListKeysResponse>, Status> {
        let call = Call::of(&request)?;
        let convert::Request(query) = request.into_inner().try_into()?;
        let list = self.inner.coordinator.keys(&call.caller, query).await;
        Ok(answer(convert::key_list(list.map_err(ApiError::from)?)))
    }

    async fn delete_key(
        &self,
        _: Request<pb::DeleteKeyRequest>,
    ) -> Result<Response<pb::DeleteKeyResponse>, Status> {
        Err(operations::not_built("deleting a key").into())
    }

    async fn sign(
        &self,
        request: Request<pb::SignRequest>,
    ) -> Result<Response<pb::SignResponse>, Status> {
        let call = Call::of(&request)?;
        let run = async {
            let convert::Request(body) = request.into_inner().into();
            let outcome = operations::sign(&self.inner, &call.caller, body).await?;
            Ok(map(outcome, convert::signed))
        };
        self.once("Sign", &call, run).await
    }

    async fn batch_sign(
        &self,
        request: Request<pb::BatchSignRequest>,
    ) -> Result<Response<pb::BatchSignResponse>, Status> {
        let call = Call::of(&request)?;
        let run = async {
            let pb::BatchSignRequest { requests, wait_ms } = request.into_inner();
            let read = |item: pb::SignRequest| Ok(convert::Request::from(item).0);
            let requests = requests.into_iter().map(read).collect();
            let (inner, caller) = (&self.inner, &call.caller);
            let outcome = operations::sign_batch(inner, caller, requests, wait_ms).await?;
            Ok(map(outcome, convert::batch))
        };
        self.once("BatchSign", &call, run).await
    }

    async fn verify(
        &self,
        request: Request<pb::VerifyRequest>,
    ) -> Result<Response<pb::VerifyResponse>, Status> {
        let call = Call::of(&request)?;
        let run = async {
            let convert::Request(body) = request.into_inner().into();
            let result = self.inner.coordinator.verify(&call.caller, body).await?;
            Ok(Outcome::done(convert::verified(result)))
        };
        self.once("Verify", &call, run).await
    }

    async fn create_signing_session(
        &self,
        request: Request<pb::CreateSigningSessionRequest>,
    ) -> Result<Response<pb::CreateSigningSessionResponse>, Status> {
        let call = Call::of(&request)?;
        let run = async {
            let convert::Request(body) = request.into_inner().request.unwrap_or_default().into();
            let outcome = operations::start_session(&self.inner, &call.caller, body).await?;
            Ok(map(outcome, |view| pb::CreateSigningSessionResponse {
                session: Some(convert::session(view)),
            }))
        };
        self.once("CreateSigningSession", &call, run).await
    }

    async fn get_signing_session(
        &self,
        request: Request<pb::GetSigningSessionRequest>,
    ) -> Result<Response<pb::GetSigningSessionResponse>, Status> {
        let call = Call::of(&request)?;
        let id = &request.get_ref().session_id;
        let view = self.inner.coordinator.session(&call.caller, id).await;
        let session = Some(convert::session(view.map_err(ApiError::from)?));
        Ok(answer(pb::GetSigningSessionResponse { session }))
    }

    async fn join_signing_session(
        &self,
        _: Request<pb::JoinSigningSessionRequest>,
    ) -> Result<Response<pb::JoinSigningSessionResponse>, Status> {
        Err(operations::not_built("adding a signer by hand").into())
    }

    async fn cancel_signing_session(
        &self,
        request: Request<pb::CancelSigningSessionRequest>,
    ) -> Result<Response<pb::CancelSigningSessionResponse>, Status> {
        let call = Call::of(&request)?;
        let run = async {
            let id = &request.get_ref().session_id;
            let view = self.inner.coordinator.cancel(&call.caller, id).await?;
            let session = Some(convert::session(view));
            Ok(Outcome::done(pb::CancelSigningSessionResponse { session }))
        };
        self.once("CancelSigningSession", &call, run).await
    }

    type WatchSigningSessionStream =
        Pin<Box<dyn Stream<Item = Result<pb::WatchSigningSessionResponse, Status>> + Send>>;

    async fn watch_signing_session(
        &self,
        request: Request<pb::WatchSigningSessionRequest>,
    ) -> Result<Response<Self::WatchSigningSessionStream>, Status> {
        let call = Call::of(&request)?;
        let id = &request.get_ref().session_id;
        let events = follow(&self.inner, call.caller, id, call.deadline).await?;
        let messages = events.map(|event| {
            let event = event?;
            Ok(pb::WatchSigningSessionResponse {
                session: Some(convert::session(event.session)),
                last: event.last,
            })
        });
        Ok(Response::new(Box::pin(messages)))
    }
}
