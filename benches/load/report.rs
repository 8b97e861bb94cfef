//! The figures as ratios: the median of all rounds, and how far they spread.

use std::fmt;

use crate::gauge::Figures;
use crate::scenario::Scenario;

/// The most memory that the instance may have, as a multiple of the bare server's.
const MEMORY: f64 = 1.5;

/// The figures of the instance and of the bare server, in one round.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Pair(pub(crate) [Figures; 2]);

pub(crate) struct Report<'a> {
    lines: Vec<(&'a Scenario, Vec<Pair>)>,
    memory: [f64; 2],
}

/// Which figure.
type Figure = fn(&Figures) -> f64;

/// A figure of all rounds.
struct Line {
    instance: f64,
    bare: f64,
    /// The lowest, the median and the highest ratio.
    ratio: [f64; 3],
}

impl<'a> Report<'a> {
    pub(crate) fn new(scenarios: &'a [Scenario]) -> Self {
        Self { lines: scenarios.iter().map(|scenario| (scenario, Vec::new())).collect(), memory: [0.0; 2] }
    }

    pub(crate) fn add(&mut self, scenario: usize, pair: Pair) {
        self.lines[scenario].1.push(pair);
    }

    /// Of the instance and of the bare server, after all requests.
    pub(crate) fn memory(&mut self, memory: [f64; 2]) {
        self.memory = memory;
    }

    pub(crate) fn is_met(&self) -> bool {
        let cpu = |(scenario, pairs): &(&Scenario, Vec<Pair>)| {
            let silent = pairs.iter().all(|pair| pair.0[0].redis_commands < 0.01);
            line(pairs, |figures| figures.cpu).ratio[1] <= scenario.limit && (silent || !scenario.silent)
        };
        self.lines.iter().all(cpu) && self.memory[0] <= MEMORY * self.memory[1]
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ROWS: [(&str, Figure); 7] = [
            ("CPU, µs a request", |figures| figures.cpu),
            ("requests a second", |figures| figures.rate),
            ("p50, µs", |figures| figures.p50),
            ("p99, µs", |figures| figures.p99),
            ("Redis commands a request", |figures| figures.redis_commands),
            ("Redis CPU, µs a request", |figures| figures.redis_cpu),
            ("Redis bytes a request", |figures| figures.redis_bytes),
        ];
        writeln!(f, "{:32}{:>10}{:>10}   {:20}limit", "", "instance", "bare", "ratio (spread)")?;
        for (scenario, pairs) in &self.lines {
            writeln!(f, "{}", scenario.name)?;
            for (index, (name, figure)) in ROWS.into_iter().enumerate() {
                let limit = (index == 0).then_some(scenario.limit);
                row(f, name, &line(pairs, figure), limit)?;
            }
        }
        writeln!(f, "after all requests")?;
        let [instance, bare] = self.memory;
        row(f, "memory, KiB", &Line { instance, bare, ratio: [instance / bare; 3] }, Some(MEMORY))
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, line: &Line, limit: Option<f64>) -> fmt::Result {
    let [low, median, high] = line.ratio;
    let spread = if median.is_finite() { format!("{median:.2} ({low:.2}–{high:.2})") } else { String::new() };
    let digits = if line.instance.max(line.bare) < 1000.0 { 2 } else { 0 };
    write!(f, "  {name:30}{:>10.digits$}{:>10.digits$}   {spread:20}", line.instance, line.bare)?;
    match limit {
        Some(limit) if median > limit => writeln!(f, "{limit:.2}  missed"),
        Some(limit) => writeln!(f, "{limit:.2}"),
        None => writeln!(f),
    }
}

fn line(pairs: &[Pair], figure: Figure) -> Line {
    let of = |side: usize| sorted(pairs.iter().map(|pair| figure(&pair.0[side])));
    let ratios = sorted(pairs.iter().map(|pair| figure(&pair.0[0]) / figure(&pair.0[1])));
    let (low, high) = (ratios.first().copied(), ratios.last().copied());
    let ratio = [low, Some(median(&ratios)), high].map(|ratio| ratio.unwrap_or(f64::NAN));
    Line { instance: median(&of(0)), bare: median(&of(1)), ratio }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
