use super::*;

fn run(line: &str) -> Arguments {
    let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    match parse(&words) {
        Ok(Request::Run(arguments)) => *arguments,
        other => panic!("{other:?}"),
    }
}

fn refused(line: &str) -> Error {
    let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    parse(&words).expect_err("refused")
}

fn flag(keyword: &'static str, value: &str) -> Setting {
    Setting::Flag(keyword, value.to_owned())
}

#[test]
fn options_around_the_destination() {
    let a = run("-vN -p22 me@host -v -o A=b ls -la /");
    assert_eq!(a.verbosity, 2);
    assert_eq!(a.command, b"ls -la /");
    assert_eq!(a.destination.host, "host");
    assert_eq!(
        a.settings,
        [
            flag("RequestTTY", "no"),
            flag("SessionType", "none"),
            flag("Port", "22"),
            flag("User", "me"),
            Setting::Line("A=b".to_owned()),
        ]
    );
}

#[test]
fn first_user_wins_and_last_flag_wins() {
    let a = run("-l first -a -A second@host");
    assert_eq!(
        a.settings,
        [
            flag("ForwardAgent", "yes"),
            flag("ForwardAgent", "no"),
            flag("User", "first"),
            flag("User", "second"),
        ]
    );
}

#[test]
fn a_second_t_forces() {
    assert_eq!(run("-t host").settings[0], flag("RequestTTY", "yes"));
    assert_eq!(run("-tt host").settings[0], flag("RequestTTY", "force"));
    assert_eq!(run("-tT host").settings[0], flag("RequestTTY", "no"));
}

#[test]
fn what_is_missing_is_said() {
    assert!(matches!(refused("-w x host"), Error::Bad(_)));
    assert_eq!(refused("-p 0 host"), Error::Bad("Bad port '0'".to_owned()));
    assert_eq!(refused("-v"), Error::Usage);
    assert_eq!(refused("-1 host"), Error::Bad("SSH protocol v.1 is no longer supported".into()));
    assert!(matches!(refused("-% host"), Error::Option(getopt::Error::Unknown('%'))));
}

#[test]
fn forwards_add_up() {
    let a = run("-L 1:h:2 -g -D 3 host -L /s:/t -R 0:h:2");
    assert_eq!(
        a.settings,
        [
            flag("GatewayPorts", "yes"),
            flag("LocalForward", "1:h:2"),
            flag("DynamicForward", "3"),
            flag("LocalForward", "/s:/t"),
            flag("RemoteForward", "0:h:2"),
        ]
    );
    assert_eq!(
        refused("-L 0:h:2 host"),
        Error::Bad("Bad local forwarding specification '0:h:2'".to_owned())
    );
}

#[test]
fn a_dashed_word_behind_dashes_is_a_command() {
    let a = run("host -- -x");
    assert_eq!(a.command, b"-x");
}
