//! What happens, as it happens: collections, tokens, and the viewer's own account.

use async_graphql::{Context, Result, SimpleObject, Subscription, Union};
use events::{Standard, collections::CollectionSnapshot, mints::TokenSnapshot};
use futures::Stream;
use proto::{catalog::v1 as pb, common::v1 as common};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    collection::Collection,
    guard::{Requires, auth},
    scalar::{AccountId, Address, BigInt, ChainId, DateTime, to_timestamp},
    token::{self, Token},
    user::{Role, acting},
};
use crate::live::{Event, Events, Fact, Live, Lost, lost};

/// A collection changed.
#[derive(SimpleObject)]
pub(crate) struct CollectionEvent {
    /// Pass it as `after` to go on behind this event.
    cursor: String,
    /// Whether a reorganisation took the collection back.
    removed: bool,
    /// The last block that both branches share, where a reorganisation did it.
    fork_block: Option<BigInt>,
    /// What led to it: `created`, `updated`, `minted`, `metadata`, `removed`.
    changed: Vec<String>,
    collection: Collection,
}

/// A token changed.
#[derive(SimpleObject)]
pub(crate) struct TokenEvent {
    /// Pass it as `after` to go on behind this event.
    cursor: String,
    /// Whether a reorganisation took the token back.
    removed: bool,
    /// The last block that both branches share, where a reorganisation did it.
    fork_block: Option<BigInt>,
    /// What led to it: `minted`, `transferred`, `burned`, `metadata`, `removed`; empty for a summary.
    changed: Vec<String>,
    token: Token,
}

/// You signed in somewhere.
#[derive(SimpleObject)]
pub(crate) struct LoggedInEvent {
    account: AccountId,
    at: DateTime,
}

/// An account became yours.
#[derive(SimpleObject)]
pub(crate) struct WalletLinkedEvent {
    account: AccountId,
    is_primary: bool,
}

/// An account is no longer yours.
#[derive(SimpleObject)]
pub(crate) struct WalletUnlinkedEvent {
    account: AccountId,
    was_primary: bool,
}

/// Something happened to your account.
#[derive(Union)]
pub(crate) enum ViewerEvent {
    LoggedIn(LoggedInEvent),
    WalletLinked(WalletLinkedEvent),
    WalletUnlinked(WalletUnlinkedEvent),
}

#[derive(Default)]
pub(crate) struct LiveSubscription;

#[Subscription]
impl LiveSubscription {
    /// Collections as they change; after a break, `after` brings what was missed.
    async fn collection_upserted(
        &self,
        context: &Context<'_>,
        chain_id: Option<ChainId>,
        contract: Option<Address>,
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<CollectionEvent>> + use<>> {
        let live = context.data_unchecked::<Live>().clone();
        let events = live.subscribe_after(after).await?;
        Ok(each(events, move |event| {
            let Fact::Collection(fact) = &event.fact else { return None };
            let of = &fact.collection;
            is_wanted(chain_id, contract, of.chain_id, of.contract).then(|| CollectionEvent {
                cursor: live.cursor(event),
                removed: fact.removed,
                fork_block: fact.fork_block.map(block),
                changed: fact.changed.clone(),
                collection: Collection(collection(of, fact.block_number, fact.tx_hashes.first())),
            })
        }))
    }

    /// Tokens as they change; after a break, `after` brings what was missed.
    async fn token_upserted(
        &self,
        context: &Context<'_>,
        chain_id: Option<ChainId>,
        contract: Option<Address>,
        token_id: Option<BigInt>,
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<TokenEvent>> + use<>> {
        let live = context.data_unchecked::<Live>().clone();
        let peers = context.data_unchecked::<crate::peers::Peers>().clone();
        let mut events = live.subscribe_after(after).await?;
        Ok(async_stream(async move |mut say: Say<TokenEvent>| {
            loop {
                let event = match events.next().await {
                    Ok(event) => event,
                    Err(Lost) => return say.send(Err(lost())).await,
                };
                match &event.fact {
                    Fact::Token(fact) => {
                        let of = &fact.token;
                        let is_number = token_id.is_none_or(|wanted| wanted.0 == of.token_id.number());
                        if is_number && is_wanted(chain_id, contract, of.chain_id, of.contract) {
                            let news = TokenEvent {
                                cursor: live.cursor(&event),
                                removed: fact.removed,
                                fork_block: fact.fork_block.map(block),
                                changed: fact.changed.clone(),
                                token: Token(token_of(of)),
                            };
                            say.send(Ok(news)).await;
                        }
                    }
                    // While a chain catches up the message names the tokens only; their pictures are asked for.
                    Fact::Tokens(fact) if is_wanted(chain_id, contract, fact.chain_id, fact.contract) => {
                        for number in &fact.token_ids {
                            if token_id.is_some_and(|wanted| wanted.0 != number.number()) {
                                continue;
                            }
                            let place = common::TokenRef {
                                chain_id: fact.chain_id.to_string(),
                                address: fact.contract.to_lower(),
                                token_id: number.to_string(),
                            };
                            let cursor = live.cursor(&event);
                            match token::fetch(&peers, place).await {
                                Ok(Some(token)) => {
                                    let news = TokenEvent {
                                        cursor,
                                        removed: false,
                                        fork_block: None,
                                        changed: Vec::new(),
                                        token,
                                    };
                                    say.send(Ok(news)).await;
                                }
                                Ok(None) => {}
                                Err(err) => return say.send(Err(err)).await,
                            }
                        }
                    }
                    _ => {}
                }
            }
        }))
    }

    /// What happens to your account.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn viewer_event(
        &self,
        context: &Context<'_>,
    ) -> Result<impl Stream<Item = Result<ViewerEvent>> + use<>> {
        let user_id = acting(context)?.user_id;
        let events = context.data_unchecked::<Live>().subscribe();
        Ok(each(events, move |event| match &event.fact {
            Fact::LoggedIn(fact) if fact.user_id == user_id => Some(ViewerEvent::LoggedIn(LoggedInEvent {
                account: AccountId(fact.account_id),
                at: DateTime(fact.at),
            })),
            Fact::WalletLinked(fact) if fact.user_id == user_id => {
                Some(ViewerEvent::WalletLinked(WalletLinkedEvent {
                    account: AccountId(fact.account_id),
                    is_primary: fact.is_primary,
                }))
            }
            Fact::WalletUnlinked(fact) if fact.user_id == user_id => {
                Some(ViewerEvent::WalletUnlinked(WalletUnlinkedEvent {
                    account: AccountId(fact.account_id),
                    was_primary: fact.is_primary,
                }))
            }
            _ => None,
        }))
    }
}

/// What a stream's task says to its subscriber.
pub(crate) struct Say<T>(mpsc::Sender<Result<T>>);

impl<T> Say<T> {
    /// A subscriber that is gone ends the task: the receiver is dropped, and with it the stream.
    pub(crate) async fn send(&mut self, news: Result<T>) {
        if self.0.send(news).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A stream that a task feeds; the task ends with the stream.
pub(crate) fn async_stream<T, F>(task: impl FnOnce(Say<T>) -> F) -> impl Stream<Item = Result<T>>
where
    T: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(16);
    let running = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(task(Say(sender))));
    let mut receiver = ReceiverStream::new(receiver);
    futures::stream::poll_fn(move |context| {
        // Held here so that it ends when nobody polls any more.
        let _ = &running;
        futures::StreamExt::poll_next_unpin(&mut receiver, context)
    })
}

/// The stream of what `show` makes of events.
fn each<T: Send + 'static>(
    mut events: Events,
    show: impl Fn(&Event) -> Option<T> + Send + 'static,
) -> impl Stream<Item = Result<T>> {
    async_stream(move |mut say: Say<T>| async move {
        loop {
            match events.next().await {
                Ok(event) => {
                    if let Some(news) = show(&event) {
                        say.send(Ok(news)).await;
                    }
                }
                Err(Lost) => return say.send(Err(lost())).await,
            }
        }
    })
}

