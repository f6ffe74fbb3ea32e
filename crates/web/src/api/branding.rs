//! How the account's mails look.

use domain::key::Scope;
use engine::Branding;
use engine::branding::NewBranding;
use serde_json::{Value, json};

use crate::answer;
use crate::auth::Caller;
use crate::input::Input;
use crate::page::Query;
use crate::problem::Answer;

/// `GET /branding`.
pub(crate) async fn read(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    Query::of(&caller.parts.uri).done()?;
    let branding = caller.engine().branding(caller.account()).await?;
    let default = branding.is_none();
    Ok(answer::ok(&shown(&branding.unwrap_or_default(), default)))
}

/// `PUT /branding`.
pub(crate) async fn replace(input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let new: NewBranding = input.json("BrandingInput")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    Ok(answer::ok(&shown(&engine.set_branding(account, new).await?, false)))
}

/// `DELETE /branding`.
pub(crate) async fn delete(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    caller.engine().delete_branding(caller.account()).await?;
    Ok(answer::nothing())
}

fn shown(branding: &Branding, default: bool) -> Value {
    json!({
        "default": default,
        "name": branding.name,
        "color": branding.color,
        "logo_url": branding.logo_url,
        "footer": branding.footer,
    })
}
