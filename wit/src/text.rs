//! Texts for a person, who may read them in a terminal.

/// Whether a character shows as what it is: not a control character, and none that ends a line, turns
/// the direction of the text around it (Unicode's technical report 9) or does not show at all.
pub fn is_printable(char: char) -> bool {
    !char.is_control()
        && !matches!(
            char,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A text on one line that shows as what it is: any other character becomes a space.
pub fn printable(text: &str) -> String {
    let printable = |char| if is_printable(char) { char } else { ' ' };
    text.chars().map(printable).collect()
}

/// A text of at most so many bytes, which are three or more. One that is cut ends in `…`.
pub fn cut(mut text: String, most: usize) -> String {
    const CUT: char = '…';
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(CUT.len_utf8())));
        text.push(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fits_stays() {
        assert_eq!(cut("añb".to_owned(), 4), "añb");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("abñcdefg".to_owned(), 6), "ab…");
        assert_eq!(cut("abñcdefg".to_owned(), 7), "abñ…");
    }

    #[test]
    fn what_does_not_show_as_what_it_is_becomes_a_space() {
        assert_eq!(printable("a\u{1b}[1m\u{202e}b\n"), "a [1m b ");
        for char in "\u{200b}\u{200f}\u{2028}\u{2060}\u{feff}\u{e0041}".chars() {
            assert!(!is_printable(char), "{char:?}");
        }
    }
}
