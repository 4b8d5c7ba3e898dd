//! Writing a list.

use wire::Writer;

use super::read::{
    CERTIFICATES, EXPLICIT_KEY, FINGERPRINT_SHA1, FINGERPRINT_SHA256, KEY_ID, SERIAL_BITMAP,
    SERIAL_LIST, SERIAL_RANGE,
};
use super::{Authority, Krl, MAGIC};

/// A bitmap is not begun across a longer gap than its bytes are worth.
const GAP: u64 = 64;
/// Serial numbers in one bitmap at most.
const BITMAP_BITS: u64 = 1 << 15;

impl Krl {
    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_bytes(MAGIC);
        out.put_u32(1);
        out.put_u64(self.version);
        out.put_u64(self.generated);
        out.put_u64(0); // flags
        out.put_string(b""); // reserved
        out.put_string(self.comment.as_bytes());
        for authority in &self.authorities {
            let mut section = Vec::new();
            section.put_string(authority.ca.as_ref().map_or(&[], |ca| ca.blob()));
            section.put_string(b""); // reserved
            put_serials(&mut section, authority);
            if !authority.key_ids.is_empty() {
                let mut key_ids = Vec::new();
                for key_id in &authority.key_ids {
                    key_ids.put_string(key_id.as_bytes());
                }
                put_section(&mut section, KEY_ID, &key_ids);
            }
            put_section(&mut out, CERTIFICATES, &section);
        }
        put_strings(&mut out, EXPLICIT_KEY, self.keys.iter().map(Vec::as_slice));
        put_strings(&mut out, FINGERPRINT_SHA1, self.sha1.iter().map(<[u8; 20]>::as_slice));
        put_strings(&mut out, FINGERPRINT_SHA256, self.sha256.iter().map(<[u8; 32]>::as_slice));
        out
    }
}

fn put_section(out: &mut Vec<u8>, kind: u8, contents: &[u8]) {
    out.put_u8(kind);
    out.put_string(contents);
}

fn put_strings<'a>(out: &mut Vec<u8>, kind: u8, strings: impl Iterator<Item = &'a [u8]>) {
    let mut section = Vec::new();
    for string in strings {
        section.put_string(string);
    }
    if !section.is_empty() {
        put_section(out, kind, &section);
    }
}

/// Groups the ranges so that the file is short: long ones as ranges, neighbours as bitmaps, the
/// rest as a list.
fn put_serials(section: &mut Vec<u8>, authority: &Authority) {
    let mut list = Vec::new();
    let mut pending: Vec<(u64, u64)> = Vec::new();
    for (first, last) in authority.serials() {
        let joins = pending.first().zip(pending.last()).is_some_and(|(begin, end)| {
            first - end.1 <= GAP && last - begin.0 < BITMAP_BITS && last - first < GAP * 2
        });
        if !joins {
            put_group(section, &mut list, &pending);
            pending.clear();
        }
        pending.push((first, last));
    }
    put_group(section, &mut list, &pending);
    if !list.is_empty() {
        put_section(section, SERIAL_LIST, &list);
    }
}

fn put_group(section: &mut Vec<u8>, list: &mut Vec<u8>, group: &[(u64, u64)]) {
    match group {
        [] => {}
        [(first, last)] if last - first > 1 => {
            let mut range = Vec::new();
            range.put_u64(*first);
            range.put_u64(*last);
            put_section(section, SERIAL_RANGE, &range);
        }
        // Two or three numbers are shorter in the list.
        group if group.iter().map(|(first, last)| last - first + 1).sum::<u64>() < 4 => {
            for serial in group.iter().flat_map(|(first, last)| *first..=*last) {
                list.put_u64(serial);
            }
        }
        group => put_bitmap(section, group),
    }
}

fn put_bitmap(section: &mut Vec<u8>, group: &[(u64, u64)]) {
    let (Some((offset, _)), Some((_, end))) = (group.first(), group.last()) else { return };
    let mut bitmap = vec![0u8; ((end - offset) / 8 + 1) as usize];
    for serial in group.iter().flat_map(|(first, last)| *first..=*last) {
        let bit = serial - offset;
        let from_end = bitmap.len() - 1 - (bit / 8) as usize;
        bitmap[from_end] |= 1 << (bit % 8);
    }
    let mut contents = Vec::new();
    contents.put_u64(*offset);
    contents.put_mpint(&bitmap);
    put_section(section, SERIAL_BITMAP, &contents);
}
