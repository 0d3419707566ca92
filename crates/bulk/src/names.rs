//! The names that columns have in the exports of shops, and in the languages that people write headers in.
//!
//! Names are compared by their letters and digits alone: `E-Mail`, `e_mail` and `EMAIL` are one name, and so are `Téléphone` and
//! `telephone`. A name is known if it is a word of these lists, or such a word with one of the [`QUALIFIERS`] before or behind it:
//! `Customer Email`, `Email (Billing)`, `billing_address.phone`. Nothing is looked for inside of names: `Email Marketing Consent` and
//! `Sales Rep Email` are no customer's address.

use unicode_normalization::UnicodeNormalization;

use crate::names_of_times::OBSERVED_AT;

/// What e-mail addresses are called. The first words are the plainest.
const EMAIL: [&str; 28] = [
    "Email",
    "Email Address",
    "E-Mail-Adresse",
    "Mail",
    "Mail Address",
    "Mailadresse",
    "Adresse e-mail",
    "Adresse mail",
    "Adresse électronique",
    "Courriel",
    "Correo electrónico",
    "Correo",
    "Dirección de correo",
    "Dirección de correo electrónico",
    "Indirizzo e-mail",
    "Posta elettronica",
    "E-mailadres",
    "Endereço de e-mail",
    "Correio eletrônico",
    "E-post",
    "E-postadress",
    "Sähköposti",
    "Adres e-mail",
    "Email ID",
    "メールアドレス",
    "电子邮件",
    "邮箱",
    "Электронная почта",
];

/// What mobile numbers are called. They come before other phone numbers: a mobile is one person's, a phone may be a household's
/// or a switchboard's.
const MOBILE: [&str; 30] = [
    "Mobile",
    "Mobile Phone",
    "Mobile Number",
    "Mobile Phone Number",
    "Mobile No",
    "Cell",
    "Cell Phone",
    "Cellphone Number",
    "Cell Number",
    "Handy",
    "Handynummer",
    "Mobil",
    "Mobilnummer",
    "Mobiltelefon",
    "Mobilfunk",
    "Mobilfunknummer",
    "Portable",
    "Téléphone portable",
    "Téléphone mobile",
    "Móvil",
    "Teléfono móvil",
    "Celular",
    "Telemóvel",
    "Cellulare",
    "Mobiel",
    "Mobiel nummer",
    "WhatsApp",
    "SMS",
    "手机",
    "Мобильный телефон",
];

/// What phone numbers are called.
const PHONE: [&str; 28] = [
    "Phone",
    "Phone Number",
    "Phone No",
    "Telephone",
    "Telephone Number",
    "Telephone No",
    "Tel",
    "Tel No",
    "Tel Nr",
    "Telefon",
    "Telefonnummer",
    "Telefonnr",
    "Telefon-Nr",
    "Rufnummer",
    "Numéro de téléphone",
    "N° de téléphone",
    "Teléfono",
    "Número de teléfono",
    "Telefono",
    "Numero di telefono",
    "Telefoon",
    "Telefoonnummer",
    "Número de telefone",
    "Telefone",
    "Puhelin",
    "电话",
    "電話番号",
    "Телефон",
];

/// What may stand before or behind a name, whose each is. The first are the plainest; the last may be of somebody else.
const QUALIFIERS: [&str; 40] = [
    "",
    "Customer",
    "Contact",
    "Client",
    "Kunde",
    "Kunden",
    "Cliente",
    "Klant",
    "User",
    "Person",
    "Member",
    "Subscriber",
    "Buyer",
    "Guest",
    "Lead",
    "Primary",
    "Main",
    "Personal",
    "Privat",
    "Private",
    "Home",
    "Default",
    "Default Address",
    "Address",
    "Account",
    "Billing",
    "Billing Address",
    "Bill To",
    "Invoice",
    "Rechnung",
    "Rechnungs",
    "Facturación",
    "Facturation",
    "Work",
    "Business",
    "Company",
    "Shipping",
    "Shipping Address",
    "Delivery",
    "Other",
];

/// What the place is called where somebody was seen.
const SOURCE: [&str; 8] =
    ["Source", "Data Source", "Record Source", "Lead Source", "Original Source", "Quelle", "Origen", "Bron"];

/// What a name says of its column. Of two, the lesser says it more plainly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Plainness {
    qualifier: usize,
    word: usize,
}

impl Plainness {
    /// That of a name that can mean nothing else.
    pub(crate) const WHOLE: Self = Self { qualifier: 0, word: 0 };
}

/// What is known of names, ready to be compared.
pub(crate) struct Names {
    email: Vec<String>,
    phone: Vec<String>,
    observed_at: Vec<String>,
    source: Vec<String>,
    qualifiers: Vec<String>,
}

impl Names {
    pub(crate) fn new() -> Self {
        let compared = |names: &[&str]| names.iter().map(|name| letters(name)).collect::<Vec<_>>();
        Self {
            email: compared(&EMAIL),
            phone: compared(&[MOBILE.as_slice(), &PHONE].concat()),
            observed_at: compared(&OBSERVED_AT),
            source: compared(&SOURCE),
            qualifiers: compared(&QUALIFIERS),
        }
    }

    /// How plainly a name says that its column holds e-mail addresses.
    pub(crate) fn email(&self, name: &str) -> Option<Plainness> {
        self.qualified(&self.email, name)
    }

    /// How plainly a name says that its column holds phone numbers.
    pub(crate) fn phone(&self, name: &str) -> Option<Plainness> {
        self.qualified(&self.phone, name)
    }

