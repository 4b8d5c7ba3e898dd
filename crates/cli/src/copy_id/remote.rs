//! What runs on the remote: one shell command that adds the keys, or none of them.

use std::fmt::Write as _;

use keys::PublicKey;

/// Before every line that is for us; a login shell may print what it likes.
const MARK: &str = "keyway-copy-id:";

/// Where keys go when `-t` does not say.
pub const DEFAULT_TARGET: &str = ".ssh/authorized_keys";

/// How the command is to behave.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Add without looking.
    pub force: bool,
    /// Only look.
    pub dry_run: bool,
    /// Show every step.
    pub debug: bool,
}

/// The command. Its standard input is [`input`].
///
/// It runs under `sh` whatever the login shell is: one line, and no quote of the kind it is
/// wrapped in. The new file is made beside the old one and moved over it.
pub fn command(target: Option<&str>, manner: Manner) -> String {
    let is_default = target.is_none();
    let mut script = Vec::new();
    if manner.debug {
        script.push("set -x".to_owned());
    }
    let number = u8::from;
    script.push(format!(
        "cd || exit 1; umask 077; force={}; dry={}",
        number(manner.force),
        number(manner.dry_run)
    ));
    script.push(format!(
        "fix={}; f={}",
        number(is_default),
        quoted(target.unwrap_or(DEFAULT_TARGET))
    ));
    if is_default {
        // The one server that keeps root's keys elsewhere.
        script.push(
            "if [ -f /etc/openwrt_release ] && [ -d /etc/dropbear ] && [ \"$(id -u)\" = 0 ]; \
             then f=/etc/dropbear/authorized_keys; fi"
                .to_owned(),
        );
    }
    script.push(
        SCRIPT.split('\n').map(str::trim).collect::<Vec<_>>().join(" ").replace("MARK", MARK),
    );
    format!("exec sh -c '{}'", script.join("; "))
}

/// For every key its base64 text, by which it is looked for, and its line.
pub fn input(keys: &[(PublicKey, String)]) -> String {
    let mut text = String::new();
    for (key, comment) in keys {
        let line = key.to_line(comment);
        let blob = line.split(' ').nth(1).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{blob} {line}");
    }
    text
}

/// Modes are told as they were; a last line without its end gets one. Comments are no keys.
const SCRIPT: &str = r#"d=$(dirname "$f");
if [ ! -d "$d" ]; then
  if [ $dry = 0 ]; then mkdir -p "$d" || exit 1; fi;
  echo "MARK made $d";
elif [ $fix = 1 ]; then
  m=$(ls -ld "$d");
  case "$m" in
    drwx------*) ;;
    *) if [ $dry = 0 ]; then chmod 700 "$d" || exit 1; fi; echo "MARK mode 700 ${m%% *} $d";;
  esac;
fi;
if [ -h "$f" ]; then r=$(readlink -f "$f") && [ -n "$r" ] && f=$r; fi;
if [ $fix = 1 ] && [ -f "$f" ]; then
  m=$(ls -ld "$f");
  case "$m" in
    -rw-------*) ;;
    *) if [ $dry = 0 ]; then chmod 600 "$f" || exit 1; fi; echo "MARK mode 600 ${m%% *} $f";;
  esac;
fi;
if [ $dry = 1 ]; then
  t=$f;
else
  t=$f.keyway.$$;
  trap "rm -f \"\$t\"" 0;
  trap "exit 1" 1 2 13 15;
  if [ -f "$f" ]; then cp -p "$f" "$t" || exit 1; else : > "$t" || exit 1; fi;
  if [ -s "$t" ] && [ -n "$(tail -c 1 "$t")" ]; then echo >> "$t" || exit 1; fi;
fi;
added=0;
while read -r k l; do
  if [ $force = 0 ] && [ -f "$t" ] && grep -v "^[[:space:]]*#" "$t" | grep -F -- "$k" > /dev/null; then
    echo "MARK present $k";
  else
    if [ $dry = 0 ]; then printf "%s\n" "$l" >> "$t" || exit 1; fi;
    added=1;
    echo "MARK added $k";
  fi;
done;
if [ $dry = 0 ] && [ $added = 1 ]; then
  mv -f "$t" "$f" || exit 1;
  if type restorecon > /dev/null 2>&1; then restorecon -F "$d" "$f"; fi;
fi;
echo "MARK done""#;

