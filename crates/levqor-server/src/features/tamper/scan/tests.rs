use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use levqor_model::{SystemClock, tamper::sha256};
use levqor_testkit::temp_dir;

use super::*;

fn scanner(roots: &[&Path]) -> Scanner {
    let roots: Vec<Root> =
        roots.iter().map(|path| Root { subject: Subject::Named, path: (*path).to_owned() }).collect();
    Scanner::new(&roots, Arc::new(SystemClock))
}

/// Looks until there is nothing more to read.
fn look(scanner: &mut Scanner) -> BTreeMap<String, String> {
    while scanner.look(&Touched::default()) {}
    assert!(scanner.is_complete());
    let entries = scanner.entries();
    entries.into_iter().map(|(path, entry)| (path, entry.seen.to_string())).collect()
}

fn seen(scanner: &mut Scanner, path: &Path) -> String {
    look(scanner).remove(&path.display().to_string()).unwrap_or_else(|| "no entry".to_owned())
}

fn write(path: PathBuf, content: &str) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

fn hash(content: &str) -> String {
    format!("sha256:{}", sha256(content.as_bytes()))
}

#[test]
fn a_file_is_seen_as_it_is_from_its_coming_to_its_going() {
    let place = temp_dir();
    let path = place.path().join("a");
    let mut scanner = scanner(&[&path]);
    assert_eq!(seen(&mut scanner, &path), "nothing");
    write(path.clone(), "one");
    assert!(seen(&mut scanner, &path).starts_with(&format!("{}, 3 bytes, mode 644", hash("one"))));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).unwrap();
    assert!(seen(&mut scanner, &path).contains("mode 4755"));
    write(path.clone(), "two");
    assert!(seen(&mut scanner, &path).starts_with(&hash("two")));
    fs::remove_file(&path).unwrap();
    assert_eq!(seen(&mut scanner, &path), "nothing");
    fs::create_dir(&path).unwrap();
    write(path.join("b"), "three");
    assert!(look(&mut scanner).keys().any(|path| path.ends_with("/a/b")));
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(look(&mut scanner).len(), 1);
}

#[test]
fn folders_are_seen_with_all_that_is_in_them() {
    let place = temp_dir();
    let path = place.path().join("runbooks");
    write(path.join("a.yaml"), "a");
    write(path.join("deep/er/b.yaml"), "b");
    let mut scanner = scanner(&[&path]);
    assert_eq!(look(&mut scanner).len(), 5);
    write(path.join("deep/er/c.yaml"), "c");
    assert_eq!(look(&mut scanner).len(), 6);
    fs::rename(path.join("deep"), path.join("flat")).unwrap();
    let found = look(&mut scanner);
    assert!(found.keys().any(|path| path.ends_with("/flat/er/c.yaml")), "{found:?}");
    assert!(!found.keys().any(|path| path.contains("/deep")), "{found:?}");
    // A folder that becomes a file takes what was in it along.
    fs::remove_dir_all(path.join("flat")).unwrap();
    write(path.join("flat"), "f");
    assert_eq!(look(&mut scanner).len(), 3);
}

#[test]
fn a_link_is_what_it_says_and_what_is_behind_it() {
    let place = temp_dir();
    let (real, other) = (write(place.path().join("real"), "x"), write(place.path().join("other"), "x"));
    let link = place.path().join("link");
    symlink(&real, &link).unwrap();
    let mut scanner = scanner(&[&link]);
    let first = seen(&mut scanner, &link);
    assert!(first.contains("/real\": sha256:"), "{first}");
    // The same content by another way is another thing.
    fs::remove_file(&link).unwrap();
    symlink(&other, &link).unwrap();
    assert!(seen(&mut scanner, &link).contains("/other\": sha256:"));
    write(other, "changed");
    assert!(seen(&mut scanner, &link).contains(&hash("changed")));
    fs::remove_file(&link).unwrap();
    symlink(place.path().join("none"), &link).unwrap();
    assert!(seen(&mut scanner, &link).ends_with(": nothing"));
    fs::remove_file(&link).unwrap();
    symlink(&link, &link).unwrap();
    let looped = seen(&mut scanner, &link);
    assert!(looped.contains("unreadable: "), "{looped}");
}

