//! The options of the tools: read by [`crate::getopt`], told by manual pages, help and completions.
//!
//! What is used most stands first; help shows that.

use super::Flag;

const fn switch(letter: char, text: &'static str) -> Flag {
    Flag { letter, value: None, text }
}

const fn value(letter: char, value: &'static str, text: &'static str) -> Flag {
    Flag { letter, value: Some(value), text }
}

/// `ssh`
pub static SSH: &[Flag] = &[
    value('p', "port", "Connects to this port."),
    value('l', "user", "Logs in as this user."),
    value('i', "identity_file", "Logs in with this key. It may be given several times."),
    value(
        'o',
        "option",
        "A line of the configuration, as in ssh_config(5). It comes before all files.",
    ),
    value(
        'J',
        "destination",
        "Goes through this host first, or through several with commas between them.",
    ),
    value(
        'L',
        "address",
        "Forwards a local port or socket: [bind_address:]port:host:hostport, or paths in place of ports and hosts.",
    ),
    value(
        'R',
        "address",
        "Forwards a remote port or socket to this side. With a port alone it is a SOCKS server there.",
    ),
    value(
        'D',
        "address",
        "Is a SOCKS server on this local [bind_address:]port, whose connections the server makes.",
    ),
    switch('N', "Runs no command. For forwards alone."),
    switch('f', "Goes to the background when the login is done."),
    switch(
        't',
        "Asks for a terminal even for a command. Given twice it does so without one of its own.",
    ),
    switch('v', "Tells what happens. Up to three make it tell more."),
    value(
        'F',
        "config_file",
        "Reads this file in place of the user's and the system's; none reads nothing.",
    ),
    switch('A', "Lets the remote host use the agent."),
    switch('G', "Prints the configuration for the destination and ends."),
    switch('Z', "Lists the public keys that would be tried, in their order, and ends."),
    value('W', "host:port", "Connects standard input and output to there, from the server."),
    value(
        'O',
        "command",
        "Asks the master of a shared connection: check, conninfo, channels, forward, cancel, proxy, exit or stop.",
    ),
    value('S', "path", "The socket of a shared connection; none to share none."),
    switch('M', "Is the master of a shared connection. Given twice it asks before each use."),
    switch('4', "Uses IPv4 only."),
    switch('6', "Uses IPv6 only."),
    switch('a', "Does not let the remote host use the agent."),
    value('B', "interface", "Connects from this interface's address."),
    value('b', "address", "Connects from this address."),
    switch('C', "Compresses the connection."),
    value('c', "ciphers", "Ciphers with commas between them, the best first."),
    value('E', "log_file", "Appends messages to this file in place of standard error."),
    value('e', "character", "What starts an escape at the beginning of a line; none for nothing."),
    switch('g', "Lets other hosts use local forwards."),
    value('I', "library", "A PKCS#11 library that holds keys."),
    switch('K', "Logs in with Kerberos and forwards the ticket. This version refuses it."),
    switch('k', "Does not forward Kerberos tickets."),
    value('m', "macs", "Message authentication codes with commas between them, the best first."),
    switch('n', "Reads nothing from standard input."),
    value('P', "tag", "Sets a tag that Match tagged of the configuration can ask for."),
    value(
        'Q',
        "what",
        "Lists what there is: cipher, mac, kex, key, sig and others that -Q help names.",
    ),
    switch('q', "Says as little as possible."),
    switch('s', "The command is the name of a subsystem."),
    switch('T', "Asks for no terminal."),
    switch('V', "Prints the version."),
    value('w', "local:remote", "Forwards a tunnel device; any for one that is free."),
    switch('X', "Forwards X11, with limits for programs that are not trusted."),
    switch('x', "Does not forward X11."),
    switch('Y', "Forwards X11 without limits."),
    switch('y', "Sends messages to the system's log."),
    switch('1', ""),
    switch('2', ""),
];

/// `sshd`, which reads them itself.
pub static SSHD: &[Flag] = &[
    switch('D', "Stays in the foreground."),
    value('f', "config_file", "Reads this configuration; none reads nothing."),
    value('p', "port", "Listens on this port. It may be given several times."),
    value(
        'o',
        "option",
        "A line of the configuration, as in sshd_config(5). It comes before the file.",
    ),
    value('h', "host_key_file", "A key of this host."),
    switch('t', "Checks the configuration and the host keys, and ends."),
    switch('T', "The same, and prints the configuration in force."),
    value(
        'C',
        "connection",
        "For -T: the connection it is about, as user=, host=, addr=, laddr=, lport= and rdomain= with commas between them.",
    ),
    switch('G', "Prints the configuration in force without looking at any key."),
    switch(
        'd',
        "Serves one connection in the foreground and tells what happens. Up to three make it tell more.",
    ),
    switch('e', "Logs to standard error in place of the system log."),
    value('E', "log_file", "Logs to this file."),
    switch('i', "Serves the connection on standard input and output, for inetd."),
    value('g', "seconds", "How long a login may take; 0 for as long as it likes."),
    value('c', "certificate_file", "A certificate of this host."),
    switch('q', "Logs nothing."),
    switch('4', "Uses IPv4 only."),
    switch('6', "Uses IPv6 only."),
    switch('V', "Prints the version."),
];

