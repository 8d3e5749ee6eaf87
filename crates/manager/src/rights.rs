//! The rights that the manager needs, written once: `deploy/rbac` is generated from here.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{
    AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ObjectMeta;

use crate::catalog::Catalog;
use crate::names::{NAME, NAMESPACE};

/// With this label a `ClusterRole` adds its rules to those of the manager.
const AGGREGATE: &str = "telemetry.kyma-project.io/aggregate-to-module-reader";

/// Everything that `deploy/rbac` has.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rights {
    /// The subject of all bindings.
    pub service_account: ServiceAccount,
    /// Rights across namespaces.
    pub cluster_roles: Vec<ClusterRole>,
    /// Rights in one namespace.
    pub roles: Vec<Role>,
    /// What gives the rights across namespaces.
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
    /// What gives the rights in one namespace.
    pub role_bindings: Vec<RoleBinding>,
}

impl Rights {
    /// The least rights for the default catalog, in the default namespace.
    pub fn default_installation() -> Self {
        let secret_reader = format!("{NAME}-secret-reader");
        let module_reader = format!("{NAME}-module-reader");
        Self {
            service_account: ServiceAccount {
                metadata: metadata(NAME, Some(NAMESPACE), ""),
                ..ServiceAccount::default()
            },
            cluster_roles: vec![
                manager(),
                aggregated(&module_reader),
                default_modules(),
                cluster_role(
                    &secret_reader,
                    "Secrets that MetricPipelines refer to. Not bound here: bind it in each namespace that has such Secrets",
                    vec![secrets()],
                ),
            ],
            roles: vec![own_namespace(), events()],
            cluster_role_bindings: vec![cluster_role_binding(NAME), cluster_role_binding(&module_reader)],
            role_bindings: vec![role_binding(NAMESPACE), role_binding(EVENTS_NAMESPACE)],
        }
    }
}

/// Where the Events of cluster-scoped objects live.
const EVENTS_NAMESPACE: &str = "default";

fn manager() -> ClusterRole {
    let mut kube_system = rule("", &["namespaces"], &["get"]);
    kube_system.resource_names = Some(vec!["kube-system".to_owned()]);
    cluster_role(
        NAME,
        "Read MetricPipelines, write their statuses, and read the uid of the namespace kube-system, which identifies the cluster",
        vec![
            rule("telemetry.kyma-project.io", &["metricpipelines"], &["list", "watch"]),
            rule("telemetry.kyma-project.io", &["metricpipelines/status"], &["patch"]),
            kube_system,
        ],
    )
}

fn aggregated(name: &str) -> ClusterRole {
    let selector = LabelSelector { match_labels: Some(aggregate_label()), ..LabelSelector::default() };
    ClusterRole {
        aggregation_rule: Some(AggregationRule { cluster_role_selectors: Some(vec![selector]) }),
        metadata: metadata(
            name,
            None,
            "Resources whose status becomes metrics. Its rules come from all ClusterRoles with the label \
             telemetry.kyma-project.io/aggregate-to-module-reader: a module brings its own",
        ),
        // Filled by the control plane; left out, so that applying this again takes nothing away.
        rules: None,
    }
}

fn default_modules() -> ClusterRole {
    let modules = Catalog::default().modules;
    let rules = modules.iter().map(|module| rule(&module.group, &[&module.resource], &["list", "watch"]));
    let description = "The modules of the default catalog";
    let mut role = cluster_role(&format!("{NAME}-default-modules"), description, rules.collect());
    role.metadata.labels.get_or_insert_default().extend(aggregate_label());
    role
}

fn own_namespace() -> Role {
    let mut lease = rule("coordination.k8s.io", &["leases"], &["get", "update"]);
    lease.resource_names = Some(vec![NAME.to_owned()]);
    let description =
        "The Lease by which replicas elect a leader, and Secrets in the manager's own namespace";
    Role {
        metadata: metadata(NAME, Some(NAMESPACE), description),
        // A right to create cannot be restricted to a name.
        rules: Some(vec![rule("coordination.k8s.io", &["leases"], &["create"]), lease, secrets()]),
    }
}

fn events() -> Role {
    let description =
        "Events about MetricPipelines, which are cluster-scoped: their Events live in this namespace";
    Role {
        metadata: metadata(NAME, Some(EVENTS_NAMESPACE), description),
        rules: Some(vec![rule("events.k8s.io", &["events"], &["create", "patch"])]),
    }
}

fn secrets() -> PolicyRule {
    rule("", &["secrets"], &["list", "watch"])
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

fn cluster_role(name: &str, description: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    ClusterRole { aggregation_rule: None, metadata: metadata(name, None, description), rules: Some(rules) }
}

fn cluster_role_binding(role: &str) -> ClusterRoleBinding {
    ClusterRoleBinding {
        metadata: metadata(role, None, ""),
        role_ref: role_ref("ClusterRole", role),
        subjects: Some(vec![subject()]),
    }
}

fn role_binding(namespace: &str) -> RoleBinding {
    RoleBinding {
        metadata: metadata(NAME, Some(namespace), ""),
        role_ref: role_ref("Role", NAME),
        subjects: Some(vec![subject()]),
    }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef {
        api_group: "rbac.authorization.k8s.io".to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

fn subject() -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: NAME.to_owned(),
        namespace: Some(NAMESPACE.to_owned()),
        ..Subject::default()
    }
}

fn metadata(name: &str, namespace: Option<&str>, description: &str) -> ObjectMeta {
    let description = (!description.is_empty())
        .then(|| BTreeMap::from([("kubernetes.io/description".to_owned(), description.to_owned())]));
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        labels: Some(BTreeMap::from([("app.kubernetes.io/name".to_owned(), NAME.to_owned())])),
        annotations: description,
        ..ObjectMeta::default()
    }
}

fn aggregate_label() -> BTreeMap<String, String> {
    BTreeMap::from([(AGGREGATE.to_owned(), "true".to_owned())])
}
