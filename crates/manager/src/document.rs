//! Documents of files: YAML of several documents, JSON, kubectl lists.

use serde_json::Value;

use crate::yaml;

/// An object read from a file, or why it could not be read; both with the place in words.
#[derive(Debug)]
pub(crate) struct Document {
    /// `FILE:LINE` of the document's beginning.
    pub(crate) place: String,
    pub(crate) content: Result<Value, String>,
}

/// Reads the documents of a file. One that is broken removes no other.
pub(crate) fn read(file: &str, text: &str) -> Vec<Document> {
    let documents =
        if text.trim_start().starts_with(['{', '[']) { json(file, text) } else { yaml(file, text) };
    documents.into_iter().flat_map(flatten).collect()
}

fn json(file: &str, text: &str) -> Vec<Document> {
    let mut documents = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let (place, content) = match value {
            Ok(value) => (file.to_owned(), Ok(value)),
            Err(error) => (format!("{file}:{}", error.line()), Err(error.to_string())),
        };
        documents.push(Document { place, content });
    }
    documents
}

/// Splits at the lines that separate documents, so that each is parsed by itself. Such a line cannot be part of a
/// document: everything in a block scalar is indented.
fn yaml(file: &str, text: &str) -> Vec<Document> {
    let mut documents = vec![(1, String::new())];
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if let Some(rest) = line.strip_prefix("---") {
            documents.push((index + 2, rest.trim_start_matches(' ').to_owned()));
        } else if let Some((_, document)) = documents.last_mut() {
            document.push_str(line);
        }
    }
    let has_content =
        |text: &str| text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let documents = documents.into_iter().filter(|(_, document)| has_content(document));
    documents.map(|(line, document)| parse_yaml(file, line, &document)).collect()
}

fn parse_yaml(file: &str, first_line: usize, text: &str) -> Document {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: 50_000_000, max_events: 100_000_000, max_depth: 128 },
        with_snippet: false,
    };
    let parsed = serde_saphyr::from_str_with_options::<Value>(text, options);
    let (line, content) = match parsed {
        Ok(value) => (1, Ok(value)),
        Err(error) => {
            let (line, message) = yaml::said(&error);
            (usize::try_from(line).unwrap_or(1).max(1), Err(message))
        }
    };
    Document { place: format!("{file}:{}", first_line + line - 1), content }
}

/// The items of a list, or the object itself.
fn flatten(document: Document) -> Vec<Document> {
    let Document { place, content } = document;
    match content {
        Ok(Value::Array(items)) => place_items(&place, items, None),
        Ok(Value::Object(mut list)) if is_list(&list) => {
            let kind = list["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).unwrap_or_default();
            let types = (!kind.is_empty()).then(|| (list["apiVersion"].clone(), Value::from(kind)));
            match list.remove("items") {
                Some(Value::Array(items)) => place_items(&place, items, types.as_ref()),
                _ => Vec::new(),
            }
        }
        content => vec![Document { place, content }],
    }
}

fn is_list(object: &serde_json::Map<String, Value>) -> bool {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    kind.ends_with("List") && object.get("items").is_some_and(Value::is_array)
}

/// Items of a typed list may lack their own types.
fn place_items(place: &str, items: Vec<Value>, types: Option<&(Value, Value)>) -> Vec<Document> {
    let place_item = |(index, mut item): (usize, Value)| {
        if let (Some(fields), Some((api_version, kind))) = (item.as_object_mut(), types) {
            fields.entry("apiVersion").or_insert_with(|| api_version.clone());
            fields.entry("kind").or_insert_with(|| kind.clone());
        }
        Document { place: format!("{place}: item {}", index + 1), content: Ok(item) }
    };
    items.into_iter().enumerate().map(place_item).collect()
}
