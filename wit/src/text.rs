//! Texts for a person, who may read them in a terminal.

/// Whether a character shows as what it is: not a control character, and not one that turns the
/// direction of the text around it (Unicode's technical report 9).
pub fn is_printable(char: char) -> bool {
    !char.is_control() && !matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
