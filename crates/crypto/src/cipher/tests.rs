use super::*;
use crate::mac::{HMAC_SHA1, HMAC_SHA2_256_ETM, HMAC_SHA2_512};
use crate::sys;
use crate::tables::{CIPHERS, MACS};
use crate::test_support::hex;

/// A packet as the transport frames it, with room for the tag.
fn frame(sealer: &dyn Sealer, payload: &[u8]) -> Vec<u8> {
    let block_len = sealer.block_len().max(8);
    let counted = if sealer.length_is_aligned() { 5 } else { 1 } + payload.len();
    let padding = block_len + block_len - 1 - (counted + block_len - 1) % block_len;
    let length = 1 + payload.len() + padding;
    let mut packet = (length as u32).to_be_bytes().to_vec();
    packet.push(padding as u8);
    packet.extend_from_slice(payload);
    packet.resize(4 + length + sealer.tag_len(), 0x2a);
    packet
}

/// Opens a packet as the transport does: the head once, then all of it.
fn open(opener: &mut dyn Opener, sequence_number: u32, packet: &mut [u8]) -> Result<u32, Error> {
    let head_len = opener.head_len();
    let length = opener.open_length(sequence_number, &mut packet[..head_len])?;
    opener.open(sequence_number, packet)?;
    Ok(length)
}

/// Every cipher with every MAC that it can have.
fn suites() -> Vec<(&'static CipherAlgorithm, Option<&'static MacAlgorithm>)> {
    let mut suites = Vec::new();
    for cipher in CIPHERS.iter().map(|entry| entry.algorithm) {
        if cipher.is_aead() {
            suites.push((cipher, None));
            continue;
        }
        suites.extend(MACS.iter().map(|entry| (cipher, Some(entry.algorithm))));
    }
    suites
}

/// A sealer and an opener with the same keys.
fn pair(
    cipher: &CipherAlgorithm,
    mac: Option<&MacAlgorithm>,
) -> (Box<dyn Sealer>, Box<dyn Opener>) {
    let key: Vec<u8> = (0..64).collect();
    let keys = Keys {
        key: &key[..cipher.key_len],
        iv: &[0xff; 16][..cipher.iv_len],
        mac_key: &key[..mac.map_or(0, |mac| mac.key_len)],
    };
    (cipher.sealer(mac, &keys).unwrap(), cipher.opener(mac, &keys).unwrap())
}

#[test]
fn packets_survive_the_round_trip() {
    for (cipher, mac) in suites() {
        let (mut sealer, mut opener) = pair(cipher, mac);
        assert_eq!(sealer.block_len(), opener.block_len());
        assert_eq!(sealer.tag_len(), opener.tag_len());
        assert_eq!(sealer.length_is_aligned(), opener.length_is_aligned());
        // Payloads of growing sizes, and a sequence number that wraps.
        for (step, payload_len) in
            [0, 1, 7, 8, 15, 16, 17, 100, 255, 4096, 35000].iter().enumerate()
        {
            let sequence_number = (u32::MAX - 4).wrapping_add(step as u32);
            let plain = frame(&*sealer, &vec![0x61; *payload_len]);
            let mut packet = plain.clone();
            sealer.seal(sequence_number, &mut packet).unwrap();
            assert_ne!(packet[4..], plain[4..], "{cipher:?} {mac:?}");
            let length = open(&mut *opener, sequence_number, &mut packet).unwrap();
            assert_eq!(length as usize, plain.len() - 4 - sealer.tag_len());
            let end = plain.len() - sealer.tag_len();
            assert_eq!(packet[4..end], plain[4..end], "{cipher:?} {mac:?}");
        }
    }
}

