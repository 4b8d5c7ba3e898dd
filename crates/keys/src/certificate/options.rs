//! Critical options and extensions. OpenSSH's PROTOCOL.certkeys.

use wire::{Reader, Writer};

use super::{Certificate, CertificateError};
use crate::error::Error;
use crate::limits;

/// Critical options of user certificates that are understood. Host
/// certificates have none.
pub const USER_CRITICAL_OPTIONS: &[&str] = &["force-command", "source-address", "verify-required"];

/// The critical options and extensions of a user certificate, understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateOptions {
    /// The one command to run.
    pub force_command: Option<String>,
    /// The addresses to come from, for [`crate::address::matches_cidr_list`].
    pub source_address: Option<String>,
    /// The security key must have verified its user.
    pub verify_required: bool,
    /// The security key need not have been touched.
    pub no_touch_required: bool,
    /// `permit-X11-forwarding`.
    pub permit_x11_forwarding: bool,
    /// `permit-agent-forwarding`.
    pub permit_agent_forwarding: bool,
    /// `permit-port-forwarding`.
    pub permit_port_forwarding: bool,
    /// `permit-pty`.
    pub permit_pty: bool,
    /// `permit-user-rc`.
    pub permit_user_rc: bool,
}

impl Certificate {
    /// The critical options and extensions as a server applies them. Unknown
    /// critical options are [`Self::check`]'s to refuse.
    ///
    /// # Errors
    /// [`CertificateError::BadOption`] when a known one has bad data.
    pub fn options(&self) -> Result<CertificateOptions, CertificateError> {
        let mut options = CertificateOptions::default();
        for (name, data) in &self.critical_options {
            match name.as_str() {
                "force-command" => options.force_command = Some(text("force-command", data)?),
                "source-address" => options.source_address = Some(text("source-address", data)?),
                "verify-required" => options.verify_required = flag("verify-required", data)?,
                _ => {}
            }
        }
        for (name, data) in &self.extensions {
            match name.as_str() {
                "no-touch-required" => options.no_touch_required = flag("no-touch-required", data)?,
                "permit-X11-forwarding" => {
                    options.permit_x11_forwarding = flag("permit-X11-forwarding", data)?;
                }
                "permit-agent-forwarding" => {
                    options.permit_agent_forwarding = flag("permit-agent-forwarding", data)?;
                }
                "permit-port-forwarding" => {
                    options.permit_port_forwarding = flag("permit-port-forwarding", data)?;
                }
                "permit-pty" => options.permit_pty = flag("permit-pty", data)?,
                "permit-user-rc" => options.permit_user_rc = flag("permit-user-rc", data)?,
                _ => {}
            }
        }
        Ok(options)
    }
}

/// The value of an option that has one is a string inside the data.
pub(super) fn text(name: &'static str, data: &[u8]) -> Result<String, CertificateError> {
    let mut reader = Reader::new(data);
    let value = reader.text().map_err(|_| CertificateError::BadOption(name))?;
    reader.finish().map_err(|_| CertificateError::BadOption(name))?;
    Ok(value.to_owned())
}

fn flag(name: &'static str, data: &[u8]) -> Result<bool, CertificateError> {
    if data.is_empty() { Ok(true) } else { Err(CertificateError::BadOption(name)) }
}

/// Names may appear once. That they must be sorted is not enforced, as
/// OpenSSH does not either and other CAs do not sort.
pub(super) fn decode_options(packed: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut reader = Reader::new(packed);
    let mut options: Vec<(String, Vec<u8>)> = Vec::new();
    while !reader.is_empty() {
        if options.len() == limits::CERTIFICATE_OPTIONS {
            return Err(Error::InvalidCertificate("it has too many options"));
        }
        let name = reader.text()?;
        if options.iter().any(|(known, _)| known == name) {
            return Err(Error::InvalidCertificate("it has an option twice"));
        }
        options.push((name.to_owned(), reader.string()?.to_vec()));
    }
    Ok(options)
}

pub(super) fn put_options(blob: &mut Vec<u8>, options: &[(String, Vec<u8>)]) {
    let mut sorted: Vec<_> = options.iter().collect();
    sorted.sort();
    let mut packed = Vec::new();
    for (name, data) in sorted {
        packed.put_string(name.as_bytes());
        packed.put_string(data);
    }
    blob.put_string(&packed);
}
