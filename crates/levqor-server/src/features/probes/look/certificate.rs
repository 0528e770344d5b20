//! Until when a certificate is good.

use levqor_model::Timestamp;
use x509_cert::{Certificate, der::Decode};

/// None: it is no certificate that can be read.
pub(super) fn ends_at(der: &[u8]) -> Option<Timestamp> {
    let certificate = Certificate::from_der(der).ok()?;
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    i64::try_from(end.as_secs()).ok().map(Timestamp::from_seconds)
}
