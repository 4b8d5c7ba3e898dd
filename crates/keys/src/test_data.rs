//! Fixtures made once with OpenSSH 9.2 and OpenSSL 3.0. The keys are used
//! nowhere else; the public halves of security keys are made by hand.

/// Opens every encrypted file.
pub(crate) const PASSPHRASE: &[u8] = b"correct horse";

/// One line per key and certificate.
pub(crate) const PUBLIC_LINES: &str = include_str!("test_data/public.txt");

/// What `ssh-keygen -lv` prints for [`PUBLIC_LINES`].
pub(crate) const FINGERPRINTS_SHA256: &str = include_str!("test_data/fingerprints_sha256.txt");

/// What `ssh-keygen -lv -E md5` prints for [`PUBLIC_LINES`].
pub(crate) const FINGERPRINTS_MD5: &str = include_str!("test_data/fingerprints_md5.txt");

/// A private key file and what belongs to it.
pub(crate) struct PrivateFile {
    pub name: &'static str,
    pub text: &'static str,
    /// The comment of the line in [`PUBLIC_LINES`].
    pub public: &'static str,
    pub encrypted: bool,
}

macro_rules! files {
    ($($name:literal, $public:literal, $encrypted:literal;)*) => {
        &[$(PrivateFile {
            name: $name,
            text: include_str!(concat!("test_data/", $name, ".key")),
            public: $public,
            encrypted: $encrypted,
        }),*]
    };
}

#[rustfmt::skip]
pub(crate) const PRIVATE_FILES: &[PrivateFile] = files![
    "ed25519", "ed25519", false;
    "ed25519-enc", "ed25519", true;
    "ed25519-aes128-ctr", "ed25519", true;
    "ed25519-aes192-ctr", "ed25519", true;
    "ed25519-aes256-cbc", "ed25519", true;
    "ed25519-aes128-cbc", "ed25519", true;
    "ed25519-aes256-gcm", "ed25519", true;
    "ed25519-aes128-gcm", "ed25519", true;
    "ed25519-chacha20-poly1305", "ed25519", true;
    "ed25519-pkcs8", "ed25519", false;
    "ed25519-pkcs8-enc", "ed25519", true;
    "ecdsa256", "ecdsa256", false;
    "ecdsa256-enc", "ecdsa256", true;
    "ecdsa256-pem", "ecdsa256", false;
    "ecdsa256-pem-enc", "ecdsa256", true;
    "ecdsa256-pkcs8", "ecdsa256", false;
    "ecdsa256-pkcs8-enc", "ecdsa256", true;
    "ecdsa384", "ecdsa384", false;
    "ecdsa384-enc", "ecdsa384", true;
    "ecdsa384-pem", "ecdsa384", false;
    "ecdsa384-pem-enc", "ecdsa384", true;
    "ecdsa384-pkcs8", "ecdsa384", false;
    "ecdsa384-pkcs8-enc", "ecdsa384", true;
    "ecdsa521", "ecdsa521", false;
    "ecdsa521-enc", "ecdsa521", true;
    "ecdsa521-pem", "ecdsa521", false;
    "ecdsa521-pem-enc", "ecdsa521", true;
    "ecdsa521-pkcs8", "ecdsa521", false;
    "ecdsa521-pkcs8-enc", "ecdsa521", true;
    "rsa", "rsa", false;
    "rsa-enc", "rsa", true;
    "rsa-pem", "rsa", false;
    "rsa-pem-enc", "rsa", true;
    "rsa-pem-aes256", "rsa", true;
    "rsa-pkcs8", "rsa", false;
    "rsa-pkcs8-enc", "rsa", true;
    "rsa-pkcs8-sha1", "rsa", true;
];

/// The line of [`PUBLIC_LINES`] with this comment.
pub(crate) fn public_line(comment: &str) -> &'static str {
    PUBLIC_LINES
        .lines()
        .find(|line| line.split(' ').nth(2) == Some(comment))
        .expect("the comment is in the file")
}

macro_rules! ppk_files {
    ($($kind:literal)*) => {
        &[$(
            ($kind, include_str!(concat!("test_data/", $kind, "-v2.ppk")), false),
            ($kind, include_str!(concat!("test_data/", $kind, "-v2-enc.ppk")), true),
            ($kind, include_str!(concat!("test_data/", $kind, "-v3.ppk")), false),
            ($kind, include_str!(concat!("test_data/", $kind, "-v3-enc.ppk")), true),
        )*]
    };
}

/// The same keys as puttygen 0.78 wrote them: the comment in [`PUBLIC_LINES`], the file, and
/// whether it is encrypted.
pub(crate) const PPK_FILES: &[(&str, &str, bool)] =
    ppk_files!["ed25519" "ecdsa256" "ecdsa384" "ecdsa521" "rsa"];
