//! `clouds.yaml`, where OpenStack's clients have their clouds: which file, which entry, and what
//! is read of it.

use std::path::{Path, PathBuf};

use serde_json::Value;
use zeroize::Zeroizing;

/// No one writes more by hand.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The names a file may have in each folder.
const NAMES: [&str; 3] = ["clouds.yaml", "clouds.yml", "clouds.json"];

/// A cloud to drive.
pub struct CloudConfig {
    /// Its name in the file.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// Keystone's address, which ends in `/v3`.
    pub auth_url: String,
    /// The domain of people's names that come without one.
    pub domain: String,
    pub(super) account: Option<Account>,
    /// The region to show first.
    pub(super) first_region: Option<String>,
    /// The only regions to show; empty for all.
    pub(super) regions: Vec<String>,
    pub(super) cacert: Option<Vec<u8>>,
    /// `public`, `internal` or `admin`.
    pub(super) interface: String,
    /// The network that new servers get where several would do.
    pub(super) network: Option<String>,
}

/// The panel's own account.
pub(super) enum Account {
    /// `identity.password.user` and `scope`, with the password beside them.
    Password { user: Value, scope: Value, password: Zeroizing<String> },
    /// `identity.application_credential` without its secret.
    ApplicationCredential { credential: Value, secret: Zeroizing<String> },
}

impl CloudConfig {
    /// Finds the file as OpenStack's clients do, and the entry `wanted`, or the one that
    /// `OS_CLOUD` names, or the only one.
    ///
    /// # Errors
    /// A sentence on what is missing or wrong, with the file's name.
    pub fn find(wanted: Option<&str>) -> Result<Self, String> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let file = match variable("OS_CLIENT_CONFIG_FILE").map(PathBuf::from) {
            Some(file) => file,
            None => search(&folders())?,
        };
        let from_environment = variable("OS_CLOUD").and_then(|name| name.into_string().ok());
        Self::read(&file, wanted.or(from_environment.as_deref()))
    }

    /// An entry of a file, with the secrets of `secure.yaml` beside it.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn read(file: &Path, wanted: Option<&str>) -> Result<Self, String> {
        let mut clouds = clouds_of(file)?;
        if let Some(folder) = file.parent() {
            for name in ["secure.yaml", "secure.yml", "secure.json"] {
                let secure = folder.join(name);
                if secure.is_file() {
                    merge(&mut clouds, clouds_of(&secure)?);
                    break;
                }
            }
        }
        let names: Vec<&str> =
            clouds.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let name = match (wanted, names.as_slice()) {
            (Some(name), _) => name,
            (None, [only]) => only,
            (None, _) => {
                return Err(format!(
                    "{} has several clouds; say which: --os-cloud {}",
                    file.display(),
                    names.join(", ")
                ));
            }
        };
        let entry = clouds.get(name).ok_or_else(|| {
            format!("{} has no cloud {name}; it has {}", file.display(), names.join(", "))
        })?;
        Self::of(name, file, entry)
            .map_err(|error| format!("{}, cloud {name}: {error}", file.display()))
    }

    fn of(name: &str, file: &Path, entry: &Value) -> Result<Self, String> {
        if entry.get("profile").is_some() {
            return Err("a vendor's profile is not known here; write its auth_url".to_owned());
        }
        let off = |value: &Value| value.as_bool() == Some(false);
        if entry.get("verify").is_some_and(off) || entry.get("insecure") == Some(&Value::Bool(true))
        {
            return Err("certificates are always verified here: instead of verify: false, name \
                        the authority's file as cacert"
                .to_owned());
        }
        let auth = entry.get("auth").ok_or("it has no auth")?;
        let text = |name: &str| {
            let value = auth.get(name).or_else(|| entry.get(name))?;
            value.as_str().map(str::to_owned).or_else(|| {
                value.as_i64().map(|number| number.to_string()) // `password: 1234`
            })
        };
        let auth_url = with_version(&text("auth_url").ok_or("auth has no auth_url")?)?;
        let cacert = match text("cacert") {
            Some(path) => Some(
                std::fs::read(&path)
                    .map_err(|error| format!("cannot read cacert {path}: {error}"))?,
            ),
            None => None,
        };
        let domain = text("user_domain_name").or_else(|| text("default_domain_name"));
        let interface = text("interface").or_else(|| text("endpoint_type"));
        let interface = interface.unwrap_or_else(|| "public".to_owned());
        let region_names = entry.get("regions").and_then(Value::as_array);
        let regions = region_names
            .into_iter()
            .flatten()
            .filter_map(|region| region.as_str().or_else(|| region["name"].as_str()))
            .map(str::to_owned)
            .collect();
        Ok(Self {
            name: name.to_owned(),
            file: file.to_owned(),
            auth_url,
            domain: domain.unwrap_or_else(|| "Default".to_owned()),
            account: account(&text)?,
            first_region: text("region_name"),
            regions,
            cacert,
            interface: interface.trim_end_matches("URL").to_owned(),
            network: network(entry),
        })
    }

    /// Whether the panel has an account of its own there.
    pub fn has_account(&self) -> bool {
        self.account.is_some()
    }
}

