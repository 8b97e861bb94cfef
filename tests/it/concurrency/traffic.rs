//! Users who come again and again, while something happens to the instances or their store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::harness::{Answer, Browser};

/// Several workers who let sessions count, at each request on another instance.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<(Vec<Visitor>, Summary)>>,
}

/// What the users saw.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) answers: BTreeMap<u16, u64>,
    /// Requests without an answer: the connection broke, or was refused.
    pub(crate) unanswered: u64,
    /// Sessions that were not there any more, or whose counter went back or stood still.
    pub(crate) lost: u64,
    /// Answers to a request that was carried out twice, as a proxy may do when an instance dies.
    pub(crate) repeated: u64,
    /// Answers with a `Set-Cookie`.
    pub(crate) cookies: u64,
    pub(crate) slowest: Duration,
}

struct Visitor {
    browser: Browser,
    count: u64,
    /// Additions since the last answer that may have been made.
    uncertain: u64,
}

const WORKERS: usize = 8;

impl Traffic {
    /// Begins `sessions` sessions at these addresses, and lets them count.
    pub(crate) async fn start(urls: &[String], sessions: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let begin = async |number: usize| {
            let browser = Browser::new(&urls[number % urls.len()]);
            let answer = browser.get("/count").send().await;
            assert_eq!((answer.status, answer.set_cookies().len()), (200, 1), "{answer:?}");
            Visitor { browser, count: 1, uncertain: 0 }
        };
        let mut visitors = join_all((0..sessions).map(begin)).await;
        let mut workers = Vec::new();
        while !visitors.is_empty() {
            let mine = visitors.split_off(visitors.len().saturating_sub(sessions.div_ceil(WORKERS)));
            let (urls, stop) = (urls.to_vec(), stop.clone());
            workers.push(tokio::spawn(work(mine, urls, stop)));
        }
        Self { stop, workers }
    }

    /// Ends it; looks at each session once more.
    pub(crate) async fn stop(self) -> Summary {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Summary::default();
        for worker in self.workers {
            let (_, summary) = worker.await.expect("a worker does not panic");
            all.add(summary);
        }
        all
    }
}

async fn work(mut visitors: Vec<Visitor>, urls: Vec<String>, stop: Arc<AtomicBool>) -> (Vec<Visitor>, Summary) {
    let (mut summary, mut turn) = (Summary::default(), 0);
    while !stop.load(Ordering::Relaxed) {
        for visitor in &mut visitors {
            turn += 1;
            visitor.visit(&urls[turn % urls.len()], &mut summary).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    for visitor in &mut visitors {
        let mut tries = 0;
        while !visitor.visit(&urls[tries % urls.len()], &mut summary).await && tries < 20 {
            tries += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        summary.lost += u64::from(tries == 20);
    }
    (visitors, summary)
}

impl Visitor {
    /// Whether it was answered with 200.
    async fn visit(&mut self, url: &str, summary: &mut Summary) -> bool {
        let begun = Instant::now();
        let answer = self.browser.at(url).get("/count").try_send().await;
        summary.slowest = summary.slowest.max(begun.elapsed());
        self.uncertain += 1;
        let Ok(answer) = answer else {
            summary.unanswered += 1;
            return false;
        };
        *summary.answers.entry(answer.status).or_default() += 1;
        summary.cookies += u64::from(!answer.set_cookies().is_empty());
        if answer.status == 200 {
            self.compare(&answer, summary);
        }
        answer.status == 200
    }

    /// Its counter must go up by one, and by no more than the additions whose fate is unknown beyond that.
    fn compare(&mut self, answer: &Answer, summary: &mut Summary) {
        let json = answer.json();
        let count = json["count"].as_u64().unwrap_or(0);
        summary.lost += u64::from(json["session"] != true || count <= self.count);
        summary.repeated += u64::from(count > self.count + self.uncertain);
        (self.count, self.uncertain) = (count, 0);
    }
}

impl Summary {
    fn add(&mut self, other: Self) {
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
        self.unanswered += other.unanswered;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.cookies += other.cookies;
        self.slowest = self.slowest.max(other.slowest);
    }

    /// Every request was answered with 200 and its session's next number, and no answer set a cookie.
    #[track_caller]
    pub(crate) fn assert_undisturbed(&self) {
        self.assert_nobody_lost();
        assert!(self.answers.keys().all(|status| *status == 200) && self.unanswered == 0, "{self:?}");
    }

    /// Whatever else they saw: all sessions are there and exact, and none was told anything about its cookie.
    #[track_caller]
    pub(crate) fn assert_nobody_lost(&self) {
        assert_eq!((self.lost, self.repeated, self.cookies), (0, 0, 0), "{self:?}");
        assert!(self.answers.get(&200).is_some_and(|count| *count > 50), "too little went on: {self:?}");
    }
}
