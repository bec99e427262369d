//! `rushdesk token`: signs tokens for tests and integration, as a shop would.

use super::arguments::key_and_value;
use super::place::Place;
use super::{Context, Failure, answer, answer_json, span};
use crate::app::VISITOR_SECRET;
use crate::clock::Timestamp;
use crate::ident::ShopId;
use crate::settings::{Secret, StoreUrl};
use crate::signin::visitor::{VisitorGrant, VisitorTokens};
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::BTreeMap;

/// What `rushdesk token` can be asked.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Sign a visitor's token with auth.visitor_secret (HS256)
    Visitor(VisitorTokenArgs),
}

#[derive(Debug, Args)]
pub struct VisitorTokenArgs {
    /// The visitor's id with the shop (`sub`)
    #[arg(long, value_name = "ID")]
    subject: String,
    /// Name that agents see
    #[arg(long)]
    name: Option<String>,
    /// Tier of the customer, as vip
    #[arg(long)]
    tier: Option<String>,
    /// Fact about the visitor, as city=Berlin; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_and_value)]
    attribute: Vec<(String, String)>,
    /// Shop that the visitor comes from
    #[arg(long)]
    shop: Option<ShopId>,
    /// Who vouches for the visitor (`iss`)
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// How long the token holds, as 30d or 12h; auth.visitor_token_s if left out
    #[arg(long, value_name = "SPAN", value_parser = span::seconds)]
    expires_in: Option<u64>,
}

/// Signs with `auth.visitor_secret`, or else with the secret that the desk's store keeps.
///
/// # Errors
/// The settings are wrong, there is no secret, or what the token shall say is out of bounds.
pub fn visitor(args: &VisitorTokenArgs, context: &Context, now: Timestamp) -> Result<(), Failure> {
    let settings = context.load()?.settings;
    let secret = match settings.auth.visitor_secret {
        Some(secret) => secret,
        None => kept_secret(&settings.store.url)?,
    };
    let grant = VisitorGrant {
        subject: args.subject.clone(),
        name: args.name.clone(),
        tier: args.tier.clone(),
        attributes: args.attribute.iter().cloned().collect(),
        claims: BTreeMap::new(),
        shop: args.shop.clone(),
        issuer: args.issuer.clone(),
        is_anonymous: false,
        expires_at: now.plus_secs(args.expires_in.unwrap_or(settings.auth.visitor_token_s)),
    };
    let tokens = VisitorTokens::new(secret.expose(), None);
    let token = tokens.sign(&grant).map_err(|error| Failure::WrongUse(error.to_string()))?;
    if !context.json() {
        return answer(&token);
    }
    let identity = tokens.verify(&token, now).map_err(|error| Failure::Failed(error.to_string()))?;
    answer_json(&json!({
        "token": token,
        "visitor": identity.id.to_string(),
        "expires_at": identity.expires_at.to_string(),
    }))
}

/// The secret that a desk without `auth.visitor_secret` has made for itself.
fn kept_secret(store: &StoreUrl) -> Result<Secret, Failure> {
    let kept = match store {
        StoreUrl::Memory => None,
        StoreUrl::Sqlite(_) | StoreUrl::Postgres(_) => {
            let place = Place::of(store)?;
            if place.exists()? { place.kept_secret(VISITOR_SECRET)? } else { None }
        }
    };
    kept.map(Secret::new).ok_or_else(|| {
        Failure::WrongUse(
            "there is no secret to sign with: set auth.visitor_secret (RUSHDESK__AUTH__VISITOR_SECRET) to the \
             desk's, or start the desk once on this store"
                .to_owned(),
        )
    })
}
