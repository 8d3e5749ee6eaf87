//! The Prometheus text formats: 0.0.4 and `OpenMetrics` 1.0.
//!
//! An object is encoded once, into a [`TextBlock`] with a range per family; a scrape joins ranges. [`Format::header`] and
//! [`write_sample`] are the pieces of both formats, for metrics that are not in the table of families.
//!
//! Specifications: <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::fmt::{Display, Write};
use std::ops::Range;

use crate::family::{Family, FamilyType};
use crate::sample::{Sample, Samples};

/// Which text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Prometheus,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Format {
    /// The value of the header `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What ends an exposition.
    pub fn end(self) -> &'static str {
        match self {
            Self::Prometheus => "",
            Self::OpenMetrics => "# EOF\n",
        }
    }

    /// The lines that introduce a metric family; `type_` is the format's own word for its type.
    pub fn header(self, name: &str, help: &str, type_: &str) -> String {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let help = match self {
            Self::Prometheus => help,
            // 0.0.4 leaves a double quote in a help text alone.
            Self::OpenMetrics => help.replace('"', "\\\""),
        };
        format!("# HELP {name} {help}\n# TYPE {name} {type_}\n")
    }
}

/// The name of a metric or attribute in the text formats: dots become underscores.
pub fn text_name(name: &str) -> String {
    name.replace('.', "_")
}

/// Appends one line. `name` and the labels' keys are valid names of the text formats; a value is any text.
pub fn write_sample<'a>(
    page: &mut String,
    name: &str,
    labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    value: impl Display,
) {
    page.push_str(name);
    let mut separator = '{';
    for (key, value) in labels {
        page.push(separator);
        page.push_str(key);
        page.push_str("=\"");
        escape(value, page);
        page.push('"');
        separator = ',';
    }
    let end = if separator == ',' { "}" } else { "" };
    writeln!(page, "{end} {value}").expect("writing to a String cannot fail");
}

/// Escapes a label value as both formats do: backslash, line feed and double quote; every other character stands for
/// itself.
fn escape(value: &str, out: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}

/// The lines of one object, all its metric sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextBlock {
    lines: Box<str>,
    /// The place of a family in [`Family::all`], and the end of its lines; they begin where those before end.
    ends: Box<[(u16, u32)]>,
}

impl TextBlock {
    /// Encodes samples, sorted by series within a family.
    pub fn new<'a>(sets: impl IntoIterator<Item = &'a Samples>) -> Self {
        let mut families: Vec<_> = sets.into_iter().flat_map(Samples::by_family).collect();
        families.sort_by_key(|(family, _)| family.position());
        let mut lines = String::new();
        let mut ends = Vec::with_capacity(families.len());
        for (family, samples) in families {
            lines.push_str(&family_lines(family, samples));
            ends.push((narrow(family.position()), narrow(lines.len())));
        }
        Self { lines: lines.into(), ends: ends.into() }
    }

    /// The lines of the family at `position`, empty if there are none.
    fn family(&self, position: usize) -> &str {
        let index = self.ends.iter().position(|(family, _)| usize::from(*family) == position);
        index.map_or("", |index| &self.lines[self.range(index)])
    }

    fn range(&self, index: usize) -> Range<usize> {
        let end = |(_, end): &(u16, u32)| *end as usize;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, end);
        start..self.ends.get(index).map_or(start, end)
    }

    /// How many bytes the lines have.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Positions in the table of families and in one object's lines are small: the limits of [`Samples`] bound them.
fn narrow<T: TryFrom<usize>>(number: usize) -> T {
    T::try_from(number).ok().expect("an object's series are limited to far below 4 GiB of text")
}

fn family_lines(family: &Family, samples: &[Sample]) -> String {
    let name = text_name(family.name);
    let mut lines: Vec<_> = samples.iter().map(|sample| line(&name, sample)).collect();
    lines.sort_unstable();
    lines.concat()
}

fn line(name: &str, sample: &Sample) -> String {
    let mut labels: Vec<_> = sample.attributes.iter().map(|(key, value)| (text_name(key), value)).collect();
    labels.sort_unstable();
    let mut line = String::new();
    let labels = labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    write_sample(&mut line, name, labels, sample.value);
    line
}

/// One page of metrics: every family once, in the order of [`Family::all`], with the lines of all blocks in the order
/// given. It ends without [`Format::end`], so that other families may follow.
pub fn exposition<'a>(blocks: impl IntoIterator<Item = &'a TextBlock>, format: Format) -> String {
    let blocks: Vec<_> = blocks.into_iter().filter(|block| !block.is_empty()).collect();
    let mut page = String::with_capacity(blocks.iter().map(|block| block.len()).sum::<usize>() + 1024);
    for (position, family) in Family::all().iter().enumerate() {
        let before = page.len();
        let type_ = match family.type_ {
            FamilyType::Gauge => "gauge",
        };
        page.push_str(&format.header(&text_name(family.name), family.help, type_));
        let header_end = page.len();
        for block in &blocks {
            page.push_str(block.family(position));
        }
        if page.len() == header_end {
            page.truncate(before);
        }
    }
    page
}
