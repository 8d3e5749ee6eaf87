//! Label and field selectors.

use serde_json::Value;

use crate::{failure::Failure, name::Key};

/// What a list or a watch shows of its resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Selector {
    /// Empty: every namespace.
    pub(crate) namespace: String,
    fields: Vec<FieldTerm>,
    labels: Vec<LabelTerm>,
}

#[derive(Debug, Clone, PartialEq)]
struct FieldTerm {
    path: Vec<String>,
    value: String,
    wanted: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum LabelTerm {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    /// # Errors
    /// `BadRequest` for a selector that is not one, or a field that cannot be selected by.
    pub(crate) fn parse(namespace: &str, fields: &str, labels: &str) -> Result<Self, Failure> {
        Ok(Self {
            namespace: namespace.to_owned(),
            fields: terms(fields).into_iter().map(field_term).collect::<Result<_, _>>()?,
            labels: terms(labels).into_iter().map(label_term).collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn matches(&self, key: &Key, object: &Value) -> bool {
        (self.namespace.is_empty() || self.namespace == key.namespace)
            && self.fields.iter().all(|term| term.matches(object))
            && self.labels.iter().all(|term| term.matches(&object["metadata"]["labels"]))
    }

    /// The one name that is selected, as authorization sees it.
    pub(crate) fn name(&self) -> Option<&str> {
        let is_name = |term: &&FieldTerm| term.wanted && term.path == ["metadata", "name"];
        self.fields.iter().find(is_name).map(|term| term.value.as_str())
    }
}

impl FieldTerm {
    fn matches(&self, object: &Value) -> bool {
        let found = self.path.iter().fold(object, |value, field| &value[field.as_str()]);
        (found.as_str().unwrap_or_default() == self.value) == self.wanted
    }
}

impl LabelTerm {
    fn matches(&self, labels: &Value) -> bool {
        let within = |key: &String, values: &[String]| {
            labels[key.as_str()].as_str().is_some_and(|label| values.iter().any(|value| value == label))
        };
        match self {
            Self::In(key, values) => within(key, values),
            Self::NotIn(key, values) => !within(key, values),
            Self::Exists(key) => !labels[key.as_str()].is_null(),
            Self::Absent(key) => labels[key.as_str()].is_null(),
        }
    }
}

/// Splits at the commas that are not inside parentheses.
fn terms(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let split = text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    split.map(str::trim).filter(|term| !term.is_empty()).collect()
}

fn field_term(term: &str) -> Result<FieldTerm, Failure> {
    let (path, value, wanted) = if let Some((path, value)) = term.split_once("!=") {
        (path, value, false)
    } else if let Some((path, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (path, value, true)
    } else {
        return Err(Failure::bad_request(format!("invalid selector: '{term}'; can't understand '{term}'")));
    };
    if !selectable(path) {
        return Err(Failure::bad_request(format!("field label not supported: {path}")));
    }
    let path = path.split('.').map(str::to_owned).collect();
    Ok(FieldTerm { path, value: value.to_owned(), wanted })
}

/// Any kind can be selected by name and namespace; Events and Secrets by a little more.
fn selectable(path: &str) -> bool {
    let subject = path.strip_prefix("involvedObject.").or_else(|| path.strip_prefix("regarding."));
    matches!(path, "metadata.name" | "metadata.namespace" | "type" | "reason")
        || subject.is_some_and(|field| !field.contains('.'))
}

fn label_term(term: &str) -> Result<LabelTerm, Failure> {
    let unparsable =
        || Failure::bad_request(format!("unable to parse requirement: invalid label selector {term:?}"));
    if let Some((head, values)) = term.split_once('(') {
        let values = values.strip_suffix(')').ok_or_else(unparsable)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        return match head.split_whitespace().collect::<Vec<_>>()[..] {
            [key, "in"] => Ok(LabelTerm::In(key.to_owned(), values)),
            [key, "notin"] => Ok(LabelTerm::NotIn(key.to_owned(), values)),
            _ => Err(unparsable()),
        };
    }
    let one = |key: &str, value: &str| (key.trim().to_owned(), vec![value.trim().to_owned()]);
    if let Some((key, value)) = term.split_once("!=") {
        let (key, values) = one(key, value);
        return Ok(LabelTerm::NotIn(key, values));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        let (key, values) = one(key, value);
        return Ok(LabelTerm::In(key, values));
    }
    match term.strip_prefix('!') {
        _ if term.contains(char::is_whitespace) => Err(unparsable()),
        Some(key) => Ok(LabelTerm::Absent(key.to_owned())),
        None => Ok(LabelTerm::Exists(term.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(fields: &str, labels: &str, expected: bool) {
        let object =
            json!({"metadata": {"name": "a", "namespace": "n", "labels": {"app": "web", "tier": "1"}}});
        let selector = Selector::parse("", fields, labels).unwrap();
        assert_eq!(selector.matches(&Key::new("n", "a"), &object), expected, "{fields:?} {labels:?}");
    }

    #[test]
    fn selectors_of_every_form_are_understood() {
        check("metadata.name=a", "", true);
        check("metadata.name==b", "", false);
        check("metadata.name!=b,metadata.namespace=n", "", true);
        check("", "app=web,tier!=2", true);
        check("", "app in (api, web),tier", true);
        check("", "app notin (api,web)", false);
        check("", "!app", false);
        check("", "!other,missing notin (x)", true);
    }

    #[test]
    fn a_field_that_is_not_selectable_is_refused_by_name() {
        let failure = Selector::parse("", "spec.channel=fast", "").unwrap_err();
        assert_eq!(failure.to_string(), "field label not supported: spec.channel");
    }

    #[test]
    fn the_selected_name_is_what_authorization_asks_about() {
        let selector = Selector::parse("n", "metadata.name=a", "").unwrap();
        assert_eq!(selector.name(), Some("a"));
    }
}
