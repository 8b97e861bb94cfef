//! The news of sessions that have ended, between instances.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{Stream, StreamExt as _, unfold};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Reason;
use crate::id::Handle;

/// What is heard of sessions that ended.
///
/// ```
/// use stickless::users::News;
///
/// fn line(news: News) -> String {
///     match news {
///         News::Ended { handle, reason } => format!("{handle} has ended: {}", reason.as_str()),
///         News::Gap => "something may have been missed".to_owned(),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum News {
    /// This session has ended.
    Ended {
        /// Which.
        handle: Handle,
        /// Why.
        reason: Reason,
    },
    /// From here on everything is heard; before it, something may have been missed. It comes first, and again after a
    /// lost connection, or when the listener was too slow: ask the records of the sessions that matter.
    Gap,
}

/// The news as a stream. It ends when the store is dropped.
///
/// Nobody is told of sessions that end by their limits: their end is known beforehand.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use stickless::{Users, store::MemoryStore, users::News};
///
/// let mut endings = Users::new(MemoryStore::new()).endings();
/// assert_eq!(endings.next().await, Some(News::Gap));
/// // Nobody is left who could end a session.
/// assert_eq!(endings.next().await, None);
/// # }
/// ```
pub struct Endings(Pin<Box<dyn Stream<Item = News> + Send>>);

impl Endings {
    /// What comes next; none when the store was dropped.
    ///
    /// ```
    /// async fn listen(mut endings: stickless::users::Endings) {
    ///     while let Some(news) = endings.next().await {
    ///         println!("{news:?}");
    ///     }
    /// }
    /// ```
    pub async fn next(&mut self) -> Option<News> {
        self.0.next().await
    }

    /// A listener in this process.
    pub(crate) fn here(receiver: broadcast::Receiver<News>) -> Self {
        let stream = unfold((receiver, true), async |(mut receiver, first)| {
            let news = if first { Ok(News::Gap) } else { receiver.recv().await };
            match news {
                Ok(news) => Some((news, (receiver, false))),
                Err(RecvError::Lagged(_)) => Some((News::Gap, (receiver, false))),
                Err(RecvError::Closed) => None,
            }
        });
        Self(Box::pin(stream))
    }

    #[cfg(feature = "redis")]
    pub(crate) fn of(stream: impl Stream<Item = News> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }
}

impl Stream for Endings {
    type Item = News;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<News>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Endings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endings").finish_non_exhaustive()
    }
}

/// A message: the reason, then the handles.
#[cfg(feature = "redis")]
pub(crate) fn write(handles: &[Handle], reason: Reason) -> String {
    handles.iter().fold(reason.as_str().to_owned(), |message, handle| format!("{message} {handle}"))
}

/// What a message says; what is not as we write it says nothing.
#[cfg(feature = "redis")]
pub(crate) fn read(message: &[u8]) -> Vec<News> {
    let text = String::from_utf8_lossy(message);
    let mut words = text.split(' ');
    let reason = Reason::of(words.next().unwrap_or_default());
    words.filter_map(|word| word.parse().ok()).map(|handle| News::Ended { handle, reason }).collect()
}
