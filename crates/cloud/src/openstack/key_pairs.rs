//! Key pairs: a user's, in a region.

use keys::{FingerprintHash, PublicKey};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Openstack, server_view};
use crate::cloud::Caller;
use crate::model::{KeyPair, KeyType, NewKeyPair};
use crate::{Error, Result};

impl Openstack {
    pub(super) async fn list_key_pairs(
        &self,
        caller: &Caller,
        region: &str,
    ) -> Result<Vec<KeyPair>> {
        let nova = self.nova(caller, region).await?;
        let found = nova.list("/os-keypairs?limit=1000", "keypairs").await?;
        let mut keys: Vec<KeyPair> =
            found.iter().filter_map(|one| key_pair(&one["keypair"], caller, region)).collect();
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(keys)
    }

    /// Those of several regions, asked at once. While one answers, those that do not are left out,
    /// and are named among the warnings.
    pub(super) async fn key_pairs_of(
        &self,
        caller: &Caller,
        regions: &[String],
        also: Option<&String>,
    ) -> Result<Vec<KeyPair>> {
        let also = also.filter(|region| !regions.contains(region));
        let asked = regions.iter().chain(also).map(|region| self.list_key_pairs(caller, region));
        let (mut keys, mut silent, mut answered) = (Vec::new(), None, false);
        for answer in futures_util::future::join_all(asked).await {
            match answer {
                Ok(more) => {
                    keys.extend(more);
                    answered = true;
                }
                Err(error @ Error::Unreachable(_)) => silent = Some(error),
                Err(error) => return Err(error),
            }
        }
        match silent {
            Some(error) if !answered => Err(error),
            _ => Ok(keys),
        }
    }

    pub(super) async fn store_key_pair(
        &self,
        caller: &Caller,
        region: &str,
        new: NewKeyPair,
    ) -> Result<KeyPair> {
        let nova = self.nova(caller, region).await?;
        let kind = if new.kind == KeyType::Ssh { "ssh" } else { "x509" };
        let body = json!({"keypair": {
            "name": new.name, "public_key": new.public_key, "type": kind,
        }});
        let made = nova.post("/os-keypairs", body).await.map_err(|error| match error {
            Error::Invalid { message, .. } if message.to_lowercase().contains("name") => {
                Error::invalid("name", message)
            }
            Error::Invalid { message, .. } => Error::invalid("public_key", message),
            other => other,
        })?;
        key_pair(&made["keypair"], caller, region)
            .ok_or_else(|| Error::Internal("Nova's answer is not the key pair.".to_owned()))
    }

    pub(super) async fn remove_key_pair(
        &self,
        caller: &Caller,
        region: &str,
        name: &str,
    ) -> Result<()> {
        let nova = self.nova(caller, region).await?;
        nova.delete(&format!("/os-keypairs/{}", escape(name))).await
    }

    /// The chosen keys' lines, in the order they were chosen.
    pub(super) async fn key_lines(
        &self,
        caller: &Caller,
        region: &str,
        names: &[String],
    ) -> Result<Vec<String>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.list_key_pairs(caller, region).await?;
        names
            .iter()
            .map(|name| match all.iter().find(|key| key.name == *name) {
                Some(key) if key.kind == KeyType::Ssh => Ok(key.public_key.trim().to_owned()),
                Some(_) => Err(Error::invalid(
                    "key_name",
                    format!("The key {name} is a certificate; sshd takes SSH keys only."),
                )),
                None => Err(Error::invalid(
                    "key_name",
                    format!("There is no key named {name} in region {region}."),
                )),
            })
            .collect()
    }
}

/// A path's segment: names hold blanks, and what they hold must not be a path.
fn escape(name: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Lists tell neither number nor time. The number stands in for both: it is the same at every
/// look, and different for each name and region.
fn key_pair(value: &Value, caller: &Caller, region: &str) -> Option<KeyPair> {
    let name = value["name"].as_str()?.to_owned();
    let public_key = value["public_key"].as_str()?.trim().to_owned();
    let kind = if value["type"] == "x509" { KeyType::X509 } else { KeyType::Ssh };
    let sha256 = match PublicKey::from_line(&public_key) {
        Ok((key, _)) if kind == KeyType::Ssh => key.fingerprint(FingerprintHash::Sha256),
        _ => String::new(),
    };
    let created = server_view::when(&value["created_at"]);
    Some(KeyPair {
        id: number(region, &name),
        region: region.to_owned(),
        user_id: value["user_id"].as_str().unwrap_or(&caller.user_id).to_owned(),
        name,
        kind,
        public_key,
        fingerprint_md5: value["fingerprint"].as_str().unwrap_or_default().to_owned(),
        fingerprint_sha256: sha256,
        created_at: created.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        last_used_at: None,
    })
}

fn number(region: &str, name: &str) -> i64 {
    let parts = [region.as_bytes(), b"/", name.as_bytes()];
    let hash = crypto::hash::HashAlgorithm::Sha256.digest(&parts);
    hash.as_ref().iter().take(6).fold(0, |number, byte| number << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Role;

    #[test]
    fn a_recorded_key_pair() {
        let value = json!({
            "type": "ssh", "name": "mykey", "fingerprint": "ac:60:30:68:a0:f2:4d:4f:58:7e:10:f2:ff:d4:99:a2",
            "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILzGUay2BeHdvy8NHBrrDTAvetPXlxBEC9hHgv9P/20f root@vm\n",
        });
        let caller = Caller {
            user_id: "u".into(),
            user_name: "demo".into(),
            project_id: "p".into(),
            role: Role::Member,
            request_id: String::new(),
            token: None,
        };
        let key = key_pair(&value, &caller, "one").unwrap();
        assert!(key.fingerprint_sha256.starts_with("SHA256:"));
        let (public, _) = PublicKey::from_line(&key.public_key).unwrap();
        assert_eq!(
            public.fingerprint(FingerprintHash::Md5),
            format!("MD5:{}", key.fingerprint_md5)
        );
        assert_eq!(key.user_id, "u");
        assert_ne!(number("one", "mykey"), number("two", "mykey"));
        assert!(number("one", "mykey") > 0);
    }

    #[test]
    fn names_are_no_paths() {
        assert_eq!(escape("a b/../c?d"), "a%20b%2F%2E%2E%2Fc%3Fd");
    }
}
