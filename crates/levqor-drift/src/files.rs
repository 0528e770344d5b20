//! The lock against the blueprint: whether every promise is as somebody agreed to it.

use levqor_model::{Deviation, Severity};

use crate::{
    agreed::Agreed,
    found::Found,
    report::{Outcome, Part},
    severity,
};

pub(crate) fn compare(agreed: &Agreed, found: &mut Found) {
    let unreadable = |name: &str, problem: &str| Deviation {
        severity: Severity::Critical,
        place: name.to_owned(),
        expected: Some("a file that can be read".to_owned()),
        found: Some(problem.to_owned()),
    };
    if let Err(problem) = &agreed.blueprint {
        found.add(unreadable(&agreed.blueprint_name, problem));
    }
    match &agreed.lock {
        Err(problem) => found.add(unreadable(&agreed.lock_name, problem)),
        Ok(None) => found.add(Deviation {
            severity: Severity::Critical,
            place: agreed.lock_name.clone(),
            expected: Some("the agreed value of every promise".to_owned()),
            found: None,
        }),
        Ok(Some(_)) => {}
    }
    let (Ok(blueprint), Ok(Some(lock))) = (&agreed.blueprint, &agreed.lock) else {
        found.part(
            Part::Lock,
            Outcome::Unknown("one of the two files is missing or cannot be read".to_owned()),
        );
        return;
    };
    for change in lock.changes(blueprint) {
        found.add(Deviation {
            // What nobody agreed to takes nothing away from anybody.
            severity: if change.agreed.is_some() { severity::of(&change.path) } else { Severity::Minor },
            place: format!("{} in {}", change.path, agreed.blueprint_name),
            expected: change.agreed,
            found: change.now,
        });
    }
    found.part(Part::Lock, Outcome::Compared(lock.promises().count() as u64));
}
