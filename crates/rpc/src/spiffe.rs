//! A certificate names one service: `spiffe://vitrine/<service>` in its subject alternative names.
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use x509_parser::{extensions::GeneralName, prelude::*};

const PREFIX: &str = "spiffe://vitrine/";

/// The service that a verified certificate names; `None` when it names none, or more than one.
pub(crate) fn service(certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let mut services = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => uri.strip_prefix(PREFIX),
        _ => None,
    });
    let service = services.next().filter(|name| !name.is_empty() && !name.contains('/'))?;
    services.next().is_none().then(|| service.into())
}

/// Seconds since 1970 at which the certificate ends.
pub(crate) fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}
