//! What `puttygen`'s words say. Options may stand anywhere.

use std::ffi::OsString;
use std::path::PathBuf;

use keys::{FingerprintHash, PpkDerivation, PpkFlavour, PpkFormat};

/// How `puttygen` is used.
pub const USAGE: &str = "\
Usage: puttygen ( keyfile | -t type [ -b bits ] )
                [ -C comment ] [ -P ] [ -q ]
                [ -o output-keyfile ] [ -O type | -l | -L | -p ]
";

/// What else there is to say.
pub const HELP: &str = "  -t    specify key type when generating:
           ed25519, eddsa, ecdsa, rsa     use with -b
  -b    specify number of bits when generating key
  -C    change or specify key comment
  -P    change key passphrase
  -q    quiet: accepted, as no progress is displayed
  -O    specify output type:
           private             output PuTTY private key format
           private-openssh     export OpenSSH private key
           private-openssh-new export OpenSSH private key (force new format)
           private-sshcom      export ssh.com private key (RSA, in the clear)
           public              RFC 4716 / ssh.com public key
           public-openssh      OpenSSH public key
           fingerprint         output the key fingerprint
           cert-info           print certificate information
           text                output the key components as 'name=0x####'
  -o    specify output file
  -l    equivalent to `-O fingerprint'
  -L    equivalent to `-O public-openssh'
  -p    equivalent to `-O public'
  --cert-info   equivalent to `-O cert-info'
  --dump   equivalent to `-O text'
  -E fptype            specify fingerprint output type: sha256, md5
  --reencrypt          load a key and save it with fresh encryption
  --old-passphrase file
        specify file containing old key passphrase
  --new-passphrase file
        specify file containing new key passphrase
  --ppk-param <key>=<value>[,<key>=<value>,...]
        specify parameters when writing PuTTY private key file format:
            version       PPK format version (min 2, max 3, default 3)
            kdf           key derivation function (argon2id, argon2i, argon2d)
            memory        Kbyte of memory to use in passphrase hash
                             (default 8192)
            time          approx milliseconds to hash for (default 100)
            passes        number of hash passes to run (alternative to 'time')
            parallelism   number of parallelisable threads in the hash function
                             (default 1)
";

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// PuTTY's format.
    Private,
    /// PEM where there is one, else OpenSSH's own.
    OpenSsh,
    /// OpenSSH's own.
    OpenSshNew,
    /// RFC 4716.
    Public,
    /// One line.
    PublicOpenSsh,
    /// One line about it.
    Fingerprint,
    /// ssh.com's.
    SshCom,
    /// The numbers it consists of.
    Text,
    /// What its certificate says.
    CertificateInfo,
}

impl Output {
    /// Whether the private half is in it.
    pub fn is_private(self) -> bool {
        matches!(self, Self::Private | Self::OpenSsh | Self::OpenSshNew | Self::SshCom)
    }

    /// Whether the private half is needed for it where a file has one.
    pub fn needs_private(self) -> bool {
        self.is_private() || self == Self::Text
    }

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "private" => Self::Private,
            "private-openssh" => Self::OpenSsh,
            "private-openssh-new" => Self::OpenSshNew,
            "public" => Self::Public,
            "public-openssh" => Self::PublicOpenSsh,
            "fingerprint" => Self::Fingerprint,
            "private-sshcom" => Self::SshCom,
            "text" => Self::Text,
            "cert-info" => Self::CertificateInfo,
            _ => return None,
        })
    }
}

/// What the words say.
pub struct Options {
    /// `-t`
    pub kind: Option<String>,
    /// `-b`
    pub bits: Option<u32>,
    /// `-C`
    pub comment: Option<String>,
    /// `-P`
    pub change_passphrase: bool,
    /// `--reencrypt`, or parameters to write with.
    pub rewrite: bool,
    /// `-O` and its short forms.
    pub output: Option<Output>,
    /// `-o`
    pub out: Option<PathBuf>,
    /// `-E`
    pub hash: FingerprintHash,
    /// `--old-passphrase`
    pub old_passphrase: Option<PathBuf>,
    /// `--new-passphrase`
    pub new_passphrase: Option<PathBuf>,
    /// `--ppk-param`
    pub format: PpkFormat,
    /// The key file.
    pub file: Option<PathBuf>,
}

/// What to do.
pub enum Request {
    /// Work on a key.
    Run(Box<Options>),
    /// Tell the version.
    Version,
    /// Tell how it is used.
    Help,
}

/// Reads the words.
pub fn read(words: &[OsString]) -> Result<Request, String> {
    let mut options = Options {
        kind: None,
        bits: None,
        comment: None,
        change_passphrase: false,
        rewrite: false,
        output: None,
        out: None,
        hash: FingerprintHash::Sha256,
        old_passphrase: None,
        new_passphrase: None,
        format: PpkFormat::default(),
        file: None,
    };
    let mut words = words.iter();
    let mut only_files = false;
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        if only_files || !text.starts_with('-') || text == "-" {
            if options.file.replace(PathBuf::from(word)).is_some() {
                return Err("cannot handle more than one input file".to_owned());
            }
        } else if text == "--" {
            only_files = true;
        } else if let Some(long) = text.strip_prefix("--") {
            match long {
                "help" => return Ok(Request::Help),
                "version" => return Ok(Request::Version),
                _ => options.take_long(long, &mut words)?,
            }
        } else {
            for (at, letter) in text[1..].char_indices() {
                if letter == 'V' {
                    return Ok(Request::Version);
                }
                if letter == 'h' {
                    return Ok(Request::Help);
                }
                if options.take_flag(letter) {
                    continue;
                }
                let attached = &text[1 + at + letter.len_utf8()..];
                let value = if attached.is_empty() {
                    words.next().cloned().unwrap_or_default()
                } else {
                    attached.into()
                };
                options.take_value(letter, value)?;
                break;
            }
        }
    }
    Ok(Request::Run(Box::new(options)))
}

impl Options {
    fn take_flag(&mut self, letter: char) -> bool {
        match letter {
            'l' => self.output = Some(Output::Fingerprint),
            'L' => self.output = Some(Output::PublicOpenSsh),
            'p' => self.output = Some(Output::Public),
            'P' => self.change_passphrase = true,
            'q' => {}
            _ => return false,
        }
        true
    }

    fn take_value(&mut self, letter: char, value: OsString) -> Result<(), String> {
        if !"tbCOoE".contains(letter) {
            return Err(format!("no such option `-{letter}'"));
        }
        if value.is_empty() && letter != 'C' {
            return Err(format!("option `-{letter}' expects an argument"));
        }
        if letter == 'o' {
            self.out = Some(PathBuf::from(value));
            return Ok(());
        }
        let text = value.into_string().map_err(|_| "the command line is not valid UTF-8")?;
        match letter {
            't' => self.kind = Some(text),
            'b' => {
                self.bits = Some(text.parse().map_err(|_| format!("bad number of bits `{text}'"))?);
            }
            'C' => self.comment = Some(text),
            'O' => {
                let output = Output::from_name(&text)
                    .ok_or_else(|| format!("unknown output type `{text}'"))?;
                self.output = Some(output);
            }
            _ => {
                self.hash = FingerprintHash::from_name(&text)
                    .ok_or_else(|| format!("unknown fingerprint type `{text}'"))?;
            }
        }
        Ok(())
    }

    fn take_long<'a>(
        &mut self,
        long: &str,
        words: &mut impl Iterator<Item = &'a OsString>,
    ) -> Result<(), String> {
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (long, None),
        };
        if name == "reencrypt" {
            self.rewrite = true;
            return Ok(());
        }
        match name {
            "strong-rsa" => return Ok(()),
            "cert-info" => {
                self.output = Some(Output::CertificateInfo);
                return Ok(());
            }
            "dump" => {
                self.output = Some(Output::Text);
                return Ok(());
            }
            _ => {}
        }
        let known = ["old-passphrase", "new-passphrase", "ppk-param", "random-device", "primes"];
        if !known.contains(&name) {
            return Err(match name {
                "certificate" | "remove-certificate" => {
                    format!("option `--{name}' is not in this version of Keyway")
                }
                _ => format!("no such option `--{name}'"),
            });
        }
        let value = attached
            .or_else(|| words.next().cloned())
            .ok_or_else(|| format!("option `--{name}' expects an argument"))?;
        match name {
            "old-passphrase" => self.old_passphrase = Some(value.into()),
            "new-passphrase" => {
                self.new_passphrase = Some(value.into());
                self.change_passphrase = true;
            }
            "ppk-param" => {
                self.format = ppk_format(&value.to_string_lossy())?;
                self.rewrite = true;
            }
            // How primes are found and where randomness is from is not for the user to choose.
            _ => {}
        }
        Ok(())
    }
}

