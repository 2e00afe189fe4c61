//! Documents from hosts that a contract names, and so anybody. The resolver that filters addresses is the one that
//! the connection is made with: a name that answers differently the second time gains nothing.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use reqwest::{
    Client, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, LOCATION},
    redirect,
};
use url::Url;

use super::{
    DOCUMENT_BYTES, FETCH_WITHIN, Unfetched,
    public_address::{Guard, NOT_PUBLIC},
};

const HOPS: usize = 3;

#[derive(Clone)]
pub(crate) struct Https {
    client: Client,
    guard: Guard,
}

/// Looks up a name.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

impl Https {
    pub(crate) fn new(guard: Guard) -> anyhow::Result<Https> {
        let lookup: Lookup = Arc::new(|name| {
            async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) }
                .boxed()
        });
        Https::with_lookup(guard, lookup)
    }

    fn with_lookup(guard: Guard, lookup: Lookup) -> anyhow::Result<Https> {
        let client = Client::builder()
            .dns_resolver(Arc::new(Filtering { lookup, guard }))
            .redirect(redirect::Policy::none())
            // A proxy would resolve names by itself.
            .no_proxy()
            .connect_timeout(Duration::from_secs(3))
            .timeout(FETCH_WITHIN)
            // A pooled connection was allowed when it was made; the next fetch asks anew.
            .pool_max_idle_per_host(0)
            .user_agent("vitrine-media")
            .build()?;
        Ok(Https { client, guard })
    }

    pub(crate) async fn fetch(&self, uri: &str) -> Result<Bytes, Unfetched> {
        let mut url = Url::parse(uri).map_err(|_| Unfetched::Refused("the URI is malformed"))?;
        for _ in 0..=HOPS {
            self.guard.check(&url)?;
            let request = self.client.get(url.clone()).header(ACCEPT, "application/json, */*;q=0.1");
            let response = request.send().await.map_err(|err| why(&err))?;
            match response.status() {
                StatusCode::OK => return read(response).await,
                StatusCode::NOT_FOUND | StatusCode::GONE => return Err(Unfetched::NotFound),
                status if status.is_redirection() => url = next(&url, &response)?,
                _ => return Err(Unfetched::Unreachable),
            }
        }
        Err(Unfetched::Refused("there are too many redirects"))
    }
}

fn next(from: &Url, response: &Response) -> Result<Url, Unfetched> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    location.and_then(|location| from.join(location).ok()).ok_or(Unfetched::Unreachable)
}

async fn read(mut response: Response) -> Result<Bytes, Unfetched> {
    if response.content_length().is_some_and(|length| length > DOCUMENT_BYTES as u64) {
        return Err(Unfetched::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| Unfetched::Unreachable)? {
        if body.len() + chunk.len() > DOCUMENT_BYTES {
            return Err(Unfetched::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// The resolver's refusal comes back inside the client's error.
fn why(err: &reqwest::Error) -> Unfetched {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(err);
    while let Some(found) = cause {
        if let Some(unfetched) = found.downcast_ref::<Unfetched>() {
            return *unfetched;
        }
        cause = found.source();
    }
    Unfetched::Unreachable
}

struct Filtering {
    lookup: Lookup,
    guard: Guard,
}

impl Resolve for Filtering {
    fn resolve(&self, name: Name) -> Resolving {
        let (looking, guard) = ((self.lookup)(name.as_str().to_owned()), self.guard);
        Box::pin(async move {
            let found = looking.await?;
            // One private address among public ones is no accident; none of them is used.
            if found.iter().any(|address| !guard.allows(*address)) {
                return Err(Unfetched::Refused(NOT_PUBLIC).into());
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests;
