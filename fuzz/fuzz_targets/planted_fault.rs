//! The negative control: a fault behind a word that no sample holds, which only a search that is led by the branches
//! that an input takes can spell.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut left = data.iter();
    for letter in b"planted" {
        if left.next() != Some(letter) {
            return;
        }
    }
    panic!("planted");
});