#[test]
fn clear_packets_pass_as_they_are() {
    let (mut sealer, mut opener) = (clear_sealer(), clear_opener());
    let plain = frame(&*sealer, b"hello");
    let mut packet = plain.clone();
    sealer.seal(0, &mut packet).unwrap();
    assert_eq!(packet, plain);
    assert_eq!(open(&mut *opener, 0, &mut packet).unwrap() as usize, plain.len() - 4);
    assert_eq!(packet, plain);
    assert_eq!(opener.open(0, &mut [0; 3]), Err(Error::BadLength));
    assert_eq!(opener.open_length(0, &mut [0; 5]), Err(Error::BadLength));
}

#[test]
fn every_changed_byte_is_refused() {
    for (cipher, mac) in suites() {
        let (mut sealer, _) = pair(cipher, mac);
        let mut packet = frame(&*sealer, b"attack at dawn");
        sealer.seal(5, &mut packet).unwrap();
        for index in 0..packet.len() {
            for bit in [0, 7] {
                let mut changed = packet.clone();
                changed[index] ^= 1 << bit;
                let (_, mut opener) = pair(cipher, mac);
                assert_eq!(
                    open(&mut *opener, 5, &mut changed),
                    Err(Error::Authentication),
                    "{cipher:?} {mac:?} byte {index}"
                );
            }
        }
        let (_, mut opener) = pair(cipher, mac);
        assert!(open(&mut *opener, 5, &mut packet).is_ok());
    }
}

#[test]
fn a_wrong_sequence_number_is_refused() {
    for (cipher, mac) in suites() {
        let (mut sealer, mut opener) = pair(cipher, mac);
        let mut packet = frame(&*sealer, b"attack at dawn");
        sealer.seal(5, &mut packet).unwrap();
        let result = open(&mut *opener, 6, &mut packet);
        // AES-GCM counts by itself, see the next test.
        let expected = cipher.name.contains("gcm");
        assert_eq!(result.is_ok(), expected, "{cipher:?} {mac:?}");
    }
}

#[test]
fn repeated_and_dropped_packets_are_refused() {
    for (cipher, mac) in suites() {
        let (mut sealer, mut opener) = pair(cipher, mac);
        let packets: Vec<_> = (0..3)
            .map(|sequence_number| {
                let mut packet = frame(&*sealer, b"attack at dawn");
                sealer.seal(sequence_number, &mut packet).unwrap();
                packet
            })
            .collect();
        assert!(open(&mut *opener, 0, &mut packets[0].clone()).is_ok());
        let repeated = open(&mut *opener, 1, &mut packets[0].clone());
        assert_eq!(repeated, Err(Error::Authentication), "{cipher:?} {mac:?}");
        let (_, mut opener) = pair(cipher, mac);
        assert!(open(&mut *opener, 0, &mut packets[0].clone()).is_ok());
        let dropped = open(&mut *opener, 1, &mut packets[2].clone());
        assert_eq!(dropped, Err(Error::Authentication), "{cipher:?} {mac:?}");
    }
}

#[test]
fn odd_lengths_are_refused() {
    for (cipher, mac) in suites() {
        let (mut sealer, mut opener) = pair(cipher, mac);
        let tag_len = sealer.tag_len();
        for len in [0, 1, 3, tag_len, tag_len + 3] {
            assert_eq!(sealer.seal(0, &mut vec![0; len]), Err(Error::BadLength));
            assert_eq!(opener.open(0, &mut vec![0; len]), Err(Error::BadLength));
        }
        assert_eq!(opener.open_length(0, &mut []), Err(Error::BadLength));
        assert_eq!(opener.open_length(0, &mut [0; 32]), Err(Error::BadLength));
        if !cipher.is_aead() {
            let mut unaligned = vec![0; tag_len + 4 + 17];
            assert_eq!(sealer.seal(0, &mut unaligned), Err(Error::BadLength));
            assert_eq!(opener.open(0, &mut unaligned), Err(Error::BadLength));
        }
    }
}

