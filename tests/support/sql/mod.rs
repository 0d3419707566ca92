//! SQL as tokens: enough to judge what a statement names and where, in what order.
//!
//! A tokenizer of our own, not a parser: what it can't place, the rules beside it refuse.

pub mod portable;

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A keyword or a plain name, in lower case.
    Word(String),
    /// A quoted name.
    Name(String),
    /// A text literal, also one between dollars.
    Text(String),
    /// A number.
    Number(String),
    /// A parameter's number.
    Parameter(String),
    /// Anything else, a character each.
    Sign(char),
}

impl Token {
    /// Whether it is this keyword or plain name.
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }

    /// Whether it is this character.
    pub fn sign(&self, sign: char) -> bool {
        *self == Self::Sign(sign)
    }

    /// The word, or nothing.
    pub fn word(&self) -> &str {
        if let Self::Word(word) = self { word } else { "" }
    }
}

/// The statements of a text, which `;` ends or separates; comments are left out.
pub fn statements(text: &str) -> Vec<Vec<Token>> {
    let all = tokens(text);
    all.split(|token| token.sign(';')).filter(|some| !some.is_empty()).map(<[Token]>::to_vec).collect()
}

fn tokens(text: &str) -> Vec<Token> {
    let (mut rest, mut found) = (text, Vec::new());
    while let Some(first) = rest.chars().next() {
        let taken = |end: fn(char) -> bool| rest.find(end).unwrap_or(rest.len());
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("--") {
            taken(|c| c == '\n')
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '\'' || first == '"' {
            let (inner, length) = quoted(rest, first);
            found.push(if first == '"' { Token::Name(inner) } else { Token::Text(inner) });
            length
        } else if first.is_ascii_digit() {
            let length = taken(|c| !c.is_ascii_alphanumeric() && c != '.' && c != '_');
            found.push(Token::Number(rest[..length].to_owned()));
            length
        } else if first.is_alphabetic() || first == '_' {
            let length = taken(|c| !c.is_alphanumeric() && c != '_');
            found.push(Token::Word(rest[..length].to_lowercase()));
            length
        } else if first == '$' {
            let (token, length) = dollar(rest);
            found.push(token);
            length
        } else {
            found.push(Token::Sign(first));
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

/// What stands between two quotes, a doubled one being one of it; and the length of it all.
fn quoted(rest: &str, quote: char) -> (String, usize) {
    let mut inner = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((place, character)) = characters.next() {
        if character != quote {
            inner.push(character);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            inner.push(quote);
        } else {
            return (inner, place + 1);
        }
    }
    panic!("a quote has no end: {rest}");
}

/// A parameter, or a text between two of the same `$tag$`.
fn dollar(rest: &str) -> (Token, usize) {
    let digits = rest[1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - 1);
    if digits > 0 {
        return (Token::Parameter(rest[1..=digits].to_owned()), digits + 1);
    }
    let tag = rest[1..].find('$').expect("a dollar begins a parameter or a tag") + 2;
    let end = rest[tag..].find(&rest[..tag]).expect("a text between dollars has an end");
    (Token::Text(rest[tag..tag + end].to_owned()), 2 * tag + end)
}

/// A statement with one space wherever it has white space, as statements are compared.
pub fn normalised(statement: &str) -> String {
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}