/// `ssh-keygen`
pub static KEYGEN: &[Flag] = &[
    value(
        't',
        "type",
        "The type of a new key: ed25519, ecdsa, rsa, or ed25519-sk and ecdsa-sk in a security key.",
    ),
    value('f', "file", "The file that is made or looked at."),
    value('C', "comment", "The comment of a new key, or the new one for -c."),
    value('N', "passphrase", "The new passphrase."),
    switch('p', "Changes the passphrase of a private key."),
    switch('y', "Prints the public half of a private key."),
    switch('l', "Prints the fingerprint of a key."),
    switch('c', "Changes the comment of a private key."),
    value('R', "host", "Removes a host's keys from known_hosts."),
    value('F', "host", "Finds a host's keys in known_hosts."),
    switch('H', "Hashes the names in known_hosts."),
    switch('A', "Makes the host keys that are missing."),
    value(
        's',
        "ca_key",
        "Signs public keys, so that they are certificates. With -Y it is a signature's file.",
    ),
    switch('L', "Prints certificates."),
    value(
        'Y',
        "what",
        "Makes and checks signatures of files: sign, verify, check-novalidate, find-principals or match-principals.",
    ),
    value('b', "bits", "The size of a new key."),
    value('a', "rounds", "How much work it is to try a passphrase."),
    switch('B', "Prints the fingerprint as words that can be said."),
    value('D', "library", "Prints the keys of a PKCS#11 library, or signs with one of them."),
    value('E', "hash", "The hash of fingerprints: sha256 or md5."),
    switch('e', "Prints a key in another program's format."),
    switch('g', "Prints DNS records in the general form."),
    switch('h', "Makes a host's certificate in place of a user's."),
    value('I', "identity", "The name of a certificate, or of a signer."),
    switch('i', "Reads a key in another program's format."),
    switch('K', "Loads the keys that live in a security key."),
    switch('k', "Makes a list of revoked keys."),
    value('M', "step", "Makes groups for Diffie-Hellman group exchange: generate, then screen."),
    value('m', "format", "The format of -e, -i and new keys: RFC4716, PKCS8 or PEM."),
    value('n', "names", "Who a certificate is for, or what a signature is for."),
    value(
        'O',
        "option",
        "An option of certificates, security keys, signatures or groups. It may be given several times.",
    ),
    value('P', "passphrase", "The present passphrase."),
    switch('Q', "Tells whether keys are in a list of revoked ones."),
    switch('q', "Says as little as possible."),
    value(
        'r',
        "host",
        "Prints DNS records with the fingerprints of a host's keys; with -Y a list of revoked keys.",
    ),
    switch('U', "The key that signs is in the agent."),
    switch('u', "Adds to a list of revoked keys."),
    value('V', "interval", "When a certificate is valid, as from:to."),
    switch('v', "Tells what happens."),
    value('w', "provider", "The library for security keys."),
    value('Z', "cipher", "The cipher of private key files."),
    value('z', "number", "The serial number of a certificate, or the version of a list."),
    switch('o', ""),
];

/// `ssh-agent`
pub static AGENT: &[Flag] = &[
    value('a', "socket", "Listens here."),
    value('t', "time", "How long keys stay when they are given without a time."),
    switch('k', "Ends the agent that SSH_AGENT_PID names."),
    switch('D', "Stays in the foreground."),
    switch('d', "Stays in the foreground and tells what happens."),
    switch('s', "Prints commands for a Bourne shell."),
    switch('c', "Prints commands for a C shell."),
    value('E', "hash", "The hash of fingerprints: sha256 or md5."),
    value('O', "option", "no-restrict-websafe, websafe-allow=patterns or allow-remote-pkcs11."),
    value('P', "patterns", "Which libraries may be loaded, as patterns of their paths."),
    switch('T', "Puts the socket below /tmp in place of ~/.ssh/agent."),
    switch('U', "Leaves the sockets of agents that are gone."),
    switch('u', "Removes the sockets of agents that are gone, and ends."),
];