fn is_wanted(chain: Option<ChainId>, contract: Option<Address>, of: ids::ChainId, at: ids::Address) -> bool {
    chain.is_none_or(|chain| chain.0 == of) && contract.is_none_or(|contract| contract.0 == at)
}

fn block(number: u64) -> BigInt {
    BigInt(amounts::U256::from(number))
}

fn standard(standard: Standard) -> i32 {
    match standard {
        Standard::Erc721 => common::TokenStandard::Erc721.into(),
        Standard::Erc1155 => common::TokenStandard::Erc1155.into(),
    }
}

fn collection(of: &CollectionSnapshot, block_number: u64, tx: Option<&ids::TxHash>) -> pb::Collection {
    pb::Collection {
        id: of.id.to_string(),
        contract: Some(common::ContractRef {
            chain_id: of.chain_id.to_string(),
            address: of.contract.to_lower(),
        }),
        slug: of.slug.clone(),
        name: of.name.clone(),
        symbol: of.symbol.clone().unwrap_or_default(),
        description: of.description.clone().unwrap_or_default(),
        standard: standard(of.standard),
        creator: of.creator.to_lower(),
        owner: of.owner.map(|owner| owner.to_lower()).unwrap_or_default(),
        royalty_bps: of.royalty_bps,
        max_supply: of.max_supply.clone().unwrap_or_default(),
        total_supply: of.total_supply.clone(),
        verified: of.is_verified,
        status: of.status.clone(),
        create_time: Some(to_timestamp(DateTime(of.created_at))),
        create_tx: tx.map(ToString::to_string).unwrap_or_default(),
        create_block: block_number,
        ..Default::default()
    }
}

fn token_of(of: &TokenSnapshot) -> pb::Token {
    pb::Token {
        id: of.id.to_string(),
        collection_id: of.collection_id.to_string(),
        r#ref: Some(common::TokenRef {
            chain_id: of.chain_id.to_string(),
            address: of.contract.to_lower(),
            token_id: of.token_id.to_string(),
        }),
        standard: standard(of.standard),
        name: of.name.clone().unwrap_or_default(),
        metadata_status: of.metadata_status.clone(),
        supply: of.supply.clone(),
        owner: of.owner.map(|owner| owner.to_lower()).unwrap_or_default(),
        burned: of.is_burned,
        mint_time: of.minted_at.map(|at| to_timestamp(DateTime(at))),
        ..Default::default()
    }
}