fn ppk_format(text: &str) -> Result<PpkFormat, String> {
    let mut derivation = PpkDerivation::default();
    let (mut version, mut milliseconds) = (3, None);
    for pair in text.split(',') {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("expected '=' after PPK parameter `{pair}'"))?;
        let number = || {
            value.parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(|| {
                format!("value `{value}' for PPK parameter `{name}': expected a number")
            })
        };
        match name {
            "version" => version = number()?,
            "kdf" => {
                derivation.flavour = PpkFlavour::from_name(value)
                    .ok_or_else(|| format!("unrecognised PPK key derivation function `{value}'"))?;
            }
            "memory" => derivation.memory_kib = number()?,
            "time" => milliseconds = Some(number()?),
            "passes" => {
                derivation.passes = number()?;
                milliseconds = None;
            }
            "parallelism" => derivation.parallelism = number()?,
            _ => return Err(format!("unrecognised PPK parameter `{name}'")),
        }
    }
    if let Some(milliseconds) = milliseconds {
        // A pass over 8 MiB takes some eight milliseconds on a machine of today.
        let kib = u64::from(milliseconds) * 1024;
        let passes = (kib / u64::from(derivation.memory_kib)).clamp(1, 1 << 20);
        derivation.passes = u32::try_from(passes).unwrap_or(1);
    }
    match version {
        2 => Ok(PpkFormat::V2),
        3 => Ok(PpkFormat::V3(derivation)),
        _ => Err(format!("PPK version {version} is not between 2 and 3")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> Result<Box<Options>, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        read(&words).map(|request| match request {
            Request::Run(options) => options,
            _ => unreachable!("{line}"),
        })
    }

    #[test]
    fn words_in_any_order() {
        let options = read_line("key -qPL -ox -C me --new-passphrase=pw").unwrap();
        assert!(options.change_passphrase);
        assert_eq!(options.output, Some(Output::PublicOpenSsh));
        assert_eq!(options.out, Some("x".into()));
        assert_eq!(options.comment.as_deref(), Some("me"));
        assert_eq!(options.new_passphrase, Some("pw".into()));
        assert_eq!(options.file, Some("key".into()));
        assert_eq!(read_line("-- -t").unwrap().file, Some("-t".into()));
    }

    #[test]
    fn what_is_wrong() {
        for (line, expected) in [
            ("a b", "cannot handle more than one input file"),
            ("-X", "no such option `-X'"),
            ("--foo", "no such option `--foo'"),
            ("-O foo", "unknown output type `foo'"),
            ("-t", "option `-t' expects an argument"),
            ("--ppk-param version=4", "PPK version 4 is not between 2 and 3"),
        ] {
            assert_eq!(read_line(line).map(|_| ()), Err(expected.to_owned()), "{line}");
        }
    }
}