#[test]
fn keys_of_the_wrong_length_are_refused() {
    for (cipher, mac) in suites() {
        let key = [0; 128];
        let mac_key_len = mac.map_or(0, |mac| mac.key_len);
        let right = Keys {
            key: &key[..cipher.key_len],
            iv: &key[..cipher.iv_len],
            mac_key: &key[..mac_key_len],
        };
        let mut wrong = vec![
            Keys { key: &key[..cipher.key_len - 1], ..right },
            Keys { key: &key[..=cipher.key_len], ..right },
            Keys { iv: &key[..=cipher.iv_len], ..right },
        ];
        if mac.is_some() {
            wrong.push(Keys { mac_key: &key[..=mac_key_len], ..right });
            assert_eq!(cipher.sealer(None, &right).err(), Some(Error::InvalidKey));
            assert_eq!(cipher.opener(None, &right).err(), Some(Error::InvalidKey));
        }
        for keys in wrong {
            assert_eq!(cipher.sealer(mac, &keys).err(), Some(Error::BadLength));
            assert_eq!(cipher.opener(mac, &keys).err(), Some(Error::BadLength));
        }
    }
}

/// Seals `plain` packets with sequence numbers from 0 on and compares them with
/// `sealed`, which another implementation of the primitives made; then opens
/// those.
fn check_known(
    (mut sealer, mut opener): (Box<dyn Sealer>, Box<dyn Opener>),
    first_sequence_number: u32,
    plain: &[Vec<u8>],
    sealed: &[&str],
) {
    for (sequence_number, (plain, sealed)) in
        (first_sequence_number..).zip(plain.iter().zip(sealed))
    {
        let mut packet = [&plain[..], &vec![0; sealer.tag_len()]].concat();
        sealer.seal(sequence_number, &mut packet).unwrap();
        assert_eq!(packet, hex(sealed));
        let length = open(&mut *opener, sequence_number, &mut packet).unwrap();
        assert_eq!(length as usize, plain.len() - 4);
        assert_eq!(packet[4..plain.len()], plain[4..]);
    }
}

fn numbered(count: usize, text: &str, length: u32, padding: usize) -> Vec<Vec<u8>> {
    let packet = |number| {
        let text = format!("packet {number:04}{text}");
        let head = [&length.to_be_bytes()[..], &[padding as u8]].concat();
        [&head[..], text.as_bytes(), &vec![0; padding]].concat()
    };
    (0..count).map(packet).collect()
}

/// The counter of RFC 5647 §7.1 carries from the lowest 32 bits to the next and
/// leaves the fixed field alone.
#[test]
fn known_gcm_packets() {
    let key: Vec<u8> = (0..32).collect();
    let iv = hex("cafebabefffffffffffffffe");
    let packets = numbered(3, "", 16, 4);
    for (cipher, sealed) in [
        (
            &AES128_GCM,
            [
                "0000001033c50302cd7b5e64286fee165e44f1922de82e68f65f4abc3e56e4c8\
             9a7b6d76",
                "000000106a2399f427db34fe86164fdc7f3ba79b60ecf98c13b92387e2d3becd\
             02d9f5a9",
                "00000010b6d24a6f66cd6098a572eef3941e26cbe7d28f3ac382226b580ba61b\
             3e8a5b8d",
            ],
        ),
        (
            &AES256_GCM,
            [
                "00000010d8fca1bb290dd3497c54f16a997c6bcf185a88e28cc0c0347ab97843\
             ca6d2ae6",
                "00000010ab2dc67c7a4e2560b078bb032579f9a6e68170a6ef73af23155ae660\
             40e55fea",
                "0000001032bc09ed23618a978687246a89b7a17411a0512c0de5aff0f1963c9f\
             4a20ae97",
            ],
        ),
    ] {
        let keys = Keys { key: &key[..cipher.key_len], iv: &iv, mac_key: &[] };
        let pair = (cipher.sealer(None, &keys).unwrap(), cipher.opener(None, &keys).unwrap());
        check_known(pair, 0, &packets, &sealed);
    }
}

#[test]
fn known_chacha20_poly1305_packet() {
    let plain = hex("000000180645766572797468696e67206368616e6765555555555555");
    let sealed = "bc79806390876ad7a96852c1bd0343dccb283b1a6648418266ec388bcf94b8c3\
         b2fb906b2a825fc09e72aeb2";
    check_known(pair(&CHACHA20_POLY1305, None), 0x0102_0304, &[plain], &[sealed]);
}

