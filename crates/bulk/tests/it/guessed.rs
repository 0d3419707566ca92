//! What columns are taken for.

use selfsame_bulk::{NoColumns, OpenError};

use crate::read::{open, refused};

/// `email=Email phone=Phone` of what is guessed from a header and a row.
fn guessed(file: &str) -> String {
    let rows = open(file).unwrap();
    let read = rows.columns().read.iter();
    read.map(|column| format!("{}={}", column.meaning.name(), column.header)).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_columns_of_shops_and_of_people_are_known() {
    for (whose, header, row, want) in [
        (
            "Shopify customers",
            "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,Default Address Phone,Phone,\
             Accepts SMS Marketing,Total Spent,Tags,Note,Tax Exempt",
            "'123,Ada,Lovelace,ada@b.c,yes,,0151,0151,no,10.00,,,no",
            "email=Email phone=Phone customerId=Customer ID",
        ),
        (
            "Shopify orders",
            "Name,Email,Financial Status,Paid at,Billing Phone,Shipping Phone,Created at,Source,Phone",
            "#1001,ada@b.c,paid,2021-05-10 14:23:04 -0400,0151,0152,2021-05-10 14:23:02 -0400,web,",
            "email=Email phone=Billing Phone observedAt=Created at source=Source",
        ),
        (
            "WooCommerce customers",
            "Name,Username,Last Active,Date Registered,Email,Orders,Total Spend,AOV,Country / Region",
            "Ada,ada,2024-01-05 10:00:00,2023-01-05 10:00:00,ada@b.c,1,2,3,GB",
            "email=Email observedAt=Date Registered",
        ),
        (
            "WooCommerce orders",
            "order_number,order_date,billing_first_name,billing_email,billing_phone,shipping_phone",
            "17,2023-01-05 10:00,Ada,ada@b.c,0151,",
            "email=billing_email phone=billing_phone observedAt=order_date",
        ),
        (
            "Advanced Order Export",
            "Order Number,Order Date,Email (Billing),Phone (Billing)",
            "17,2023-01-05 10:00,ada@b.c,0151",
            "email=Email (Billing) phone=Phone (Billing) observedAt=Order Date",
        ),
        (
            "Magento",
            "email,_website,created_at,dob,firstname,password_hash,billing_telephone,_address_telephone",
            "ada@b.c,base,2023-01-05 10:00:00,,Ada,x,0151,",
            "email=email phone=billing_telephone observedAt=created_at",
        ),
        (
            "Stripe",
            "id,Description,Email,Name,Created (UTC),Phone,Card ID",
            "cus_1,,ada@b.c,Ada,2023-01-05 10:00,+44151,card_1",
            "email=Email phone=Phone observedAt=Created (UTC)",
        ),
        (
            "HubSpot",
            "Record ID,First Name,Email,Phone Number,Mobile Phone Number,Contact owner,Lead Status,Create Date",
            "1,Ada,ada@b.c,0151,0152,rep@b.c,,2023-01-05 10:00",
            "email=Email phone=Mobile Phone Number observedAt=Create Date",
        ),
        (
            "Salesforce",
            "Id,LastName,Email,Phone,MobilePhone,HomePhone,Fax,CreatedDate,LastModifiedDate",
            "003,L,ada@b.c,0151,,,,2023-01-05T10:00:00.000+0000,2023-01-05T10:00:00.000+0000",
            "email=Email phone=Phone observedAt=CreatedDate",
        ),
        (
            "Klaviyo",
            "Email,Klaviyo ID,First Name,Phone Number,SMS Consent,Profile Created On,Email Marketing Consent,Source",
            "ada@b.c,01,Ada,+44151,yes,2023-01-05 10:00:00,yes,form",
            "email=Email phone=Phone Number observedAt=Profile Created On source=Source",
        ),
        (
            "German",
            "Kundennr;Anrede;E-Mail;Telefon;Geburtsdatum",
            "7;Frau;a@b.c;0151;1.1.1990",
            "email=E-Mail phone=Telefon",
        ),
        (
            "German",
            "E-Mail-Adresse;Handynummer;Bestelldatum",
            "a@b.c;0151;31.12.2024",
            "email=E-Mail-Adresse phone=Handynummer observedAt=Bestelldatum",
        ),
        (
            "French",
            "Nom;Adresse e-mail;Téléphone portable",
            "L;a@b.c;06",
            "email=Adresse e-mail phone=Téléphone portable",
        ),
        (
            "Spanish",
            "Nombre,Correo electrónico,Teléfono",
            "A,a@b.c,6",
            "email=Correo electrónico phone=Teléfono",
        ),
        ("Italian", "Nome;Indirizzo email;Cellulare", "A;a@b.c;3", "email=Indirizzo email phone=Cellulare"),
        ("Dutch", "Naam;E-mailadres;Telefoonnummer", "A;a@b.c;06", "email=E-mailadres phone=Telefoonnummer"),
        (
            "Portuguese",
            "Nome;Endereço de e-mail;Telemóvel",
            "A;a@b.c;9",
            "email=Endereço de e-mail phone=Telemóvel",
        ),
        ("an API", "id,emailAddress,phoneNumber", "1,a@b.c,2", "email=emailAddress phone=phoneNumber"),
    ] {
        assert_eq!(guessed(&format!("{header}\n{row}\n")), want, "{whose}: {header}");
    }
}

#[test]
fn of_several_columns_the_plainest_is_taken_unless_it_is_nearly_empty() {
    let full = "Email,Phone,Billing Phone\n";
    let rows = |with_phone: usize| {
        (0..10).map(move |number| {
            let phone = if number < with_phone { "1" } else { "" };
            format!("a{number}@b.c,{phone},2\n")
        })
    };
    let file = |with_phone| format!("{full}{}", rows(with_phone).collect::<String>());
    assert_eq!(guessed(&file(5)), "email=Email phone=Phone");
    assert_eq!(guessed(&file(4)), "email=Email phone=Billing Phone");
    let also = open(file(4)).unwrap().columns().also.clone();
    assert_eq!(also.iter().map(|(_, header)| &**header).collect::<Vec<_>>(), ["Phone"]);
}

#[test]
fn a_column_whose_values_say_otherwise_is_not_taken() {
    assert_eq!(guessed("Email,Mobile,Phone\na@b.c,yes,1\nb@b.c,no,2\n"), "email=Email phone=Phone");
    assert_eq!(guessed("Email,Phone\nada,1\nbob,2\n"), "email=Email phone=Phone", "one alone is taken");
    assert_eq!(guessed("Email,Date\na@b.c,1/2/18\n"), "email=Email");
    let unread = open("Email,Date\na@b.c,1/2/18\n").unwrap().columns().unread_times.clone();
    assert_eq!(unread[0].1.to_string(), "its year has two digits; write four");
}

#[test]
fn what_was_understood_can_be_shown() {
    let rows = open("Email,Phone\na@b.c,1\na@b.c,x\nb@b.c,\nc@b.c,2\nd@b.c,3\n").unwrap();
    let columns = rows.columns();
    let [email, phone] = columns.read.as_slice() else { panic!("{columns:?}") };
    assert_eq!((columns.rows_seen, email.filled, email.usable), (5, 5, 5));
    assert_eq!((phone.place, phone.filled, phone.usable), (1, 4, 3));
    let examples: Vec<_> = email.examples.iter().map(selfsame_bulk::Example::text).collect();
    assert_eq!(examples, ["a@b.c", "b@b.c", "c@b.c"]);
    assert!(!format!("{columns:?}").contains("@b.c"), "it prints redacted");
}

#[test]
fn a_file_without_known_columns_is_told_with_its_headers() {
    let error = refused("Name,Kontakt\nAda,a@b.c\n").to_string();
    assert_eq!(
        error,
        "no column is known to hold e-mail addresses or phone numbers\n\
         hint: say which one does: `--map email=Kontakt`; the file has `Name`, `Kontakt`"
    );
    let no_header = refused("Ada,a@b.c\nBob,b@b.c\n");
    assert!(matches!(no_header, OpenError::NoColumns(NoColumns::NoHeader)), "{no_header}");
    assert!(!no_header.to_string().contains("a@b.c"), "they are values of somebody");
}
