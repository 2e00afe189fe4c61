//! The fleet's own certificate authority, for machines without another one.

use std::{
    fs,
    io::Write,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

/// Everybody who calls or is called.
const NAMES: [&str; 11] = [
    "auth",
    "user",
    "wallet",
    "orchestrator",
    "media",
    "chain-registry",
    "catalog",
    "indexer",
    "subs-worker",
    "gateway",
    "operator",
];
const AUTHORITY_DAYS: i64 = 3650;
const LEAF_DAYS: i64 = 90;
/// A certificate with less than this to live is made anew.
const RENEW_WITHIN_DAYS: i64 = 30;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the files go.
    #[arg(long, env = "VITRINE_CERTS_DIR", default_value = ".vitrine/run/certs")]
    dir: PathBuf,
    /// Makes every leaf anew, as for a rotation; the authority stays.
    #[arg(long)]
    rotate: bool,
}

/// Makes what is missing or about to run out. Processes notice changed files by themselves.
pub(crate) fn make(arguments: &Arguments) -> anyhow::Result<()> {
    let dir = &arguments.dir;
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let authority = authority(dir)?;
    let mut made = 0;
    for name in NAMES {
        let path = dir.join(format!("{name}.pem"));
        if arguments.rotate || !lives_on(&path) {
            leaf(&authority, dir, name)?;
            made += 1;
        }
    }
    println!("certificates: {made} made, {} kept, in {}", NAMES.len() - made, dir.display());
    Ok(())
}

fn authority(dir: &Path) -> anyhow::Result<Issuer<'static, KeyPair>> {
    let (certificate, key_file) = (dir.join("ca.pem"), dir.join("ca.key"));
    let mut params = valid_for(CertificateParams::default(), AUTHORITY_DAYS);
    params.distinguished_name.push(DnType::CommonName, "vitrine local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    if certificate.exists() && key_file.exists() {
        let key = KeyPair::from_pem(&fs::read_to_string(&key_file)?).context("ca.key is not a key")?;
        return Ok(Issuer::new(params, key));
    }
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    write(&key_file, &key.serialize_pem(), 0o600)?;
    write(&certificate, &pem, 0o644)?;
    // Leaves of an older authority are worth nothing under the new one.
    for name in NAMES {
        let _ = fs::remove_file(dir.join(format!("{name}.pem")));
    }
    Ok(Issuer::new(params, key))
}

fn leaf(authority: &Issuer<'static, KeyPair>, dir: &Path, name: &str) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    let mut params = valid_for(CertificateParams::default(), LEAF_DAYS);
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = vec![
        SanType::URI(format!("spiffe://vitrine/{name}").try_into()?),
        SanType::DnsName(name.try_into()?),
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    ];
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, authority)?;
    write(&dir.join(format!("{name}.key")), &key.serialize_pem(), 0o600)?;
    write(&dir.join(format!("{name}.pem")), &certificate.pem(), 0o644)
}

fn lives_on(path: &Path) -> bool {
    let Ok(pem) = fs::read(path) else { return false };
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(&pem) else { return false };
    let Ok(certificate) = pem.parse_x509() else { return false };
    let ends_at = certificate.validity().not_after.timestamp();
    DateTime::from_timestamp(ends_at, 0)
        .is_some_and(|ends_at| ends_at > Utc::now() + TimeDelta::days(RENEW_WITHIN_DAYS))
}

fn valid_for(mut params: CertificateParams, days: i64) -> CertificateParams {
    let day = |days| {
        let at = Utc::now() + TimeDelta::days(days);
        date_time_ymd(at.year(), at.month() as u8, at.day() as u8)
    };
    // A day early: clocks of one fleet may differ.
    params.not_before = day(-1);
    params.not_after = day(days);
    params
}

/// Through a temporary file, so that a process that reads meanwhile never sees half of one.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let fresh = path.with_extension("fresh");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path).with_context(|| format!("cannot write {}", path.display()))
}
