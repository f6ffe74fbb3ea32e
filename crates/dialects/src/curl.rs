//! A call as a `curl` command that makes it.
//!
//! Invariant: nothing in a call can end its quotes; a shell runs `curl` and nothing else.

use domain::call::{Call, Method};

/// Writes a call as one command for a POSIX shell; a single line, unless the body has line breaks of its own.
pub fn curl(call: &Call) -> String {
    // `{` and `[` are legal in a URL, and curl would expand them.
    let mut command = format!("curl --globoff --request {}", call.method.as_str());
    push_argument(&mut command, "--url", call.url.as_str());
    for (name, value) in &call.headers {
        // `name:` would remove the header; `name;` sends it without a value.
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        push_argument(&mut command, "--header", &header);
    }
    if !call.body.is_empty() {
        push_argument(&mut command, "--data-raw", &String::from_utf8_lossy(&call.body));
    } else if call.method == Method::Post {
        push_argument(&mut command, "--header", "content-length: 0");
    }
    command
}

fn push_argument(command: &mut String, option: &str, value: &str) {
    command.push(' ');
    command.push_str(option);
    command.push_str(" '");
    // Inside single quotes only the single quote means anything; NUL cannot be passed to a program at all.
    command.push_str(&value.replace('\0', "").replace('\'', r"'\''"));
    command.push('\'');
}