/// The construction of PROTOCOL.chacha20poly1305, from the parts.
#[test]
fn chacha20_poly1305_is_made_of_its_parts() {
    let key: Vec<u8> = (0..64).collect();
    let (main_key, length_key) = (key[..32].try_into().unwrap(), key[32..].try_into().unwrap());
    let (mut sealer, _) = pair(&CHACHA20_POLY1305, None);
    for sequence_number in [0, 1, 0x0102_0304, u32::MAX] {
        let mut packet = frame(&*sealer, &[0x61; 300]);
        let end = packet.len() - 16;
        let mut expected = packet.clone();
        let mut nonce = [0; 12];
        nonce[8..].copy_from_slice(&sequence_number.to_be_bytes());
        let mut one_time_key = [0; 32];
        sys::chacha20(main_key, &nonce, 0, &mut one_time_key);
        sys::chacha20(length_key, &nonce, 0, &mut expected[..4]);
        sys::chacha20(main_key, &nonce, 1, &mut expected[4..end]);
        let tag = sys::poly1305(&one_time_key, &expected[..end]);
        expected[end..].copy_from_slice(&tag);
        sealer.seal(sequence_number, &mut packet).unwrap();
        assert_eq!(packet, expected);
    }
}

/// The counter of all ones wraps in the first packet.
#[test]
fn known_ctr_packets() {
    check_known(
        pair(&AES256_CTR, Some(&HMAC_SHA2_512)),
        0,
        &numbered(2, " 12345", 28, 10),
        &[
            "e999e40146d711b938e2655b6dbf67ded2a132851e7c9fd0a9f39a6add2e7780\
             802610964974e1153328cb60bd88e1677b5bc3d2d96c617779f49da9d4cdcc01\
             c8f5ebb5a222041bcf45e6bb1c573bb506004e630207f2392ecf577f76b19026",
            "f05d76b240c9fe86cd93ef1178f2060c2e8d87ed811983bd08a8a935182c9199\
             19296fa78cc618055fcd4c67861150ebe018dfc1a9b6b487d18678a4ac49eedb\
             776271356270a73338d2a0ca500a9f5776a022535ee07d4d0a478f8bfa28264e",
        ],
    );
    check_known(
        pair(&AES128_CTR, Some(&HMAC_SHA2_256_ETM)),
        0,
        &numbered(2, " 12345", 32, 14),
        &[
            "0000002032347e51a562f60354e792a92e618920f2943b37878f5b826f4f8162\
             a1c8d87905867a154cc4f1462cde819f9d690e88d1a3a11fa637c98bc8bdfafe\
             9974dcaf",
            "000000207d3672f6fea5c03e794b8dd245c51f397de38753999ba68ce3897a68\
             6081b09d8b4099cdc58cf677ed36549659a91de0942bf0579e58942b4a431e59\
             f11c514c",
        ],
    );
}

#[test]
fn known_triple_des_packets() {
    let key: Vec<u8> = (0..24).collect();
    let keys = Keys { key: &key, iv: &key[..8], mac_key: &key[..20] };
    let mac = Some(&HMAC_SHA1);
    let pair =
        (TRIPLE_DES_CBC.sealer(mac, &keys).unwrap(), TRIPLE_DES_CBC.opener(mac, &keys).unwrap());
    check_known(
        pair,
        0,
        &numbered(2, " 12345", 28, 10),
        &[
            "9b9dcb874f469d8549473588c6a0b36761639acefdb1600b2b1dc692bac8de1c\
             43132bb4839a274a5f58217adca55c233bc250c4",
            "ecf31f1cd521e34867693621047b202cc0f25da92c25eccbe154748efd30851d\
             ed4672d3c9d6f5aa610b48ed0aa52833f886753b",
        ],
    );
}
