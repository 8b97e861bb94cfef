//! What is done beside a request, best effort: it adds no latency, and its failure fails nothing.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Carries on without anybody waiting. Without a runtime there is no "beside", and no store that needs one either: then
/// it is done now.
pub(crate) fn beside(work: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> + Send {
    // Here, so that it takes no room in the futures of those who wait for the first step.
    carry_on(Box::pin(work))
}

async fn carry_on(mut work: Pin<Box<dyn Future<Output = ()> + Send>>) {
    // Its first step is made here, so that its command stands in line before those of any later request.
    if poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await.is_ready() {
        return;
    }
    #[cfg(test)]
    let Err(work) = crate::sync::spawn(work) else { return };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(work)),
        Err(_) => work.await,
    }
}
