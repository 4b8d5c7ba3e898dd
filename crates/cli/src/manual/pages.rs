//! What the manual pages say besides options.

use super::{Page, flags};

/// A page without anything.
const EMPTY: Page = Page {
    name: "",
    section: 1,
    summary: "",
    synopsis: &[],
    text: &[],
    flags: &[],
    words: &[],
    files: &[],
    environment: &[],
    status: "It is 0 when all went well, and 1 otherwise.",
    see: &[],
};

/// The agent's socket, for several pages.
const AUTH_SOCK: (&str, &str) = ("SSH_AUTH_SOCK", "The socket of the agent.");
/// The question's helper, for several pages.
const ASKPASS: (&str, &str) =
    ("SSH_ASKPASS", "A program that asks for passphrases where there is no terminal.");

/// Every page of a tool.
pub static PAGES: &[Page] = &[
    Page {
        name: "keyway",
        summary: "every SSH tool in one program",
        synopsis: &["tool ..."],
        text: &[
            "The program is each of its tools: by the name it is called by, or by its first word.",
            "Colour is only for terminals, and not when NO_COLOR is set.",
        ],
        words: &[
            (
                "explain",
                "Says which line of the configuration sets what for a destination, as ssh explain does.",
            ),
            ("doctor", "Finds out why a login fails, as ssh doctor does."),
            (
                "agent",
                "With enable, starts an agent for every login session; with disable, no longer.",
            ),
            ("links", "Makes a link in a folder for every tool."),
            ("man", "Writes the manual pages to a folder."),
            ("completions", "Prints completions for bash, zsh or fish."),
            ("help", "Prints a summary, or the options of a tool."),
            ("version", "Prints the version."),
        ],
        environment: &[("NO_COLOR", "Nothing is coloured when it is set.")],
        status: "It is the tool's.",
        see: &[
            ("ssh", 1),
            ("sshd", 8),
            ("ssh-keygen", 1),
            ("ssh-agent", 1),
            ("ssh-add", 1),
            ("ssh_config", 5),
        ],
        ..EMPTY
    },
    Page {
        name: "ssh",
        summary: "log in to another machine",
        synopsis: &["destination [command]"],
        text: &[
            "It logs in to a machine and runs a shell or a command there. All that is said is encrypted, and the machine \
             must prove that it is the one it was before. The destination is a host, user@host, or \
             ssh://user@host:port; what is to be done for it is read from ssh_config(5).",
            "A host that is not known yet is asked about, with the fingerprint of its key. A host whose key has changed is \
             refused, for somebody could be listening.",
            "In a session with a terminal, a tilde at the beginning of a line starts an escape: ~. ends the connection, \
             ~^Z suspends it, ~# lists the forwards, ~? lists the others.",
        ],
        flags: flags::SSH,
        words: &[
            (
                "explain",
                "Says which line sets each value for a destination, which rules apply and why the others do not, which \
                 keys would be tried, and what known_hosts says; with --json for programs, with --all also the defaults. \
                 To log in to a host of that name with a command, put two dashes before it.",
            ),
            (
                "doctor",
                "Goes the way to a destination as far as it leads, and says what stops it, how that was seen, how sure it \
                 is, and which commands mend it. Nothing is asked, run or changed. With --json for programs; --report \
                 writes a file without names and addresses. The status is 0 when nothing is wrong, and otherwise 1.",
            ),
        ],
        files: &[
            ("~/.ssh/config", "The user's configuration."),
            ("/etc/ssh/ssh_config", "The system's."),
            ("~/.ssh/known_hosts", "The keys of the hosts the user has been to."),
            ("/etc/ssh/ssh_known_hosts", "The system's."),
            (
                "~/.ssh/id_ed25519",
                "A key that is tried without being named; so are id_rsa, id_ecdsa and those that end in _sk.",
            ),
        ],
        environment: &[
            AUTH_SOCK,
            ASKPASS,
            (
                "SSH_ASKPASS_REQUIRE",
                "With force it asks in place of the terminal, with prefer where it can, with never not at all.",
            ),
            ("TERM", "The type of the terminal, which is told to the server."),
        ],
        status: "It is that of the remote command, and 255 when something went wrong on the way.",
        see: &[
            ("ssh_config", 5),
            ("ssh-keygen", 1),
            ("ssh-agent", 1),
            ("ssh-add", 1),
            ("ssh-copy-id", 1),
            ("sshd", 8),
        ],
        ..EMPTY
    },
    Page {
        name: "sshd",
        section: 8,
        summary: "let others log in to this machine",
        text: &[
            "It listens for connections of ssh(1) and others, checks who comes, and runs shells and commands as them. The \
             process that reads from the network has no rights of its own. What is allowed is in sshd_config(5).",
            "On SIGHUP it reads its configuration again; one with mistakes changes nothing.",
        ],
        flags: flags::SSHD,
        words: &[
            (
                "explain",
                "Says which line sets each value for a connection that --user, --addr, --host, --laddr, --lport and \
                 --rdomain describe, and which Match blocks apply; with --json for programs.",
            ),
            (
                "doctor",
                "Looks at this machine's server: its configuration, ports, host keys and firewall, whether passwords are \
                 really off, and with --user at that account and its authorized_keys; --key says which line lets a key \
                 in. With --json for programs; --report writes a file without names and addresses. The status is 0 \
                 when nothing is wrong, and otherwise 1.",
            ),
        ],
        files: &[
            ("/etc/ssh/sshd_config", "The configuration."),
            ("/etc/ssh/ssh_host_ed25519_key", "A key of this host; others are for RSA and ECDSA."),
            (
                "~/.ssh/authorized_keys",
                "Who may log in with a key, one on each line, with options before it.",
            ),
            ("/etc/motd", "What is printed after a login."),
            ("/etc/nologin", "Nobody but root may log in while it is there."),
        ],
        status: "It is 0 when it was told to end, and otherwise more.",
        see: &[("sshd_config", 5), ("ssh", 1), ("ssh-keygen", 1), ("sftp-server", 8)],
        ..EMPTY
    },
    Page {
        name: "ssh-keygen",
        summary: "make and look at keys",
        text: &[
            "Without options it makes an Ed25519 key in ~/.ssh, and asks for a passphrase for it. The other options make it \
             change, print, convert, sign and revoke keys, make certificates, look after known_hosts, and sign files.",
        ],
        flags: flags::KEYGEN,
        files: &[
            ("~/.ssh/id_ed25519", "The private key, which nobody else may read."),
            ("~/.ssh/id_ed25519.pub", "The public key, which may be given to anybody."),
        ],
        environment: &[ASKPASS, ("SSH_SK_PROVIDER", "The library for security keys.")],
        see: &[("ssh", 1), ("ssh-add", 1), ("ssh-agent", 1), ("sshd", 8)],
        ..EMPTY
    },
    Page {
        name: "ssh-agent",
        summary: "hold keys and sign with them",
        synopsis: &["[command]"],
        text: &[
            "It holds private keys in memory and signs for programs of the same user, so that a passphrase is asked for \
             once. Without a command it goes to the background and prints what a shell must set to find it; with one it \
             runs that and ends with it. SIGUSR1 makes it forget all keys.",
        ],
        flags: flags::AGENT,
        files: &[("~/.ssh/agent", "The sockets of the user's agents.")],
        environment: &[AUTH_SOCK, ("SSH_AGENT_PID", "The number of the agent's process."), ASKPASS],
        see: &[("ssh-add", 1), ("ssh", 1), ("keyway", 1)],
        ..EMPTY
    },
    Page {
        name: "ssh-add",
        summary: "give keys to the agent",
        synopsis: &["[files]"],
        text: &[
            "Without files it gives the agent the user's standard keys, and asks for their passphrases.",
        ],
        flags: flags::ADD,
        environment: &[AUTH_SOCK, ASKPASS],
        status: "It is 0 when all went well, 1 when the request failed, and 2 when there is no agent.",
        see: &[("ssh-agent", 1), ("ssh", 1), ("ssh-keygen", 1)],
        ..EMPTY
    },
    Page {
        name: "ssh-copy-id",
        summary: "put keys on a machine",
        synopsis: &["destination"],
        text: &[
            "It logs in with ssh(1), usually with a password for the last time, and adds public keys to the user's \
             authorized_keys there. Keys that can log in already are left out.",
        ],
        flags: flags::COPY_ID,
        see: &[("ssh", 1), ("ssh-keygen", 1), ("sshd", 8)],
        ..EMPTY
    },
    Page {
        name: "ssh-keysign",
        section: 8,
        summary: "vouch for a user of this host, for ssh",
        synopsis: &[""],
        text: &[
            "Signs with this host's keys for host-based logins. ssh starts it; nobody else needs to.",
            "It is a copy of the program of its own, owned by root and set-user-ID, and works only where EnableSSHkeysign is yes in /etc/ssh/ssh_config. It signs nothing but a login of the user who runs it, from this host.",
        ],
        files: &[("/etc/ssh/ssh_host_*_key", "The keys of this host.")],
        see: &[("ssh", 1), ("sshd", 8)],
        ..EMPTY
    },
    Page {
        name: "puttygen",
        summary: "make and convert PuTTY's keys",
        synopsis: &["[keyfile]"],
        text: &[
            "It makes keys in PuTTY's format and converts between that and OpenSSH's, as PuTTY's own puttygen does.",
        ],
        flags: flags::PUTTYGEN,
        see: &[("ssh-keygen", 1)],
        ..EMPTY
    },
    Page {
        name: "sftp-server",
        section: 8,
        summary: "serve files over an SSH connection",
        text: &[
            "It speaks version 3 of the SFTP protocol on standard input and output, with the rights of the user who runs \
             it. sshd(8) starts it as a subsystem; internal-sftp is the same without a program.",
        ],
        flags: flags::SFTP_SERVER,
        status: "It is 0 when the client left, 1 when something was wrong here, and 255 when the client broke the rules.",
        see: &[("sshd", 8), ("sshd_config", 5)],
        ..EMPTY
    },
    Page {
        name: "ssh-keyscan",
        summary: "collect the public keys of hosts",
        synopsis: &["[hosts]"],
        text: &[
            "It asks hosts for their keys and prints lines for known_hosts. Nothing proves that the keys are theirs: compare \
             fingerprints on another way before you trust them.",
        ],
        flags: flags::KEYSCAN,
        see: &[("ssh", 1), ("ssh-keygen", 1)],
        ..EMPTY
    },
];
