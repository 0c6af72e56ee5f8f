//! Following the folders of components while the program runs.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::{mpsc, watch};

use super::{Folders, News, Policies};

/// Folders of components that are followed.
pub struct Followed {
    /// The components that serve now.
    pub policies: watch::Receiver<Arc<Policies>>,
    /// What is new, in order. It is in the log, too.
    pub news: mpsc::UnboundedReceiver<News>,
}

/// Follows folders until nobody asks for its components any more, in a thread of its own: a
/// component may take long to compile. They are looked at every so often: that sees what becomes of
/// every kind of mount, and watches of the kernel do not. `news` is that of their opening.
///
/// # Errors
///
/// When no thread can be started.
pub fn follow(mut folders: Folders, mut news: Vec<News>, every: Duration) -> Result<Followed> {
    let (serve, policies) = watch::channel(Arc::clone(folders.policies()));
    let (tell, told) = mpsc::unbounded_channel();
    thread::Builder::new()
        .name("policies".to_owned())
        .spawn(move || {
            while !serve.is_closed() {
                serve.send_if_modified(|serving| {
                    let is_new = !Arc::ptr_eq(serving, folders.policies());
                    serving.clone_from(folders.policies());
                    is_new
                });
                for news in news.drain(..) {
                    news.record();
                    // It is logged at least.
                    let _ = tell.send(news);
                }
                thread::sleep(every);
                news = folders.look();
            }
        })
        .context("the thread that follows the folders of policies does not start")?;
    Ok(Followed {
        policies,
        news: told,
    })
}