fn folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(".")];
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty());
    let config = config.map(PathBuf::from).or_else(|| home.map(|home| home.join(".config")));
    folders.extend(config.map(|config| config.join("openstack")));
    folders.push(PathBuf::from("/etc/openstack"));
    folders
}

fn search(folders: &[PathBuf]) -> Result<PathBuf, String> {
    let found = folders
        .iter()
        .flat_map(|folder| NAMES.iter().map(move |name| folder.join(name)))
        .find(|file| file.is_file());
    found.ok_or_else(|| {
        let places: Vec<String> =
            folders.iter().map(|folder| folder.display().to_string()).collect();
        format!(
            "there is no clouds.yaml in {}; OS_CLIENT_CONFIG_FILE may name another file",
            places.join(", ")
        )
    })
}

/// What stands below `clouds:`.
fn clouds_of(file: &Path) -> Result<Value, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let size = std::fs::metadata(file).map_err(|error| failed(&error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(failed(&"the file is too large to be a clouds.yaml"));
    }
    let text = Zeroizing::new(std::fs::read_to_string(file).map_err(|error| failed(&error))?);
    let mut value: Value = serde_saphyr::from_str(text.as_str()).map_err(|error| failed(&error))?;
    match value.get_mut("clouds").map(Value::take) {
        Some(clouds @ Value::Object(_)) => Ok(clouds),
        _ => Err(failed(&"there is no \"clouds:\" in it")),
    }
}

/// What `over` says goes over what is there.
fn merge(into: &mut Value, over: Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (key, value) in over {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over,
    }
}

fn with_version(url: &str) -> Result<String, String> {
    let url = url.trim_end_matches('/');
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(format!("auth_url {url} is no address"));
    }
    if url.ends_with("/v2.0") {
        return Err(format!("auth_url {url} is of Identity v2, which is gone; v3 is needed"));
    }
    Ok(if url.ends_with("/v3") { url.to_owned() } else { format!("{url}/v3") })
}

/// A thing by its identifier, or by its name and its domain.
fn named(id: Option<String>, name: Option<String>, domain: Value) -> Option<Value> {
    match (id, name) {
        (Some(id), _) => Some(serde_json::json!({"id": id})),
        (None, Some(name)) => Some(serde_json::json!({"name": name, "domain": domain})),
        (None, None) => None,
    }
}

fn domain(text: &impl Fn(&str) -> Option<String>, of: &str) -> Value {
    if let Some(id) = text(&format!("{of}_domain_id")) {
        return serde_json::json!({"id": id});
    }
    let name = text(&format!("{of}_domain_name")).or_else(|| text("default_domain_name"));
    serde_json::json!({"name": name.unwrap_or_else(|| "Default".to_owned())})
}

