//! Phone numbers without a country, where a policy says which one is meant.

use phonenumber::{Mode, country};

/// The E.164 form of a number's digits that were dialled in a region (two capital letters); nothing where they make no number.
pub fn international(region: &str, digits: &str) -> Option<String> {
    let region: country::Id = region.parse().ok()?;
    let number = phonenumber::parse(Some(region), digits).ok()?;
    Some(number.format().mode(Mode::E164).to_string())
}

/// Whether it is a region whose numbers are known.
pub fn is_region(region: &str) -> bool {
    region.parse::<country::Id>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_dialled_in_its_region() {
        for (region, digits, want) in [
            ("GB", "02079460000", Some("+442079460000")),
            ("DE", "030123456", Some("+4930123456")),
            ("GB", "+4930123456", Some("+4930123456")),
            ("GB", "1", None),
            ("ZZ", "02079460000", None),
        ] {
            assert_eq!(international(region, digits).as_deref(), want, "{region} {digits}");
        }
    }
}
