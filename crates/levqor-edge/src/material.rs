//! What the configuration names and the disk holds: certificates and secrets.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use levqor_model::Secret;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::{
    affinity::SECRET_BYTES_MIN,
    config::{Complaints, Config},
    countries::Countries,
};

#[derive(Debug, Clone)]
pub struct Material {
    pub server_tls: Option<Arc<ServerConfig>>,
    pub client_tls: Arc<ClientConfig>,
    pub affinity_secret: Option<Secret>,
    pub countries: Option<Arc<Countries>>,
}

impl Material {
    /// Reads the files that `config` names; relative ones lie in `folder`.
    ///
    /// # Errors
    /// A complaint for each file that cannot be used.
    pub fn load(config: &Config, folder: &Path) -> Result<Self, Complaints> {
        let mut complaints = Vec::new();
        let mut keep = |result: Result<(), String>| complaints.extend(result.err());
        let mut server_tls = None;
        if let Some(files) = &config.tls {
            keep(server_config(folder, &files.certificate, &files.key).map(|tls| server_tls = Some(tls)));
        }
        let mut client_tls = None;
        let ca_file = config.upstream.ca_file.as_deref().map(|file| folder.join(file));
        keep(client_config(ca_file).map(|tls| client_tls = Some(tls)));
        let mut affinity_secret = None;
        if let Some(section) = &config.affinity {
            keep(secret(&folder.join(&section.secret_file)).map(|secret| affinity_secret = Some(secret)));
        }
        let mut countries = None;
        if let Some(file) = &config.country_database {
            keep(countries_of(&folder.join(file)).map(|read| countries = Some(Arc::new(read))));
        }
        match client_tls {
            Some(client_tls) if complaints.is_empty() => {
                Ok(Self { server_tls, client_tls, affinity_secret, countries })
            }
            _ => Err(Complaints(complaints)),
        }
    }
}

fn server_config(folder: &Path, certificate: &str, key: &str) -> Result<Arc<ServerConfig>, String> {
    let certificate = folder.join(certificate);
    let key = folder.join(key);
    let chain = certificates(&certificate).map_err(|problem| format!("tls.certificate: {problem}"))?;
    let key = PrivateKeyDer::from_pem_file(&key).map_err(|error| {
        format!("tls.key: {} holds no private key ({error}); name a PEM file with one", key.display())
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("tls: {error}"))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| format!("tls: certificate and key cannot be used together: {error}; renew both"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn client_config(ca_file: Option<PathBuf>) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("upstream: {error}"))?;
    let mut config = match ca_file {
        None => builder
            .with_platform_verifier()
            .map_err(|error| format!("upstream: the system's authorities cannot be read: {error}"))?
            .with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in
                certificates(&file).map_err(|problem| format!("upstream.ca_file: {problem}"))?
            {
                roots.add(certificate).map_err(|error| {
                    format!("upstream.ca_file: {} holds no authority: {error}", file.display())
                })?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unusable = |error: &dyn std::fmt::Display| {
        format!("{} holds no certificates ({error}); name a PEM file with them", file.display())
    };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|error| unusable(&error))?;
    if chain.is_empty() { Err(unusable(&"it is empty")) } else { Ok(chain) }
}

fn countries_of(file: &Path) -> Result<Countries, String> {
    Countries::read(file).map_err(|problem| {
        format!(
            "steering.country_database: {} {problem}; name a file in MaxMind's format that tells countries, such as GeoLite2-Country.mmdb",
            file.display()
        )
    })
}

fn secret(file: &Path) -> Result<Secret, String> {
    let text = fs::read_to_string(file).map_err(|error| {
        format!("affinity.secret_file: {} cannot be read as text: {error}; write 32 random bytes into it, such as by openssl rand -hex 32", file.display())
    })?;
    let text = text.trim();
    if text.len() < SECRET_BYTES_MIN {
        return Err(format!(
            "affinity.secret_file: {} holds {} bytes; write at least {SECRET_BYTES_MIN} random ones into it, such as by openssl rand -hex 32",
            file.display(),
            text.len()
        ));
    }
    Ok(Secret::new(text))
}
