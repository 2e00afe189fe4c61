//! An authority and a certificate for each service, made for one test.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use chrono::{Datelike, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use tempfile::TempDir;

/// Who has a certificate: the services, the gateway and the operator.
pub const SERVICES: [&str; 11] = [
    "auth",
    "user",
    "wallet",
    "chain-registry",
    "orchestrator",
    "indexer",
    "catalog",
    "media",
    "subs-worker",
    "gateway",
    "operator",
];

/// Certificates in a folder that goes when the test does.
#[derive(Debug)]
pub struct Certs {
    dir: TempDir,
}

/// Makes an authority and a certificate for each of [`SERVICES`].
pub fn certs() -> Certs {
    let certs = Certs { dir: TempDir::new().expect("the temporary folder is writable") };
    Certs::write_dir(certs.dir.path(), &SERVICES);
    certs
}

impl Certs {
    /// Writes `ca.pem` and for each name `<name>.pem` and `<name>.key`.
    pub fn write_dir(dir: &Path, names: &[&str]) {
        let authority = Authority::new();
        write(&dir.join("ca.pem"), &authority.pem);
        for name in names {
            authority.issue(dir, name, (-1, 30));
        }
    }

    /// Where the files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The settings of a service that listens on a free port.
    pub fn settings_for(&self, name: &str) -> rpc::Settings {
        self.settings(self.dir.path().join(name))
    }

    /// The same name with a certificate that has run out, from an authority that nobody here knows the key of.
    pub fn expired_for(&self, name: &str) -> rpc::Settings {
        self.foreign(name, "expired", (-30, -2))
    }

    /// The same name from another authority: it trusts ours, and nobody trusts it.
    pub fn stranger_for(&self, name: &str) -> rpc::Settings {
        self.foreign(name, "stranger", (-1, 30))
    }

    fn foreign(&self, name: &str, folder: &str, days: (i64, i64)) -> rpc::Settings {
        let dir = self.dir.path().join(folder);
        std::fs::create_dir_all(&dir).expect("the temporary folder is writable");
        Authority::new().issue(&dir, name, days);
        self.settings(dir.join(name))
    }

    fn settings(&self, stem: PathBuf) -> rpc::Settings {
        rpc::Settings {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            ca: self.dir.path().join("ca.pem"),
            cert: stem.with_extension("pem"),
            key: stem.with_extension("key"),
        }
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = validity(CertificateParams::default(), (-1, 30));
        params.distinguished_name.push(DnType::CommonName, "vitrine test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).expect("an authority signs itself").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, dir: &Path, name: &str, days: (i64, i64)) {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = validity(CertificateParams::default(), days);
        params.distinguished_name.push(DnType::CommonName, name);
        let text = |text: &str| text.try_into().expect("names are ASCII");
        params.subject_alt_names = vec![
            SanType::URI(text(&format!("spiffe://vitrine/{name}"))),
            SanType::DnsName(text(name)),
            SanType::DnsName(text("localhost")),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ];
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs");
        write(&dir.join(format!("{name}.pem")), &certificate.pem());
        write(&dir.join(format!("{name}.key")), &key.serialize_pem());
    }
}

fn validity(mut params: CertificateParams, (from, until): (i64, i64)) -> CertificateParams {
    let day = |days| {
        let at = Utc::now() + TimeDelta::days(days);
        let part = |n: u32| u8::try_from(n).expect("a month or a day fits");
        date_time_ymd(at.year(), part(at.month()), part(at.day()))
    };
    params.not_before = day(from);
    params.not_after = day(until);
    params
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
}
