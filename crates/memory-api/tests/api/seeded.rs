//! An API with the seed's definitions and resources.

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
};
use memory_api::{MemoryApi, seed};
use serde_json::{Value, json};

/// The resource that most tests use.
pub(crate) const TELEMETRIES: &str = "telemetries.operator.kyma-project.io";

pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

/// The seed's cluster.
pub(crate) fn seeded() -> MemoryApi {
    let api = MemoryApi::new();
    api.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kyma-system"}}))
        .unwrap();
    for document in documents(seed::CRDS).into_iter().chain(documents(seed::CLUSTER)) {
        api.load(document).unwrap();
    }
    api
}

pub(crate) fn client(api: &MemoryApi) -> Client {
    Client::new(api.service(), "default")
}

/// The Telemetry resources, without a Rust type of their own.
pub(crate) fn telemetries(client: Client) -> Api<DynamicObject> {
    Api::namespaced_with(client, "kyma-system", &telemetry())
}

pub(crate) fn telemetry() -> ApiResource {
    ApiResource {
        group: "operator.kyma-project.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "operator.kyma-project.io/v1alpha1".to_owned(),
        kind: "Telemetry".to_owned(),
        plural: "telemetries".to_owned(),
    }
}

/// The refusal in an error of the client, as `code reason: message`.
pub(crate) fn refusal(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} {}: {}", status.code, status.reason, status.message),
        other => panic!("not a refusal: {other:?}"),
    }
}
