//! Custom resource definitions: reading one, and the status that says it is established.

use serde_json::{Value, json};

use crate::{
    failure::Failure,
    kind::{Kind, Names, Origin, Scope, StatusPart, Version},
    name::GroupResource,
};

/// Reads the kind that a definition describes.
///
/// # Errors
/// `Invalid` where something is missing without which the kind cannot be served; schemas are not judged.
pub(crate) fn read(definition: &Value) -> Result<Kind, Failure> {
    let name = definition["metadata"]["name"].as_str().unwrap_or_default();
    let spec = &definition["spec"];
    let group = required(name, spec, "spec", "group")?;
    let plural = required(name, &spec["names"], "spec.names", "plural")?;
    let kind = required(name, &spec["names"], "spec.names", "kind")?;
    if name != format!("{plural}.{group}") {
        let cause =
            format!(r#"metadata.name: Invalid value: {name:?}: must be spec.names.plural+"."+spec.group"#);
        return Err(invalid(name, &cause));
    }
    Ok(Kind {
        id: GroupResource::new(group, plural),
        names: names(kind, &spec["names"]),
        scope: scope(name, &spec["scope"])?,
        versions: versions(name, &spec["versions"])?,
        origin: origin(&definition["metadata"]),
        generation: true,
        unconditional_update: false,
    })
}

/// The status of an established definition.
pub(crate) fn established(definition: &Value, now: &str) -> Value {
    let condition = |kind: &str, reason: &str, message: &str| {
        let since = previous_transition(definition, kind).unwrap_or(now);
        json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": since})
    };
    json!({
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "acceptedNames": accepted_names(&definition["spec"]["names"]),
        "storedVersions": stored_versions(definition),
    })
}

fn invalid(name: &str, cause: &str) -> Failure {
    Failure::invalid("CustomResourceDefinition.apiextensions.k8s.io", name, cause)
}

fn required<'a>(name: &str, object: &'a Value, path: &str, field: &str) -> Result<&'a str, Failure> {
    let text = object[field].as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| invalid(name, &format!("{path}.{field}: Required value")))
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn names(kind: &str, names: &Value) -> Names {
    let or = |field: &str, default: String| names[field].as_str().map_or(default, str::to_owned);
    Names {
        kind: kind.to_owned(),
        list_kind: or("listKind", format!("{kind}List")),
        singular: or("singular", kind.to_lowercase()),
        short: strings(&names["shortNames"]),
        categories: strings(&names["categories"]),
    }
}

fn scope(name: &str, scope: &Value) -> Result<Scope, Failure> {
    match scope.as_str() {
        Some("Namespaced") => Ok(Scope::Namespaced),
        Some("Cluster") => Ok(Scope::Cluster),
        Some(other) => {
            let cause = format!(
                r#"spec.scope: Unsupported value: {other:?}: supported values: "Cluster", "Namespaced""#
            );
            Err(invalid(name, &cause))
        }
        None => Err(invalid(name, "spec.scope: Required value")),
    }
}

fn versions(name: &str, versions: &Value) -> Result<Vec<Version>, Failure> {
    let entries = versions.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut read = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| version(name, index, entry))
        .collect::<Result<Vec<_>, _>>()?;
    if read.iter().filter(|version| version.storage).count() != 1 {
        let cause = "spec.versions: Invalid value: must have exactly one version marked as storage version";
        return Err(invalid(name, cause));
    }
    // The priority of apimachinery's `version.CompareKubeAwareVersionStrings`: v2 before v1 before v1beta2.
    read.sort_by_key(|version| std::cmp::Reverse(priority(&version.name)));
    Ok(read)
}

fn version(name: &str, index: usize, entry: &Value) -> Result<Version, Failure> {
    let path = format!("spec.versions[{index}]");
    Ok(Version {
        name: required(name, entry, &path, "name")?.to_owned(),
        served: entry["served"].as_bool().unwrap_or(false),
        storage: entry["storage"].as_bool().unwrap_or(false),
        status: match &entry["subresources"]["status"] {
            Value::Null => StatusPart::Inline,
            _ => StatusPart::Subresource,
        },
        schema: entry["schema"]["openAPIV3Schema"].clone(),
    })
}

/// Stability, major and minor number; versions of another form come last.
fn priority(version: &str) -> (u8, u32, u32) {
    let parse =
        |stability, major: &str, minor: &str| Some((stability, major.parse().ok()?, minor.parse().ok()?));
    let number = version.strip_prefix('v').unwrap_or_default();
    let known = if let Some((major, minor)) = number.split_once("beta") {
        parse(2, major, minor)
    } else if let Some((major, minor)) = number.split_once("alpha") {
        parse(1, major, minor)
    } else {
        parse(3, number, "0")
    };
    known.unwrap_or_default()
}

fn origin(metadata: &Value) -> Origin {
    Origin::Definition {
        uid: metadata["uid"].as_str().unwrap_or_default().to_owned(),
        generation: metadata["generation"].as_u64().unwrap_or_default(),
    }
}

fn previous_transition<'a>(definition: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = definition["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)?["lastTransitionTime"].as_str()
}

/// The names as given, with the two that may be left out.
fn accepted_names(given: &Value) -> Value {
    let read = names(given["kind"].as_str().unwrap_or_default(), given);
    let mut accepted = given.clone();
    accepted["listKind"] = read.list_kind.into();
    accepted["singular"] = read.singular.into();
    accepted
}

fn stored_versions(definition: &Value) -> Value {
    let mut stored = strings(&definition["status"]["storedVersions"]);
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    for version in versions.filter(|version| version["storage"] == true) {
        let name = version["name"].as_str().unwrap_or_default();
        if !stored.iter().any(|known| known == name) {
            stored.push(name.to_owned());
        }
    }
    stored.into()
}
