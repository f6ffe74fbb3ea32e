//! Short messages, through the operator's own service: one file for each.

mod arrived;
mod aws_sms;
mod http_sms;
mod jwt;
mod messagebird;
mod plivo;
pub(crate) mod receipts;
mod sinch;
mod sns_sms;
mod twilio;
mod vonage;
mod vonage_sms;

use domain::provider::ProviderKind;

use crate::provider::Protocol;

/// Gives the protocol of a kind that carries short messages over HTTP.
pub(crate) fn protocol(kind: ProviderKind) -> Option<&'static dyn Protocol> {
    match kind {
        ProviderKind::Twilio => Some(&twilio::Twilio),
        ProviderKind::Vonage => Some(&vonage::Vonage),
        ProviderKind::VonageSms => Some(&vonage_sms::VonageSms),
        ProviderKind::Messagebird => Some(&messagebird::Messagebird),
        ProviderKind::Plivo => Some(&plivo::Plivo),
        ProviderKind::Sinch => Some(&sinch::Sinch),
        ProviderKind::AwsSms => Some(&aws_sms::AwsSms),
        ProviderKind::SnsSms => Some(&sns_sms::SnsSms),
        ProviderKind::HttpSms => Some(&http_sms::HttpSms),
        ProviderKind::MailboxEmail
        | ProviderKind::MailboxSms
        | ProviderKind::Smtp
        | ProviderKind::Ses
        | ProviderKind::Sendgrid
        | ProviderKind::Mailgun
        | ProviderKind::Postmark
        | ProviderKind::Resend => None,
    }
}
