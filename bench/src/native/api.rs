//! Raw documents of the Random User API into flat records: the first stage, natively.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::user::{Text, User};

/// What is needed of a document.
#[derive(Debug, Deserialize)]
pub struct ApiUser<'a> {
    #[serde(borrow)]
    gender: Text<'a>,
    #[serde(borrow)]
    name: Name<'a>,
    #[serde(borrow)]
    location: Location<'a>,
    #[serde(borrow)]
    email: Option<Text<'a>>,
    #[serde(borrow)]
    login: Login<'a>,
    #[serde(borrow)]
    dob: Dated<'a>,
    #[serde(borrow)]
    registered: Option<Dated<'a>>,
    #[serde(borrow)]
    phone: Text<'a>,
    #[serde(borrow)]
    picture: Picture<'a>,
}

#[derive(Debug, Deserialize)]
struct Name<'a> {
    #[serde(borrow)]
    first: Text<'a>,
    #[serde(borrow)]
    last: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Location<'a> {
    #[serde(borrow)]
    street: Street<'a>,
    #[serde(borrow)]
    city: Text<'a>,
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    country: Text<'a>,
    #[serde(borrow)]
    postcode: &'a RawValue,
}

#[derive(Debug, Deserialize)]
struct Street<'a> {
    number: u32,
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Login<'a> {
    #[serde(borrow)]
    username: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Dated<'a> {
    #[serde(borrow)]
    date: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Picture<'a> {
    #[serde(borrow)]
    medium: Text<'a>,
}

impl<'a> ApiUser<'a> {
    /// The flat record with that id, or the reason why there is none.
    pub fn format(self, id: &'a str) -> Result<User<'a>, &'static str> {
        let (Some(email), Some(registered)) = (self.email, self.registered) else { return Err("missing_field") };
        let Location { street, city, state, country, postcode } = self.location;
        let address = format!(
            "{} {}, {}, {}, {}",
            street.number,
            street.name.as_str(),
            city.as_str(),
            state.as_str(),
            country.as_str()
        );
        Ok(User {
            id: Some(Text(Cow::Borrowed(id))),
            first_name: Some(self.name.first),
            last_name: Some(self.name.last),
            gender: Some(self.gender),
            address: Some(Text(Cow::Owned(address))),
            post_code: Some(postcode),
            email: Some(email),
            username: Some(self.login.username),
            dob: Some(self.dob.date),
            registered_date: Some(registered.date),
            phone: Some(self.phone),
            picture: Some(self.picture.medium),
        })
    }
}