    /// How plainly a name says that its column holds the time at which somebody was seen.
    pub(crate) fn observed_at(&self, name: &str) -> Option<Plainness> {
        unqualified(&self.observed_at, name)
    }

    /// How plainly a name says that its column holds where somebody was seen.
    pub(crate) fn source(&self, name: &str) -> Option<Plainness> {
        unqualified(&self.source, name)
    }

    fn qualified(&self, words: &[String], name: &str) -> Option<Plainness> {
        let name = letters(name);
        let known = |rest: &str| words.iter().position(|word| word == rest);
        let readings = self.qualifiers.iter().enumerate().flat_map(|(qualifier, text)| {
            let before = name.strip_prefix(text.as_str());
            let behind = name.strip_suffix(text.as_str());
            before.into_iter().chain(behind).filter_map(move |rest| {
                let word = known(rest)?;
                Some(Plainness { qualifier, word })
            })
        });
        readings.min()
    }
}

fn unqualified(words: &[String], name: &str) -> Option<Plainness> {
    let name = letters(name);
    words.iter().position(|word| *word == name).map(|word| Plainness { qualifier: 0, word })
}

/// The letters and digits of a name, in lower case and without accents.
pub(crate) fn letters(name: &str) -> String {
    name.nfd().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_letters_and_digits() {
        for (name, want) in [
            ("E-Mail", "email"),
            ("EMAIL_ADDRESS", "emailaddress"),
            ("phoneNumber", "phonenumber"),
            ("Téléphone", "telephone"),
            ("Te\u{301}le\u{301}phone", "telephone"),
            ("Created (UTC)", "createdutc"),
            ("N° de tél.", "ndetel"),
        ] {
            assert_eq!(letters(name), want, "{name}");
        }
    }

    #[test]
    fn names_of_e_mail_addresses_are_known() {
        let names = Names::new();
        for name in [
            "Email",
            "E-Mail",
            "e_mail",
            "EMAIL_ADDRESS",
            "email_address",
            "emailAddress",
            "Customer Email",
            "customer_email",
            "Billing Email",
            "_billing_email",
            "Email (Billing)",
            "PersonEmail",
            "Contact Email",
            "E-Mail-Adresse",
            "Kunden-E-Mail",
            "Courriel",
            "Adresse e-mail",
            "Correo electrónico",
            "Indirizzo email",
            "E-mailadres",
            "Endereço de email",
            "customer.email",
            "user.email_address",
            "Email address",
            "Primary Email",
            "メールアドレス",
            "Account Email",
            "Mail",
        ] {
            assert!(names.email(name).is_some(), "{name}");
        }
    }

    #[test]
    fn names_of_phone_numbers_are_known() {
        let names = Names::new();
        for name in [
            "Phone",
            "phoneNumber",
            "PHONE_NUMBER",
            "Phone Number",
            "Billing Phone",
            "billing_telephone",
            "Shipping Phone",
            "Default Address Phone",
            "Phone (Billing)",
            "MobilePhone",
            "HomePhone",
            "OtherPhone",
            "PersonMobilePhone",
            "mobile",
            "Mobile Phone Number",
            "Telefon",
            "Telefonnummer",
            "Tel.-Nr.",
            "Handynummer",
            "Téléphone",
            "N° de téléphone",
            "Teléfono",
            "Móvil",
            "Cellulare",
            "Telefoonnummer",
            "Telemóvel",
            "Telefone",
            "customer.phone",
            "billing_address.phone",
            "電話番号",
        ] {
            assert!(names.phone(name).is_some(), "{name}");
        }
    }

    #[test]
    fn names_of_times_and_sources_are_known() {
        let names = Names::new();
        for name in [
            "created_at",
            "Created at",
            "Created (UTC)",
            "CreatedDate",
            "Create Date",
            "Order date",
            "order_date",
            "Customer Since",
            "Date registered",
            "Profile Created On",
            "OPTIN_TIME",
            "observedAt",
            "DATE",
            "Date",
            "Bestelldatum",
            "Bestellt am",
            "Purchased at",
            "Commandé le",
            "Fecha de pedido",
            "Data ordine",
            "Besteld op",
            "Data do pedido",
            "Orderdatum",
            "Tilauspäivä",
            "Data zamówienia",
            "注文日",
            "下单时间",
            "Дата заказа",
            "Sign up",
        ] {
            assert!(names.observed_at(name).is_some(), "{name}");
        }
        assert!(names.source("DATA_SOURCE").is_some() && names.source("source").is_some());
    }

    #[test]
    fn what_only_contains_such_a_word_is_something_else() {
        let names = Names::new();
        for name in [
            "Email Marketing Consent",
            "Accepts Email Marketing",
            "Email Verified",
            "Sales Rep Email",
            "Account Owner Email",
            "Gift Recipient Email",
            "Fax",
            "Telefax",
            "PHONE_TYPE",
            "Phone Country",
            "SMS Consent",
            "Name",
            "Vendor",
            "Hotel",
        ] {
            assert_eq!((names.email(name), names.phone(name)), (None, None), "{name}");
        }
        for name in ["DATE_OF_BIRTH", "dob", "Updated at", "Last Modified", "Last Seen", "Geburtsdatum"] {
            assert_eq!(names.observed_at(name), None, "{name}");
        }
    }

    #[test]
    fn the_plainest_name_of_several_comes_first() {
        let names = Names::new();
        let phones = ["Mobile", "Phone", "Customer Phone", "Billing Phone", "Work Phone", "Shipping Phone"];
        let plainness: Vec<_> = phones.iter().map(|name| names.phone(name).unwrap()).collect();
        assert!(plainness.is_sorted(), "{plainness:?}");
    }
}