/// `ssh-add`
pub static ADD: &[Flag] = &[
    switch('l', "Lists the fingerprints of the agent's keys."),
    switch('L', "Lists the agent's public keys."),
    switch('d', "Removes keys from the agent."),
    switch('D', "Removes all keys from the agent."),
    value('t', "time", "How long the keys stay."),
    switch('c', "The agent asks before every use of the keys."),
    switch('x', "Locks the agent with a password."),
    switch('X', "Unlocks the agent."),
    value(
        'h',
        "constraint",
        "Where the keys may be used: host, or host>host for what is behind it. It may be given several times.",
    ),
    value('H', "known_hosts", "Where -h finds the keys of hosts."),
    switch('T', "Tells whether the agent has these keys and can use them."),
    switch('K', "Loads the keys that live in a security key."),
    value('s', "library", "Adds the keys of a PKCS#11 library."),
    value('e', "library", "Removes the keys of a PKCS#11 library."),
    value('S', "library", "The library for security keys."),
    switch('k', "Works on plain keys only, not on certificates."),
    switch('C', "Works on certificates only."),
    switch('N', "Keeps certificates when they have expired."),
    value('E', "hash", "The hash of fingerprints: sha256 or md5."),
    switch('Q', "Lists the agent's extensions."),
    switch('q', "Says as little as possible."),
    switch('v', "Tells what happens."),
];

/// `ssh-copy-id`
pub static COPY_ID: &[Flag] = &[
    value('i', "identity_file", "Puts this key there, or the newest one when no file follows."),
    value('p', "port", "Connects to this port."),
    value('o', "option", "An option for ssh. It may be given several times."),
    value('F', "config_file", "The configuration of ssh."),
    switch('n', "Changes nothing and tells which keys would be added."),
    switch('f', "Adds keys without looking whether they are there already."),
    switch('s', "Uses sftp in place of a remote shell."),
    value('t', "path", "The file there, in place of ~/.ssh/authorized_keys."),
    switch('x', "Shows what is run, here and there."),
    switch('h', "Prints a summary."),
    switch('?', ""),
];

/// `puttygen`, which reads them itself.
pub static PUTTYGEN: &[Flag] = &[
    value('t', "type", "Makes a key of this type: ed25519, ecdsa or rsa."),
    value('b', "bits", "The size of a new key."),
    value('o', "file", "Where to write."),
    value(
        'O',
        "form",
        "What to write: private, private-openssh, private-openssh-new, public, public-openssh or fingerprint.",
    ),
    switch('l', "Prints the fingerprint."),
    switch('L', "Prints the public key as OpenSSH has it."),
    switch('p', "Prints the public key as RFC 4716 has it."),
    switch('P', "Changes the passphrase."),
    value('C', "comment", "The comment of the key."),
    value('E', "hash", "The hash of fingerprints: sha256 or md5."),
    switch('q', "Says as little as possible."),
    switch('h', "Prints a summary."),
    switch('V', "Prints the version."),
];

/// `sftp-server`, which reads them itself.
pub static SFTP_SERVER: &[Flag] = &[
    value(
        'd',
        "folder",
        "Starts in this folder. %d is the user's home, %u their name, %U their number.",
    ),
    switch('R', "Refuses all that would change anything."),
    value('P', "requests", "Refuses these requests."),
    value('p', "requests", "Refuses all but these requests."),
    value('u', "umask", "The umask of new files."),
    switch('e', "Logs to standard error."),
    value('f', "facility", "The facility of the system log."),
    value('l', "level", "How much to log: QUIET, FATAL, ERROR, INFO, VERBOSE, DEBUG to DEBUG3."),
    value('Q', "what", "Lists the requests: requests."),
    switch('h', "Prints a summary."),
];

/// `ssh-keyscan`
pub static KEYSCAN: &[Flag] = &[
    value(
        't',
        "types",
        "Which types of keys to ask for, with commas between them: rsa, ecdsa, ed25519, ecdsa-sk and ed25519-sk. All by default.",
    ),
    value('p', "port", "Connects to this port."),
    switch('H', "Hashes the names."),
    value(
        'f',
        "file",
        "Reads hosts from this file, - for standard input: names or addresses with commas between them, then the names to print. An address may have a prefix length, as 10.0.0.0/24.",
    ),
    value('T', "seconds", "How long to wait for a host."),
    switch('c', "Asks for certificates."),
    switch('D', "Prints DNS records."),
    value('O', "option", "hashalg=name: the hash of DNS records."),
    switch('q', "Says nothing about hosts in comments."),
    switch('V', "Prints the version."),
    switch('v', "Tells what happens."),
    switch('4', "Uses IPv4 only."),
    switch('6', "Uses IPv6 only."),
];