fn account(text: &impl Fn(&str) -> Option<String>) -> Result<Option<Account>, String> {
    if let Some(secret) = text("application_credential_secret") {
        let user = named(text("user_id"), text("username"), domain(text, "user"));
        let id = text("application_credential_id");
        let credential = match (id, text("application_credential_name"), user) {
            (Some(id), _, _) => serde_json::json!({"id": id}),
            (None, Some(name), Some(user)) => serde_json::json!({"name": name, "user": user}),
            _ => return Err("application_credential_secret comes without its id".to_owned()),
        };
        return Ok(Some(Account::ApplicationCredential { credential, secret: secret.into() }));
    }
    let Some(password) = text("password") else { return Ok(None) };
    let user = named(text("user_id"), text("username"), domain(text, "user"))
        .ok_or("auth has a password and no username")?;
    let project = named(text("project_id"), text("project_name"), domain(text, "project"))
        .ok_or("auth has a password and no project_name")?;
    let scope = serde_json::json!({"project": project});
    Ok(Some(Account::Password { user, scope, password: password.into() }))
}

/// The one of `networks:` that is marked as the usual one.
fn network(entry: &Value) -> Option<String> {
    let yes = |value: &Value| value.as_bool() == Some(true);
    let networks = entry.get("networks")?.as_array()?;
    let chosen = networks.iter().find(|network| yes(&network["default_interface"]))?;
    chosen["name"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    const FILE: &str = "
clouds:
  one:
    region_name: RegionOne
    auth: {auth_url: 'http://127.0.0.1:5000', username: panel, project_name: service}
  two:
    auth:
      auth_url: https://keystone.example.org/v3/
      application_credential_id: abc
      application_credential_secret: \"0123\"
    regions:
      - east
      - name: west
    interface: internalURL
    networks: [{name: a}, {name: b, default_interface: true}]
";

    #[test]
    fn entries_and_their_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "clouds.yaml", FILE);
        let one = CloudConfig::read(&file, Some("one")).unwrap();
        assert_eq!(one.auth_url, "http://127.0.0.1:5000/v3");
        assert_eq!(one.first_region.as_deref(), Some("RegionOne"));
        assert!(!one.has_account());
        let two = CloudConfig::read(&file, Some("two")).unwrap();
        assert_eq!(two.auth_url, "https://keystone.example.org/v3");
        assert_eq!(two.regions, ["east", "west"]);
        assert_eq!((two.interface.as_str(), two.network.as_deref()), ("internal", Some("b")));
        assert!(matches!(two.account, Some(Account::ApplicationCredential { .. })));
        write(folder.path(), "secure.yaml", "clouds: {one: {auth: {password: 1234}}}");
        let one = CloudConfig::read(&file, Some("one")).unwrap();
        let Some(Account::Password { user, scope, password }) = one.account else { panic!() };
        assert_eq!(user["domain"]["name"], "Default");
        assert_eq!(scope["project"]["name"], "service");
        assert_eq!(password.as_str(), "1234");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "clouds.yaml", FILE);
        let error = |text: &str, name| {
            let file = write(folder.path(), "other.yaml", text);
            CloudConfig::read(&file, name).map(|_| ()).unwrap_err()
        };
        let several = CloudConfig::read(&file, None).map(|_| ()).unwrap_err();
        assert!(several.contains("one, two"), "{several}");
        assert!(error("clouds: {a: {auth: {}}}", None).contains("no auth_url"));
        assert!(error("clouds: {a: {auth: {}}}", Some("b")).contains("no cloud b; it has a"));
        assert!(error("cloud: {}", None).contains("\"clouds:\""));
        assert!(error("clouds: {a: {verify: false}}", None).contains("cacert"));
        assert!(error("clouds: [", None).contains("other.yaml"));
        let v2 = "clouds: {a: {auth: {auth_url: 'http://a/v2.0'}}}";
        assert!(error(v2, None).contains("v3 is needed"));
        let lacking = search(&[folder.path().join("nowhere")]).unwrap_err();
        assert!(lacking.contains("nowhere"), "{lacking}");
    }
}
