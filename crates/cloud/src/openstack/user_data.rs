//! What cloud-init is told: root may log in, by the chosen keys; together with the person's own
//! user data, which is never changed in what it says.
//!
//! Nova hands the first chosen key to cloud-init anyway, but images keep root out, and Nova takes
//! one key only.

use data_encoding::BASE64_MIME;
use serde_json::{Value, json};

use crate::{Error, Result};

/// Nova's limit on the text that it is sent, which is base64.
const BASE64_MAX: usize = 65_535;
/// Base64 has no `=` but at its end, so this is in no part.
const BOUNDARY: &str = "===keyway===";

/// The user data to send: nothing where there is nothing to say.
pub(super) fn compose(keys: &[String], own: &[u8]) -> Result<Vec<u8>> {
    let empty = own.iter().all(u8::is_ascii_whitespace);
    let composed = match (keys, empty) {
        ([], true) => Vec::new(),
        ([], false) => own.to_vec(),
        (keys, true) => config(keys).into_bytes(),
        (keys, false) => join(keys, own)?.into_bytes(),
    };
    if composed.len().div_ceil(3) * 4 > BASE64_MAX {
        return Err(wrong(
            "User data with the chosen keys is longer than Nova takes, which is 48 KiB.",
        ));
    }
    Ok(composed)
}

fn wrong(message: impl Into<String>) -> Error {
    Error::invalid("user_data", message)
}

/// As cloud-config.
fn config(keys: &[String]) -> String {
    let mut text = String::from("#cloud-config\ndisable_root: false\nssh_authorized_keys:\n");
    for key in keys {
        text.push_str("  - ");
        text.push_str(&quoted(key));
        text.push('\n');
    }
    text
}

/// JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The kinds that cloud-init tells apart by their first line, and what they are called in MIME.
const KINDS: [(&str, &str); 3] = [
    ("#!", "text/x-shellscript"),
    ("#include", "text/x-include-url"),
    ("#cloud-boothook", "text/cloud-boothook"),
];

fn join(keys: &[String], own: &[u8]) -> Result<String> {
    let own = std::str::from_utf8(own).map_err(|_| cannot("it is not text"))?;
    let first = own.lines().next().unwrap_or_default().trim_end();
    if first == "#cloud-config" {
        return merge(keys, own);
    }
    let kind = KINDS.iter().find(|(start, _)| first.starts_with(start));
    let (_, kind) = kind.ok_or_else(|| {
        cannot("only #cloud-config, scripts that begin with #!, #include and #cloud-boothook can be joined")
    })?;
    let part = |kind: &str, text: &str| {
        format!(
            "--{BOUNDARY}\nContent-Type: {kind}; charset=\"utf-8\"\nMIME-Version: 1.0\n\
             Content-Transfer-Encoding: base64\n\n{}\n",
            BASE64_MIME.encode(text.as_bytes()).replace("\r\n", "\n")
        )
    };
    Ok(format!(
        "Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\nMIME-Version: 1.0\n\n{}{}--{BOUNDARY}--\n",
        part("text/cloud-config", &config(keys)),
        part(kind, own),
    ))
}

fn cannot(why: &str) -> Error {
    wrong(format!(
        "The chosen keys cannot be joined to this user data: {why}. Choose no key and let root in \
         by the user data itself (disable_root: false and ssh_authorized_keys), or write it as \
         #cloud-config."
    ))
}

