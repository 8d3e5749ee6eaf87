//! Whole pages, as a scrape gets them.

use serde_json::json;
use status_metrics::text::{Format, TextBlock, exposition};
use status_metrics::{Origin, SETS};
use status_model::{ModuleRef, parse};

/// A page with a namespaced and a cluster-scoped object.
fn page(format: Format) -> String {
    let keda = ModuleRef::new("operator.kyma-project.io", "v1alpha1", "Keda", "default")
        .with_namespace("kyma-system");
    let (keda_status, _) = parse(&json!({"state": "Warning", "conditions": [
        {"type": "Installed", "status": "True", "reason": "Verified"},
        {"type": "Configured", "status": "False", "reason": "Missing \"C:\\keys\"\nsince today"},
        {"type": "Upgradable", "status": "Unknown"},
    ]}));
    let btp = ModuleRef::new("operator.kyma-project.io", "v1alpha1", "BtpOperator", "btp")
        .with_module("btp-operator");
    let (btp_status, _) = parse(&json!({"state": "Ready"}));
    let origin = Origin::default().with_cluster_name("prod");
    let block = |object, status| {
        let sets = SETS.map(|set| set.translate(&origin, object, status).0);
        TextBlock::new(&sets)
    };
    exposition(&[block(&btp, &btp_status), block(&keda, &keda_status)], format) + format.end()
}

#[test]
fn a_prometheus_page_has_each_family_once_and_the_series_of_an_object_sorted() {
    insta::assert_snapshot!(page(Format::Prometheus));
}

#[test]
fn an_openmetrics_page_is_the_same_and_says_where_it_ends() {
    let prometheus = page(Format::Prometheus);
    assert_eq!(page(Format::OpenMetrics), prometheus + "# EOF\n");
    assert_eq!(
        Format::OpenMetrics.content_type(),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert_eq!(Format::Prometheus.content_type(), "text/plain; version=0.0.4; charset=utf-8");
}

#[test]
fn a_family_outside_the_table_is_written_with_the_same_pieces() {
    let format = Format::OpenMetrics;
    let mut page = format.header("keda_scalers", "Scalers, \"all\" of them", "gauge");
    status_metrics::text::write_sample(&mut page, "keda_scalers", [], 1.5);
    status_metrics::text::write_sample(&mut page, "keda_scalers", [("type", "cpu"), ("note", "a\\b")], 3);
    insta::assert_snapshot!(page + format.end(), @r#"
    # HELP keda_scalers Scalers, \"all\" of them
    # TYPE keda_scalers gauge
    keda_scalers 1.5
    keda_scalers{type="cpu",note="a\\b"} 3
    # EOF
    "#);
}
