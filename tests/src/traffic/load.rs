//! A steady load, and what came of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::client::{Client, Reply};

/// So many clients call at the same time.
const CLIENTS: usize = 4;
/// How often each of them calls.
const PACE: Duration = Duration::from_millis(20);

/// Clients that call one URL again and again, each time with the name resolved anew.
pub struct Load {
    stop: watch::Sender<bool>,
    clients: JoinSet<Tally>,
}

/// What came of the requests.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many there were.
    pub requests: usize,
    /// How many of them failed, by what came instead of an answer.
    pub failed: BTreeMap<String, usize>,
    /// From the first failed one to the end of the last.
    pub gap: Option<(Instant, Instant)>,
}

impl Load {
    /// Begins to call a function.
    pub fn start(url: &str, function: &str) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (url, function, stopped) = (url.to_owned(), function.to_owned(), stopped.clone());
            clients.spawn(call(url, function, stopped));
        }
        Self { stop, clients }
    }

    /// Ends it.
    pub async fn stop(self) -> Tally {
        // The clients may have ended by themselves only by a panic, which `join_all` passes on.
        let _ = self.stop.send(true);
        let tallies = self.clients.join_all().await;
        tallies.into_iter().fold(Tally::default(), Tally::with)
    }
}

async fn call(url: String, function: String, stopped: watch::Receiver<bool>) -> Tally {
    let mut tally = Tally::default();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() {
        pace.tick().await;
        let began = Instant::now();
        let reply = Client::default().get(&url).await;
        tally.count(began, reply, &function);
    }
    tally
}

impl Tally {
    fn count(&mut self, began: Instant, reply: Result<Reply>, function: &String) {
        self.requests += 1;
        let instead = match reply {
            Ok(reply) if reply.is_from(function) => return,
            Ok(reply) => format!("HTTP {}", reply.status),
            Err(error) => format!("{error:#}"),
        };
        *self.failed.entry(instead).or_default() += 1;
        let first = self.gap.map_or(began, |(first, _)| first);
        self.gap = Some((first, Instant::now()));
    }

    fn with(mut self, other: Self) -> Self {
        self.requests += other.requests;
        for (what, times) in other.failed {
            *self.failed.entry(what).or_default() += times;
        }
        let gaps = [self.gap, other.gap].into_iter().flatten();
        self.gap = gaps.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        self
    }

    /// How many failed.
    pub fn failures(&self) -> usize {
        self.failed.values().sum()
    }

    /// For how long requests failed.
    pub fn outage(&self) -> Duration {
        self.gap
            .map_or(Duration::ZERO, |(first, last)| last - first)
    }
}
