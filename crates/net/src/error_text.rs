use std::io;

/// The text `strerror` gives, without Rust's "(os error N)" behind it.
pub(crate) fn of(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text.get(..at).unwrap_or(&text).to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_left_out() {
        let refused = io::Error::from_raw_os_error(rustix::io::Errno::CONNREFUSED.raw_os_error());
        assert_eq!(of(&refused), "Connection refused");
        assert_eq!(of(&io::Error::other("plain")), "plain");
    }
}
