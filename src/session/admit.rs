//! A log-in comes into its user's roster: carries out what the [`Admission`] needs.

use futures_util::future::join;

use super::Visit;
use super::held::Held;
use super::log_in::Target;
use crate::beside::beside;
use crate::error::{Error, ErrorKind};
use crate::event;
use crate::store::Budget;
use crate::store::roster::{Act, Listed, Membership, Name};
use crate::users::admission::{Admission, Need, Refusal, Said};
use crate::users::aftermath::leave;
use crate::users::sessions::Sessions;

impl Visit {
    /// Brings the record of a log-in into the user's roster: false when there was none to be bound. Until it is in,
    /// its cookie is not sent.
    pub(super) async fn admit(&self, user: &str, target: &Target) -> Result<bool, Error> {
        let layer = self.layer();
        let mut admission = Admission::new(target.handle(), layer.cap);
        let mut bound = None;
        let mut need = admission.begin();
        loop {
            let sessions = self.sessions(user);
            let said = match need {
                Need::Roster(act) => Said::Roster(self.spending(sessions.enrol(&act)).await?),
                Need::Ask(members) => Said::Asked(self.spending(sessions.ask(members)).await?),
                Need::End(these, reason) => {
                    self.spending(sessions.end_these(these, reason)).await?;
                    Said::Ended
                }
                Need::Bind { serial, ask } => {
                    // Only where places are few does it matter whether somebody came with the cookie.
                    let membership = Membership { serial, unproved: layer.cap.is_some() };
                    let binding = self.bind(target, user, membership);
                    let (life, asked) = join(binding, sessions.ask(ask)).await;
                    if life.as_ref().is_ok_and(Option::is_some) {
                        bound = Some(Unconfirmed(self));
                    } else if life.as_ref().is_err_and(|error| error.kind() != ErrorKind::Unavailable) {
                        self.withdraw(user, admission.reserved()).await;
                    }
                    Said::Bound(life?, asked?)
                }
                Need::Nothing(Err(Refusal::Unbound)) => return Ok(false),
                Need::Nothing(Err(refusal)) => return Err(refusal.into()),
                Need::Nothing(Ok(())) => break,
            };
            need = admission.next(said);
        }
        if let Some(unconfirmed) = bound {
            unconfirmed.confirmed();
        }
        Sessions::look_after(layer.store.clone(), user.to_owned(), admission.passed()).await;
        Ok(true)
    }

    /// A place that was reserved for nothing, given back beside.
    async fn withdraw(&self, user: &str, reserved: Option<Listed>) {
        let Some(listed) = reserved else { return };
        let (store, name) = (self.layer().store.clone(), Name::of_user(user));
        beside(async move {
            if let Err(cause) = store.enrol(name, &Act::Withdraw(listed), &Budget::default()).await {
                event::roster_failed(&cause);
            }
        })
        .await;
    }

    /// Whoever was logged in with this session before, is not any more.
    pub(super) async fn left_by_log_in(&self, user: &str, before: Option<(Option<String>, u64)>) {
        let Some((Some(before), serial)) = before.filter(|(before, _)| before.as_deref() != Some(user)) else { return };
        let Some(handle) = self.held(|held| held.live().map(|live| live.id.handle())) else { return };
        leave(self.layer().store.clone(), Name::of_user(&before), vec![Listed { handle, serial }]).await;
    }
}

/// A log-in whose record is written and that is not in yet. Dropping it, also with the future that holds it, keeps its
/// cookie from being sent: whoever logs in again with the old one gets the current one.
struct Unconfirmed<'a>(&'a Visit);

impl Unconfirmed<'_> {
    fn confirmed(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unconfirmed<'_> {
    fn drop(&mut self) {
        self.0.held(Held::unconfirmed);
    }
}
