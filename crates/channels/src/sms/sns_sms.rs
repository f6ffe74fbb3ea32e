//! Amazon SNS, which sends short messages and reports nothing of them.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>,
//! <https://docs.aws.amazon.com/sns/latest/dg/sms_publish-to-phone.html>.

use domain::call::{Answer, Call};
use domain::message::{Message, Receipt};
use domain::provider::Provider;

use crate::aws::sigv4::sign;
use crate::calls::{self, BASE_URL, address, needed, short, text};
use crate::provider::{
    Feedback, Field, Protocol, Received, Sending, Unbuildable, Unreadable, Untrusted,
};
use crate::sms::aws_sms::{
    ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, by_name, check_region, signer,
};
use crate::sms::receipts::{accepted, is_success};

#[derive(Debug)]
pub(crate) struct SnsSms;

const FIELDS: &[Field] = &[
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    REGION,
    text(
        "from",
        "A number in E.164 or a sender id, where the country allows one; otherwise SNS chooses.",
    )
    .optional(),
    BASE_URL,
];

impl Protocol for SnsSms {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn check(&self, provider: &Provider) -> Vec<(&'static str, String)> {
        check_region(provider).into_iter().collect()
    }

    fn build(
        &self,
        provider: &Provider,
        message: &Message,
        sending: &Sending<'_>,
    ) -> Result<Call, Unbuildable> {
        let sms = short(message, 1_600)?;
        let mut pairs = vec![
            ("Action", "Publish"),
            ("Version", "2010-03-31"),
            ("PhoneNumber", &sms.to),
            ("Message", &sms.text),
            ("MessageAttributes.entry.1.Name", "AWS.SNS.SMS.SMSType"),
            ("MessageAttributes.entry.1.Value.DataType", "String"),
            ("MessageAttributes.entry.1.Value.StringValue", "Transactional"),
        ];
        if !sms.from.is_empty() {
            let number = sms.from.starts_with('+');
            let name = if number { "AWS.MM.SMS.OriginationNumber" } else { "AWS.SNS.SMS.SenderID" };
            pairs.extend([
                ("MessageAttributes.entry.2.Name", name),
                ("MessageAttributes.entry.2.Value.DataType", "String"),
                ("MessageAttributes.entry.2.Value.StringValue", &sms.from),
            ]);
        }
        let usual = format!("https://sns.{}.amazonaws.com", needed(provider, REGION.name)?);
        let mut call = calls::form(address(provider, &usual, &[])?, &pairs);
        sign(&mut call, &signer(provider, "sns")?, sending.now);
        Ok(call)
    }

    fn read(&self, _provider: &Provider, answer: &Answer) -> Receipt {
        if is_success(answer)
            && let Some(id) = element(&answer.body, "MessageId")
        {
            return accepted(Some(id.to_owned()));
        }
        let part = |name| element(&answer.body, name).unwrap_or_default();
        by_name(answer, part("Code"), "", part("Message"))
    }

    fn prove(&self, _provider: &Provider, _received: &Received<'_>) -> Result<(), Untrusted> {
        Err(Untrusted::Forged("SNS reports nothing of short messages"))
    }

    fn reports(
        &self,
        _provider: &Provider,
        _received: &Received<'_>,
    ) -> Result<Feedback, Unreadable> {
        Ok(Feedback::default())
    }
}

/// Gives the text of the first element of that name, if there are no elements in it.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.trim();
    (!text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.contains('<')).then_some(text)
}

const TEXT_BYTES_MAX: usize = 1_024;
