use super::*;
use crate::hash::HashAlgorithm;
use crate::test_support::hex;

const SHA1: HashAlgorithm = HashAlgorithm::Sha1;
const SHA256: HashAlgorithm = HashAlgorithm::Sha256;
const SHA512: HashAlgorithm = HashAlgorithm::Sha512;
const CURVES: [Curve; 3] = [Curve::NistP256, Curve::NistP384, Curve::NistP521];

fn verify(public: &PublicParts, message: &[u8], signature: &RawSignature) -> Result<(), Error> {
    match (public, signature) {
        (PublicParts::Ed25519(public), RawSignature::Bytes(signature)) => {
            verify_ed25519(public, message, signature)
        }
        (PublicParts::Ecdsa { curve, point }, RawSignature::Ecdsa { r, s }) => {
            verify_ecdsa(*curve, point, message, r, s)
        }
        (PublicParts::Rsa { n, e }, RawSignature::Bytes(signature)) => {
            verify_rsa(SHA256, n, e, message, signature)
        }
        _ => panic!("a signature of another kind"),
    }
}

/// RFC 8032 §7.1, tests 1 to 3.
#[test]
fn ed25519_of_rfc_8032() {
    for (seed, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let key = SecretKey::ed25519_from_seed(&hex(seed).try_into().unwrap()).unwrap();
        assert_eq!(key.public(), PublicParts::Ed25519(hex(public).try_into().unwrap()));
        let raw = key.sign(SHA256, &hex(message)).unwrap();
        assert_eq!(raw, RawSignature::Bytes(hex(signature)));
        assert_eq!(verify(&key.public(), &hex(message), &raw), Ok(()));
    }
}

