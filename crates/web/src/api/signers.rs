//! Acting for a signer, by a key that is trusted to do so.
//!
//! Left to others: the signer's own page (`crate::signing`).

use domain::id::{RequestId, SignerId};
use domain::key::Scope;
use engine::requests::{NewPerson, SignInput};
use engine::{Idempotency, Once};

use crate::answer;
use crate::api::requests::shower;
use crate::api::{Because, Nothing};
use crate::auth::Path;
use crate::input::Input;
use crate::problem::{Answer, Halt};

type Of = Path<(RequestId, SignerId)>;

/// `POST /requests/{id}/signers/{sid}/view`.
pub(crate) async fn view(Path(of): Of, input: Input) -> Answer {
    let key = begin(&input).await?;
    let Nothing {} = input.json_or_nothing("Nothing")?;
    let show = shower(&input.caller);
    let once = Once { key, answer: &show };
    let request = input.caller.engine().view_signer(input.caller.account(), of, &once).await?;
    Ok(answer::json(show(&request)))
}

/// `POST /requests/{id}/signers/{sid}/sign`.
pub(crate) async fn sign(Path(of): Of, input: Input) -> Answer {
    let key = begin(&input).await?;
    let sign: SignInput = input.json("SignInput")?;
    let show = shower(&input.caller);
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let request = engine.sign_signer(account, of, sign, &once).await?;
    Ok(answer::json(show(&request)))
}

/// `POST /requests/{id}/signers/{sid}/decline`.
pub(crate) async fn decline(Path(of): Of, input: Input) -> Answer {
    let key = begin(&input).await?;
    let Because { reason } = input.json_or_nothing("Because")?;
    let show = shower(&input.caller);
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let request = engine.decline_signer(account, of, reason, &once).await?;
    Ok(answer::json(show(&request)))
}

/// `POST /requests/{id}/signers/{sid}/reassign`.
pub(crate) async fn reassign(Path(of): Of, input: Input) -> Answer {
    let key = begin(&input).await?;
    let person: NewPerson = input.json("NewPerson")?;
    let show = shower(&input.caller);
    let once = Once { key, answer: &show };
    let (engine, account) = (input.caller.engine(), input.caller.account());
    let request = engine.reassign_signer(account, of, person, &once).await?;
    Ok(answer::json(show(&request)))
}

async fn begin(input: &Input) -> Result<Option<Idempotency>, Halt> {
    input.may(Scope::Signing)?;
    input.once().await
}
