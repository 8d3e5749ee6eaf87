//! The text formats: what is written is what a reader of another project, and one written from the specifications, reads.

use std::collections::BTreeMap;

use openmetrics_parser::openmetrics::parse_openmetrics;
use openmetrics_parser::prometheus::parse_prometheus;
use openmetrics_parser::{MetricNumber, OpenMetricsType, OpenMetricsValue, PrometheusType, PrometheusValue};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use status_metrics::text::{Format, TextBlock, exposition, text_name, write_sample};
use status_metrics::{Family, Origin, SETS, Samples};
use status_model::ModuleRef;

use crate::any;

type Labels = BTreeMap<String, String>;
type Page = BTreeMap<(String, Labels), i64>;

/// Reads a page by the specifications: lines end with a line feed and nothing else, a label value is in double quotes, and
/// `\\`, `\"` and `\n` stand for a backslash, a double quote and a line feed.
fn read(page: &str) -> Page {
    assert!(page.is_empty() || page.ends_with('\n'), "the last line is cut: {page:?}");
    let lines = page.split('\n').filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut read = Page::new();
    for line in lines {
        let (series, value) = read_line(line);
        assert_eq!(read.insert(series, value), None, "{line:?} is there twice");
    }
    read
}

fn read_line(line: &str) -> ((String, Labels), i64) {
    let (name, mut rest) = line.split_at(line.find(['{', ' ']).expect("a name ends somewhere"));
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (key, quoted) = rest.split_once("=\"").expect("a label has a quoted value");
            let (value, len) = unescape(quoted);
            assert_eq!(labels.insert(key.to_owned(), value), None, "{key} is there twice");
            rest = &quoted[len..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').and_then(|value| value.parse().ok()).expect("a value ends the line");
    ((name.to_owned(), labels), value)
}

/// The value up to the closing quote, and how many bytes it takes with that quote.
fn unescape(quoted: &str) -> (String, usize) {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, at + 1),
            '\\' => value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, escaped @ ('\\' | '"'))) => escaped,
                other => panic!("an escape that no format has: {other:?}"),
            }),
            other => value.push(other),
        }
    }
    panic!("the quote never closes: {quoted:?}")
}

/// Reads a page with the other project's strict parser. All series are gauges.
fn read_strictly(page: &str, format: Format) -> Result<Page, String> {
    let mut read = Page::new();
    let mut take = |name: &str, labels: Labels, value: MetricNumber| {
        let value = value.as_i64().expect("values are integers");
        assert_eq!(read.insert((name.to_owned(), labels), value), None, "a series of {name} is there twice");
    };
    // The parser's two results are alike and have no type in common.
    macro_rules! take_all {
        ($exposition:expr, $type_:path, $value:path) => {
            for family in $exposition.map_err(|error| error.to_string())?.families.values() {
                assert_eq!(family.family_type, $type_);
                for sample in family.iter_samples() {
                    let labels = sample.get_labelset().expect("the sample is bound to its family");
                    let labels = labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                    let $value(value) = &sample.value else { panic!("{sample:?} is not a gauge") };
                    take(&family.family_name, labels, *value);
                }
            }
        };
    }
    match format {
        Format::Prometheus => {
            take_all!(parse_prometheus(page), PrometheusType::Gauge, PrometheusValue::Gauge)
        }
        Format::OpenMetrics => {
            take_all!(parse_openmetrics(page), OpenMetricsType::Gauge, OpenMetricsValue::Gauge);
        }
    }
    Ok(read)
}

/// `openmetrics-parser` 0.5 takes a carriage return for the end of a line, as pest's `NEWLINE` does, and refuses it in a label
/// value; both formats end lines with a line feed alone. Otherwise it reads all that the formats allow.
fn is_readable_strictly(text: &str) -> bool {
    !text.contains('\r')
}

fn expected(samples: &[Samples]) -> Page {
    let series = samples.iter().flatten().map(|sample| {
        let labels = sample.attributes.iter().map(|(key, value)| (text_name(key), value.clone())).collect();
        ((text_name(sample.family.name), labels), sample.value)
    });
    series.collect()
}

