//! The conditions that users read.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pipeline_api::{
    CrdOwner, FlowHealth, ForbiddenModule, ForeignCrd, GatewayHealth, Invalid, MetricPipelineStatus,
    ModuleKind, ModulesObservation, ModulesReport, Observed, Referenced, Resolved, ServiceAccount,
    needs_write, recognise, resolve, served_versions, status,
};
use serde_json::{Value, json};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_780_272_000 + seconds)
}

fn resolved(enabled: bool, output: bool) -> Resolved {
    let mut spec = json!({"input": {"kyma": {"enabled": enabled}}});
    if output {
        spec["output"] = json!({"otlp": {"endpoint": {"value": "backend:4317"}}});
    }
    resolve(&serde_json::from_value(spec).unwrap(), &Referenced::new(), at(0)).unwrap()
}

fn observed<'a>(
    configuration: Result<&'a Resolved, &'a Invalid>,
    flow: FlowHealth,
    modules: ModulesObservation,
    manager: &'a ServiceAccount,
) -> Observed<'a> {
    Observed { generation: Some(3), configuration, gateway: GatewayHealth::Ready, flow, modules, manager }
}

fn shown(status: &MetricPipelineStatus) -> String {
    status.conditions.iter().fold(String::new(), |mut text, condition| {
        let (kind, status) = (&condition.type_, &condition.status);
        writeln!(text, "{kind}={status} {}\n  {}", condition.reason, condition.message).unwrap();
        text
    })
}

fn one(status: &MetricPipelineStatus, kind: &str) -> String {
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    format!("{} {}\n  {}\n", condition.status, condition.reason, condition.message)
}

fn kind(module: &str) -> ModuleKind {
    ModuleKind::new(module, "operator.kyma-project.io", format!("{module}s"))
}

fn kinds(modules: &[&str]) -> BTreeSet<ModuleKind> {
    modules.iter().map(|module| kind(module)).collect()
}

fn names(modules: &[&str]) -> BTreeSet<String> {
    modules.iter().map(|module| (*module).to_owned()).collect()
}

fn all_observed() -> ModulesObservation {
    ModulesObservation::Report(ModulesReport {
        observed: kinds(&["nat", "istio"]),
        ..ModulesReport::default()
    })
}

#[test]
fn each_kind_of_pipeline_has_all_its_conditions() {
    let manager = ServiceAccount::default();
    let duplicate = Invalid::duplicate_of("older", resolved(true, true));
    let unreadable = Invalid::unreadable("spec: invalid type: string \"hunter2\", expected a map");
    let (healthy, scrape, disabled) = (resolved(true, true), resolved(true, false), resolved(false, true));
    let cases = [
        ("healthy", Ok(&healthy)),
        ("without output", Ok(&scrape)),
        ("disabled", Ok(&disabled)),
        ("duplicate", Err(&duplicate)),
        ("unreadable", Err(&unreadable)),
    ];
    let mut table = String::new();
    for (name, configuration) in cases {
        let observed = observed(configuration, FlowHealth::Healthy, all_observed(), &manager);
        writeln!(table, "# {name}\n{}", shown(&status(&observed, None, at(0)))).unwrap();
    }
    let mut starting =
        observed(Ok(&healthy), FlowHealth::NothingSentYet, ModulesObservation::Pending, &manager);
    let waiting_for = "the first list of nats.operator.kyma-project.io".to_owned();
    starting.gateway = GatewayHealth::NotReady { waiting_for };
    writeln!(table, "# starting\n{}", shown(&status(&starting, None, at(0)))).unwrap();
    insta::assert_snapshot!("conditions", table);
}

#[test]
fn a_failing_backend_is_quoted() {
    let (manager, healthy) = (ServiceAccount::default(), resolved(true, true));
    let error = || "status: ResourceExhausted,\n message: \"quota\".".to_owned();
    let flows = [
        FlowHealth::BackendUnavailable { error: error(), since: at(7) },
        FlowHealth::AllDropped { error: error() },
        FlowHealth::SomeDropped { error: error() },
    ];
    let table: String = flows
        .map(|flow| {
            one(
                &status(&observed(Ok(&healthy), flow, all_observed(), &manager), None, at(9)),
                "TelemetryFlowHealthy",
            )
        })
        .concat();
    insta::assert_snapshot!("flow", table);
}

#[test]
fn every_module_that_is_not_observed_is_named() {
    let forbidden = |namespace: Option<&str>| ForbiddenModule {
        kind: kind("serverless"),
        verb: "list".to_owned(),
        namespace: namespace.map(str::to_owned),
    };
    let known = || names(&["istio", "nat"]);
    let reports = [
        ModulesReport::default(),
        ModulesReport { known: known(), unknown: names(&["nats"]), ..ModulesReport::default() },
        ModulesReport { unknown: names(&["a", "b", "c"]), ..ModulesReport::default() },
        ModulesReport { forbidden: [forbidden(None)].into(), ..ModulesReport::default() },
        ModulesReport { forbidden: [forbidden(Some("kyma-system"))].into(), ..ModulesReport::default() },
        ModulesReport { not_installed: kinds(&["eventing"]), ..ModulesReport::default() },
        ModulesReport {
            failed: [(kind("nat"), "502 Bad Gateway".to_owned())].into(),
            ..ModulesReport::default()
        },
        ModulesReport { pending: kinds(&["nat", "istio"]), ..ModulesReport::default() },
        ModulesReport {
            known: known(),
            unknown: names(&["nats"]),
            forbidden: [forbidden(None)].into(),
            not_installed: kinds(&["eventing", "keda"]),
            failed: [(kind("nat"), "502 Bad Gateway".to_owned())].into(),
            pending: kinds(&["transparent-proxy"]),
            observed: kinds(&["istio"]),
        },
    ];
    let (manager, healthy) = (ServiceAccount::default(), resolved(true, true));
    let table: String = reports
        .map(|report| {
            let modules = ModulesObservation::Report(report);
            let observed = observed(Ok(&healthy), FlowHealth::Healthy, modules, &manager);
            one(&status(&observed, None, at(0)), "ModulesObserved")
        })
        .concat();
    insta::assert_snapshot!("modules", table);
}

