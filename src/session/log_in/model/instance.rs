//! A request at an instance, one store call after another. As the session carries it out.

use super::browser::{Cookie, handle};
use super::{HOUR, Mistake, USER, World, create};
use crate::id::WriteId;
use crate::record::Limits;
use crate::session::log_in::log_in_was_faster;
use crate::session::standing::Standing;
use crate::store::roster::{Act as RosterAct, Listed, Member, Membership};
use crate::store::{Act, Add, Apply, Delta, Intent, Loaded, Outcome, Reason};
use crate::users::admission::{Admission, Need, Refusal, Said, Verdict};
use crate::users::sessions::verdict;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    LogIn,
    /// Adds one to a number, in a new session if there is none.
    Write,
    LogOut,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Request {
    number: u8,
    what: What,
    presented: Option<Cookie>,
    step: Step,
    /// Writes that were taken for new ones.
    anew: u8,
    /// Where its write is, if it was answered.
    pub(super) stored: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Load,
    Admit(Box<Admitting>),
    Apply { is_users: bool },
    Create,
    LookBehind,
    TakeBack,
    Destroy,
    Leave,
    Over,
}

/// A log-in on its way into the roster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Admitting {
    admission: Admission,
    need: Need,
    /// The cookie that is bound; else a new session takes its place.
    bound: Option<Cookie>,
    binding: Binding,
    cookie: Option<Cookie>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Binding {
    First,
    Create,
    Adopt,
}

impl Request {
    pub(super) fn new(number: u8, what: What) -> Self {
        Self { number, what, presented: None, step: Step::Load, anew: 0, stored: None }
    }

    pub(super) fn set_out(&mut self, cookie: Option<Cookie>) {
        self.presented = cookie;
    }

    pub(super) fn crash(&mut self) {
        self.step = Step::Over;
    }

    /// The write is sent once more, and not known to be the same.
    pub(super) fn take_for_another(&mut self) {
        self.anew += 1;
    }

    pub(super) fn is_over(&self) -> bool {
        self.step == Step::Over
    }

    /// Whether its next step writes.
    pub(super) fn writes(&self) -> bool {
        match &self.step {
            Step::Admit(admitting) => {
                matches!(&admitting.need, Need::Roster(_) | Need::End(..))
                    || matches!(&admitting.need, Need::Bind { .. }) && admitting.binding != Binding::Adopt
            }
            step => matches!(step, Step::Apply { .. } | Step::Create | Step::TakeBack | Step::Destroy | Step::Leave),
        }
    }

    /// Whether its next step may be answered with a cookie.
    pub(super) fn answers(&self) -> bool {
        match &self.step {
            Step::Admit(admitting) => matches!(&admitting.need, Need::Roster(RosterAct::Confirm { .. })),
            step => matches!(step, Step::LookBehind | Step::Destroy),
        }
    }

    pub(super) fn name(&self) -> String {
        let step = match &self.step {
            Step::Admit(admitting) => match &admitting.need {
                Need::Roster(RosterAct::Reserve { .. }) => "reserves",
                Need::Roster(RosterAct::Confirm { .. }) => "confirms",
                Need::Bind { .. } => return format!("{:?} binds: {:?}", self.what, admitting.binding),
                _ => "makes room, or gives up",
            },
            step => return format!("{:?}: {step:?}", self.what),
        };
        format!("{:?} {step}", self.what)
    }

    /// The session that it creates, if it does.
    fn fresh(&self) -> u8 {
        100 + self.number
    }

    fn write(&self, step: u8) -> WriteId {
        WriteId::numbered((self.number % 20) * 10 + step + self.anew)
    }
}

impl World {
    /// The next step of a request.
    pub(super) fn step(&mut self, at: usize) {
        let request = self.requests[at].clone();
        self.requests[at].step = match request.step.clone() {
            Step::Load => self.begin(&request),
            Step::Admit(admitting) => self.admit(&request, *admitting),
            Step::Apply { is_users } => self.write(at, &request, is_users),
            Step::Create => {
                let Act::Create(mut new) = create(None, None) else { unreachable!() };
                new.data.insert("n".into(), "1".into());
                self.apply(request.fresh(), 1, request.write(1), Act::Create(new));
                Step::LookBehind
            }
            Step::LookBehind => self.look_behind(at, &request),
            Step::TakeBack => {
                self.apply(request.fresh(), 1, request.write(2), Act::Destroy);
                Step::Over
            }
            Step::Destroy => self.destroy(&request),
            Step::Leave => {
                let handle = handle(request.presented.map_or(0, |cookie| cookie.id));
                self.roster.carry_out(&RosterAct::Leave(vec![Listed { handle, serial: u64::MAX }]), self.now);
                Step::Over
            }
            Step::Over => Step::Over,
        };
    }

    fn begin(&self, request: &Request) -> Step {
        let standing = self.standing(request.presented);
        match (request.what, &standing) {
            (What::LogIn, Standing::Live(_)) => self.reserve(request, request.presented),
            (What::LogIn, Standing::New { dead: Some(dead) } | Standing::Stale { dead }) if dead.superseded => {
                self.reserve(request, request.presented)
            }
            (What::LogIn, _) => self.reserve(request, None),
            (What::Write, Standing::Live(live)) => Step::Apply { is_users: live.record.user.is_some() },
            (What::Write, Standing::New { .. }) => Step::Create,
            (What::LogOut, Standing::Live(_)) => Step::Destroy,
            (What::Write | What::LogOut, _) => Step::Over,
        }
    }

    fn reserve(&self, request: &Request, bound: Option<Cookie>) -> Step {
        let handle = handle(bound.map_or(request.fresh(), |cookie| cookie.id));
        let mut admission = Admission::new(handle, self.cap);
        let need = admission.begin();
        Step::Admit(Box::new(Admitting { admission, need, bound, binding: Binding::First, cookie: None }))
    }