/// One page with nothing but a gauge, whose label has the value `text`.
fn page_with(text: &str, format: Format) -> (String, Page) {
    let mut page = format.header("g", "A gauge", "gauge");
    write_sample(&mut page, "g", [("a", "before"), ("label", text), ("z", "behind")], -1);
    page.push_str(format.end());
    let labels = [("a", "before"), ("label", text), ("z", "behind")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    (page, Page::from([(("g".to_owned(), labels.into()), -1)]))
}

const FORMATS: [Format; 2] = [Format::Prometheus, Format::OpenMetrics];

proptest! {
    #[test]
    fn any_text_survives_as_a_label_value_in_both_formats(text in any::text()) {
        for format in FORMATS {
            let (page, expected) = page_with(&text, format);
            prop_assert_eq!(&read(&page), &expected);
            if is_readable_strictly(&text) {
                prop_assert_eq!(read_strictly(&page, format), Ok(expected));
            }
        }
    }

    #[test]
    fn any_text_survives_as_a_help_text(help in any::text()) {
        let page = Format::OpenMetrics.header("g", &help, "gauge") + Format::OpenMetrics.end();
        prop_assert_eq!(page.matches('\n').count(), 3);
        prop_assert_eq!(&parse_openmetrics(&page).expect("valid").families["g"].help, &help);
        let page = Format::Prometheus.header("g", &help, "gauge") + "g 1\n";
        prop_assert_eq!(page.matches('\n').count(), 3);
        if is_readable_strictly(&help) {
            prop_assert_eq!(&parse_prometheus(&page).expect("valid").families["g"].help, &help);
        }
    }

    #[test]
    fn a_page_of_several_objects_is_what_their_samples_say_with_each_family_once(
        origin in any::origin(),
        objects in vec((any::object(), any::status()), 0..4),
        namespaced in option::of(any::<bool>()),
    ) {
        let of_each = objects.iter().enumerate().map(|(index, (object, status))| {
            let object = at(object, index, namespaced);
            SETS.map(|set| set.translate(&origin, &object, status).0)
        });
        let of_each: Vec<_> = of_each.collect();
        let blocks: Vec<_> = of_each.iter().map(TextBlock::new).collect();
        let expected = expected(&of_each.concat());
        for format in FORMATS {
            let page = exposition(&blocks, format) + format.end();
            prop_assert_eq!(&read(&page), &expected);
            let position = |line: &str| {
                let name = line.strip_prefix("# TYPE ")?.strip_suffix(" gauge")?;
                Family::all().iter().position(|family| text_name(family.name) == name)
            };
            let positions: Vec<_> = page.split('\n').filter_map(position).collect();
            prop_assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
            // It refuses a family that comes back, and, unlike the formats, an empty page and series of one family with different
            // labels.
            if is_readable_strictly(&page) && !expected.is_empty() && namespaced.is_some() {
                prop_assert_eq!(read_strictly(&page, format), Ok(expected.clone()));
            }
        }
    }
}

/// The same object with a name of its own, and with a namespace, without, or as it is.
fn at(object: &ModuleRef, index: usize, namespaced: Option<bool>) -> ModuleRef {
    let mut object = object.clone();
    object.name = format!("{}-{index}", object.name);
    if let Some(namespaced) = namespaced {
        object.namespace = namespaced.then(|| object.namespace.unwrap_or_default());
    }
    object
}

#[test]
fn every_character_survives_as_a_label_value_in_both_formats() {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    for characters in all.chunks(1 << 14) {
        let text = String::from_iter(characters);
        for format in FORMATS {
            let (page, expected) = page_with(&text, format);
            assert_eq!(read(&page), expected);
            let text = text.replace('\r', "");
            let (page, expected) = page_with(&text, format);
            assert_eq!(read_strictly(&page, format), Ok(expected));
        }
    }
}

#[test]
fn a_carriage_return_is_still_all_that_the_other_projects_parser_refuses() {
    for format in FORMATS {
        let (page, _) = page_with("a\rb", format);
        assert!(read_strictly(&page, format).is_err(), "it is fixed: is_readable_strictly can go");
    }
}

#[test]
fn nothing_to_say_is_an_empty_page() {
    let (nothing, _) =
        SETS[0].translate(&Origin::default(), &ModuleRef::new("g", "v1", "Kind", "x"), &any::read(None, &[]));
    let block = TextBlock::new([&nothing]);
    assert!(block.is_empty());
    assert_eq!(exposition([&block], Format::Prometheus), "");
}
