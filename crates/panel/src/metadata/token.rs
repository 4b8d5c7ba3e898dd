//! The second version of EC2's metadata service: who asks with a PUT gets a token and shows it from
//! then on. What can be made to fetch an address, but not to send a PUT with a header of one's
//! choice, gets none. As in EC2's default, who shows no token is answered, too.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use crypto::hash::{HashAlgorithm, hmac};
use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Where tokens are had.
pub(super) const PATH: &str = "latest/api/token";
/// How long one is to last, in seconds; in the answer, how long it does.
pub(super) const LIFETIME: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
/// Six hours.
const LIFETIME_MAX: u64 = 21_600;
const TIME_BYTES: usize = 8;

/// What tokens are made and known by; another at each start of the panel.
pub(super) struct Tokens {
    key: Zeroizing<[u8; 32]>,
    began: Instant,
}

impl Tokens {
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut())?;
        Ok(Self { key, began: Instant::now() })
    }

    /// A token for this server and how many seconds it lasts, or how a wrong question is answered.
    pub(super) fn issue(
        &self,
        server: Uuid,
        headers: &HeaderMap,
    ) -> Result<(String, u64), StatusCode> {
        // It came by way of somebody who passes on what others send.
        if headers.contains_key("x-forwarded-for") {
            return Err(StatusCode::FORBIDDEN);
        }
        let lifetime = headers.get(LIFETIME).and_then(|value| value.to_str().ok()?.parse().ok());
        let lifetime = lifetime
            .filter(|seconds| (1..=LIFETIME_MAX).contains(seconds))
            .ok_or(StatusCode::BAD_REQUEST)?;
        Ok((self.token(server, Duration::from_secs(lifetime)), lifetime))
    }

    fn token(&self, server: Uuid, lifetime: Duration) -> String {
        let ends = (self.began.elapsed() + lifetime).as_secs().to_be_bytes();
        let mut token = ends.to_vec();
        token.extend_from_slice(self.seal(server, &ends).as_ref());
        BASE64URL_NOPAD.encode(&token)
    }

    fn seal(&self, server: Uuid, ends: &[u8]) -> crypto::hash::Digest {
        hmac(HashAlgorithm::Sha256, self.key.as_ref(), &[server.as_bytes(), ends])
    }

    /// Whether the question may be answered: it shows no token, or one of this server's that lasts.
    pub(super) fn allow(&self, server: Uuid, headers: &HeaderMap) -> bool {
        let Some(shown) = headers.get(TOKEN) else { return true };
        let Ok(token) = BASE64URL_NOPAD.decode(shown.as_bytes()) else { return false };
        let Some((ends, seal)) = token.split_first_chunk::<TIME_BYTES>() else { return false };
        crypto::constant_time::equal(self.seal(server, ends).as_ref(), seal)
            && u64::from_be_bytes(*ends) > self.began.elapsed().as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn tokens_are_one_servers_and_end() {
        let tokens = Tokens::new().unwrap();
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (token, seconds) = tokens.issue(one, &headers(LIFETIME, "21600")).unwrap();
        assert_eq!(seconds, 21_600);
        assert!(tokens.allow(one, &headers(TOKEN, &token)));
        assert!(!tokens.allow(two, &headers(TOKEN, &token)), "another server's");
        assert!(!Tokens::new().unwrap().allow(one, &headers(TOKEN, &token)), "another start's");
        assert!(tokens.allow(one, &HeaderMap::new()), "the first version");
        let over = tokens.token(one, Duration::ZERO);
        for wrong in ["", "x", "AAAA", &over, &token[1..], &format!("{token}A")] {
            assert!(!tokens.allow(one, &headers(TOKEN, wrong)), "{wrong}");
        }
    }

    #[test]
    fn wrong_questions_get_no_token() {
        let tokens = Tokens::new().unwrap();
        let issue = |headers: &HeaderMap| tokens.issue(Uuid::nil(), headers).unwrap_err();
        assert_eq!(issue(&HeaderMap::new()), StatusCode::BAD_REQUEST);
        for wrong in ["", "0", "-1", "21601", "1 day", "99999999999999999999"] {
            assert_eq!(issue(&headers(LIFETIME, wrong)), StatusCode::BAD_REQUEST, "{wrong}");
        }
        let mut passed_on = headers(LIFETIME, "60");
        passed_on.insert("x-forwarded-for", "10.0.0.1".parse().unwrap());
        assert_eq!(issue(&passed_on), StatusCode::FORBIDDEN);
    }
}