/// Adds to a cloud-config. Its own text stays as it is where nothing in it has to change.
fn merge(keys: &[String], own: &str) -> Result<String> {
    let parsed: Value = serde_saphyr::from_str(own)
        .map_err(|error| cannot(&format!("it cannot be read as YAML ({error})")))?;
    let mut fields = match parsed {
        Value::Object(fields) => fields,
        Value::Null => return Ok(config(keys)),
        _ => return Err(cannot("its YAML is no mapping")),
    };
    if fields.get("disable_root").is_some_and(|value| value != &Value::Bool(false)) {
        return Err(wrong(
            "Your user data keeps root out (disable_root), and the chosen keys are to let root in: \
             take that line out, or choose no key.",
        ));
    }
    let had_any = fields.contains_key("disable_root") || fields.contains_key("ssh_authorized_keys");
    fields.insert("disable_root".to_owned(), Value::Bool(false));
    let lines = fields.entry("ssh_authorized_keys").or_insert(json!([]));
    if lines.is_null() {
        *lines = json!([]);
    }
    let lines = lines.as_array_mut().ok_or_else(|| cannot("its ssh_authorized_keys is no list"))?;
    for key in keys {
        if !lines.iter().any(|line| line == key) {
            lines.push(key.as_str().into());
        }
    }
    let merged = Value::Object(fields);
    if !had_any {
        let rest = config(keys);
        let rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        let text = format!("{}\n{rest}", own.trim_end());
        // True of mappings that are written in lines; others are written anew.
        if serde_saphyr::from_str::<Value>(&text).is_ok_and(|value| value == merged) {
            return Ok(text);
        }
    }
    Ok(format!("#cloud-config\n{merged}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(own: &str) -> String {
        let keys = ["ssh-ed25519 AAAA me".to_owned(), "ssh-rsa BBBB it's: me".to_owned()];
        String::from_utf8(compose(&keys, own.as_bytes()).unwrap()).unwrap()
    }

    fn refused(own: &[u8]) -> String {
        compose(&["ssh-ed25519 AAAA me".to_owned()], own).unwrap_err().to_string()
    }

    fn yaml(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn keys_alone() {
        let text = with(" \n");
        assert!(text.starts_with("#cloud-config\n"));
        assert_eq!(
            yaml(&text),
            json!({"disable_root": false,
                   "ssh_authorized_keys": ["ssh-ed25519 AAAA me", "ssh-rsa BBBB it's: me"]})
        );
        assert!(compose(&[], b" ").unwrap().is_empty());
        assert_eq!(compose(&[], b"\x1f\x8b\x00").unwrap(), b"\x1f\x8b\x00");
    }

    #[test]
    fn cloud_config_keeps_its_words() {
        let own = "#cloud-config\n# mine\npackages:\n  - git # for work\n";
        let text = with(own);
        assert!(text.starts_with(own), "{text}");
        assert_eq!(yaml(&text)["packages"], json!(["git"]));
        assert_eq!(yaml(&text)["disable_root"], false);
        let text = with("#cloud-config\n{packages: [git]}\n");
        assert!(text.starts_with("#cloud-config\n"));
        assert_eq!(yaml(&text)["ssh_authorized_keys"].as_array().unwrap().len(), 2);
        let text = with("#cloud-config\nssh_authorized_keys: [ssh-dss CCCC]\n");
        assert_eq!(yaml(&text)["ssh_authorized_keys"].as_array().unwrap().len(), 3);
        assert_eq!(with("#cloud-config\n"), with(""));
    }

    #[test]
    fn scripts_become_parts() {
        let script = "#!/bin/sh\necho hi\n";
        let text = with(script);
        assert!(text.starts_with("Content-Type: multipart/mixed; boundary=\"===keyway===\"\n"));
        assert!(text.contains("text/cloud-config") && text.contains("text/x-shellscript"));
        assert!(text.contains(&data_encoding::BASE64.encode(script.as_bytes())));
        assert!(text.ends_with("--===keyway===--\n"));
    }

    #[test]
    fn what_cannot_be_joined_is_said() {
        assert!(refused(b"#cloud-config\ndisable_root: true\n").contains("keeps root out"));
        assert!(refused(b"#cloud-config\n- a\n").contains("no mapping"));
        assert!(refused(b"#cloud-config\na: [\n").contains("YAML"));
        assert!(refused(b"## template: jinja\n#cloud-config\n").contains("#cloud-boothook"));
        assert!(refused(b"\x1f\x8b\xff").contains("not text"));
        assert!(refused(&[b'#'; 6000]).contains("joined"));
        let long = format!("#!/bin/sh\n{}", "x".repeat(60_000));
        assert!(refused(long.as_bytes()).contains("48 KiB"));
    }
}
