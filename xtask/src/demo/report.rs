//! What the demo shows: in colour on a terminal, plain where it is piped.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use memory_backend::{Point, Value};

/// A reader that has seen enough closes the pipe, which is no failure.
macro_rules! line {
    ($($arguments:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($arguments)*);
    }};
}

/// Writes to standard output.
pub(crate) struct Report {
    colour: bool,
}

/// ANSI codes.
const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

impl Report {
    pub(crate) fn new() -> Self {
        let colour = std::io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { colour }
    }

    pub(crate) fn title(&self, text: &str) {
        line!("\n{}", self.paint(BOLD, text));
    }

    pub(crate) fn step(&self, text: &str) {
        line!("  {} {text}", self.paint(GREEN, "ok"));
    }

    pub(crate) fn note(&self, text: &str) {
        line!("  {}", self.paint(DIM, text));
    }

    pub(crate) fn success(&self, text: &str) {
        line!("\n{}", self.paint(GREEN, text));
    }

    pub(crate) fn failure(&self, text: &str) {
        line!("\n{} {text}", self.paint(RED, "failed:"));
    }

    pub(crate) fn change(&self, title: &str, took: Duration) {
        let took = format!("{:.1} ms", took.as_secs_f64() * 1_000.0);
        line!("  {} {title} {}", self.paint(GREEN, "ok"), self.paint(BOLD, &format!("({took})")));
    }

    /// The points that came with a change, each in a line.
    pub(crate) fn arrived(&self, points: &[Arc<Point>]) {
        for point in points {
            let [module, metric, attributes] = row(point);
            let value = match point.value {
                Some(value) => self.value(value),
                None => self.paint(YELLOW, "ended"),
            };
            line!("       {module}  {metric} {attributes}  {value}");
        }
    }

    /// A table of series.
    pub(crate) fn points<'a>(&self, points: impl Iterator<Item = (&'a Point, Value)>) {
        let mut rows: Vec<_> = points.map(|(point, value)| (row(point), self.value(value))).collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        let header = ["MODULE", "METRIC", "ATTRIBUTES"].map(str::to_owned);
        let width = |column: usize| {
            let cells = rows.iter().map(|(row, _)| &row[column]).chain([&header[column]]);
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths = [width(0), width(1), width(2)];
        let line = |cells: &[String; 3]| {
            let [a, b, c] = cells;
            let [wa, wb, wc] = widths;
            format!("  {a:wa$}  {b:wb$}  {c:wc$}")
        };
        line!("{}", self.paint(BOLD, &format!("{}  VALUE", line(&header))));
        for (row, value) in &rows {
            line!("{}  {value}", line(row));
        }
    }

    /// The conditions of the pipeline.
    pub(crate) fn conditions(&self, conditions: &[[String; 4]]) {
        self.title("What the MetricPipeline says (kubectl describe metricpipeline demo)");
        for [kind, status, reason, message] in conditions {
            let status = self.paint(if status == "True" { GREEN } else { RED }, &format!("{status:7}"));
            line!("  {kind:22}  {status}  {reason:18}  {}", self.paint(DIM, message));
        }
    }

    fn value(&self, value: Value) -> String {
        let colour = if value == 1 { GREEN } else { RED };
        self.paint(colour, &value.to_string())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Module, metric, and what else tells the series apart.
fn row(point: &Point) -> [String; 3] {
    let own = ["state", "type", "status", "reason"];
    let attributes = own.iter().filter_map(|key| Some(format!("{key}={}", point.attribute(key)?)));
    let attributes: Vec<_> = attributes.collect();
    [point.attribute("name").unwrap_or_default().to_owned(), point.name.clone(), attributes.join(" ")]
}
