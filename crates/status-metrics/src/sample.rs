//! Values of one object in one metric set, before they are encoded.

use std::fmt;

use crate::family::Family;

/// At most so many series has an object in one metric set.
pub const MAX_SERIES: usize = 1_000;

/// At most so many bytes have the attributes of an object's series in one metric set, so that the object and the end
/// markers of its former series fit one OTLP request.
pub const MAX_BYTES: usize = 512 * 1024;

/// Key and value of an attribute of a point: an OTLP attribute, a Prometheus label.
pub type Attribute = (&'static str, String);

/// One series and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// The metric.
    pub family: &'static Family,
    /// The attributes, sorted by key, each key once.
    pub attributes: Vec<Attribute>,
    /// The value.
    pub value: i64,
}

impl Sample {
    pub(crate) fn new(family: &'static Family, mut attributes: Vec<Attribute>, value: i64) -> Self {
        attributes.sort_unstable();
        Self { family, attributes, value }
    }

    fn order(&self) -> (usize, &[Attribute]) {
        (self.family.position(), &self.attributes)
    }

    fn size(&self) -> usize {
        self.attributes.iter().map(|(key, value)| key.len() + value.len()).sum()
    }
}

/// The samples of one object in one metric set, in the order of [`Family::all`] and of their attributes, each series once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// Takes samples as long as they are within [`MAX_SERIES`] and [`MAX_BYTES`].
    pub(crate) fn collect(candidates: impl IntoIterator<Item = Sample>) -> (Self, Option<LimitExceeded>) {
        let mut kept = Vec::new();
        let mut bytes = 0;
        let mut exceeded = None;
        for sample in candidates {
            let size = sample.size();
            if kept.len() == MAX_SERIES {
                exceeded = exceeded.or(Some(LimitExceeded::Series));
            } else if bytes + size > MAX_BYTES {
                exceeded = exceeded.or(Some(LimitExceeded::Bytes));
            } else {
                bytes += size;
                kept.push(sample);
            }
        }
        // The order in which a resource lists its conditions means nothing, so it must not look like a change.
        kept.sort_by(|a, b| a.order().cmp(&b.order()));
        kept.dedup_by(|a, b| a.order() == b.order());
        (Self(kept), exceeded)
    }

    /// The samples.
    pub fn iter(&self) -> std::slice::Iter<'_, Sample> {
        self.0.iter()
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The samples, grouped by family.
    #[cfg(any(feature = "otlp", feature = "text"))]
    pub(crate) fn by_family(&self) -> impl Iterator<Item = (&'static Family, &[Sample])> {
        self.0.chunk_by(|a, b| std::ptr::eq(a.family, b.family)).map(|samples| (samples[0].family, samples))
    }
}

impl<'a> IntoIterator for &'a Samples {
    type Item = &'a Sample;
    type IntoIter = std::slice::Iter<'a, Sample>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// An object has more series in a metric set than are taken of it; the rest was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LimitExceeded {
    /// More than [`MAX_SERIES`] series.
    Series,
    /// More than [`MAX_BYTES`] bytes of attributes.
    Bytes,
}

impl LimitExceeded {
    /// A stable word for it, fit for a metric's attribute.
    pub fn reason(self) -> &'static str {
        "SeriesLimitExceeded"
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Series => {
                write!(f, "status gives more than {MAX_SERIES} series, of which the first are kept")
            }
            Self::Bytes => {
                write!(
                    f,
                    "status gives series of more than {} KiB, of which the first are kept",
                    MAX_BYTES / 1024
                )
            }
        }
    }
}

impl std::error::Error for LimitExceeded {}
