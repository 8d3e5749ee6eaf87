//! The catalog: what may be observed, from the manager's configuration file.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::names::{NOT_A_NAME, is_name};
use crate::yaml;

/// What may be observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Catalog {
    pub(crate) modules: Vec<Module>,
}

/// One resource of a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Module {
    /// The module's name.
    pub(crate) name: String,
    /// The API group.
    pub(crate) group: String,
    /// The plural of the kind.
    pub(crate) resource: String,
    /// The version; absent: the preferred served one.
    pub(crate) version: Option<String>,
    /// The namespace; absent: all.
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    modules: Vec<Spanned<Module>>,
}

/// Why a configuration file cannot be used; the text names file, line and field.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("reading the configuration file {path}")]
    Read { path: String, source: std::io::Error },
    #[error("{path}:{line}: {message}")]
    Invalid { path: String, line: u64, message: String },
}

impl Default for Catalog {
    /// The module `telemetry` alone, which is what the default rights allow.
    fn default() -> Self {
        let telemetry = Module {
            name: "telemetry".to_owned(),
            group: "operator.kyma-project.io".to_owned(),
            resource: "telemetries".to_owned(),
            version: None,
            namespace: None,
        };
        Self { modules: vec![telemetry] }
    }
}

impl Catalog {
    /// Reads and checks a configuration file.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: name.clone(), source })?;
        Self::parse(&name, &text)
    }

    fn parse(path: &str, text: &str) -> Result<Self, ConfigError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let file: File = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let (line, message) = yaml::said(&error);
            ConfigError::Invalid { path: path.to_owned(), line, message: in_words(message) }
        })?;
        let mut seen = HashMap::new();
        for entry in &file.modules {
            let line = entry.referenced.line();
            let invalid = |message| ConfigError::Invalid { path: path.to_owned(), line, message };
            check_names(&entry.value).map_err(invalid)?;
            if let Some((before, group)) = seen.insert(&entry.value.resource, (line, &entry.value.group)) {
                let Module { resource, group: own, .. } = &entry.value;
                if group == own {
                    return Err(invalid(format!(
                        "modules: the resource {resource}.{own} is there already, in line {before}"
                    )));
                }
            }
        }
        Self::check_names_of_resources(path, &file)?;
        Ok(Self { modules: file.modules.into_iter().map(|entry| entry.value).collect() })
    }

    /// Two resources of one module need different plurals, which is what tells their series apart.
    fn check_names_of_resources(path: &str, file: &File) -> Result<(), ConfigError> {
        let mut seen = HashMap::new();
        for entry in &file.modules {
            let Module { name, resource, .. } = &entry.value;
            let line = entry.referenced.line();
            if let Some(before) = seen.insert((name, resource), line) {
                let message = format!(
                    "modules: the module {name} has a resource {resource} of another group already, in line {before}; \
                     their series could not be told apart"
                );
                return Err(ConfigError::Invalid { path: path.to_owned(), line, message });
            }
        }
        Ok(())
    }

    /// The plural of a kind whose CRD is not known, if the catalog has one that can only be it: the kind itself, as in `nats`.
    pub(crate) fn plural_of(&self, group: &str, kind: &str) -> Option<&str> {
        let singular = kind.to_lowercase();
        let module = self.modules.iter().find(|module| module.group == group && module.resource == singular);
        module.map(|module| module.resource.as_str())
    }

    /// The module's name for a resource.
    pub(crate) fn name_of(&self, group: &str, resource: &str) -> Option<&str> {
        let module = self.modules.iter().find(|module| module.group == group && module.resource == resource);
        module.map(|module| module.name.as_str())
    }
}

/// The only file there is has one list.
fn in_words(message: String) -> String {
    match message.as_str() {
        "unexpected end of input" => "the file is empty; it needs `modules`".to_owned(),
        "expected sequence start" => "modules: expected a list".to_owned(),
        _ => message,
    }
}

fn check_names(module: &Module) -> Result<(), String> {
    let Module { name, group, resource, version, namespace } = module;
    let fields = [
        ("name", Some(name)),
        ("group", Some(group)),
        ("resource", Some(resource)),
        ("version", version.as_ref()),
        ("namespace", namespace.as_ref()),
    ];
    for (field, value) in fields {
        let Some(value) = value else { continue };
        if !is_name(value) {
            return Err(format!("modules: {field}: {value:?} is {NOT_A_NAME}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        Catalog::parse("config.yaml", text).expect_err("the file is wrong").to_string()
    }

    #[test]
    fn a_file_gives_its_modules() {
        let text = "modules:\n  - {name: keda, group: g.io, resource: kedas, namespace: kyma-system}\n";
        let catalog = Catalog::parse("config.yaml", text).unwrap();
        assert_eq!(catalog.name_of("g.io", "kedas"), Some("keda"));
        assert_eq!(catalog.modules[0].namespace.as_deref(), Some("kyma-system"));
    }

    #[test]
    fn what_is_wrong_is_told_with_file_and_line() {
        insta::assert_snapshot!(message(
            "modules:\n  - {name: keda, group: g.io, resource: kedas, versoin: v1}\n"
        ));
        insta::assert_snapshot!(message("modules:\n  - {name: keda, group: g.io}\n"));
        insta::assert_snapshot!(message(
            "modules:\n  - {name: a, group: g.io, resource: kedas}\n  - {name: b, group: g.io, resource: kedas}\n"
        ));
        insta::assert_snapshot!(message(
            "modules:\n  - {name: a, group: g.io, resource: kedas}\n  - {name: a, group: h.io, resource: kedas}\n"
        ));
        insta::assert_snapshot!(message("modules: 5\n"));
        insta::assert_snapshot!(message(""));
        insta::assert_snapshot!(message("modules:\n  - {name: Keda, group: g.io, resource: kedas}\n"));
    }
}
