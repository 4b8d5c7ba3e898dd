//! What the session process is told of its user: the configuration, the account and the key's options in one.

use std::path::PathBuf;

use config::{
    AllowForwarding, GatewayPorts, Permit, PermitTunnel, PermitUserEnvironment, ServerSettings,
};
use net::tunnel;

use crate::accounts::Account;
use crate::login_options::{LoginOptions, Places};
use crate::login_records::{self, Files};
use crate::monitor::{Error, Monitor};
use crate::requests::{Bytes, SessionStart, X11Settings};
use crate::{authorized, environment};

impl Monitor {
    pub(super) fn session_start(
        &self,
        account: &Account,
        settings: &ServerSettings,
        options: LoginOptions,
    ) -> Result<SessionStart, Error> {
        let groups = account.groups()?;
        let administrator_command = settings
            .force_command
            .value
            .as_ref()
            .filter(|command| !command.eq_ignore_ascii_case("none"));
        let forwarding = !settings.disable_forwarding.value && options.port_forwarding;
        let tcp = settings.allow_tcp_forwarding.value;
        let local = matches!(tcp, AllowForwarding::Yes | AllowForwarding::Local);
        let remote = matches!(tcp, AllowForwarding::Yes | AllowForwarding::Remote);
        let stream = settings.allow_stream_local_forwarding.value;
        let x11 = x11(settings, &options);
        let permit_tunnel = tunnel_modes(settings, &options);
        let mut permit_open = places(&settings.permit_open.value);
        permit_open.extend(options.permit_open);
        let mut permit_listen = places(&settings.permit_listen.value);
        permit_listen.extend(options.permit_listen);
        Ok(SessionStart {
            log: self.log.clone(),
            log_level: net::logging::LogLevel::from_name(config::Choice::word(
                settings.log_level.value,
            ))
            .map_or(3, |level| level as u8),
            log_verbose: settings.log_verbose.value.clone(),
            facility: config::Choice::word(settings.syslog_facility.value).to_owned(),
            user: account.name.clone(),
            uid: account.uid,
            gid: account.gid,
            groups,
            home: account.home.clone(),
            shell: shell(account),
            ends: self.ends.clone(),
            pam_environment: Vec::new(),
            key_environment: options.environment,
            user_environment: user_environment(&settings.permit_user_environment.value),
            accept_env: settings.accept_env.iter().map(|name| name.value.clone()).collect(),
            set_env: settings.set_env.iter().map(|variable| variable.value.clone()).collect(),
            // The administrator's command goes before the key's.
            force_command: administrator_command.cloned().or(options.force_command),
            subsystems: settings
                .subsystems
                .iter()
                .map(|subsystem| (subsystem.value.name.clone(), subsystem.value.command.clone()))
                .collect(),
            max_sessions: settings.max_sessions.value,
            chroot: chroot(settings, account)?,
            permit_tty: settings.permit_tty.value && options.pty,
            permit_agent_forwarding: settings.allow_agent_forwarding.value
                && !settings.disable_forwarding.value
                && options.agent_forwarding,
            x11,
            // The administrator's command has no company; a key's may have.
            permit_user_rc: settings.permit_user_rc.value
                && options.user_rc
                && administrator_command.is_none(),
            permit_local_forwarding: forwarding && local,
            permit_remote_forwarding: forwarding && remote,
            permit_stream_local: forwarding
                && matches!(stream, AllowForwarding::Yes | AllowForwarding::Local),
            permit_stream_local_listen: forwarding
                && matches!(stream, AllowForwarding::Yes | AllowForwarding::Remote),
            stream_local_bind_mask: settings.stream_local_bind_mask.value,
            stream_local_bind_unlink: settings.stream_local_bind_unlink.value,
            permit_open,
            permit_listen,
            permit_tunnel,
            tunnel_unit: options.tunnel,
            gateway_ports: match settings.gateway_ports.value {
                GatewayPorts::No => 0,
                GatewayPorts::Yes => 1,
                GatewayPorts::ClientSpecified => 2,
            },
            print_motd: settings.print_motd.value,
            last_login: last_login(settings, account),
            // With PAM it is for a module of its to say so.
            check_nologin: !settings.use_pam.value,
            nologin: (!settings.use_pam.value)
                .then(|| environment::nologin(account))
                .flatten()
                .map(Bytes),
            must_change_password: false,
            login_messages: String::new(),
            authentication_information: None,
        })
    }
}

fn places(permit: &Permit) -> Vec<Places> {
    match permit {
        Permit::Any => Vec::new(),
        Permit::None => vec![Vec::new()],
        Permit::Only(list) => {
            let place = |place: &config::HostPort| {
                (place.host.clone().unwrap_or_default(), place.port.unwrap_or(0))
            };
            vec![list.iter().map(place).collect()]
        }
    }
}

fn last_login(settings: &ServerSettings, account: &Account) -> String {
    if !settings.print_last_log.value || environment::is_quiet_login(account) {
        return String::new();
    }
    let message =
        login_records::last_login(&Files::default(), account.uid).and_then(|last| last.message());
    message.map_or_else(String::new, |message| format!("{message}\r\n"))
}

/// `ChrootDirectory`, checked as OpenSSH does: nobody but root may have made any part of it.
fn chroot(settings: &ServerSettings, account: &Account) -> Result<Option<PathBuf>, Error> {
    let Some(setting) = &settings.chroot_directory.value else { return Ok(None) };
    let refused = |text: String| Error::Io(std::io::Error::other(text));
    let path = authorized::expand(setting, account).map_err(|error| refused(error.to_string()))?;
    authorized::check_chroot(&path).map_err(refused)?;
    if !rustix::process::geteuid().is_root() {
        return Err(refused("server lacks privileges to chroot to ChrootDirectory".into()));
    }
    Ok(Some(path))
}

/// As messages number them.
fn tunnel_modes(settings: &ServerSettings, options: &LoginOptions) -> Vec<u32> {
    let may = options.port_forwarding || options.tunnel.is_some();
    if settings.disable_forwarding.value || !may {
        return Vec::new();
    }
    let (packets, frames) = (tunnel::Mode::PointToPoint.code(), tunnel::Mode::Ethernet.code());
    match settings.permit_tunnel.value {
        PermitTunnel::No => Vec::new(),
        PermitTunnel::PointToPoint => vec![packets],
        PermitTunnel::Ethernet => vec![frames],
        PermitTunnel::Yes => vec![packets, frames],
    }
}

fn shell(account: &Account) -> PathBuf {
    if account.shell.as_os_str().is_empty() {
        PathBuf::from("/bin/sh")
    } else {
        account.shell.clone()
    }
}

/// The patterns of the variables that the user may set.
fn user_environment(permitted: &PermitUserEnvironment) -> Option<Vec<String>> {
    match permitted {
        PermitUserEnvironment::No => None,
        PermitUserEnvironment::Yes => Some(vec!["*".into()]),
        PermitUserEnvironment::Matching(list) => Some(list.split(',').map(str::to_owned).collect()),
    }
}

fn x11(settings: &ServerSettings, options: &LoginOptions) -> Option<X11Settings> {
    let may = settings.x11_forwarding.value
        && !settings.disable_forwarding.value
        && options.x11_forwarding;
    may.then(|| X11Settings {
        display_offset: settings.x11_display_offset.value,
        use_localhost: settings.x11_use_localhost.value,
        xauth: settings.xauth_location.value.clone(),
    })
}
