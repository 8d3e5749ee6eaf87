//! The manager's own metrics in the text formats.
//!
//! The SDK has no text exporter of its own that ends with `# EOF`; the pieces are those of the module series.

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Histogram, HistogramDataPoint, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};
use status_metrics::text::{Format, text_name, write_sample};

/// The lines of all metrics, and those that say who tells them.
pub(crate) fn page(metrics: &ResourceMetrics, format: Format) -> String {
    let mut page = target_info(metrics, format);
    let mut families: Vec<&Metric> = metrics.scope_metrics().flat_map(ScopeMetrics::metrics).collect();
    families.sort_by_key(|metric| metric.name().to_owned());
    for metric in families {
        write_metric(&mut page, metric, format);
    }
    page
}

/// The resource, as the OpenTelemetry specification has it for Prometheus:
/// <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#resource-attributes>
fn target_info(metrics: &ResourceMetrics, format: Format) -> String {
    let (family, type_) = match format {
        Format::Prometheus => ("target_info", "gauge"),
        Format::OpenMetrics => ("target", "info"),
    };
    let mut labels: Vec<_> =
        metrics.resource().iter().map(|(key, value)| (text_name(key.as_str()), value.to_string())).collect();
    labels.sort_unstable();
    let mut page = format.header(family, "The process that tells these metrics", type_);
    write_sample(&mut page, "target_info", borrowed(&labels), 1);
    page
}

fn write_metric(page: &mut String, metric: &Metric, format: Format) {
    match metric.data() {
        AggregatedMetrics::I64(data) => write_data(page, metric, data, format),
        AggregatedMetrics::U64(data) => write_data(page, metric, data, format),
        AggregatedMetrics::F64(data) => write_data(page, metric, data, format),
    }
}

fn write_data<T: Copy + std::fmt::Display>(
    page: &mut String,
    metric: &Metric,
    data: &MetricData<T>,
    format: Format,
) {
    let family = family_name(metric);
    let help = metric.description();
    match data {
        MetricData::Gauge(gauge) => {
            page.push_str(&format.header(&family, help, "gauge"));
            write_points(
                page,
                &family,
                gauge.data_points().map(|point| (labels(point.attributes()), point.value())),
            );
        }
        MetricData::Sum(sum) => {
            let sample = format!("{family}_total");
            let header = match format {
                Format::Prometheus => &sample,
                Format::OpenMetrics => &family,
            };
            page.push_str(&format.header(header, help, "counter"));
            write_points(
                page,
                &sample,
                sum.data_points().map(|point| (labels(point.attributes()), point.value())),
            );
        }
        MetricData::Histogram(histogram) => {
            page.push_str(&format.header(&family, help, "histogram"));
            write_histogram(page, &family, histogram);
        }
        // No instrument here is aggregated that way.
        MetricData::ExponentialHistogram(_) => {}
    }
}

type Labels = Vec<(String, String)>;

fn write_points<T: std::fmt::Display>(
    page: &mut String,
    name: &str,
    points: impl Iterator<Item = (Labels, T)>,
) {
    let mut points: Vec<_> = points.collect();
    points.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (labels, value) in points {
        write_sample(page, name, borrowed(&labels), value);
    }
}

fn write_histogram<T: Copy + std::fmt::Display>(page: &mut String, family: &str, histogram: &Histogram<T>) {
    let mut points: Vec<_> =
        histogram.data_points().map(|point| (labels(point.attributes()), point)).collect();
    points.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (labels, point) in points {
        write_buckets(page, family, &labels, point);
        write_sample(page, &format!("{family}_sum"), borrowed(&labels), point.sum());
        write_sample(page, &format!("{family}_count"), borrowed(&labels), point.count());
    }
}

fn write_buckets<T: Copy>(page: &mut String, family: &str, labels: &Labels, point: &HistogramDataPoint<T>) {
    let bounds = point.bounds().map(bound).chain(["+Inf".to_owned()]);
    let mut count = 0;
    for (bound, in_bucket) in bounds.zip(point.bucket_counts()) {
        count += in_bucket;
        let le = [("le", bound.as_str())];
        write_sample(page, &format!("{family}_bucket"), borrowed(labels).chain(le), count);
    }
}

/// `OpenMetrics` wants a canonical float: `1.0`, not `1`.
fn bound(bound: f64) -> String {
    format!("{bound:?}")
}

/// As Prometheus translates a pushed name: the unit is appended where it is one.
fn family_name(metric: &Metric) -> String {
    let name = text_name(metric.name());
    if metric.unit() == "s" { format!("{name}_seconds") } else { name }
}

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Labels {
    let mut labels: Labels =
        attributes.map(|pair| (text_name(pair.key.as_str()), pair.value.to_string())).collect();
    labels.sort_unstable();
    labels
}

fn borrowed(labels: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}
