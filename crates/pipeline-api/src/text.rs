//! Sentences for people: bounded, and in one line.

/// The longest message that the API server accepts in a condition, in characters; counted in bytes here.
const MESSAGE_MAX: usize = 32_768;

/// The longest quotation of somebody else's text.
const QUOTE_MAX: usize = 1_024;

const ELLIPSIS: &str = "...";

/// A whole message, whatever names it was made of: one line that fits into a condition.
pub(crate) fn message(text: &str) -> String {
    bounded(one_line(text), MESSAGE_MAX)
}

/// Cuts a text at a character boundary, with an ellipsis that still fits.
fn bounded(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max - ELLIPSIS.len()));
        text.push_str(ELLIPSIS);
    }
    text
}

/// Somebody else's text, fit to stand in a sentence: one line, no control characters, not endless.
pub(crate) fn quoted(text: &str) -> String {
    let line = one_line(text);
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    bounded(line.trim_end_matches('.').to_owned(), QUOTE_MAX)
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<T> = items.into_iter().collect();
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    match items.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
