//! The data types of RFC 4251 §5.

use wire::{Mpint, NameList, Reader, Writer};

/// Reads a series of values, the kind of each chosen by a byte of its own.
pub fn run(data: &[u8]) {
    let Some((&kinds, rest)) = data.split_first() else {
        return;
    };
    let mut reader = Reader::new(rest);
    let mut kind = kinds;
    while !reader.is_empty() {
        let before = reader.rest().len();
        let read = match kind % 8 {
            0 => reader.u8().map(drop),
            1 => reader.boolean().map(drop),
            2 => reader.u32().map(drop),
            3 => reader.u64().map(drop),
            4 => reader.string().map(|contents| {
                let mut again = Vec::new();
                again.put_string(contents);
                assert!(rest.windows(again.len()).any(|window| window == again));
            }),
            5 => reader.text().map(drop),
            6 => reader.mpint().map(mpint),
            _ => reader.name_list().map(name_list),
        };
        if read.is_err() || reader.rest().len() >= before {
            break;
        }
        kind = kind.wrapping_mul(5).wrapping_add(1);
    }
    let _ = reader.finish();
    let _ = Mpint::from_wire(rest).map(mpint);
    let _ = NameList::from_wire(rest).map(name_list);
}

/// What was read as canonical is written the same way.
fn mpint(value: Mpint<'_>) {
    let mut again = Vec::new();
    again.put_mpint(value.magnitude());
    let mut reader = Reader::new(&again);
    let back = reader.mpint().map(|back| back.magnitude().to_vec());
    assert_eq!(back.as_deref(), Ok(value.magnitude()));
    assert!(value.bits() <= value.magnitude().len() * 8);
}

fn name_list(list: NameList<'_>) {
    for name in list.iter() {
        assert!(list.contains(name));
    }
}

/// One of each.
pub fn seeds() -> Vec<Vec<u8>> {
    (0..8u8)
        .map(|kind| {
            let mut seed = vec![kind];
            seed.put_string(b"curve25519-sha256,ssh-ed25519");
            seed.put_mpint(&[0x80, 1, 2, 3]);
            seed.extend_from_slice(&[0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 9]);
            seed
        })
        .collect()
}
