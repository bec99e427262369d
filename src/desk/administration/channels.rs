//! Channels: where visitors come from, and how many seats one of their conversations takes.

use super::document::Kept;
use super::groups::set;
use super::{Administration, kind};
use crate::ident::ShopId;
use crate::refusal::Refusal;
use crate::routing::Arrival;
use crate::wire::rest::{ChannelBody, ChannelPatch, ChannelResource};

/// The zone of a channel that names none.
const ZONE: &str = "UTC";

impl Kept for ChannelResource {
    const KIND: &'static str = kind::CHANNEL;
    const NOUN: &'static str = "channel";
    type Body = ChannelBody;
    type Patch = ChannelPatch;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn made(body: ChannelBody, _desk: &Administration) -> Result<Self, Refusal> {
        Ok(Self {
            id: body.id,
            kind: body.kind.into(),
            shop: body.shop.unwrap_or_else(ShopId::default_shop),
            zone: body.zone.map_or_else(|| ZONE.to_owned(), Into::into),
            locale: body.locale.map(Into::into),
            seats: body.seats.unwrap_or(1),
        })
    }

    fn changed(&mut self, patch: ChannelPatch) {
        set(&mut self.zone, patch.zone.map(Into::into));
        set(&mut self.locale, patch.locale.map(|locale| Some(locale.into())));
        set(&mut self.seats, patch.seats);
    }

    fn check(&self, _desk: &Administration) -> Result<(), Refusal> {
        if !(1..=Arrival::MAX_SEATS).contains(&self.seats) {
            return Err(Refusal::bad_frame(format!("`seats`: 1 to {} is taken", Arrival::MAX_SEATS)));
        }
        jiff::tz::TimeZone::get(&self.zone).map(drop).map_err(|error| {
            Refusal::bad_frame(format!("`zone`: {error}; write a time zone as Asia/Shanghai"))
        })
    }
}
