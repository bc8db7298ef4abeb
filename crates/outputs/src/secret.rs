//! Passwords and keys: never in the configuration itself, but in a file or the environment.

use std::env;
use std::path::Path;

use efficientad_files::read_limited;

use crate::error::OutputError;

/// Longest secret, in bytes.
const MAX_SECRET: u64 = 64 << 10;

/// Reads a secret from a file or an environment variable, whichever is named; without the line break
/// at its end.
pub(crate) fn read(
    file: Option<&Path>,
    variable: Option<&str>,
) -> Result<Option<String>, OutputError> {
    let text = match (file, variable) {
        (Some(path), _) => {
            let failed = |source| OutputError::SecretFile { path: path.to_owned(), source };
            let bytes = read_limited(path, MAX_SECRET).map_err(failed)?;
            String::from_utf8(bytes).map_err(|error| failed(std::io::Error::other(error)))?
        }
        (None, Some(variable)) => {
            env::var(variable).map_err(|_| OutputError::SecretVariable(variable.to_owned()))?
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_without_its_line_break() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " pass word \r\n").unwrap();
        assert_eq!(read(Some(file.path()), None).unwrap().unwrap(), " pass word ");
        assert_eq!(read(None, None).unwrap(), None);
        let missing = read(None, Some("EFFICIENTAD_NO_SUCH_VARIABLE")).unwrap_err();
        assert!(missing.to_string().contains("EFFICIENTAD_NO_SUCH_VARIABLE"));
        assert!(read(Some(Path::new("/no/such/file")), None).is_err());
    }
}