    fn admit(&mut self, request: &Request, mut admitting: Admitting) -> Step {
        let said = match admitting.need.clone() {
            Need::Roster(act) => Said::Roster(self.roster.carry_out(&act, self.now)),
            Need::Ask(members) => Said::Asked(self.verdicts(&members)),
            Need::End(these, reason) => {
                for listed in these {
                    self.end(request, listed, reason);
                }
                Said::Ended
            }
            Need::Bind { serial, ask } => match self.bind(request, &mut admitting, serial) {
                Bound::Yes => Said::Bound(Some(HOUR), self.verdicts(&ask)),
                Bound::No => Said::Bound(None, self.verdicts(&ask)),
                Bound::NotYet => return Step::Admit(Box::new(admitting)),
                Bound::Refused => return Step::Over,
            },
            Need::Nothing(_) => return Step::Over,
        };
        admitting.need = admitting.admission.next(said);
        match &admitting.need {
            // Its answer is on its way.
            Need::Nothing(Ok(())) => (self.jar, self.logged_in) = (admitting.cookie, true),
            Need::Nothing(Err(Refusal::Unbound)) => return self.reserve(request, None),
            Need::Nothing(Err(_)) => {}
            _ => return Step::Admit(Box::new(admitting)),
        }
        Step::Over
    }

    fn bind(&mut self, request: &Request, admitting: &mut Admitting, serial: u64) -> Bound {
        let membership = Some(Membership { serial, unproved: self.cap.is_some() });
        let user = USER.to_owned();
        match (admitting.binding, admitting.bound) {
            (Binding::First, Some(cookie)) => {
                let intent = Intent::LogIn { user, idle: HOUR, absolute: None, reissue: true, membership };
                let act = Act::Apply(apply(None, intent));
                let Outcome::Done(done) = self.apply(cookie.id, cookie.generation, request.write(3), act) else {
                    return Bound::No;
                };
                admitting.cookie = Some(Cookie { generation: done.generation, ..cookie });
                admitting.binding = Binding::Adopt;
                if done.generation == cookie.generation + 1 { Bound::Yes } else { Bound::NotYet }
            }
            (Binding::Adopt, Some(cookie)) => match self.load(cookie.id) {
                Loaded::Found(record)
                    if Some(record.generation) == admitting.cookie.map(|cookie| cookie.generation)
                        && record.user.as_deref() == Some(USER) =>
                {
                    Bound::Yes
                }
                _ => Bound::Refused,
            },
            (Binding::First, None) => {
                admitting.binding = Binding::Create;
                if let Some(dead) = request.presented.filter(|_| self.mistake != Some(Mistake::NoBury)) {
                    self.apply(dead.id, dead.generation, request.write(4), Act::Bury);
                }
                Bound::NotYet
            }
            (Binding::Create | Binding::Adopt, _) => {
                self.apply(request.fresh(), 1, request.write(5), create(Some(user), membership));
                admitting.cookie = Some(Cookie { id: request.fresh(), generation: 1 });
                Bound::Yes
            }
        }
    }

    fn verdicts(&self, members: &[Member]) -> Vec<Verdict> {
        let number = |member: &Member| self.records.keys().find(|number| handle(**number) == member.handle).copied();
        let loaded = |member: &Member| number(member).map_or(Loaded::Missing, |number| self.load(number));
        members.iter().map(|member| verdict(&loaded(member), USER, self.now)).collect()
    }

    fn end(&mut self, request: &Request, listed: Listed, reason: Reason) {
        let number = self.records.keys().find(|number| handle(**number) == listed.handle).copied();
        let act = Act::End { user: USER.into(), before: Some(listed.serial + 1), reason };
        number.map(|number| self.apply(number, 0, request.write(6), act));
    }

    fn write(&mut self, at: usize, request: &Request, is_users: bool) -> Step {
        let Some(cookie) = request.presented else { return Step::Over };
        let add = Some(Add { key: "n".into(), by: 1 });
        let act = Act::Apply(apply(add, Intent::Keep));
        let outcome = self.apply(cookie.id, cookie.generation, request.write(0), act);
        if let Outcome::Done(_) = outcome {
            self.requests[at].stored = Some(cookie.id);
            if let (false, Loaded::Found(record)) = (is_users, self.load(cookie.id)) {
                self.mixed |= record.user.is_some();
            }
        }
        Step::Over
    }

    fn look_behind(&mut self, at: usize, request: &Request) -> Step {
        let behind = request.presented.map(|dead| self.load(dead.id));
        let looks = self.mistake != Some(Mistake::NoLookBehind);
        if behind.is_some_and(|behind| looks && log_in_was_faster(&behind, self.now)) {
            return Step::TakeBack;
        }
        // Its answer is on its way.
        self.jar = Some(Cookie { id: request.fresh(), generation: 1 });
        self.requests[at].stored = Some(request.fresh());
        Step::Over
    }

    fn destroy(&mut self, request: &Request) -> Step {
        let Some(cookie) = request.presented else { return Step::Over };
        let outcome = self.apply(cookie.id, cookie.generation, request.write(7), Act::Destroy);
        if !matches!(outcome, Outcome::Done(_)) {
            return Step::Over;
        }
        self.ended.insert(cookie.id);
        (self.jar, self.logged_in) = (None, false);
        Step::Leave
    }
}

enum Bound {
    Yes,
    No,
    /// There is more to do.
    NotYet,
    Refused,
}

fn apply(add: Option<Add>, intent: Intent) -> Apply {
    Apply { delta: Delta::default(), add, expect: None, intent, limits: Limits::default() }
}
