//! Encrypted connections: whose certificates are believed, and who this side is.

use std::path::Path;

use efficientad_files::read_limited;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::OutputError;

/// Longest file of certificates or keys that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// The certificates of authorities: those of a file alone, or those that this machine believes.
pub(crate) fn authorities(
    file: Option<&Path>,
) -> Result<Vec<CertificateDer<'static>>, OutputError> {
    if let Some(file) = file {
        return certificates(file);
    }
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(OutputError::NoAuthorities(errors.join("; ")));
    }
    Ok(found.certs)
}

#[cfg(feature = "mqtt")]
pub(crate) use connection::client;

#[cfg(feature = "mqtt")]
mod connection {
    use std::path::Path;
    use std::sync::Arc;

    use rustls::crypto::ring;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;
    use rustls::{ClientConfig, RootCertStore};

    use super::{authorities, certificates, read};
    use crate::error::OutputError;

    /// How connections are made, with a certificate and its key if the counterpart asks for them.
    pub(crate) fn client(
        authorities_file: Option<&Path>,
        own: Option<(&Path, &Path)>,
    ) -> Result<Arc<ClientConfig>, OutputError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities(authorities_file)?);
        let failed = |path: &Path, error: rustls::Error| OutputError::Certificates {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(Path::new("TLS"), error))?
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|error| failed(key, error))?,
        };
        Ok(Arc::new(config))
    }

    fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, OutputError> {
        PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| OutputError::Certificates {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, OutputError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let failed = |reason: String| OutputError::Certificates { path: path.to_owned(), reason };
    let found = found.map_err(|error| failed(error.to_string()))?;
    if found.is_empty() {
        return Err(failed("there are none".to_owned()));
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, OutputError> {
    let failed = |source| OutputError::File { path: path.to_owned(), action: "read", source };
    read_limited(path, MAX_FILE).map_err(failed)
}
