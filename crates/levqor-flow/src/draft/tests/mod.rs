//! Tests of drafting.

#[test]
fn probe() {
    let Ok(file) = std::env::var("DRAFT_PROBE") else { return };
    for line in std::fs::read_to_string(file).unwrap().lines() {
        if line.is_empty() || line.starts_with('#') { continue }
        let line = line.replace("\\n", "\n");
        let draft = super::draft(&line);
        println!("\n=== {line}");
        for s in &draft.summary { println!("  | {s}") }
        for s in &draft.warnings { println!("  ! {s}") }
        for s in &draft.questions { println!("  ? {s}") }
        if std::env::var("DRAFT_FULL").is_ok() { println!("{}", serde_json::to_string_pretty(&draft.workflow).unwrap()) }
        else if let Some(w) = &draft.workflow { println!("  @ {} | {}", w["document"]["name"], w["schedule"]); println!("  > {}", w["do"]); }
    }
}
