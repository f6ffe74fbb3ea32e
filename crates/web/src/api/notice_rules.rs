//! Whom the account has told what.

use domain::key::Scope;
use domain::notice::{Occasion, Rule};
use serde_json::{Value, json};

use crate::answer;
use crate::auth::{Caller, Path};
use crate::input::Input;
use crate::page::{List, Query};
use crate::problem::{Answer, Halt, Problem};

/// `GET /notice-rules`.
pub(crate) async fn list(caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    Query::of(&caller.parts.uri).done()?;
    let rules = caller.engine().notice_rules(caller.account()).await?;
    let shown = Occasion::ALL.map(|occasion| shown(occasion, rules.get(&occasion)));
    Ok(answer::ok(&List::whole(shown.into())))
}

/// `PUT /notice-rules/{occasion}`.
pub(crate) async fn replace(Path(occasion): Path<String>, input: Input) -> Answer {
    input.may(Scope::Endpoints)?;
    let occasion = named(&occasion)?;
    let rule: Rule = input.json("NoticeRule")?;
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let rule = engine.set_notice_rule(account, occasion, rule).await?;
    Ok(answer::ok(&shown(occasion, Some(&rule))))
}

/// `DELETE /notice-rules/{occasion}`.
pub(crate) async fn delete(Path(occasion): Path<String>, caller: Caller) -> Answer {
    caller.may(Scope::Endpoints)?;
    caller.engine().delete_notice_rule(caller.account(), named(&occasion)?).await?;
    Ok(answer::nothing())
}

fn named(occasion: &str) -> Result<Occasion, Halt> {
    Ok(Occasion::named(occasion).ok_or_else(|| Problem::not_found("occasion"))?)
}

fn shown(occasion: Occasion, rule: Option<&Rule>) -> Value {
    json!({
        "occasion": occasion,
        "default": rule.is_none(),
        "off": rule.is_some_and(|rule| rule.off),
        "channels": rule.and_then(|rule| rule.channels.as_ref()),
        "template": rule.and_then(|rule| rule.template.as_ref()),
    })
}
