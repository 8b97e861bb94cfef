//! What the checker found.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Violations, and what was counted.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub(crate) broken: u64,
    /// And of these, asked of an instance that was not there.
    pub(crate) away: u64,
    /// Why, of the first that was there.
    pub(crate) because: Option<String>,
    /// Acknowledged writes.
    pub(crate) acknowledged: u64,
    /// Of these, what may be lost by a failover, and what was.
    pub(crate) at_risk: u64,
    pub(crate) excused: u64,
    /// What is lost and not excused.
    pub(crate) lost: Lost,
    /// Additions that were made twice.
    pub(crate) repeated: u64,
    /// Of the answers that the session had a part in, and of the others.
    pub(crate) slowest: Duration,
    pub(crate) slowest_plain: Duration,
}

/// Acknowledged writes that were not there afterwards.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) additions: u64,
    pub(crate) appended: u64,
    pub(crate) log_ins: u64,
    /// Sessions that were begun.
    pub(crate) begun: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    /// None where all of them together are too many.
    pub(crate) client: Option<u32>,
    pub(crate) at: Duration,
    pub(crate) what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// An addition or an appended value counts once at most.
    CountedTwice,
    /// What was acknowledged is there.
    Lost,
    /// A user stays logged in.
    LoggedOut,
    /// An answered log-out is final.
    LogOutUndone,
    /// Nobody sees another's session.
    Leak,
    /// Only a creation, a log-in and a log-out say something about the cookie.
    Cookie,
    /// An answer comes within the budget.
    Budget,
    /// Routes without a session answer at once, and with 200.
    Plain,
    /// There are only these answers, and a 503 says when to come again.
    Status,
    /// Every request is answered.
    Broken,
    /// In the end each session answers.
    NeverBack,
}

impl Lost {
    pub(crate) fn sum(self) -> u64 {
        self.additions + self.appended + self.log_ins + self.begun
    }
}

impl Verdict {
    pub(crate) fn requests(&self) -> u64 {
        self.statuses.values().sum::<u64>() + self.broken + self.away
    }

    pub(crate) fn refused(&self) -> u64 {
        self.requests() - self.statuses.get(&200).unwrap_or(&0) - self.statuses.get(&204).unwrap_or(&0)
    }

    /// Nothing was violated, and enough went on for that to say something.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert!(self.violations.is_empty(), "{self}\n{:#?}", &self.violations[..self.violations.len().min(12)]);
        assert!(self.acknowledged > 50, "too little went on: {self}");
    }

    /// Nothing was violated but the bounds on time.
    fn is_only_late(&self) -> bool {
        !self.violations.is_empty() && self.violations.iter().all(|it| matches!(it.rule, Rule::Budget | Rule::Plain))
    }

    /// Whether the bounds on time hold; all else must.
    #[track_caller]
    pub(crate) fn is_in_time(&self) -> bool {
        let is_late = self.is_only_late();
        if !is_late {
            self.assert_clean();
        }
        !is_late
    }

    /// And every request was answered as if nothing had happened.
    #[track_caller]
    pub(crate) fn assert_undisturbed(&self) {
        self.assert_clean();
        assert_eq!((self.refused(), self.lost.sum(), self.repeated), (0, 0, 0), "{self}");
    }

    /// As [`is_in_time`](Self::is_in_time); in a round in time, every request was answered as if nothing had happened.
    #[track_caller]
    pub(crate) fn is_undisturbed_in_time(&self) -> bool {
        let is_in_time = self.is_in_time();
        if is_in_time {
            self.assert_undisturbed();
        }
        is_in_time
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests {:?}, {} unanswered, slowest {:?}, without a session {:?}; of {} acknowledged writes {} lost \
             {:?}, {} repeated; {} violations",
            self.requests(),
            self.statuses,
            self.broken + self.away,
            self.slowest,
            self.slowest_plain,
            self.acknowledged,
            self.lost.sum(),
            self.lost,
            self.repeated,
            self.violations.len(),
        )?;
        if self.at_risk > 0 {
            write!(f, "; {} written in failovers, of which {} are lost", self.at_risk, self.excused)?;
        }
        Ok(())
    }
}
