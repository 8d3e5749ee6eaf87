//! What is wrong with a YAML text, in words for people.

/// The line, and what is wrong there. The parser tells the place in words of its own, and what a programmer could do about it.
pub(crate) fn said(error: &serde_saphyr::Error) -> (u64, String) {
    let line = error.location().map_or(1, |location| location.line());
    let message = error.to_string();
    let message = message.split_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let message = message.split_once(", set DuplicateKeyPolicy").map_or(message, |(message, _)| message);
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let message = if message.starts_with("budget breached") {
        "too large, too deep, or with too many aliases"
    } else {
        message
    };
    (line, message.to_owned())
}
