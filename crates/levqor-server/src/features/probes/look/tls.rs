//! Handshakes that tell of the certificate also when it is refused.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use levqor_model::Timestamp;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::certificate;

/// Who judges certificates: the system's authorities, and those that a definition adds. Reading them takes a while, so it is done once.
#[derive(Debug, Default)]
pub(in super::super) struct Verifiers(Mutex<BTreeMap<[u8; 32], Arc<Verifier>>>);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Verifiers {
    pub(super) async fn of(&self, authorities: &[CertificateDer<'static>]) -> Result<Arc<Verifier>, String> {
        let mut sum = Sha256::new();
        for authority in authorities {
            sum.update(authority.as_ref());
        }
        let key: [u8; 32] = sum.finalize().into();
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verifier) = known().get(&key) {
            return Ok(Arc::clone(verifier));
        }
        let added = authorities.to_vec();
        let made = tokio::task::spawn_blocking(move || {
            if added.is_empty() {
                Verifier::new(provider())
            } else {
                Verifier::new_with_extra_roots(added, provider())
            }
        });
        let made = made.await.map_err(|error| error.to_string())?;
        let made =
            Arc::new(made.map_err(|error| format!("the system's authorities cannot be read: {error}"))?);
        known().insert(key, Arc::clone(&made));
        Ok(made)
    }
}

/// Judges as another one does, and remembers what it was shown.
#[derive(Debug)]
struct Witness {
    judge: Arc<Verifier>,
    shown: Mutex<Option<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.clone().into_owned());
        self.judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

/// A handshake on a connection; until when the certificate is good is told in `ends`, be it trusted or not. Of several, as redirects
/// lead to them, the first to end counts.
pub(super) async fn shake_hands(
    stream: TcpStream,
    server_name: &str,
    judge: Arc<Verifier>,
    ends: &mut Option<Timestamp>,
) -> Result<TlsStream<TcpStream>, String> {
    let name = ServerName::try_from(server_name.trim_matches(['[', ']']).to_owned())
        .map_err(|_| format!("{server_name:?} is a name that no certificate can be for"))?;
    let witness = Arc::new(Witness { judge, shown: Mutex::default() });
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each look sees the certificate of now.
    config.resumption = Resumption::disabled();
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let shown = witness.shown.lock().unwrap_or_else(PoisonError::into_inner).take();
    let until = shown.as_ref().and_then(|shown| certificate::ends_at(shown));
    *ends = [*ends, until].into_iter().flatten().min();
    shaken.map_err(|error| match until {
        Some(ends) => format!("no TLS: {error} (its certificate ends on {})", ends.date()),
        None => format!("no TLS: {error}"),
    })
}
