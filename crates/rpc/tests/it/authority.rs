//! A certificate authority for one test, and the leaves it signs.
use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use tempfile::TempDir;

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Validity {
    Good,
    Expired,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "a test's authority");
        let key = KeyPair::generate().expect("key generation needs nothing");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("the parameters are complete");
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("writable");
        Self { issuer, folder }
    }

    /// Files for `service`, signed here.
    pub(crate) fn settings(&self, service: &str) -> rpc::Settings {
        self.issue(service, service, service, Validity::Good)
    }

    /// Files called `file` whose certificate names `dns` as host and `service` as identity.
    pub(crate) fn issue(&self, file: &str, dns: &str, service: &str, validity: Validity) -> rpc::Settings {
        let folder = self.folder.path();
        self.write(folder, file, dns, service, validity);
        rpc::Settings {
            addr: ([127, 0, 0, 1], 0).into(),
            ca: folder.join("ca.pem"),
            cert: folder.join(format!("{file}.pem")),
            key: folder.join(format!("{file}.key")),
        }
    }

    fn write(&self, folder: &Path, file: &str, dns: &str, service: &str, validity: Validity) {
        let mut params =
            CertificateParams::new([dns.to_owned(), "localhost".to_owned()]).expect("names are ASCII");
        let uri = format!("spiffe://vitrine/{service}");
        params.subject_alt_names.push(SanType::URI(uri.try_into().expect("a URI is ASCII")));
        if validity == Validity::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 2);
        }
        let key = KeyPair::generate().expect("key generation needs nothing");
        let leaf = params.signed_by(&key, &self.issuer).expect("the authority signs");
        // Key first and certificate second, as a rotation would: for a moment the two do not fit.
        fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).expect("writable");
        fs::write(folder.join(format!("{file}.pem")), leaf.pem()).expect("writable");
    }
}
