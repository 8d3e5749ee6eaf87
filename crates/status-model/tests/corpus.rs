//! Real and broken statuses, and what is read of them. A new case is a new file in `tests/corpus`.

use status_model::parse;

#[test]
fn each_status_of_the_corpus_reads_as_recorded() {
    insta::glob!("corpus/*.json", |path| {
        let text = std::fs::read_to_string(path).expect("the corpus is readable");
        let value = serde_json::from_str(&text).expect("the corpus is JSON");
        let (status, problems) = parse(&value);
        let problems: Vec<_> = problems.iter().map(|p| format!("{}: {p}", p.reason())).collect();
        insta::with_settings!({description => text.trim(), omit_expression => true}, {
            insta::assert_debug_snapshot!((status, problems));
        });
    });
}
