//! What people see who open the server in a browser. Files of a page belong here.

use axum::http::StatusCode;
use bytes::Bytes;

use crate::answer::{Answer, file};
use crate::call::Call;

const INDEX: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>efficientad</title>
<h1>efficientad</h1>
<p>This server judges photos that programs send it. <a href=\"/openapi.json\">What it can be asked</a></p>
</html>
";

/// The first page.
pub(crate) async fn index(_: Call) -> Answer {
    Ok(file(StatusCode::OK, "text/html; charset=utf-8", Bytes::from_static(INDEX.as_bytes())))
}
