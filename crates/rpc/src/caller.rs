//! Who asks: the process on the other end of the connection, and the person it acts for.
use prost::Message;
use proto::common::v1::Caller;
use tonic::{Request, Status, metadata::MetadataValue};

const HEADER: &str = "x-caller-bin";

/// The service on the other end, as its certificate names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer(pub(crate) std::sync::Arc<str>);

impl Peer {
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// The service that holds the other end of this connection.
pub fn peer<T>(request: &Request<T>) -> Option<Peer> {
    request.extensions().get::<Peer>().cloned()
}

/// The person on whose behalf the call is made. Only the gateway has checked a token, so the header is believed
/// from the gateway's certificate alone.
pub fn of<T>(request: &Request<T>) -> Result<Caller, Status> {
    if peer(request).as_ref().map(Peer::name) != Some("gateway") {
        return Err(unauthenticated("only the gateway may name a caller"));
    }
    let header =
        request.metadata().get_bin(HEADER).ok_or_else(|| unauthenticated("the call names no caller"))?;
    let bytes = header.to_bytes().map_err(|_| unauthenticated("the caller header is not base64"))?;
    Caller::decode(bytes).map_err(|_| unauthenticated("the caller header is not a Caller"))
}

/// A request made on behalf of `caller`.
pub fn acting<T>(message: T, caller: &Caller) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert_bin(HEADER, MetadataValue::from_bytes(&caller.encode_to_vec()));
    request
}

fn unauthenticated(message: &str) -> Status {
    crate::Refusal::new(crate::Code::Unauthenticated, "UNAUTHENTICATED", message).into()
}
