//! Text to items: what Go's `text/template/parse/lex.go` does.

use super::{Error, LONGEST, error};

/// What the lexer found, and where.
#[derive(Debug)]
pub(super) struct Item {
    pub place: usize,
    pub token: Token,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// What stands between actions, already trimmed.
    Text(String),
    Open,
    Close,
    Space,
    Pipe,
    LeftParen,
    RightParen,
    Declare,
    Assign,
    Dot,
    Field(String),
    Variable(String),
    /// A keyword, `true`, `false` or the name of a function.
    Word(String),
    Quoted(String),
    Int(i64),
    /// Nothing can be read after this.
    Wrong(String),
    End,
}

/// The items of a template; the last one is [`Token::End`] or [`Token::Wrong`].
pub(super) fn lex(text: &str) -> Vec<Item> {
    let chars: Vec<char> = text.chars().collect();
    let mut lexer = Lexer {
        chars: &chars,
        at: 0,
        items: Vec::new(),
    };
    let last = match lexer.template() {
        Ok(()) => Item {
            place: chars.len(),
            token: Token::End,
        },
        Err(error) => Item {
            place: error.place - 1,
            token: Token::Wrong(error.message),
        },
    };
    lexer.items.push(last);
    lexer.items
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
    items: Vec<Item>,
}

impl Lexer<'_> {
    fn template(&mut self) -> Result<(), Error> {
        loop {
            let start = self.at;
            let open = find(self.chars, start, "{{");
            let mut piece = &self.chars[start..open.unwrap_or(self.chars.len())];
            if let Some(open) = open {
                self.at = open + 2;
                // A trim marker is a '-' with white space on its inner side.
                if self.peek() == Some('-') && self.peek_at(1).is_some_and(is_space) {
                    piece = trim_end(piece);
                    self.at += 2;
                }
            }
            if !piece.is_empty() {
                self.push(start, Token::Text(piece.iter().collect()));
            }
            let Some(open) = open else {
                return Ok(());
            };
            let trims = if self.looking_at("/*") {
                self.comment()?
            } else {
                self.push(open, Token::Open);
                self.action(open)?
            };
            while trims && self.peek().is_some_and(is_space) {
                self.at += 1;
            }
        }
    }

    fn push(&mut self, place: usize, token: Token) {
        self.items.push(Item { place, token });
    }

    fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn looking_at(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(ahead, char)| self.peek_at(ahead) == Some(char))
    }

    fn error(&self, message: impl Into<String>) -> Error {
        error(self.at, message)
    }

    /// Skips the end of an action, if it is here. Tells whether the text after it is trimmed.
    fn close(&mut self) -> Option<bool> {
        let trims = self.closes_and_trims();
        if trims || self.looking_at("}}") {
            self.at += if trims { 4 } else { 2 };
            Some(trims)
        } else {
            None
        }
    }

    fn closes_and_trims(&self) -> bool {
        self.peek().is_some_and(is_space)
            && self.peek_at(1) == Some('-')
            && self.peek_at(2) == Some('}')
            && self.peek_at(3) == Some('}')
    }

    /// A comment fills its whole action.
    fn comment(&mut self) -> Result<bool, Error> {
        let end = find(self.chars, self.at + 2, "*/")
            .ok_or_else(|| self.error("the comment has no end: write */}}"))?;
        self.at = end + 2;
        self.close()
            .ok_or_else(|| self.error("a comment must end right before }}"))
    }

    fn action(&mut self, open: usize) -> Result<bool, Error> {
        let mut parens = 0_usize;
        loop {
            let place = self.at;
            if let Some(trims) = self.close() {
                if parens > 0 {
                    return Err(error(place, "a ) is missing"));
                }
                self.push(place, Token::Close);
                return Ok(trims);
            }
            let Some(char) = self.peek() else {
                return Err(error(open, "the action has no end: write }}"));
            };
            let token = match char {
                '"' => Token::Quoted(self.quoted()?),
                '`' => Token::Quoted(self.raw()?),
                '\'' => Token::Int(self.character()?),
                '+' | '-' | '0'..='9' => Token::Int(self.int()?),
                '.' if self.peek_at(1).is_some_and(|next| next.is_ascii_digit()) => {
                    Token::Int(self.int()?)
                }
                _ if is_word(char) => Token::Word(self.word()?),
                _ => {
                    self.at += 1;
                    match char {
                        '.' => match self.word()? {
                            name if name.is_empty() => Token::Dot,
                            name => Token::Field(name),
                        },
                        '$' => Token::Variable(self.word()?),
                        '|' => Token::Pipe,
                        '=' => Token::Assign,
                        ':' if self.peek() == Some('=') => {
                            self.at += 1;
                            Token::Declare
                        }
                        '(' => {
                            parens += 1;
                            Token::LeftParen
                        }
                        ')' if parens > 0 => {
                            parens -= 1;
                            Token::RightParen
                        }
                        _ if is_space(char) => {
                            while self.peek().is_some_and(is_space) && !self.closes_and_trims() {
                                self.at += 1;
                            }
                            Token::Space
                        }
                        _ => {
                            return Err(error(place, format!("{char:?} cannot stand here")));
                        }
                    }
                }
            };
            self.push(place, token);
        }
    }

    /// The word that starts here, perhaps an empty one. Go wants it to end clearly.
    fn word(&mut self) -> Result<String, Error> {
        let start = self.at;
        while self.peek().is_some_and(is_word) {
            self.at += 1;
        }
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | '(' | ')') => {}
            Some(char) if is_space(char) || self.looking_at("}}") => {}
            Some(char) => return Err(self.error(format!("{char:?} cannot stand in a name"))),
        }
        Ok(self.chars[start..self.at].iter().collect())
    }

    /// An int constant; Go's other numbers are not supported.
    fn int(&mut self) -> Result<i64, Error> {
        let start = self.at;
        self.at += 1;
        while self.peek().is_some_and(|char| is_word(char) || char == '.') {
            self.at += 1;
        }
        let text: String = self.chars[start..self.at].iter().collect();
        // 1+2i is one complex number.
        if matches!(self.peek(), Some('+' | '-')) {
            return Err(error(start, "complex numbers are not supported"));
        }
        int_of(&text).ok_or_else(|| error(start, format!("{text} is not a whole number")))
    }

    fn character(&mut self) -> Result<i64, Error> {
        let start = self.at;
        self.at += 1;
        if let Some(char) = self.quoted_char('\'')?
            && self.quoted_char('\'')?.is_none()
        {
            return Ok(u32::from(char).into());
        }
        Err(error(start, "single quotes hold exactly one character"))
    }

    fn raw(&mut self) -> Result<String, Error> {
        let start = self.at + 1;
        let end = find(self.chars, start, "`")
            .ok_or_else(|| self.error("the text in back quotes has no end"))?;
        self.at = end + 1;
        // Go drops carriage returns from raw strings.
        let text = self.chars[start..end].iter().filter(|char| **char != '\r');
        not_too_long(start - 1, text.collect())
    }

    fn quoted(&mut self) -> Result<String, Error> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(char) = self.quoted_char('"')? {
            text.push(char);
        }
        not_too_long(start, text)
    }

    /// The next character of a constant, or none after the `quote` that ends it.
    fn quoted_char(&mut self, quote: char) -> Result<Option<char>, Error> {
        let place = self.at;
        let char = self.peek();
        self.at += 1;
        match char {
            None | Some('\n') => Err(error(place, "the text in quotes has no end")),
            Some('\\') => self
                .escaped(quote)
                .map(Some)
                .ok_or_else(|| error(place, "this escape is not supported")),
            Some(char) => Ok((char != quote).then_some(char)),
        }
    }

    fn escaped(&mut self, quote: char) -> Option<char> {
        let char = self.peek()?;
        self.at += 1;
        // A byte above 7f is no character in Go, only a part of one.
        let byte = |code: u32| (code < 0x80).then_some(code).and_then(char::from_u32);
        match char {
            'a' => Some('\x07'),
            'b' => Some('\x08'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\x0b'),
            '\\' => Some('\\'),
            'x' => byte(self.digits(2, 16)?),
            'u' => char::from_u32(self.digits(4, 16)?),
            'U' => char::from_u32(self.digits(8, 16)?),
            '0'..='7' => {
                self.at -= 1;
                byte(self.digits(3, 8)?)
            }
            char => (char == quote).then_some(char),
        }
    }

    fn digits(&mut self, count: usize, radix: u32) -> Option<u32> {
        let mut code = 0_u32;
        for _ in 0..count {
            let digit = self.peek()?.to_digit(radix)?;
            code = code.checked_mul(radix)?.checked_add(digit)?;
            self.at += 1;
        }
        Some(code)
    }
}

