//! Passwords of the local fleet: made once, kept in one file that only its owner reads.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// Reads the file and adds what is missing, so that a warm start keeps every password.
    pub fn load_or_make<'a>(path: &Path, names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut file =
            File::options().create(true).read(true).write(true).truncate(false).mode(0o600).open(path)?;
        // Two commands at once must not make two sets.
        file.lock()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut secrets = Self(parse(&text));
        for name in names {
            if !secrets.0.contains_key(name) {
                let value = random()?;
                writeln!(file, "{name}={value}")?;
                secrets.0.insert(name.to_owned(), value);
            }
        }
        Ok(secrets)
    }

    pub fn get(&self, name: &str) -> Result<&str> {
        self.0.get(name).map(String::as_str).with_context(|| format!("no secret is called {name}"))
    }
}

fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// 192 bits as hex: safe in a URL, a shell line and a configuration file.
fn random() -> Result<String> {
    let mut bytes = [0u8; 24];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_start_keeps_every_password_and_adds_the_new_ones() {
        let path = std::env::temp_dir().join(format!("vitrine-secrets-{}", std::process::id()));
        let first = Secrets::load_or_make(&path, ["a"]).expect("a new file");
        let second = Secrets::load_or_make(&path, ["a", "b"]).expect("the same file");
        assert_eq!(first.get("a").expect("made"), second.get("a").expect("kept"));
        assert_ne!(second.get("a").expect("kept"), second.get("b").expect("added"));
        let mode = fs::metadata(&path).expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let _ = fs::remove_file(path);
    }
}
