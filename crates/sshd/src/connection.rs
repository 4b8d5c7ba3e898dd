//! The program `sshd-connection`: the three processes that serve one connection, for whom a small
//! program is a smaller memory. `sshd` starts it, and does without it where it is not installed.

fn main() {
    std::process::exit(keyway_sshd::connection_main(std::env::args_os().collect()));
}