#[test]
fn links_do_not_lead_out_of_what_was_named() {
    let place = temp_dir();
    write(place.path().join("outside/secret"), "x");
    let inside = place.path().join("inside");
    write(inside.join("a"), "a");
    symlink(place.path().join("outside"), inside.join("door")).unwrap();
    // To itself and up again: no walk without an end.
    symlink(&inside, inside.join("mirror")).unwrap();
    let mut scanner = scanner(&[&inside]);
    let found = look(&mut scanner);
    assert_eq!(found.len(), 4, "{found:?}");
    let door = &found[&inside.join("door").display().to_string()];
    assert!(door.contains("/outside\": a folder, mode"), "{door}");
    // What is named is followed.
    let named = place.path().join("named");
    symlink(place.path().join("outside"), &named).unwrap();
    let mut scanner = self::scanner(&[&named]);
    let found = look(&mut scanner);
    assert!(found.contains_key(&named.join("secret").display().to_string()), "{found:?}");
}

#[test]
fn nothing_but_files_is_opened() {
    let place = temp_dir();
    let socket = place.path().join("socket");
    let _held = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let pipe = place.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut scanner = scanner(&[&socket, &pipe]);
    // A pipe that nobody writes to would hold us for ever.
    for path in [&socket, &pipe] {
        assert!(seen(&mut scanner, path).starts_with("no regular file"), "{path:?}");
    }
}

#[test]
fn more_than_there_may_be_is_told() {
    let place = temp_dir();
    for number in 0..20 {
        write(place.path().join(format!("many/{number}")), "x");
    }
    let path = place.path().join("many");
    let mut scanner = scanner(&[&path]);
    scanner.entries_max = 10;
    assert_eq!(seen(&mut scanner, &path), "unreadable: there are more than 10 files to watch; name fewer");
    scanner.entries_max = 30;
    fs::remove_file(path.join("7")).unwrap();
    assert_eq!(look(&mut scanner).len(), 20);
}

#[test]
fn what_is_named_by_itself_stays_when_its_folder_goes() {
    let place = temp_dir();
    let folder = place.path().join("etc");
    let file = write(folder.join("levqor.toml"), "x");
    write(folder.join("other"), "y");
    let mut scanner = scanner(&[&folder, &file]);
    assert_eq!(look(&mut scanner).len(), 3);
    fs::remove_dir_all(&folder).unwrap();
    let found = look(&mut scanner);
    assert_eq!(found.values().collect::<Vec<_>>(), ["nothing", "nothing"], "{found:?}");
}

/// Two changes within one tick of the file system's clock look like one.
#[test]
fn a_change_right_after_a_look_is_seen_soon() {
    let place = temp_dir();
    let path = write(place.path().join("a"), "aaaa");
    let mut scanner = scanner(&[&path]);
    for round in 0..200_u32 {
        let content = format!("{:04}", round);
        let before = format!("{:04}x", round);
        fs::write(&path, before[..4].replace('0', "9")).unwrap();
        look(&mut scanner);
        fs::write(&path, &content).unwrap();
        let began = std::time::Instant::now();
        while !seen(&mut scanner, &path).starts_with(&hash(&content)) {
            assert!(began.elapsed() < Duration::from_secs(5), "round {round} is not seen");
        }
    }
}

#[test]
fn a_large_file_is_read_in_pieces_while_others_are_looked_at() {
    let place = temp_dir();
    let large = place.path().join("large");
    let file = fs::File::create(&large).unwrap();
    file.set_len(BUDGET * 3 + 7).unwrap();
    let small = write(place.path().join("small"), "one");
    let mut scanner = scanner(&[&large, &small]);
    look(&mut scanner);
    scanner.rehash();
    assert_eq!(scanner.rehashing().unwrap().bytes_total, BUDGET * 3 + 10);
    // What has just been made is read once more before that.
    while scanner.rehashing().unwrap().bytes_done == 0 {
        assert!(scanner.look(&Touched::default()), "it is not read at once");
    }
    assert!(scanner.rehashing().unwrap().bytes_done <= BUDGET);
    write(small.clone(), "two");
    // One look later, whatever else is being read.
    scanner.look(&Touched::default());
    let found = &scanner.entries()[&small.display().to_string()];
    assert!(found.seen.to_string().starts_with(&hash("two")));
    assert!(scanner.rehashing().is_some());
    look(&mut scanner);
    assert_eq!(scanner.rehashing(), None);
}
