//! The two DNS messages that SSHFP records need. RFC 1035 §4, RFC 4255 §3, RFC 6891.

const SSHFP: u16 = 44;
const INTERNET: u16 = 1;
/// Records that are kept of an answer.
const RECORDS_MAX: usize = 64;
/// Labels of a name.
const LABELS_MAX: usize = 128;
/// What an answer may be long over UDP.
const PAYLOAD_BYTES: u16 = 1232;
const HEADER_BYTES: usize = 12;
/// The pseudo-record with the flag that asks for validated data.
const OPT: u16 = 41;
const DNSSEC_OK: u16 = 0x8000;

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// It has validated the data: the AD bit. RFC 4035 §3.2.3.
    pub authenticated: bool,
    /// There is more than fits in a datagram.
    pub truncated: bool,
    /// Algorithm, type of fingerprint, fingerprint.
    pub records: Vec<(u8, u8, Vec<u8>)>,
}

/// The question for a host's records; nothing where the name cannot be one of the DNS.
pub(super) fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut message = id.to_be_bytes().to_vec();
    // Recursion desired, and the AD bit to be told (RFC 6840 §5.7); one question, one more record.
    message.extend([0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1]);
    let name = name.strip_suffix('.').unwrap_or(name);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        message.push(length);
        message.extend(label.as_bytes());
    }
    message.push(0);
    if message.len() - HEADER_BYTES > 255 {
        return None;
    }
    message.extend([SSHFP, INTERNET].iter().flat_map(|number| number.to_be_bytes()));
    message.push(0);
    let numbers = [OPT, PAYLOAD_BYTES, 0, DNSSEC_OK, 0];
    message.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
    Some(message)
}

/// Reads the answer to `query`; nothing when it is none.
pub(super) fn read_answer(message: &[u8], id: u16, query: &[u8]) -> Option<Answer> {
    let flags = number(message, 2)?;
    let code = flags & 15;
    // No error, or no such name.
    if number(message, 0)? != id || flags & 0x8000 == 0 || !(code == 0 || code == 3) {
        return None;
    }
    let end = skip_name(message, HEADER_BYTES)?;
    let same = message.get(HEADER_BYTES..end + 4)?;
    let asked = query.get(HEADER_BYTES..HEADER_BYTES + same.len())?;
    if number(message, 4)? != 1 || !same.eq_ignore_ascii_case(asked) {
        return None;
    }
    let mut answer = Answer {
        authenticated: flags & 0x20 != 0,
        truncated: flags & 0x200 != 0,
        records: Vec::new(),
    };
    let mut at = end + 4;
    for _ in 0..number(message, 6)? {
        let Some((next, record)) = read_record(message, at) else {
            // What was cut off is asked for again.
            return answer.truncated.then_some(answer);
        };
        answer.records.extend(record);
        if answer.records.len() >= RECORDS_MAX {
            break;
        }
        at = next;
    }
    Some(answer)
}

/// Where the next record is, and this one if it is a fingerprint.
type Record = (usize, Option<(u8, u8, Vec<u8>)>);

fn read_record(message: &[u8], at: usize) -> Option<Record> {
    let head = skip_name(message, at)?;
    let (kind, class) = (number(message, head)?, number(message, head + 2)?);
    let data_at = head + 10;
    let next = data_at + usize::from(number(message, head + 8)?);
    let record = match message.get(data_at..next)? {
        [algorithm, fingerprint_type, fingerprint @ ..] if (kind, class) == (SSHFP, INTERNET) => {
            Some((*algorithm, *fingerprint_type, fingerprint.to_vec()))
        }
        _ => None,
    };
    Some((next, record))
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?))
}

fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..LABELS_MAX {
        let length = usize::from(*message.get(at)?);
        match length {
            0 => return Some(at + 1),
            1..64 => at += 1 + length,
            // A pointer is the end of the name here.
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(flags: [u8; 2], records: &[&[u8]]) -> Vec<u8> {
        let query = question(7, "a.test").unwrap();
        let question_end = query.len() - 11;
        let mut message = vec![0, 7, flags[0], flags[1], 0, 1, 0, records.len() as u8, 0, 0, 0, 0];
        message.extend(&query[HEADER_BYTES..question_end]);
        for data in records {
            message.extend([0xc0, 12, 0, 44, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
            message.extend(*data);
        }
        message
    }

    #[test]
    fn fingerprints_are_read() {
        let query = question(7, "A.test.").unwrap();
        let message = answer([0x81, 0xa0], &[&[4, 2, 1, 2, 3], &[1, 1, 9]]);
        let read = read_answer(&message, 7, &query).unwrap();
        assert!(read.authenticated && !read.truncated);
        assert_eq!(read.records, [(4, 2, vec![1, 2, 3]), (1, 1, vec![9])]);
        assert_eq!(read_answer(&message, 8, &query), None);
        assert_eq!(read_answer(&message, 7, &question(7, "b.test").unwrap()), None);
        assert!(!read_answer(&answer([0x81, 0x80], &[]), 7, &query).unwrap().authenticated);
        for end in 0..message.len() {
            assert_eq!(read_answer(&message[..end], 7, &query), None, "{end}");
        }
    }

    #[test]
    fn names_that_cannot_be_asked_for() {
        assert_eq!(question(1, ""), None);
        assert_eq!(question(1, "a..b"), None);
        assert_eq!(question(1, &"a".repeat(64)), None);
        assert_eq!(question(1, &"abcdefgh.".repeat(40)), None);
    }
}
