//! A clock of one process that is wrong, while those of all others are right.
//!
//! A library of our own stands before the C library's functions that tell the time of day (`LD_PRELOAD`), and adds what is written in a file
//! that it shares with us. So it can change at any moment. The time that passes (`CLOCK_MONOTONIC`) stays as it is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

const SOURCE: &str = include_str!("clock_shift.c");

/// The clock of one process.
#[derive(Debug)]
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// A right one. Gives what the process needs in its environment.
    ///
    /// # Errors
    /// When there is no C compiler.
    pub fn new(directory: &Path, name: &str) -> anyhow::Result<(Self, Vec<(String, String)>)> {
        let library = directory.join("clock_shift.so");
        if !library.exists() {
            compile(directory, &library)?;
        }
        let clock = Self { file: directory.join(format!("{name}.clock")) };
        clock.shift(0)?;
        let variables = [("LD_PRELOAD", &library), ("CLOCK_SHIFT", &clock.file)];
        let variables = variables.map(|(name, path)| (name.to_owned(), path.display().to_string()));
        Ok((clock, variables.to_vec()))
    }

    /// In nanoseconds, from the right time.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn shift(&self, by: i64) -> anyhow::Result<()> {
        use std::io::Write as _;
        // In place: the process has it mapped.
        let mut file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.file)?;
        file.write_all(&by.to_ne_bytes()).context("the clock's file cannot be written")
    }
}

fn compile(directory: &Path, library: &Path) -> anyhow::Result<()> {
    let source = directory.join("clock_shift.c");
    fs::write(&source, SOURCE)?;
    let compiled = Command::new("cc")
        .args(["-O1", "-Wall", "-shared", "-fPIC", "-o"])
        .arg(library)
        .arg(&source)
        .output()
        .context("cc cannot be run")?;
    ensure!(compiled.status.success(), "cc failed: {}", String::from_utf8_lossy(&compiled.stderr));
    Ok(())
}

#[cfg(test)]
mod tests {
    use levqor_lab::Directory;

    use super::*;

    /// Seconds since 1970 as another process has them.
    fn told(variables: &[(String, String)]) -> i64 {
        let variables = variables.iter().map(|(name, value)| (name, value));
        let ran = Command::new("date").arg("+%s").envs(variables).output().unwrap();
        String::from_utf8(ran.stdout).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_process_has_the_time_that_it_is_given() {
        let directory = Directory::new().unwrap();
        let (clock, variables) = Clock::new(directory.path(), "a").unwrap();
        for shift in [0, 3_600, -3_600] {
            clock.shift(shift * 1_000_000_000).unwrap();
            let (before, shifted, after) = (told(&[]), told(&variables), told(&[]));
            assert!((before + shift..=after + shift).contains(&shifted), "{shift}: {before} {shifted}");
        }
    }
}
