//! `%h`, `${NAME}` and `~` in values.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a value could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A letter that means nothing here.
    #[error("unknown key %{0}")]
    Unknown(char),
    /// A percent sign at the end.
    #[error("invalid format: % at the end of \"{0}\"")]
    Incomplete(String),
    /// A `${` without a `}`.
    #[error("environment variable '{0}' missing closing '}}'")]
    Unclosed(String),
    /// A variable that is not set.
    #[error("env var ${{{0}}} has no value")]
    Unset(String),
    /// A `~name` of nobody.
    #[error("tilde_expand: No such user {0}")]
    NoSuchUser(String),
}

/// Looks an environment variable up.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What each letter stands for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(Vec<(char, String)>);

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(letter, value)| (letter, value))).finish()
    }
}

impl Values {
    /// No letters but `%%`.
    pub fn new() -> Self {
        Values::default()
    }

    /// Adds a letter, or gives it another value.
    #[must_use]
    pub fn with(mut self, letter: char, value: impl Into<String>) -> Self {
        self.0.retain(|(known, _)| *known != letter);
        self.0.push((letter, value.into()));
        self
    }

    /// Only these letters; to keep a keyword to its own.
    #[must_use]
    pub fn only(&self, letters: &str) -> Self {
        Values(self.0.iter().filter(|(letter, _)| letters.contains(*letter)).cloned().collect())
    }

    /// The value of a letter.
    pub fn get(&self, letter: char) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == letter).map(|(_, value)| value.as_str())
    }

    /// Replaces every `%x`.
    ///
    /// # Errors
    /// A letter that has no value here, or a lone `%` at the end.
    pub fn expand(&self, text: &str) -> Result<String, TokenError> {
        self.expand_all(text, None)
    }

    /// Replaces every `%x` and every `${NAME}`.
    ///
    /// # Errors
    /// As [`Values::expand`], and a variable that is not set.
    pub fn expand_with_environment(
        &self,
        text: &str,
        variable: Variables<'_>,
    ) -> Result<String, TokenError> {
        self.expand_all(text, Some(variable))
    }

    fn expand_all(
        &self,
        text: &str,
        variable: Option<Variables<'_>>,
    ) -> Result<String, TokenError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            out.push_str(&rest[..at]);
            let special = &rest[at..];
            if let Some(after) = special.strip_prefix('%') {
                let letter =
                    after.chars().next().ok_or_else(|| TokenError::Incomplete(text.to_owned()))?;
                if letter == '%' {
                    out.push('%');
                } else {
                    out.push_str(self.get(letter).ok_or(TokenError::Unknown(letter))?);
                }
                rest = &after[letter.len_utf8()..];
                continue;
            }
            if let (Some(variable), Some(after)) = (variable, special.strip_prefix("${")) {
                let (name, after) =
                    after.split_once('}').ok_or_else(|| TokenError::Unclosed(after.to_owned()))?;
                out.push_str(&variable(name).ok_or_else(|| TokenError::Unset(name.to_owned()))?);
                rest = after;
            } else {
                out.push('$');
                rest = &special[1..];
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// Replaces a `~` or `~name` at the start.
///
/// # Errors
/// [`TokenError::NoSuchUser`] when `home_of` knows no such user.
pub fn tilde(
    text: &str,
    home: &Path,
    home_of: &dyn Fn(&str) -> Option<PathBuf>,
) -> Result<PathBuf, TokenError> {
    let Some(rest) = text.strip_prefix('~') else { return Ok(PathBuf::from(text)) };
    let (user, path) = match rest.split_once('/') {
        Some((user, path)) => (user, path.trim_start_matches('/')),
        None => (rest, ""),
    };
    let base = if user.is_empty() {
        home.to_owned()
    } else {
        home_of(user).ok_or_else(|| TokenError::NoSuchUser(user.to_owned()))?
    };
    // A lone `~` ends in a slash, as ssh prints it.
    Ok(base.join(path))
}

/// Whether a host name can be used in commands: no option, no shell's or file's characters.
pub fn valid_host_name(host: &str) -> bool {
    !host.is_empty()
        && !host.starts_with('-')
        && !host.contains(|c: char| {
            "'`\"$\\;&<>|(){},".contains(c) || c.is_whitespace() || c.is_control()
        })
}

/// Whether a user name can be used in commands.
pub fn valid_user_name(user: &str) -> bool {
    if user.starts_with('-')
        || user.contains(char::is_control)
        || user.contains(['\'', '`', '"', ';', '&', '<', '>', '|', '(', ')', '{', '}'])
    {
        return false;
    }
    // A backslash that quotes something, or a variable, would mean another name to a shell.
    !user.contains('$') && !user.ends_with('\\') && !user.contains(" -")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands() {
        let values = Values::new().with('h', "host").with('p', "22");
        assert_eq!(values.expand("%h:%p %% $X").as_deref(), Ok("host:22 % $X"));
        assert_eq!(values.expand("%q"), Err(TokenError::Unknown('q')));
        assert_eq!(values.expand("%"), Err(TokenError::Incomplete("%".to_owned())));
        assert_eq!(values.only("p").expand("%h"), Err(TokenError::Unknown('h')));
        let variable = |name: &str| (name == "HOME").then(|| "/h%p".to_owned());
        // What a variable holds is not looked at again.
        let expanded = values.expand_with_environment("${HOME}/%h$", &variable);
        assert_eq!(expanded.as_deref(), Ok("/h%p/host$"));
        let unset = values.expand_with_environment("${NO}", &variable);
        assert_eq!(unset, Err(TokenError::Unset("NO".to_owned())));
        let unclosed = values.expand_with_environment("${NO", &variable);
        assert_eq!(unclosed, Err(TokenError::Unclosed("NO".to_owned())));
    }

    #[test]
    fn homes() {
        let home_of = |user: &str| (user == "bob").then(|| PathBuf::from("/b"));
        let expand = |text: &str| tilde(text, Path::new("/a"), &home_of);
        assert_eq!(expand("~/x"), Ok("/a/x".into()));
        assert_eq!(expand("~").map(|home| home.display().to_string()), Ok("/a/".to_owned()));
        assert_eq!(expand("~bob/x"), Ok("/b/x".into()));
        assert_eq!(expand("~eve/x"), Err(TokenError::NoSuchUser("eve".to_owned())));
        assert_eq!(expand("/x~"), Ok("/x~".into()));
    }

    #[test]
    fn names_for_commands() {
        assert!(valid_host_name("a-b.example.org") && valid_host_name("::1%eth0"));
        for bad in ["-oProxyCommand=x", "a;b", "$(x)", "a b", "", "a\nb", "`x`"] {
            assert!(!valid_host_name(bad), "{bad}");
        }
        assert!(valid_user_name("ann") && valid_user_name("DOMAIN\\ann"));
        for bad in ["-x", "a;b", "$(x)", "a`b`", "a -o"] {
            assert!(!valid_user_name(bad), "{bad}");
        }
    }
}