/// What Go's `strconv.ParseInt` with base 0 gives for an int constant.
fn int_of(text: &str) -> Option<i64> {
    let (sign, number) = match text.strip_prefix(['+', '-']) {
        Some(number) => (&text[..1], number),
        None => ("", text),
    };
    let lower = number.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.starts_with('0') => (8, lower.as_str()),
        _ => (10, lower.as_str()),
    };
    // Go takes a hexadecimal number with a sign and an e for a floating point number.
    let float = radix == 16 && !sign.is_empty() && digits.contains('e');
    let prefixed = digits.len() < lower.len();
    let parted =
        digits.ends_with('_') || digits.contains("__") || (digits.starts_with('_') && !prefixed);
    if float || parted {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{}", digits.replace('_', "")), radix).ok()
}

fn not_too_long(place: usize, text: String) -> Result<String, Error> {
    if text.len() > LONGEST {
        return Err(error(place, "this text is too long"));
    }
    Ok(text)
}

fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\r' | '\n')
}

/// Go has letters and digits of every script in names; nobody needs them here.
fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn find(chars: &[char], from: usize, text: &str) -> Option<usize> {
    let wanted: Vec<char> = text.chars().collect();
    (from..chars.len()).find(|at| chars[*at..].starts_with(&wanted))
}

fn trim_end(mut piece: &[char]) -> &[char] {
    while let [rest @ .., last] = piece
        && is_space(*last)
    {
        piece = rest;
    }
    piece
}
