//! What somebody else said, as it is told to people.

use std::fmt;

/// A text of a backend or of the API server. One that differs in its numbers only is the same: it would be logged and written to
/// a status again and again.
#[derive(Debug, Clone, Eq)]
pub(crate) struct Said(String);

impl Said {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text that there is, if the new one says the same.
    pub(crate) fn after(known: Option<&Self>, text: String) -> Self {
        let text = Self(text);
        known.filter(|known| **known == text).cloned().unwrap_or(text)
    }
}

impl PartialEq for Said {
    fn eq(&self, other: &Self) -> bool {
        let without_digits = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        self.0 == other.0 || without_digits(&self.0) == without_digits(&other.0)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_differs_in_its_numbers_is_no_news() {
        let first = Said::new("took 12.3 ms (request 7)");
        assert_eq!(first, Said::new("took 4.56 ms (request 8)"));
        assert_ne!(first, Said::new("refused"));
        assert_eq!(
            Said::after(Some(&first), "took 1.2 ms (request 9)".to_owned()).to_string(),
            first.to_string()
        );
        assert_eq!(Said::after(Some(&first), "refused".to_owned()).to_string(), "refused");
    }
}
