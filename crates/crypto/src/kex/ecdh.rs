//! Elliptic curve Diffie-Hellman: RFC 8731 and RFC 5656 §4.

use aws_lc_rs::agreement;
use zeroize::Zeroizing;

use super::{Encoding, KeyExchange, Response, SharedSecret, Started};
use crate::Error;
use crate::hash::HashAlgorithm;

pub(crate) static CURVE25519_SHA256: Ecdh =
    Ecdh { name: "curve25519-sha256", curve: Curve::X25519 };
pub(crate) static CURVE25519_SHA256_LIBSSH: Ecdh =
    Ecdh { name: "curve25519-sha256@libssh.org", curve: Curve::X25519 };
pub(crate) static ECDH_NISTP256: Ecdh = Ecdh { name: "ecdh-sha2-nistp256", curve: Curve::NistP256 };
pub(crate) static ECDH_NISTP384: Ecdh = Ecdh { name: "ecdh-sha2-nistp384", curve: Curve::NistP384 };
pub(crate) static ECDH_NISTP521: Ecdh = Ecdh { name: "ecdh-sha2-nistp521", curve: Curve::NistP521 };

/// A key exchange that is one elliptic curve and nothing more.
pub(crate) struct Ecdh {
    name: &'static str,
    curve: Curve,
}

impl KeyExchange for Ecdh {
    fn name(&self) -> &'static str {
        self.name
    }

    fn hash(&self) -> HashAlgorithm {
        match self.curve {
            Curve::X25519 | Curve::NistP256 => HashAlgorithm::Sha256,
            Curve::NistP384 => HashAlgorithm::Sha384,
            Curve::NistP521 => HashAlgorithm::Sha512,
        }
    }

    fn share_encoding(&self) -> Encoding {
        Encoding::String
    }

    fn start(&self) -> Result<Box<dyn Started>, Error> {
        Ok(Box::new(Ephemeral::generate(self.curve)?))
    }

    fn respond(&self, client_share: &[u8]) -> Result<Response, Error> {
        let ephemeral = Ephemeral::generate(self.curve)?;
        let secret = ephemeral.agree(client_share)?;
        Ok(Response { share: ephemeral.share, secret: SharedSecret::from_magnitude(&secret) })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    X25519,
    NistP256,
    NistP384,
    NistP521,
}

impl Curve {
    /// The length of a share: the coordinate of RFC 7748, or an uncompressed
    /// point of SEC 1 §2.3.3.
    pub(super) const fn share_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::NistP256 => 65,
            Self::NistP384 => 97,
            Self::NistP521 => 133,
        }
    }

    fn library(self) -> &'static agreement::Algorithm {
        match self {
            Self::X25519 => &agreement::X25519,
            Self::NistP256 => &agreement::ECDH_P256,
            Self::NistP384 => &agreement::ECDH_P384,
            Self::NistP521 => &agreement::ECDH_P521,
        }
    }
}

/// A secret for one exchange and the share that belongs to it.
pub(super) struct Ephemeral {
    curve: Curve,
    private: agreement::PrivateKey,
    pub(super) share: Vec<u8>,
}

impl Ephemeral {
    pub(super) fn generate(curve: Curve) -> Result<Self, Error> {
        let private =
            agreement::PrivateKey::generate(curve.library()).map_err(|_| Error::Internal)?;
        Self::new(curve, private)
    }

    fn new(curve: Curve, private: agreement::PrivateKey) -> Result<Self, Error> {
        let share = private.compute_public_key().map_err(|_| Error::Internal)?.as_ref().to_vec();
        Ok(Self { curve, private, share })
    }

    /// The shared x coordinate, big-endian for the NIST curves and as RFC 7748
    /// leaves it for X25519.
    ///
    /// The library refuses points off the curve and, as RFC 8731 §3 asks, the
    /// all-zero result; the length check keeps other encodings of points out.
    pub(super) fn agree(&self, share: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        if share.len() != self.curve.share_len() {
            return Err(Error::InvalidShare);
        }
        if self.curve != Curve::X25519 && share.first() != Some(&4) {
            return Err(Error::InvalidShare);
        }
        let peer = agreement::UnparsedPublicKey::new(self.curve.library(), share);
        agreement::agree(&self.private, peer, Error::InvalidShare, |secret| {
            Ok(Zeroizing::new(secret.to_vec()))
        })
    }
}

impl Started for Ephemeral {
    fn share(&self) -> &[u8] {
        &self.share
    }

    fn finish(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        Ok(SharedSecret::from_magnitude(&self.agree(server_share)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::hex;

    fn agree(curve: Curve, private: &str, peer_private: &str) -> Vec<u8> {
        let [ours, theirs] = [private, peer_private].map(|private| {
            let private = agreement::PrivateKey::from_private_key(curve.library(), &hex(private));
            Ephemeral::new(curve, private.unwrap()).unwrap()
        });
        let secret = ours.agree(&theirs.share).unwrap();
        assert_eq!(secret, theirs.agree(&ours.share).unwrap());
        secret.to_vec()
    }

    /// RFC 7748 §6.1.
    #[test]
    fn x25519_of_rfc_7748() {
        let alice = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
        let bob = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
        assert_eq!(
            agree(Curve::X25519, alice, bob),
            hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
        );
    }

    /// RFC 5903 §8.1, §8.2 and §8.3.
    #[test]
    fn nist_curves_of_rfc_5903() {
        assert_eq!(
            agree(
                Curve::NistP256,
                "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
                "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
            ),
            hex("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de")
        );
        assert_eq!(
            agree(
                Curve::NistP384,
                "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b674\
                 14dce655e35b538041e649ee3faef896783ab194",
                "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bd\
                 a0aa2942e0308312916b8ed2960e4bd55a7448fc",
            ),
            hex("11187331c279962d93d604243fd592cb9d0a926f422e47187521287e\
                 7156c5c4d603135569b9e9d09cf5d4a270f59746")
        );
        assert_eq!(
            agree(
                Curve::NistP521,
                "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a0\
                 95aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
                "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e\
                 9c677d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
            ),
            hex("01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04\
                 d1427e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea")
        );
    }

    #[test]
    fn shares_of_low_order_are_refused() {
        let ephemeral = Ephemeral::generate(Curve::X25519).unwrap();
        for share in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ] {
            assert_eq!(ephemeral.agree(&hex(share)).err(), Some(Error::InvalidShare), "{share}");
        }
    }

    #[test]
    fn points_in_other_forms_are_refused() {
        for curve in [Curve::NistP256, Curve::NistP384, Curve::NistP521] {
            let ephemeral = Ephemeral::generate(curve).unwrap();
            let point = Ephemeral::generate(curve).unwrap().share;
            let field_len = (point.len() - 1) / 2;
            let mut off_curve = point.clone();
            *off_curve.last_mut().unwrap() ^= 1;
            let mut hybrid = point.clone();
            hybrid[0] = 6 | (point[point.len() - 1] & 1);
            let compressed = [&[2 | (point[point.len() - 1] & 1)], &point[1..=field_len]].concat();
            let mut too_large = point.clone();
            too_large[1..=field_len].fill(0xff);
            for share in [
                &off_curve[..],
                &hybrid,
                &compressed,
                &too_large,
                &[],
                &[0],
                &point[..point.len() - 1],
                &[&point[..], &[0]].concat(),
            ] {
                assert_eq!(ephemeral.agree(share).err(), Some(Error::InvalidShare));
            }
            assert!(ephemeral.agree(&point).is_ok());
        }
    }
}