/// In double quotes, so that it can stand inside single ones.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' | '`' => quoted.extend(['\\', c]),
            '\'' => quoted.push_str("'\\''"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// One thing the remote command has told.
#[derive(Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// The folder was made.
    Made(&'a str),
    /// A path was open to others.
    Mode {
        /// What it is now.
        now: &'a str,
        /// What it was, as `ls` shows it.
        before: &'a str,
        /// Which.
        path: &'a str,
    },
    /// The key with this base64 text was there.
    Present(&'a str),
    /// This one was not.
    Added(&'a str),
    /// All went well.
    Done,
}

/// What the remote command has told; everything else on its output is the shell's.
pub fn told(output: &str) -> Vec<Told<'_>> {
    output
        .lines()
        .filter_map(|line| tell(line.trim_end().strip_prefix(MARK)?.trim_start()))
        .collect()
}

fn tell(line: &str) -> Option<Told<'_>> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some(match word {
        "made" => Told::Made(rest),
        "mode" => {
            let (now, rest) = rest.split_once(' ')?;
            let (before, path) = rest.split_once(' ')?;
            Told::Mode { now, before, path }
        }
        "present" => Told::Present(rest),
        "added" => Told::Added(rest),
        "done" => Told::Done,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::{KeyKind, PrivateKey};
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Command, Stdio};

    const USUAL: Manner = Manner { force: false, dry_run: false, debug: false };

    fn key(comment: &str) -> (PublicKey, String) {
        let key = PrivateKey::generate(KeyKind::Ed25519, None, comment).unwrap();
        (key.public().clone(), comment.to_owned())
    }

    /// Runs it as a server would, with `home` for home.
    fn run(
        home: &Path,
        target: Option<&str>,
        manner: Manner,
        keys: &[(PublicKey, String)],
    ) -> String {
        let mut child = Command::new("sh")
            .args(["-c", &command(target, manner)])
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input(keys).as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn makes_everything_where_nothing_is() {
        let home = tempfile::tempdir().unwrap();
        let keys = [key("one"), key("two words")];
        let output = run(home.path(), None, USUAL, &keys);
        assert_eq!(told(&output).len(), 4, "{output}");
        let file = home.path().join(".ssh/authorized_keys");
        let lines = format!("{}\n{}\n", keys[0].0.to_line("one"), keys[1].0.to_line("two words"));
        assert_eq!(fs::read_to_string(&file).unwrap(), lines);
        assert_eq!((mode(&file), mode(&home.path().join(".ssh"))), (0o600, 0o700));
        assert_eq!(fs::read_dir(home.path().join(".ssh")).unwrap().count(), 1);
        // Again changes nothing.
        let output = run(home.path(), None, USUAL, &keys);
        assert!(matches!(told(&output)[..], [Told::Present(_), Told::Present(_), Told::Done]));
        assert_eq!(fs::read_to_string(&file).unwrap(), lines);
        assert_eq!(fs::read_dir(home.path().join(".ssh")).unwrap().count(), 1);
    }

    #[test]
    fn keeps_what_is_there_and_mends_modes() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".ssh");
        fs::create_dir(&folder).unwrap();
        let (old, new) = (key("old"), key("new"));
        let file = folder.join("authorized_keys");
        let disabled = format!("# {}\nfrom=\"*\" {}", new.0.to_line("off"), old.0.to_line("old"));
        fs::write(&file, &disabled).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o775)).unwrap();
        let dry = Manner { dry_run: true, ..USUAL };
        let both = [old, new.clone()];
        let output = run(home.path(), None, dry, &both);
        assert_eq!(told(&output).len(), 5, "{output}");
        assert_eq!((fs::read_to_string(&file).unwrap(), mode(&file)), (disabled.clone(), 0o664));
        let output = run(home.path(), None, USUAL, &both);
        let told = told(&output);
        assert_eq!(told[0], Told::Mode { now: "700", before: "drwxrwxr-x", path: ".ssh" });
        assert!(matches!(told[2], Told::Present(_)) && matches!(told[3], Told::Added(_)));
        assert_eq!((mode(&file), mode(&folder)), (0o600, 0o700));
        let expected = format!("{disabled}\n{}\n", new.0.to_line("new"));
        assert_eq!(fs::read_to_string(&file).unwrap(), expected);
        let force = Manner { force: true, ..USUAL };
        run(home.path(), None, force, &both);
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 5);
    }

    #[test]
    fn follows_links_and_strange_names() {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().join("real");
        fs::write(&real, "").unwrap();
        fs::create_dir(home.path().join("a 'b\" $c")).unwrap();
        let target = "a 'b\" $c/keys";
        std::os::unix::fs::symlink(&real, home.path().join(target)).unwrap();
        run(home.path(), Some(target), USUAL, &[key("k")]);
        assert!(fs::symlink_metadata(home.path().join(target)).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap().lines().count(), 1);
    }

    #[test]
    fn other_output_is_not_ours() {
        let output = "Welcome!\nkeyway-copy-id: added AAA\r\nkeyway-copy-id: what\n";
        assert_eq!(told(output), [Told::Added("AAA")]);
    }
}