#[test]
fn a_transition_time_moves_only_with_the_status() {
    let (manager, healthy) = (ServiceAccount::default(), resolved(true, true));
    let with = |flow| observed(Ok(&healthy), flow, all_observed(), &manager);
    let time =
        |status: &MetricPipelineStatus, index: usize| status.conditions[index].last_transition_time.clone();

    let first = status(&with(FlowHealth::Healthy), None, at(0));
    let later = status(&with(FlowHealth::Healthy), Some(&first), at(100));
    assert_eq!(first, later);
    assert!(needs_write(None, &first) && !needs_write(Some(&first), &later));

    let failed = status(&with(FlowHealth::AllDropped { error: "a".to_owned() }), Some(&first), at(200));
    assert!(needs_write(Some(&first), &failed));
    assert_ne!(time(&first, 3), time(&failed, 3));
    assert_eq!(time(&first, 0), time(&failed, 0));

    let partly = status(&with(FlowHealth::SomeDropped { error: "b".to_owned() }), Some(&failed), at(300));
    assert_eq!(time(&failed, 3), time(&partly, 3));
    assert!(needs_write(Some(&failed), &partly));
}

#[test]
fn a_status_survives_the_way_through_the_api_server() {
    let (manager, healthy) = (ServiceAccount::default(), resolved(true, true));
    let observed = observed(Ok(&healthy), FlowHealth::Healthy, all_observed(), &manager);
    let written = status(&observed, None, at(0) + Duration::from_millis(250));
    let mut stored = serde_json::to_value(&written).unwrap();
    let conditions = stored["conditions"].as_array_mut().unwrap();
    conditions.push(
        json!({"type": "Theirs", "status": "True", "reason": "R", "message": "", "lastTransitionTime": null}),
    );
    conditions.push(json!("not a condition"));
    conditions.reverse();
    let read: MetricPipelineStatus = serde_json::from_value(stored).unwrap();
    assert!(!needs_write(Some(&read), &status(&observed, Some(&read), at(50))));
}

#[test]
fn a_message_fits_into_a_condition() {
    let (manager, healthy) = (ServiceAccount::default(), resolved(true, true));
    let unknown = (0..10_000).map(|i| format!("m\u{f6}dule-{i}")).collect();
    let modules = ModulesObservation::Report(ModulesReport { unknown, ..ModulesReport::default() });
    let status = status(&observed(Ok(&healthy), FlowHealth::Healthy, modules, &manager), None, at(0));
    assert!(status.conditions.iter().all(|condition| condition.message.len() <= 32_768));
}

fn document(version: &str, kind: &str, input: &Value) -> (String, Value) {
    let schema = json!({
        "x-kubernetes-group-version-kind": [{"group": "telemetry.kyma-project.io", "version": version, "kind": kind}],
        "properties": {"spec": {"properties": {"input": {"properties": input}}}},
    });
    (version.to_owned(), json!({"components": {"schemas": {"some.name": schema}}}))
}

#[test]
fn our_crd_is_told_from_that_of_another_manager() {
    let owner = |documents: Vec<(String, Value)>| recognise(&BTreeMap::from_iter(documents));
    let foreign = CrdOwner::Foreign;
    assert_eq!(owner(vec![]), CrdOwner::NotInstalled);
    assert_eq!(
        owner(vec![document("v1alpha1", "LogPipeline", &json!({"kyma": {}}))]),
        CrdOwner::NotInstalled
    );
    assert_eq!(owner(vec![document("v1alpha1", "MetricPipeline", &json!({"kyma": {}}))]), CrdOwner::Ours);
    let theirs = document("v1alpha1", "MetricPipeline", &json!({"prometheus": {}}));
    assert_eq!(owner(vec![theirs]), foreign(ForeignCrd::WithoutKymaInput));
    let other_version = document("v1beta1", "MetricPipeline", &json!({"kyma": {}}));
    assert_eq!(owner(vec![other_version]), foreign(ForeignCrd::WithoutVersion));
    assert_eq!(owner(vec![("v1alpha1".to_owned(), json!([1]))]), CrdOwner::NotInstalled);

    let schema = &pipeline_api::crd().spec.versions[0].schema.clone().unwrap().open_api_v3_schema;
    let schemas = json!({"io.kyma-project.telemetry.v1alpha1.MetricPipeline": schema});
    let ours = ("v1alpha1".to_owned(), json!({"components": {"schemas": schemas}}));
    assert_eq!(owner(vec![ours]), CrdOwner::Ours);
}

#[test]
fn the_index_names_the_versions_of_our_group() {
    let index = json!({"paths": {
        "apis/telemetry.kyma-project.io": {}, "apis/telemetry.kyma-project.io/v1beta1": {},
        "apis/telemetry.kyma-project.io/v1alpha1": {}, "apis/operator.kyma-project.io/v1alpha1": {}, "api/v1": {},
    }});
    assert_eq!(served_versions(&index), ["v1alpha1", "v1beta1"]);
    assert!(served_versions(&json!(null)).is_empty());
}
