//! Every problem has its page.

use std::{collections::BTreeSet, fs, path::Path};

use levqor_model::ProblemCode;

#[test]
fn each_problem_code_has_a_page_and_each_page_a_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems");
    let pages: BTreeSet<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let codes: BTreeSet<_> = ProblemCode::ALL.iter().map(|code| code.slug().to_owned()).collect();
    assert_eq!(pages, codes);
    for code in ProblemCode::ALL {
        let page = fs::read_to_string(folder.join(format!("{}.md", code.slug()))).unwrap();
        assert!(page.starts_with(&format!("# {}\n", code.title())), "{}: the title differs", code.slug());
        assert!(page.contains(&format!("status {}", code.status())), "{}: the status differs", code.slug());
        assert!(page.contains("## What to do"), "{}: no remedy", code.slug());
    }
}