#[test]
fn bad_ed25519_signatures_are_refused() {
    let key = SecretKey::generate_ed25519().unwrap();
    let PublicParts::Ed25519(public) = key.public() else { unreachable!() };
    let RawSignature::Bytes(signature) = key.sign(SHA256, b"message").unwrap() else {
        unreachable!()
    };
    let refused = |signature: &[u8]| {
        assert_eq!(verify_ed25519(&public, b"message", signature), Err(Error::InvalidSignature));
    };
    for index in 0..64 {
        let mut changed = signature.clone();
        changed[index] ^= 1;
        refused(&changed);
    }
    for len in [0, 1, 32, 63] {
        refused(&signature[..len]);
    }
    refused(&[&signature[..], &[0]].concat());
    refused(&[0; 64]);
    // S + L is the same number to a careless verifier. RFC 8032 §5.1.7.
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let (mut unreduced, mut carry) = (signature.clone(), 0);
    for (byte, add) in unreduced[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    refused(&unreduced);
    assert_eq!(verify_ed25519(&public, b"other", &signature), Err(Error::InvalidSignature));
    assert_eq!(verify_ed25519(&public[..31], b"message", &signature), Err(Error::InvalidKey));
    assert_eq!(verify_ed25519(&[], b"message", &signature), Err(Error::InvalidKey));
    // y = 2 has no x on the curve.
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    assert!(verify_ed25519(&off_curve, b"message", &signature).is_err());
}

/// A curve, a point, r and s.
type EcdsaVector = (Curve, Vec<u8>, Vec<u8>, Vec<u8>);

/// RFC 6979 §A.2.5, §A.2.6 and §A.2.7: the hash of the curve over "sample".
fn ecdsa_vectors() -> [EcdsaVector; 3] {
    let point = |x, y| [&[4], &hex(x)[..], &hex(y)].concat();
    [
        (
            Curve::NistP256,
            point(
                "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
                "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
            ),
            hex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"),
            hex("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"),
        ),
        (
            Curve::NistP384,
            point(
                "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e\
                 06aae5286b300c64def8f0ea9055866064a254515480bc13",
                "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9\
                 f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720",
            ),
            hex("94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa7\
                 3d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46"),
            hex("99ef4aeb15f178cea1fe40db2603138f130e740a19624526\
                 203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8"),
        ),
        (
            Curve::NistP521,
            point(
                "01894550d0785932e00eaa23b694f213f8c3121f86dc97a04e5a7167db4e5bcd3\
                 71123d46e45db6b5d5370a7f20fb633155d38ffa16d2bd761dcac474b9a2f5023a4",
                "00493101c962cd4d2fddf782285e64584139c2f91b47f87ff82354d6630f746a2\
                 8a0db25741b5b34a828008b22acc23f924faafbd4d33f81ea66956dfeaa2bfdfcf5",
            ),
            hex("c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f17\
                 4e25a1ee9017b5d450606add152b534931d7d4e8455cc91f9b15bf05ec36e377fa"),
            hex("617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af28\
                 2623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a"),
        ),
    ]
}

#[test]
fn ecdsa_of_rfc_6979() {
    for (curve, point, r, s) in ecdsa_vectors() {
        assert_eq!(check_point(curve, &point), Ok(()));
        assert_eq!(verify_ecdsa(curve, &point, b"sample", &r, &s), Ok(()));
        // An mpint with its sign octet means the same.
        let r_signed = [&[0, 0], &r[..]].concat();
        assert_eq!(verify_ecdsa(curve, &point, b"sample", &r_signed, &s), Ok(()));
    }
}

#[test]
fn bad_ecdsa_signatures_are_refused() {
    let orders = [
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        "ffffffffffffffffffffffffffffffffffffffffffffffff\
         c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
         51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    ];
    for ((curve, point, r, s), order) in ecdsa_vectors().into_iter().zip(orders) {
        let order = hex(order);
        let refused = |message: &[u8], r: &[u8], s: &[u8]| {
            let verified = verify_ecdsa(curve, &point, message, r, s);
            assert_eq!(verified, Err(Error::InvalidSignature), "{curve:?} {r:x?} {s:x?}");
        };
        refused(b"another", &r, &s);
        refused(b"sample", &s, &r);
        refused(b"sample", &[], &s);
        refused(b"sample", &r, &[]);
        refused(b"sample", &[0], &[0]);
        refused(b"sample", &[1], &[1]);
        refused(b"sample", &order, &s);
        refused(b"sample", &r, &order);
        refused(b"sample", &[0xff; 67], &s);
        refused(b"sample", &r, &vec![0xff; 1 << 16]);
        for index in 0..r.len() {
            let mut changed = r.clone();
            changed[index] ^= 1;
            refused(b"sample", &changed, &s);
        }
        // s + n is the same number to a careless verifier.
        let (mut unreduced, mut carry) = (vec![0; order.len()], 0);
        let s_padded = [&vec![0; order.len() - s.len()][..], &s].concat();
        for index in (0..order.len()).rev() {
            let sum = u16::from(s_padded[index]) + u16::from(order[index]) + carry;
            unreduced[index] = sum as u8;
            carry = sum >> 8;
        }
        refused(b"sample", &r, &[&[carry as u8], &unreduced[..]].concat());
    }
}

#[test]
fn bad_points_are_refused() {
    for (curve, point, r, s) in ecdsa_vectors() {
        let field_len = curve.field_len();
        let mut off_curve = point.clone();
        *off_curve.last_mut().unwrap() ^= 1;
        let compressed = [&[2 | (point[2 * field_len] & 1)], &point[1..=field_len]].concat();
        let mut hybrid = point.clone();
        hybrid[0] = 6 | (point[2 * field_len] & 1);
        let mut zero = vec![0; point.len()];
        zero[0] = 4;
        let long = [&point[..], &[0]].concat();
        for bad in
            [&off_curve[..], &compressed, &hybrid, &zero, &long, &[], &[0], &point[..field_len]]
        {
            assert_eq!(check_point(curve, bad), Err(Error::InvalidKey));
            assert_eq!(verify_ecdsa(curve, bad, b"sample", &r, &s), Err(Error::InvalidKey));
        }
        for other in CURVES.into_iter().filter(|other| *other != curve) {
            assert_eq!(check_point(other, &point), Err(Error::InvalidKey));
        }
    }
}

#[test]
fn ecdsa_keys_are_rebuilt_from_their_parts() {
    for curve in CURVES {
        let key = SecretKey::generate_ecdsa(curve).unwrap();
        let PublicParts::Ecdsa { point, .. } = key.public() else { unreachable!() };
        let SecretParts::Ecdsa(scalar) = key.parts().unwrap() else { unreachable!() };
        let again = SecretKey::ecdsa_from_scalar(curve, &scalar, &point).unwrap();
        assert_eq!(again.public(), key.public());
        let signature = again.sign(SHA256, b"message").unwrap();
        assert_eq!(verify(&key.public(), b"message", &signature), Ok(()));

        let PublicParts::Ecdsa { point: other, .. } =
            SecretKey::generate_ecdsa(curve).unwrap().public()
        else {
            unreachable!()
        };
        for (scalar, point) in [
            (&scalar[..], &other[..]),
            (&[], &point),
            (&[0], &point),
            (&[0xff; 66], &point),
            (&[0xff; 67], &point),
            (&scalar, &point[1..]),
        ] {
            let built = SecretKey::ecdsa_from_scalar(curve, scalar, point);
            assert_eq!(built.err(), Some(Error::InvalidKey));
        }
    }
}

/// A key of 1024 bits and signatures made with another implementation.
struct RsaVector {
    n: Vec<u8>,
    d: Vec<u8>,
    iqmp: Vec<u8>,
    p: Vec<u8>,
    q: Vec<u8>,
}

const E: [u8; 3] = [1, 0, 1];

fn rsa_vector() -> RsaVector {
    RsaVector {
        n: hex("bd2cf0eeb948afdf0ab4c5f375687621926208ae65d1d7340cbcdc771b1af499\
             378c8e70f896f17e50c6381d6a9f19b3196983cdb19efb881c864e9ab983d9aa\
             17e859dba46705431e90fa7890db83984f5fe0ba37cfcc2bdd8ba3986f2e6b7e\
             006704ea7e6d39407a47db77c53ec93ee3daf4c9244ffc207f9f7f9980ef9e55"),
        d: hex("203e22aa6d860803b9ed69b7bf1118e14bf3cd8afbebb2043b0f8d7bf770b6b3\
             ce95f44928f5811f8860e07b930a9ef4b9a61442e0bd3a1dcececd62edaf9d4f\
             6711e69aef17aef58834b6056d9ada6a6858be1939d474ba906755193948d03d\
             9cc043366cfd225a50123b0e7f5c48c790e8215086070f46922eef4e78763ad9"),
        iqmp: hex("94b6c075d9f59abded0e270462701aa95e445ae312127f9e96299870e7a3cb53\
             1b1b50e32cef3915135edae8eb94853bfdc36f090b4082748317c36bf917b5f3"),
        p: hex("ef08bac7c8a75cd101d474f939932cb7d515376485e8adc90d88979c9f853951\
             0ff61c045c9e64a10c9c7f40c521c476c56b0c4e14fc2bf49d1dac3b958e2b6b"),
        q: hex("ca9a4701649a9ed683ba0a836dd3f565fbcd0309e1cf5103376079624b485a69\
             257a372c421659f9b7bac80d82229b8b1234a2bf5f46db74afbb2238625b8d3f"),
    }
}

impl RsaVector {
    fn key(&self) -> Result<SecretKey, Error> {
        SecretKey::rsa_from_parts(&self.n, &E, &self.d, &self.iqmp, &self.p, &self.q)
    }
}

#[test]
fn rsa_signatures_are_as_elsewhere() {
    let vector = rsa_vector();
    let key = vector.key().unwrap();
    assert_eq!(key.public(), PublicParts::Rsa { n: vector.n.clone(), e: E.to_vec() });
    for (hash, expected) in [
        (
            SHA1,
            "1ebb7a5296963f579fc347f975afb91f643b09b15fb8a02a8b8ccf248f180661\
             9f83f72739764f947594796b6173efa32b295c48b37353ce4d0731b249c16df3\
             cb737f05ffa68660ccba162e883e69ff27d1082b2c71466bef1cfedcaccf7214\
             573e99999cb266885ff3c3330a2a35352bd91f4647794bdf99a547fbb8f35deb",
        ),
        (
            SHA256,
            "b8d862e61c53cc80a8e9dd88b16d71f11384748b2153c3ec3e1d4722a21f712b\
             a280897399a9efcc88c1a4e40cd53eda5194069d42ce039e1371502669da8511\
             27217f765b28e4a04252a1d7e5f4e2e2af81f57212aa8f19682ead936b7cee0f\
             e551dc5241d33a0dceb5c087540882f1676a594a92196266a053bee151635014",
        ),
        (
            SHA512,
            "829b43782a6799ed0bd0881ed20b143fec572de26c78889b5787be650b9f5714\
             ee836bbb8afb687299698db2f990e77ac9fcc2ca8ceee78b80c29c0502fbedde\
             79736bc702e0bb73d56ed01ea95067ec64b6b7e961e4ee846fa28e31e2f5e1d5\
             661ecd3a10f22ff410cccd66232c85f90d2c8e6205efb030f98c165154372cc2",
        ),
    ] {
        let signature = key.sign(hash, b"sample").unwrap();
        assert_eq!(signature, RawSignature::Bytes(hex(expected)));
        assert_eq!(verify_rsa(hash, &vector.n, &E, b"sample", &hex(expected)), Ok(()));
        for other in [SHA1, SHA256, SHA512].into_iter().filter(|other| *other != hash) {
            let verified = verify_rsa(other, &vector.n, &E, b"sample", &hex(expected));
            assert_eq!(verified, Err(Error::InvalidSignature));
        }
    }
}

#[test]
fn short_rsa_signatures_are_padded() {
    let n = rsa_vector().n;
    let signature = hex("0096ab7b6f614b820b05114266f0b308da5f4c3a490b9672605069ed08d83898\
         76646997c709d1ac0a46b0a3995d5151ade8f06e67e8ac225cc4ddb08ee30e7e\
         d5cd6a6a41112b8bcd94f3fee1d51701bf304c63b6044008d8a645f0b9367af1\
         c4ad625a6994c327741fbe4a4fb1b78272ddf0bb7defc2aa830fe8f281c35a72");
    assert_eq!(signature[0], 0);
    assert_eq!(verify_rsa(SHA256, &n, &E, b"short 93", &signature), Ok(()));
    assert_eq!(verify_rsa(SHA256, &n, &E, b"short 93", &signature[1..]), Ok(()));
    let signed = [&[0], &n[..]].concat();
    assert_eq!(verify_rsa(SHA256, &signed, &E, b"short 93", &signature[1..]), Ok(()));
    for bad in [&[&[0], &signature[..]].concat()[..], &signature[2..], &[]] {
        let verified = verify_rsa(SHA256, &n, &E, b"short 93", bad);
        assert_eq!(verified, Err(Error::InvalidSignature));
    }
}

/// Signatures by the right key over other encodings of the digest: without the
/// NULL, with trailing bytes, with other padding, and of block type 2.
#[test]
fn rsa_padding_is_strict() {
    let n = rsa_vector().n;
    for forged in [
        "93e0029c41d062c86cac2ae9b467fe9aa2197bb2a8d965fe4d8497ec769dbfaf\
         6ca63aebadad4a1237d97162354e8d63a98f96db79fab8542fbf7a88e9eac1df\
         14303a9455825baabc82aa47e860ea11ddb2e460a5a6a1cff372304d1f7bd737\
         29c9d460b805245ac0ebf8528248196e12f4e0142394b345c312efdee23d2c1e",
        "93263d4c5b07091593a2b40d12672fa2ed1e66e34c0c86e8d8d24f8db66a0faf\
         149dd27e376c31ff412579371cc5226064bdaad88b5dbe6d955da468c78ebe20\
         a8aff0c8f57596bbc84c1bc30f56838f19fe21453a705fce138af493935e5745\
         ef68a37c9321a821d52174f161ab7be7206355fcf135be6368f52f2ff3094e45",
        "6bec769c202b72d14a765e2bb2b72c7cd2b6235f164ae88b9a13c5b6f155426c\
         fb938e996b743dfe0158a455c5ec6881dbac940c6f55bbcef34be4fe2cda92f2\
         ff9794f0c8e28970208df1f2b8ef0cda13abf5832086867239b6ba833bab5f8a\
         bc9c095fef6618fcefbf24c7d6acabeffd32c7f39603baf371c6593b816f2f60",
        "1734ef5af294cfc82a53e0b798a21caf32abd74c05bb82af91dbb1f10b503134\
         d493a525897084758ae487eb287067689565ed3d8d5c820ef63cc040d46fbd4b\
         0d0dd47ad66489ded7a0fc81cfbaa81d4701c412c617ece96515634591ae241b\
         73668aca733b8c522a65c523fa8b6d6195c3f621b6e41c8ff113941f9af65d4e",
    ] {
        let verified = verify_rsa(SHA256, &n, &E, b"sample", &hex(forged));
        assert_eq!(verified, Err(Error::InvalidSignature));
    }
}

#[test]
fn bad_rsa_signatures_are_refused() {
    let vector = rsa_vector();
    let RawSignature::Bytes(signature) = vector.key().unwrap().sign(SHA256, b"sample").unwrap()
    else {
        unreachable!()
    };
    for index in 0..signature.len() {
        let mut changed = signature.clone();
        changed[index] ^= 1;
        let verified = verify_rsa(SHA256, &vector.n, &E, b"sample", &changed);
        assert_eq!(verified, Err(Error::InvalidSignature));
    }
    for bad in [&[0; 128][..], &[1], &vector.n, &[0xff; 128]] {
        let verified = verify_rsa(SHA256, &vector.n, &E, b"sample", bad);
        assert_eq!(verified, Err(Error::InvalidSignature));
    }
    let mut even = vector.n.clone();
    even[127] &= 0xfe;
    for (n, e) in [
        (&vector.n[..], &[][..]),
        (&vector.n, &[1]),
        (&vector.n, &[2]),
        (&vector.n, &[1, 0, 0, 0, 1, 1]),
        (&vector.n[1..], &E),
        (&[], &E),
        (&[0; 128], &E),
        (&even, &E),
        (&[0xff; 2049], &E),
        (&vec![0xff; 1 << 17], &E),
    ] {
        let verified = verify_rsa(SHA256, n, e, b"sample", &signature);
        assert_eq!(verified, Err(Error::InvalidKey), "n of {} bytes, e {e:?}", n.len());
    }
}

#[test]
fn inconsistent_rsa_keys_are_refused() {
    type Change = fn(&mut RsaVector);
    let changes: [Change; 10] = [
        |key| key.n[127] ^= 2,
        |key| key.d[127] ^= 2,
        |key| key.iqmp[63] ^= 1,
        |key| key.p[63] ^= 2,
        |key| key.q[63] ^= 2,
        |key| std::mem::swap(&mut key.p, &mut key.q),
        |key| key.p.clear(),
        |key| key.q = vec![1],
        |key| key.d = vec![0xff; 129],
        |key| (key.p, key.q) = (key.n.clone(), vec![1]),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut vector = rsa_vector();
        change(&mut vector);
        assert_eq!(vector.key().err(), Some(Error::InvalidKey), "change {index}");
    }
}

#[test]
fn generated_rsa_keys_work() {
    for (asked, made) in [(1024, 1024), (1030, 1152), (2048, 2048)] {
        let key = SecretKey::generate_rsa(asked).unwrap();
        let PublicParts::Rsa { n, e } = key.public() else { unreachable!() };
        assert_eq!(rsa::bits(&n), made);
        let SecretParts::Rsa { d, iqmp, p, q } = key.parts().unwrap() else { unreachable!() };
        let again = SecretKey::rsa_from_parts(&n, &e, &d, &iqmp, &p, &q).unwrap();
        let signature = again.sign(SHA256, b"message").unwrap();
        assert_eq!(verify(&key.public(), b"message", &signature), Ok(()));
        assert!(verify(&key.public(), b"other", &signature).is_err());
    }
    for bits in [0, 1023, 16385, u32::MAX] {
        assert_eq!(SecretKey::generate_rsa(bits).err(), Some(Error::BadLength));
    }
}

#[test]
fn secret_keys_print_nothing() {
    let key = SecretKey::ed25519_from_seed(&[7; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "SecretKey::Ed25519");
    assert_eq!(format!("{:?}", rsa_vector().key().unwrap()), "SecretKey::Rsa");
}
