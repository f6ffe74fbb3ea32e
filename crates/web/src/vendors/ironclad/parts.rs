//! What comes along in a form: texts and files, by the names of their parts.
//!
//! Invariants: what is wrong with a part is told before it is copied; a part that is no file is not taken for one.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use engine::face::ironclad::Error;
use engine::workflows::{DOCUMENT_BYTES_MAX, NewDocument, is_media_type};

use crate::input::BODY_BYTES_MAX;
use crate::input::form::Part;
use crate::uploads::file_name;

/// Finds a part that holds JSON, if it came along.
pub(super) fn text<'a>(parts: &'a [Part], name: &str) -> Result<Option<&'a Bytes>, Error> {
    let found = parts.iter().find(|part| part.name == name).map(|part| &part.body);
    match found {
        Some(body) if body.len() > BODY_BYTES_MAX => {
            Err(Error::invalid(name, format!("expected at most {BODY_BYTES_MAX} bytes")))
        }
        Some(_) | None => Ok(found),
    }
}

/// Finds a part that is a file, which has a name of its own, if it came along.
pub(super) fn file<'a>(parts: &'a [Part], name: &str) -> Option<&'a Part> {
    parts.iter().find(|part| part.name == name && part.file_name.is_some())
}

/// Makes a document of a file; `param` is named if it cannot be one.
pub(super) fn filed(place: String, file: &Part, param: &str) -> Result<NewDocument, Error> {
    if file.body.len() > DOCUMENT_BYTES_MAX {
        let message = format!("expected a file of at most {DOCUMENT_BYTES_MAX} bytes");
        return Err(Error::invalid(param, message));
    }
    let essence = |kind: &String| kind.split(';').next().unwrap_or_default().trim().to_owned();
    let media_type = file.media_type.as_ref().map(essence);
    if media_type.as_ref().is_some_and(|kind| !is_media_type(kind)) {
        let message = "expected the content-type of the file to be such as application/pdf";
        return Err(Error::invalid(param, message));
    }
    Ok(NewDocument {
        place,
        name: file_name(file.file_name.as_deref().unwrap_or_default()),
        media_type,
        content_base64: BASE64_STANDARD.encode(&file.body),
    })
}
