//! What is asked and answered about a login. RFC 4252, RFC 4256.

use keys::PublicKey;
use zeroize::Zeroizing;

use crate::userauth::host_based::Voucher;

/// A question of keyboard-interactive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Not cleaned of control characters.
    pub text: String,
    /// Whether the answer may be shown.
    pub echo: bool,
}

/// May this user in?
#[derive(Debug)]
pub struct AuthRequest {
    /// The account; any text.
    pub user: String,
    /// The service to start.
    pub service: String,
    /// How the user means to prove it.
    pub method: AuthMethod,
}

/// The methods of RFC 4252 and RFC 4256.
pub enum AuthMethod {
    /// Which methods are there?
    None,
    /// By key.
    PublicKey {
        /// The signature algorithm.
        algorithm: String,
        /// The key or certificate.
        key: PublicKey,
        /// Absent when the client only asks whether the key would do.
        signed: Option<Signed>,
        /// Whether the signature covers our host key too.
        host_bound: bool,
    },
    /// A key or algorithm that cannot be used here; to be refused.
    UnusableKey {
        /// The algorithm it was offered with.
        algorithm: String,
        /// Why it cannot.
        reason: String,
    },
    /// By password.
    Password {
        /// The password.
        password: Zeroizing<String>,
        /// A new one, when the old one has expired.
        new_password: Option<Zeroizing<String>>,
    },
    /// By questions and answers.
    KeyboardInteractive {
        /// A hint from the client.
        submethods: String,
    },
    /// The answers to the questions last asked.
    InfoResponse {
        /// One a prompt.
        responses: Vec<Zeroizing<String>>,
    },
    /// By the word of the host the user comes from. RFC 4252 §9.
    HostBased {
        /// Which host vouches for which user there.
        voucher: Voucher,
        /// Its signature, and what it must be over.
        signed: Signed,
    },
    /// A method that is not known here.
    Other(String),
}

impl std::fmt::Debug for AuthMethod {
    /// The method's kind; never what it carries.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::PublicKey { .. } => "PublicKey",
            Self::UnusableKey { .. } => "UnusableKey",
            Self::Password { .. } => "Password",
            Self::KeyboardInteractive { .. } => "KeyboardInteractive",
            Self::InfoResponse { .. } => "InfoResponse",
            Self::HostBased { .. } => "HostBased",
            Self::Other(_) => "Other",
        })
    }
}

/// A signature and what it is over. RFC 4252 §7.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signature blob.
    pub signature: Vec<u8>,
    /// What it must be over.
    pub data: Vec<u8>,
}

/// What the application answers to [`Event::Authenticate`](crate::Event::Authenticate).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthAnswer {
    /// The user is in.
    Accept,
    /// Not so.
    Reject {
        /// What can be tried next.
        methods: Vec<String>,
        /// It was right, but more is needed.
        partial_success: bool,
    },
    /// The key would do; now sign.
    PublicKeyOk,
    /// Ask the user these.
    InfoRequest {
        /// A title.
        name: String,
        /// What to tell the user.
        instruction: String,
        /// The questions.
        prompts: Vec<Prompt>,
    },
    /// The password has expired.
    PasswordChange {
        /// What to tell the user.
        prompt: String,
    },
}

/// What a client tries.
pub enum AuthAttempt {
    /// Ask which methods there are.
    None,
    /// Ask whether a key would do.
    PublicKeyQuery {
        /// The signature algorithm.
        algorithm: String,
        /// The key or certificate.
        key: PublicKey,
    },
    /// Sign with a key; asks back by [`Event::SignAuth`](crate::Event::SignAuth).
    PublicKey {
        /// The signature algorithm.
        algorithm: String,
        /// The key or certificate.
        key: PublicKey,
    },
    /// A password.
    Password {
        /// The password.
        password: Zeroizing<String>,
        /// A new one, when asked for.
        new_password: Option<Zeroizing<String>>,
    },
    /// Sign with this host's key; asks back by [`Event::SignAuth`](crate::Event::SignAuth). RFC
    /// 4252 §9.
    HostBased(Voucher),
    /// Questions and answers.
    KeyboardInteractive {
        /// A hint for the server.
        submethods: String,
    },
}
