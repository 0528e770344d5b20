use std::collections::BTreeMap;

use super::*;
use crate::{SigningKey, Timestamp};

const PLACE: &str = "host:/data";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn file(content: &str) -> Seen {
    Seen::File {
        sha256: sha256(content.as_bytes()),
        bytes: content.len() as u64,
        mode: "644".to_owned(),
        owner: "0:0".to_owned(),
    }
}

fn entry(subject: Subject, seen: Seen) -> Entry {
    Entry { subject, seen }
}

fn signed(sequence: u64, content: &str, by: u8, place: &str) -> String {
    let entries = BTreeMap::from([("/etc/a".to_owned(), entry(Subject::Named, file(content)))]);
    let at = Timestamp::from_seconds(1_795_502_901);
    let baseline = Baseline { place: place.to_owned(), sequence, at, previous: String::new(), entries };
    SignedBaseline::sign(baseline, &key(by)).to_text()
}

fn logged(sequence: u64, text: &str) -> Option<Logged> {
    Some(Logged { sequence, sha256: sha256(text.as_bytes()) })
}

#[test]
fn every_difference_is_a_deviation_with_its_severity() {
    let link = |target: &str, content: &str| Seen::Link {
        target: target.to_owned(),
        behind: Box::new(file(content)),
    };
    let folder = |mode: &str| Seen::Folder { mode: mode.to_owned(), owner: "0:0".to_owned() };
    let unreadable = || Seen::Unreadable { problem: "permission denied".to_owned() };
    let hidden = || Seen::Link { target: "x".to_owned(), behind: Box::new(unreadable()) };
    let rows = [
        (Subject::Named, Some(file("a")), Some(file("a")), None),
        (Subject::Named, Some(Seen::Nothing), None, None),
        (Subject::Named, None, Some(Seen::Nothing), None),
        (Subject::Named, Some(file("a")), Some(file("b")), Some("major")),
        (Subject::Binary, Some(file("a")), Some(file("b")), Some("critical")),
        (Subject::Blueprint, Some(file("a")), None, Some("critical")),
        (Subject::Policies, None, Some(file("b")), Some("major")),
        (Subject::Runbooks, Some(folder("755")), Some(folder("777")), Some("major")),
        (Subject::Named, Some(link("x", "a")), Some(link("y", "a")), Some("major")),
        (Subject::Named, Some(link("x", "a")), Some(link("x", "b")), Some("major")),
        (Subject::Named, Some(link("x", "a")), Some(file("a")), Some("major")),
        (Subject::Baseline, Some(file("a")), Some(Seen::Nothing), Some("critical")),
        // Not to know is not to agree.
        (Subject::Named, Some(unreadable()), Some(unreadable()), Some("major")),
        (Subject::Named, Some(hidden()), Some(hidden()), Some("major")),
    ];
    for (subject, agreed, seen, severity) in rows {
        let (agreed, seen) = (agreed.map(|seen| entry(subject, seen)), seen.map(|seen| entry(subject, seen)));
        let found = deviation("/p", agreed.as_ref(), seen.as_ref());
        let found = found.map(|deviation| deviation.severity.as_str());
        assert_eq!(found, severity, "{agreed:?} {seen:?}");
    }
}

#[test]
fn deviations_name_what_came_and_what_went() {
    let agreed = BTreeMap::from([
        ("/a".to_owned(), entry(Subject::Named, file("a"))),
        ("/b".to_owned(), entry(Subject::Named, file("b"))),
        ("/none".to_owned(), entry(Subject::Named, Seen::Nothing)),
    ]);
    let seen = BTreeMap::from([
        ("/a".to_owned(), entry(Subject::Named, file("a"))),
        ("/c".to_owned(), entry(Subject::Named, file("c"))),
    ]);
    let found = deviations(&agreed, &seen);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["/b", "/c"]);
    assert_eq!((&found["/b"].found, &found["/c"].expected), (&None, &None));
}

