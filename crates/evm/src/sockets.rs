//! Sockets that tell of new heads. What they say is not believed: they say when to look.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::{sync::watch, task::JoinSet};

use crate::{Endpoint, Health, Node, listen, node::Inner};

/// The sockets of a chain. Nobody listens to them before somebody waits for heads.
pub(crate) struct Sockets {
    places: watch::Sender<Vec<Arc<Place>>>,
    keeper: Mutex<Weak<Keeper>>,
}

/// One socket, and what became of it.
pub(crate) struct Place {
    pub(crate) endpoint: Endpoint,
    is_subscribed: AtomicBool,
    heads: AtomicU64,
    failures: AtomicU64,
}

/// Listens while anybody waits.
struct Keeper {
    wakes: watch::Receiver<u64>,
    _task: JoinSet<()>,
}

/// Wakes whoever follows the head of a chain. While one of these is there, its sockets are listened to; that ends with
/// the last of them, or with the chain's last [`Node`].
#[derive(Clone)]
pub struct HeadWakes {
    wakes: watch::Receiver<u64>,
    places: watch::Receiver<Vec<Arc<Place>>>,
    _keeper: Option<Arc<Keeper>>,
}

impl HeadWakes {
    /// Returns when it is time to look: a socket told of a head, began to tell of heads, or does so no more. Wakes that
    /// came since the last one are one.
    pub async fn changed(&mut self) {
        if self.wakes.changed().await.is_err() {
            // Nobody will ever tell again; others poll.
            std::future::pending::<()>().await;
        }
    }

    /// Whether heads arrive from at least one socket.
    pub fn is_alive(&self) -> bool {
        self.places.borrow().iter().any(|place| place.is_subscribed())
    }
}

impl Node {
    /// Told of new heads by the sockets among the endpoints, now or later. Never the only way: a socket may die unnoticed
    /// for a while, and there may be none.
    pub fn head_wakes(&self) -> HeadWakes {
        let sockets = &self.inner.sockets;
        let mut keeper = sockets.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = keeper.upgrade().or_else(|| Keeper::start(&self.inner).map(Arc::new));
        *keeper = kept.as_ref().map_or_else(Weak::new, Arc::downgrade);
        let wakes = kept.as_ref().map_or_else(|| watch::channel(0).1, |kept| kept.wakes.clone());
        HeadWakes { wakes, places: sockets.places.subscribe(), _keeper: kept }
    }
}

impl Keeper {
    /// None without a runtime: nobody waits then.
    fn start(inner: &Arc<Inner>) -> Option<Keeper> {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let (teller, wakes) = watch::channel(0);
        let (node, places) = (Arc::downgrade(inner), inner.sockets.places.subscribe());
        let mut task = JoinSet::new();
        task.spawn_on(keep(node, places, Arc::new(teller)), &runtime);
        Some(Keeper { wakes, _task: task })
    }
}

/// Listens to each socket that there is, until the chain's last node is gone.
async fn keep(
    node: Weak<Inner>,
    mut places: watch::Receiver<Vec<Arc<Place>>>,
    teller: Arc<watch::Sender<u64>>,
) {
    let mut heard: Vec<(Arc<Place>, JoinSet<()>)> = Vec::new();
    loop {
        let now = places.borrow_and_update().clone();
        heard.retain(|(place, _)| now.iter().any(|other| Arc::ptr_eq(place, other)));
        for place in now {
            if !heard.iter().any(|(other, _)| Arc::ptr_eq(&place, other)) {
                let mut task = JoinSet::new();
                task.spawn(listen::attend(Weak::clone(&node), Arc::clone(&place), Arc::clone(&teller)));
                heard.push((place, task));
            }
        }
        if places.changed().await.is_err() {
            return;
        }
    }
}

impl Default for Sockets {
    fn default() -> Sockets {
        Sockets { places: watch::Sender::new(Vec::new()), keeper: Mutex::default() }
    }
}

impl Sockets {
    /// One that stays goes on undisturbed.
    pub(crate) fn update(&self, endpoints: Vec<Endpoint>) {
        self.places.send_if_modified(|places| {
            let before = std::mem::take(places);
            *places = endpoints
                .into_iter()
                .map(|new| match before.iter().find(|place| place.endpoint.is_same_place(&new)) {
                    Some(place) => Arc::clone(place),
                    None => Arc::new(Place::new(new)),
                })
                .collect();
            let is_same = |(a, b): (&Arc<Place>, &Arc<Place>)| Arc::ptr_eq(a, b);
            before.len() != places.len() || !before.iter().zip(places.iter()).all(is_same)
        });
    }

    pub(crate) fn health(&self) -> Vec<Health> {
        self.places.borrow().iter().map(|place| place.report()).collect()
    }
}

impl Place {
    pub(crate) fn new(endpoint: Endpoint) -> Place {
        let (is_subscribed, heads) = (AtomicBool::new(false), AtomicU64::new(0));
        Place { endpoint, is_subscribed, heads, failures: AtomicU64::new(0) }
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        self.is_subscribed.load(Ordering::Acquire)
    }

    /// True where that is news.
    pub(crate) fn set_subscribed(&self, is_subscribed: bool) -> bool {
        self.is_subscribed.swap(is_subscribed, Ordering::AcqRel) != is_subscribed
    }

    pub(crate) fn heard_head(&self) {
        self.heads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn report(&self) -> Health {
        let is_subscribed = self.is_subscribed();
        Health {
            host: self.endpoint.host().to_owned(),
            left: (!is_subscribed).then_some("silent"),
            back_in: None,
            head: None,
            answers: self.heads.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            latency: None,
            is_socket: true,
            is_subscribed,
        }
    }
}