#[test]
fn a_baseline_holds_by_its_signature_alone() {
    let good = signed(3, "a", 1, PLACE);
    let open = |text: &str| SignedBaseline::open(text, PLACE, key(1).public_key());
    assert_eq!(open(&good).unwrap().sequence, 3);
    let format = good.replacen(FORMAT, "levqor baseline 9", 1);
    for (text, expected) in [
        ("{}".to_owned(), "it is no baseline: missing field `format` at line 1 column 2"),
        (format, "it has the format \"levqor baseline 9\"; this build reads \"levqor baseline 1\""),
        (signed(3, "a", 2, PLACE), "it is signed by another key than this installation's"),
        (good.replacen("644", "666", 1), "its signature does not hold: it was edited"),
        (
            good.replacen("\"sequence\": 3", "\"sequence\": 4", 1),
            "its signature does not hold: it was edited",
        ),
        (signed(3, "a", 1, "elsewhere"), "it is of another place, \"elsewhere\""),
    ] {
        assert_eq!(open(&text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn accounts_that_contradict_each_other_are_named() {
    let (two, three, other) = (signed(2, "a", 1, PLACE), signed(3, "b", 1, PLACE), signed(3, "c", 1, PLACE));
    let forged = signed(4, "d", 2, PLACE);
    let edited = three.replacen("644", "666", 1);
    let text = |text: &String| Some(Ok(text.clone()));
    let row = |text: &String| Some(text.clone());
    type Row<'a> = (&'a str, Accounts, Option<&'a String>, Option<&'a str>, Option<&'a str>);
    let rows: Vec<Row<'_>> = vec![
        (
            "all agree",
            Accounts { file: text(&three), row: row(&three), logged: logged(3, &three) },
            Some(&three),
            None,
            None,
        ),
        (
            "the file is gone",
            Accounts { file: None, row: row(&three), logged: logged(3, &three) },
            Some(&three),
            Some("it is gone"),
            None,
        ),
        (
            "the file cannot be read",
            Accounts { file: Some(Err("no".to_owned())), row: row(&three), logged: logged(3, &three) },
            Some(&three),
            Some("unreadable: no"),
            None,
        ),
        (
            "the file was edited",
            Accounts { file: text(&edited), row: row(&three), logged: logged(3, &three) },
            Some(&three),
            Some("its signature does not hold: it was edited"),
            None,
        ),
        (
            "the file was put back",
            Accounts { file: text(&two), row: row(&three), logged: logged(3, &three) },
            Some(&three),
            Some("it was put back to number 2; 3 holds"),
            None,
        ),
        (
            "the file was replaced",
            Accounts { file: text(&forged), row: row(&three), logged: logged(3, &three) },
            Some(&three),
            Some("it is signed by another key than this installation's"),
            None,
        ),
        (
            "the row was put back",
            Accounts { file: text(&three), row: row(&two), logged: logged(3, &three) },
            Some(&three),
            None,
            Some("it was put back to number 2; 3 holds"),
        ),
        (
            "the row and the log were put back",
            Accounts { file: text(&three), row: row(&two), logged: logged(2, &two) },
            Some(&two),
            Some("it has number 3, and 2 holds: one of them was put back"),
            None,
        ),
        (
            "the row is gone",
            Accounts { file: text(&three), row: None, logged: logged(3, &three) },
            Some(&three),
            None,
            Some("the database knows of no baseline"),
        ),
        (
            "the file and the row were put back",
            Accounts { file: text(&two), row: row(&two), logged: logged(3, &three) },
            Some(&two),
            None,
            Some("it has number 2, the evidence log names 3"),
        ),
        (
            "another of the same number",
            Accounts { file: text(&other), row: row(&other), logged: logged(3, &three) },
            Some(&other),
            None,
            Some("number 3 is another one than the evidence log names"),
        ),
        (
            "the log is empty",
            Accounts { file: text(&three), row: row(&three), logged: None },
            Some(&three),
            None,
            Some("the evidence log knows of no baseline"),
        ),
        (
            "nothing can be believed",
            Accounts { file: text(&forged), row: None, logged: logged(3, &three) },
            None,
            Some("it is signed by another key than this installation's"),
            Some("the database knows of no baseline"),
        ),
    ];
    for (name, accounts, believed, file, database) in rows {
        let Verdict::Known { baseline, file: wrong_file, database: wrong_database, sequence } =
            accounts.judge(PLACE, key(1).public_key())
        else {
            panic!("{name}");
        };
        assert_eq!(baseline.map(|(_, text)| text).as_ref(), believed, "{name}");
        assert_eq!((wrong_file.as_deref(), wrong_database.as_deref()), (file, database), "{name}");
        assert_eq!(sequence, 3, "{name}");
    }
    assert_eq!(Accounts::default().judge(PLACE, key(1).public_key()), Verdict::First);
}

#[test]
fn no_edit_of_the_text_is_believed() {
    let good = signed(3, "a", 1, PLACE);
    for place in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[place] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let opened = SignedBaseline::open(&text, PLACE, key(1).public_key());
        // A blank for a blank says the same; the text as a whole is compared besides.
        assert!(
            opened.is_err() || opened == SignedBaseline::open(&good, PLACE, key(1).public_key()),
            "{place}"
        );
    }
}

#[test]
fn no_two_paths_have_the_same_text() {
    let rows: [(&[u8], &str); 5] = [
        (b"/etc/levqor.toml", "/etc/levqor.toml"),
        ("/dätä".as_bytes(), "/dätä"),
        (b"/a\xffb", "/a\\xffb"),
        (b"/a\\xffb", "/a\\\\xffb"),
        (b"/a\nb", "/a\\u{a}b"),
    ];
    for (path, text) in rows {
        assert_eq!(shown(path), text);
    }
}

#[test]
fn a_consent_is_to_one_change_at_one_place() {
    let consent = Consent { place: PLACE, path: "/etc/a", expected: Some("x"), found: None };
    let signature = consent.sign(&key(1));
    let public = key(1).public_key();
    assert!(consent.is_signed(public, &signature));
    assert!(!consent.is_signed(key(2).public_key(), &signature));
    assert!(!consent.is_signed(public, ""));
    for other in [
        Consent { place: "host:/other", ..consent },
        Consent { path: "/etc/b", ..consent },
        Consent { expected: None, ..consent },
        Consent { expected: Some("y"), ..consent },
        // Nothing is not an empty text.
        Consent { found: Some(""), ..consent },
    ] {
        assert!(!other.is_signed(public, &signature), "{other:?}");
    }
}
